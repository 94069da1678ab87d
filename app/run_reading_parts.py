"""What the curves of a run say, in words and beside them: is it about to memorise, and is it worth going on?"""

from __future__ import annotations

import math

import streamlit as st

from app.session import data_root
from app.text import count, plain
from mvla_core.errors import MvlaError
from mvla_core.files import read_json
from mvla_core.layout import RunFolder
from mvla_core.metrics.intervals import Interval
from mvla_core.metrics.overfitting import FEW_EPISODES, Advice, OverfitReading, read_overfitting
from mvla_core.runs.columns import read_columns

INTERVAL_S = 2.0
_ICONS: dict[Advice, str] = {
    "wait": ":gray[:material/hourglass_empty:]",
    "go on": ":green[:material/trending_down:]",
    "soon": ":orange[:material/timer:]",
    "stop": ":red[:material/front_hand:]",
}
_LIVE_TITLES: dict[Advice, str] = {
    "wait": "Stop now? Too early to say.",
    "go on": "Stop now? No.",
    "soon": "Stop now? It soon stops by itself.",
    "stop": "Stop now? Yes.",
}


def show_reading(folder: RunFolder, *, live: bool) -> None:
    """The reading of a run, again every few seconds while it trains."""
    st.fragment(_reading, run_every=INTERVAL_S if live else None)(folder, live)


def reading_of_run(folder: RunFolder) -> OverfitReading | None:
    """Read a run's epochs; None where it has none and logged nothing."""
    read = read_columns(data_root(), folder)
    if not read.epochs and not read.rows:
        return None
    loss = read.columns["train_loss"]
    diverged = len(loss) > 0 and not math.isfinite(float(loss[-1]))
    return read_overfitting(read.epochs, read.validation_set, _patience(folder), diverged=diverged)


def _patience(folder: RunFolder) -> int:
    try:
        patience = read_json(folder.config)["recipe"]["patience"]
    except (MvlaError, KeyError, TypeError):
        return 0
    return patience if isinstance(patience, int) else 0


def _reading(folder: RunFolder, live: bool) -> None:
    reading = reading_of_run(folder)
    if reading is None:
        return
    title = _LIVE_TITLES[reading.advice] if live else "What the curves say."
    with st.container(border=True, gap="small"):
        st.markdown(f"{_ICONS[reading.advice]} **{title}** {plain(reading.reason)}")
        if reading.best_epoch is None:
            return
        with st.grid(4, min_column_width=150):
            st.metric("Best epoch", f"{reading.best_epoch} of {reading.epochs or reading.epoch}")
            left = reading.patience_left
            st.metric(
                "Patience left",
                "no limit" if left is None else count(left, "epoch"),
                help="Epochs without a better validation loss until the training stops by itself.",
            )
            _interval("Gap, validation minus train", reading.gap, reading.episodes)
            _interval("Change since the best epoch", reading.change, reading.episodes, none="this is the best")
        if 0 < reading.episodes < FEW_EPISODES:
            st.caption(f"With {count(reading.episodes, 'validation episode')} the intervals are too narrow.")


def _interval(label: str, interval: Interval | None, episodes: int, none: str = "-") -> None:
    if interval is None:
        st.metric(label, none)
        return
    known = not math.isnan(interval.low)
    between = (
        f"95 %: {interval.low:+.4f} to {interval.high:+.4f}" if known else "one episode, or none recorded: no interval"
    )
    help_text = f"Resampled over {count(episodes, 'validation episode')}." if known else None
    st.metric(label, f"{interval.value:+.4f}", between, delta_color="off", delta_arrow="off", help=help_text)
