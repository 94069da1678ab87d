"""What a device is and how full it is: slots, and the memory and use of an NVIDIA GPU as its driver tells them.

Nothing here loads torch: `nvidia-smi` is asked, by an argument list and with a time limit. What it cannot tell is `Unmeasured`
with a reason, never a guess.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mvla_core.jobs.model import DEFAULT_DEVICE, GPU_KINDS, STARTED, Job

MEASURE_TIMEOUT_S = 5.0
ASK_SLOT = "ask"
"""Of the worker that answers questions: somebody waits for it at the screen, and it waits longer than it works. It sees no GPU."""
_GPU = re.compile(r"cuda:([0-9]{1,2})")
_NAMED_GPU = re.compile(r"[0-9]{1,3}|(GPU|MIG)-[0-9a-fA-F-]{4,60}")
_FIELDS = "name,memory.used,memory.total,utilization.gpu"


@dataclass(frozen=True)
class DeviceUse:
    """A GPU at one moment."""

    name: str
    used_mib: float
    total_mib: float
    busy: float | None
    """Share of the last second in which it computed, 0 to 1; None where the driver does not tell."""


@dataclass(frozen=True)
class Unmeasured:
    """A device whose memory cannot be told."""

    reason: str


def slot_for(kind: str, gpus: int, jobs: Iterable[Job]) -> str:
    """Choose the slot of a new job.

    Args:
        kind: Only those of `GPU_KINDS` ever get a GPU.
        gpus: How many CUDA devices this machine has; 0 gives the CPU's slot.
        jobs: What waits and runs now (`JobQueue.active`).

    Returns:
        "cuda:N" of the GPU with the fewest jobs, the first of them where several have as few; "ask" for the kind "ask";
        "cpu" otherwise.
    """
    if kind == "ask":
        return ASK_SLOT
    if gpus == 0 or kind not in GPU_KINDS:
        return DEFAULT_DEVICE
    names = [f"cuda:{number}" for number in range(gpus)]
    taken = [job.device for job in jobs if job.status == "queued" or job.status in STARTED]
    return min(names, key=taken.count)


def gpu_of(device: str, environment: Mapping[str, str] | None = None) -> str | None:
    """Return how the driver calls a slot's GPU, or None for a slot that is no GPU.

    CUDA_VISIBLE_DEVICES of the given environment (else of this process) is honoured: "cuda:1" is its second entry.
    """
    found = _GPU.fullmatch(device)
    if found is None:
        return None
    number = int(found[1])
    visible = (os.environ if environment is None else environment).get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return str(number)
    names = [name.strip() for name in visible.split(",")]
    named = names[number] if number < len(names) else ""
    return named if _NAMED_GPU.fullmatch(named) else None


def refused_slot(device: str, environment: Mapping[str, str] | None = None) -> str:
    """Return why no job can be started in a GPU's slot, or "" where one can: without its GPU it would use the CPU unasked."""
    if _GPU.fullmatch(device) is None or gpu_of(device, environment) is not None:
        return ""
    visible = (os.environ if environment is None else environment).get("CUDA_VISIBLE_DEVICES", "")
    return (
        f"Its slot {device} has no GPU: the job runner was started with CUDA_VISIBLE_DEVICES={visible[:60]!r}; start the job anew "
        "to be given another slot, or let the runner end when it is idle and start it with that GPU visible."
    )


def visible_gpus(listed: Sequence[tuple[str, str]], visible: str | None) -> tuple[str, ...]:
    """Return the names of the GPUs that a process may use, that of cuda:0 first.

    Args:
        listed: UUID and name of each GPU of the driver, in the order of its numbers.
        visible: CUDA_VISIBLE_DEVICES; None where it is not set. Numbers and beginnings of UUIDs, in the order in which they are
            to be counted; nothing counts from the first entry on that names no GPU, or one a second time.
    """
    if visible is None:
        return tuple(name for _, name in listed)
    found: dict[str, str] = {}
    for entry in visible.split(","):
        named = _listed_gpu(listed, entry.strip())
        if named is None or named[0] in found:
            break
        found[named[0]] = named[1]
    return tuple(found.values())


def _listed_gpu(listed: Sequence[tuple[str, str]], entry: str) -> tuple[str, str] | None:
    if _NAMED_GPU.fullmatch(entry) is None:
        return None
    if entry.startswith("MIG-"):  # a part of a GPU, which the driver does not list among them
        return entry, entry
    if entry.isdecimal():
        return listed[int(entry)] if int(entry) < len(listed) else None
    matches = [gpu for gpu in listed if gpu[0].startswith(entry)]
    return matches[0] if len(matches) == 1 else None


def environment_for(device: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a worker, in which it sees its own slot's GPU alone, and a job of the CPU's slot none.

    A worker that took another slot's GPU would fill the memory that the next job waits for.
    """
    gpu = gpu_of(device, environment)
    return {**environment, "CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": "" if gpu is None else gpu}


def measure(device: str, timeout_s: float = MEASURE_TIMEOUT_S) -> DeviceUse | Unmeasured:
    """Ask the driver for the memory and use of a slot's GPU."""
    gpu = gpu_of(device)
    program = shutil.which("nvidia-smi")
    if gpu is None:
        return Unmeasured(f"{device} is no GPU that the driver lists")
    if program is None:
        return Unmeasured("nvidia-smi is not on this machine")
    command = [program, f"--query-gpu={_FIELDS}", "--format=csv,noheader,nounits", f"--id={gpu}"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired:
        return Unmeasured(f"nvidia-smi did not answer within {timeout_s:g} s")
    except OSError as error:
        return Unmeasured(f"nvidia-smi cannot be started ({error.strerror})")
    if done.returncode != 0:
        return Unmeasured(f"nvidia-smi ended with exit code {done.returncode}")
    return _parsed(done.stdout)


def _parsed(text: str) -> DeviceUse | Unmeasured:
    lines = text.strip().splitlines()
    fields = [field.strip() for field in lines[0].rsplit(",", 3)] if lines else []
    try:
        name, used, total = fields[0], float(fields[1]), float(fields[2])
    except (IndexError, ValueError):
        return Unmeasured("nvidia-smi gave no figures for its memory")
    busy = float(fields[3]) / 100 if fields[3].isdecimal() else None
    return DeviceUse(name, used, total, busy)
