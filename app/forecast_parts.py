"""What a training is expected to take, as tiles, with what the estimate rests on."""

from __future__ import annotations

import streamlit as st

from app.text import count, duration, plain
from mvla_core.training.forecast import Forecast
from mvla_core.training.recipe import Recipe

_MEGA = 1e6
_GIGA = 1e9


PART_NAMES = {"lora": "low-rank updates", "head": "action head", "fusion": "picture branch", "base": "base model"}


def show_forecast(forecast: Forecast, recipe: Recipe) -> None:
    """Time, memory, disk, work and size of a training, and whether they were measured here."""
    with st.grid(5, min_column_width=150):
        _tile(
            "Time, at most",
            "unknown" if forecast.seconds is None else duration(forecast.seconds),
            f"{count(recipe.epochs, 'epoch')}, without early stopping."
            + ("" if forecast.epoch_seconds is None else f" One takes {forecast.epoch_seconds:.2f} s."),
        )
        gpu = forecast.gpu_memory_bytes
        memory = forecast.memory_bytes if gpu is None else gpu
        _tile(
            "Memory" if gpu is None else "GPU memory",
            "unknown" if memory is None else f"{memory / _GIGA:.1f} GB",
            "Of the training process, at its highest." if gpu is None else "At its highest.",
        )
        _tile(
            "Disk",
            f"{forecast.disk_bytes / _MEGA:,.0f} MB",
            f"Features of pictures that are not kept yet: {forecast.cache_bytes / _MEGA:,.0f} MB. The run itself with its adapters "
            f"and checkpoints: {forecast.run_bytes / _MEGA:,.0f} MB.",
        )
        _tile(
            "Training windows",
            f"{forecast.train_windows:,}",
            f"From {count(forecast.train_episodes, 'episode')}; {forecast.validation_windows:,} windows of "
            f"{count(forecast.validation_episodes, 'episode')} choose the checkpoint; the rest is held out for the evaluation. "
            f"{count(forecast.steps, 'step')} in all.",
        )
        _tile(
            "Parameters",
            f"{forecast.parameters['total'] / _MEGA:.2f} M",
            f"Trained ones, beside {forecast.frozen_parameters / _MEGA:,.0f} M that stay frozen.",
        )
    parts = [
        f"{PART_NAMES.get(part, part)} {number:,}" for part, number in forecast.parameters.items() if part != "total"
    ]
    st.caption(f"Trained parameters by part: {', '.join(parts)}.")
    icon = ":green[:material/speed:]" if forecast.measured else ":gray[:material/functions:]"
    st.caption(f"{icon} {plain(forecast.basis)}")


def _tile(label: str, value: str, explanation: str) -> None:
    st.metric(label, value, border=True, height="stretch", help=explanation)
