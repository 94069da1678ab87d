"""What a training is expected to take, as tiles, with what the estimate rests on."""

from __future__ import annotations

import streamlit as st

from app.text import count, duration, plain
from mvla_core.training.forecast import Forecast
from mvla_core.training.recipe import Recipe

_MEGA = 1e6
_GIGA = 1e9


def show_forecast(forecast: Forecast, recipe: Recipe) -> None:
    """Time, memory, work and size of a training."""
    with st.grid(4, min_column_width=160):
        _tile(
            "Time, at most",
            "unknown" if forecast.seconds is None else duration(forecast.seconds),
            f"{count(recipe.epochs, 'epoch')}, without early stopping.",
        )
        _tile(
            "Memory",
            "unknown" if forecast.memory_bytes is None else f"{forecast.memory_bytes / _GIGA:.1f} GB",
            f"Of the training process; the pictures' features take {forecast.cache_bytes / _MEGA:,.0f} MB on the disk.",
        )
        _tile(
            "Training windows",
            f"{forecast.train_windows:,}",
            f"From {count(forecast.train_episodes, 'episode')}; {forecast.validation_windows:,} windows of "
            f"{count(forecast.validation_episodes, 'episode')} choose the checkpoint; the rest is held out for the evaluation.",
        )
        _tile(
            "Parameters",
            f"{forecast.parameters['total'] / _MEGA:.2f} M",
            f"Trained ones, beside {forecast.frozen_parameters / _MEGA:,.0f} M that stay frozen. "
            f"{count(forecast.steps, 'step')} in all.",
        )
    st.caption(plain(forecast.basis))


def _tile(label: str, value: str, explanation: str) -> None:
    st.metric(label, value, border=True, height="stretch", help=explanation)
