"""Parts of the Evaluate page: verdict, evidence, metrics with intervals, and the overlay on a held-out episode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import streamlit as st

from app.cached import driven
from app.catalogues import find_episode
from app.components.player.player import player_data, show_player
from app.evaluation_figures import interval_text
from app.session import data_root
from app.text import plain
from mvla_core.episodes.notes import Annotations
from mvla_core.evaluation.results import EpisodePredictions
from mvla_core.evaluation.wording import lookup

_GOOD = frozenset({"learned"})
_MIXED = frozenset({"partly_learned", "cannot_tell"})


def show_verdict(verdict: Mapping[str, Any]) -> None:
    """The verdict in one sentence, with what to do next."""
    show = st.success if verdict["label"] in _GOOD else st.warning if verdict["label"] in _MIXED else st.error
    steps = "".join(f"\n\n**Next.** {plain(step['text'])}" for step in verdict["next"])
    show(
        plain(verdict["sentence"]) + steps, title=lookup("en", f"labels.{verdict['label']}"), icon=":material/balance:"
    )


def show_evidence(verdict: Mapping[str, Any]) -> None:
    """What speaks for and what against, and what was not measured."""
    columns = st.columns(2)
    sides = (("For", True, ":green[:material/add_circle:]"), ("Against", False, ":red[:material/do_not_disturb_on:]"))
    for column, (title, supports, icon) in zip(columns, sides, strict=True):
        with column.container(border=True, height="stretch", gap="xsmall"):
            st.markdown(f"**{title}**")
            items = [item for item in verdict["evidence"] if item["for"] is supports]
            for item in items:
                st.markdown(f"{icon} {plain(item['text'])}")
            if not items:
                st.caption("Nothing.")
    if verdict["not_measured"]:
        reasons = "; ".join(f"{item['code'].replace('_', ' ')} ({item['reason']})" for item in verdict["not_measured"])
        st.caption(f"Not measured: {plain(reasons)}.")


def show_metrics(results: Mapping[str, Any]) -> None:
    """The figures of merit with their 95 % intervals by episode."""
    metrics, intervals = results["metrics"], results["metrics"]["intervals"]
    with st.grid(4, min_column_width=170):
        for label, key, form in (
            ("RMSE", "rmse", ".3f"),
            ("MAE", "mae", ".3f"),
            ("Huber loss", "huber", ".3f"),
            ("Direction right", "direction_accuracy", ".0%"),
        ):
            st.metric(
                label,
                format(metrics[key], form),
                _between(intervals[key], form),
                delta_color="off",
                delta_arrow="off",
                border=True,
                height="stretch",
            )
    st.caption(
        f"{results['episodes']} held-out episodes, {results['windows']:,} windows, {results['actions_compared']:,} actions "
        f"compared. Averages: {plain(results['averages'])}"
    )
    axes = [
        {
            "axis": f"{name} [{value['unit']}]",
            "RMSE": value["rmse"],
            "95 %": _between(value, ".3f"),
            "MAE": value["mae"],
        }
        for name, value in metrics["per_axis"].items()
    ]
    numbers = {name: st.column_config.NumberColumn(format="%.3f") for name in ("RMSE", "MAE")}
    with st.expander("Errors of each axis", icon=":material/table_chart:"):
        st.dataframe(pd.DataFrame(axes), hide_index=True, column_config=numbers, alt="Errors of each velocity axis")


def show_baselines(baselines: Mapping[str, Mapping[str, Any]]) -> None:
    """Every predictor that never looks, with the policy's skill against it."""
    rows = [
        {
            "against": lookup("en", f"baselines.{name}"),
            "its RMSE": value["rmse"],
            "its direction": value["direction_accuracy"],
            "skill of the policy": interval_text(value),
            "episodes won": value["wins"],
        }
        for name, value in baselines.items()
    ]
    columns = {
        "its RMSE": st.column_config.NumberColumn(format="%.3f"),
        "its direction": st.column_config.NumberColumn(format="percent"),
    }
    with st.expander("The baselines in numbers", icon=":material/table_chart:"):
        st.dataframe(
            pd.DataFrame(rows), hide_index=True, column_config=columns, alt="Baselines and the skill against them"
        )


def predicted_series(
    predictions: EpisodePredictions, num_frames: int, step: int, first: int = 0
) -> npt.NDArray[np.float32]:
    """What the policy said about each frame, a fixed number of frames ahead.

    Args:
        predictions: Of one episode.
        num_frames: Of the episode.
        step: 1 is the action at the last seen frame; k was predicted k - 1 frames before.
        first: The stored frame that the policy's frame 0 is, where the episode was trimmed.

    Returns:
        float32 (num_frames, A), NaN where no window predicts the frame at this step.
    """
    series = np.full((num_frames, predictions.predicted.shape[2]), np.nan, dtype=np.float32)
    inside = predictions.mask[:, step - 1]
    series[predictions.last_frames[inside] + step - 1 + first] = predictions.predicted[inside, step - 1]
    return series


@st.fragment
def show_overlay(
    dataset: str,
    predictions: Sequence[EpisodePredictions],
    per_episode: Sequence[Mapping[str, Any]],
    annotations: Annotations,
) -> None:
    """A held-out episode with the predicted velocities drawn over the true ones.

    Args:
        dataset: Of the run.
        predictions: Of its held-out episodes.
        per_episode: Their errors.
        annotations: Those that the run was made with: the policy saw only what its trims keep.
    """
    by_id = {found.episode_id: found for found in predictions}
    errors = {row["episode_id"]: row["rmse"] for row in per_episode}
    left, right = st.columns(2)
    chosen = left.selectbox(
        "Held-out episode",
        sorted(by_id, key=lambda name: -errors.get(name, 0.0)),
        format_func=lambda name: f"{name} (RMSE {errors[name]:.3f})" if name in errors else name,
        help="The worst first.",
        key="overlay_episode",
    )
    found = by_id[chosen]
    step = right.slider(
        "Step of the chunk",
        1,
        found.predicted.shape[1],
        1,
        help="1 is the command for the frame the policy sees last; higher steps were predicted that many frames before.",
        key="overlay_step",
    )
    info = find_episode(data_root(), dataset, chosen)
    trim = annotations.of(chosen).trim
    first = trim[0] if trim else 0
    data = player_data(
        info,
        driven(info).actions,
        start=int(found.last_frames[0]) + first,
        predicted=predicted_series(found, info.num_frames, step, first),
        predicted_label=f"predicted, step {step} of the chunk",
    )
    show_player(data, key="overlay_player")


def _between(value: Mapping[str, Any], form: str) -> str:
    if value["low"] is None or value["high"] is None:
        return "no interval: too few episodes"
    return f"95 %: {value['low']:{form}} to {value['high']:{form}}"
