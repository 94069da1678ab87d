"""Whether a training fits this machine's memory and disk, and which smaller setting would. Torch-free."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from mvla_core.errors import RecipeError
from mvla_core.jobs.devices import DeviceUse, measure
from mvla_core.layout import DataRoot
from mvla_core.training.forecast import Forecast
from mvla_core.training.recipe import Recipe

_GIGA = 1e9
_MEBI = 2**20
_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
_KEPT_FREE = 500_000_000
"""Bytes of the disk that a training must leave."""
_CUDA_CONTEXT = 600_000_000
"""Bytes of a GPU that CUDA itself takes beside what torch reserves; it was not measured on a GPU by this program."""

TryForecast = Callable[[Recipe], Forecast]


@dataclass(frozen=True)
class Room:
    """What this machine has for a training.

    Attributes:
        memory_bytes: Main memory, or what the container may use of it; None where it is not known.
        disk_bytes: Free space below the data root.
        gpu_memory_bytes: Memory of the GPU; None where there is none, or its driver does not tell.
        processes: Training processes that share the main memory; each has a GPU of its own.
    """

    memory_bytes: int | None
    disk_bytes: int
    gpu_memory_bytes: int | None = None
    processes: int = 1


def room_here(root: DataRoot, gpus: int) -> Room:
    """Return what this machine has; with several GPUs the memory of the first."""
    existing = root.path
    while not existing.exists():
        existing = existing.parent
    found = measure("cuda:0") if gpus else None
    return Room(
        memory_bytes=_memory(),
        disk_bytes=shutil.disk_usage(existing).free,
        gpu_memory_bytes=int(found.total_mib * _MEBI) if isinstance(found, DeviceUse) else None,
    )


def check_fit(recipe: Recipe, forecast: Forecast, room: Room, try_forecast: TryForecast) -> None:
    """Refuse a training that cannot fit, and name the settings that would make it fit.

    Args:
        recipe: What is asked for.
        forecast: What it will take.
        room: What there is.
        try_forecast: Forecasts a changed recipe on the same data by the formula.

    Raises:
        RecipeError: It needs more memory, memory of the GPU, or disk space than there is.
    """
    if forecast.disk_bytes + _KEPT_FREE > room.disk_bytes:
        raise RecipeError(
            f"The training needs {forecast.disk_bytes / _GIGA:.2f} GB of disk space ({forecast.cache_bytes / _GIGA:.2f} for "
            f"picture features, {forecast.run_bytes / _GIGA:.2f} for the run) and {_KEPT_FREE / _GIGA:.1f} GB must stay free, "
            f"but {room.disk_bytes / _GIGA:.2f} GB are; empty the bin (python -m mvla_core runs bin), delete the cache, or use "
            "a data root on a larger disk."
        )
    short = _short_of(forecast, room)
    if short is None:
        return
    what, needed, there = short
    # A measured forecast and the formula may differ: what a smaller setting saves is a share of the formula's figure.
    plain = _needed(try_forecast(recipe), what, room) or needed
    for changes in _smaller(recipe):
        try:
            smaller = recipe.changed(changes)
        except RecipeError:
            continue
        figure = _needed(try_forecast(smaller), what, room)
        if figure is not None and figure / plain * needed <= there:
            options = " ".join(f"--{name.replace('_', '-')} {str(value).lower()}" for name, value in changes.items())
            remedy = f"with {options} it would need about {figure / plain * needed / _GIGA:.1f} GB"
            break
    else:
        remedy = "no smaller setting of this recipe fits; choose the preset 'compact', or a machine with more memory"
    shared = f" for {room.processes} processes" if what == "memory" and room.processes > 1 else ""
    raise RecipeError(
        f"The training needs about {needed / _GIGA:.1f} GB of {what}{shared} and this machine has {there / _GIGA:.1f} GB: {remedy}."
    )


def _short_of(forecast: Forecast, room: Room) -> tuple[str, int, int] | None:
    wanted = (("memory", room.memory_bytes), ("GPU memory", room.gpu_memory_bytes))
    for what, there in wanted:
        needed = _needed(forecast, what, room)
        if there is not None and needed is not None and needed > there:
            return what, needed, there
    return None


def _needed(forecast: Forecast, what: str, room: Room) -> int | None:
    if what == "memory":
        return None if forecast.memory_bytes is None else forecast.memory_bytes * room.processes
    reserved = forecast.gpu_memory_bytes
    return None if reserved is None else reserved + _CUDA_CONTEXT


def _smaller(recipe: Recipe) -> Iterator[dict[str, Any]]:
    """Changes that save memory, those first that leave the mathematics as it is; each alone, then all of them together."""
    exact: list[dict[str, Any]] = []
    if recipe.backbone != "compact" and not recipe.gradient_checkpointing:
        exact.append({"gradient_checkpointing": True})
    windows = recipe.windows_per_item // 2
    while windows >= 1:
        exact.append({"windows_per_item": windows})
        windows //= 2
    # The same optimiser step in more passes.
    batch = recipe.batch_size
    while batch > 1:
        batch //= 2
        if recipe.batch_size % batch == 0:
            passes = recipe.gradient_accumulation * recipe.batch_size // batch
            exact.append({"batch_size": batch, "gradient_accumulation": passes})
    yield from exact
    together: dict[str, Any] = {}
    for changes in exact:
        together |= changes
        yield dict(together)
    if recipe.precision == "fp32" and recipe.backbone == "kosmos2":
        yield {"precision": "bf16"}
        together["precision"] = "bf16"
    if recipe.tuning == "full":
        together["tuning"] = "lora"
    if recipe.lora_targets not in ("text_all", "text_qv"):
        together["lora_targets"] = "text_all"
    if recipe.backbone == "kosmos2" and recipe.lora_top_layers == 0:
        together["lora_top_layers"] = 8
    yield together


def _memory() -> int:
    total = int(psutil.virtual_memory().total)
    try:
        text = _CGROUP_LIMIT.read_text(encoding="ascii").strip()
    except OSError:
        return total
    return min(total, int(text)) if text.isdigit() else total
