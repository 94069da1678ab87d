"""The overlay on the Evaluate page: which episode, which runs beside, and who can be asked under another instruction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app.annotated import as_shown
from app.cached import driven
from app.catalogues import find_episode
from app.components.overlay.overlay import Askable, OverlaidRun, show_overlay
from app.overlay_data import evaluated_episodes
from app.overlay_routes import evaluated_url
from app.session import EPISODE_KEY, FRAME_KEY, RUN_KEY, data_root, whole_number
from app.text import plain
from mvla_core.episodes.annotations import frozen
from mvla_core.errors import MvlaError
from mvla_core.evaluation.questions import known_instructions
from mvla_core.runs.listing import RunSummary

MAX_BESIDE = 3
BESIDE_KEY = "overlay_beside"
_EPISODE_BOX = "overlay_episode"


@st.fragment
def overlay_section(run: RunSummary, results: Mapping[str, Any], others: Sequence[RunSummary]) -> None:
    """A held-out episode with what the run, and others beside it, predicted for it.

    Args:
        run: The page's run, evaluated.
        results: Its results.
        others: Further evaluated runs of the same data set.
    """
    root = data_root()
    try:
        names = evaluated_episodes(root.run(run.run_id))
    except MvlaError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    errors = {row["episode_id"]: row["rmse"] for row in results["per_episode"]}
    ordered = sorted(names, key=lambda name: -errors.get(name, 0.0))
    left, right = st.columns(2)
    with left:
        episode = _pick_episode(run.run_id, ordered, errors)
    beside = [other for other in others if episode in _episodes_of(other.run_id)]
    with right:
        chosen = _pick_beside(beside)
    try:
        info = as_shown(root, find_episode(root, run.dataset, episode))
        commands = driven(info)
    except MvlaError as error:
        st.error(f"This episode cannot be shown. {plain(str(error))}", icon=":material/broken_image:")
        return
    trim = frozen(root.run(run.run_id).path).of(episode).trim
    first = (trim[0] if trim else 0) + int(results["window"]["window_size"]) - 1
    told = next(
        (row["instruction"] for row in results["per_episode"] if row["episode_id"] == episode), info.instruction
    )
    asked = Askable(run.run_id, episode, "this run", told, known_instructions(results["instructions"], told))
    shown = [
        OverlaidRun(each.run_id, each.run_id, _short(each.run_id), evaluated_url(root.run(each.run_id), episode))
        for each in (run, *chosen)
    ]
    show_overlay(
        info,
        commands.actions,
        shown,
        start=whole_number(st.query_params.get(FRAME_KEY), min(first, info.num_frames - 1)),
        link={RUN_KEY: run.run_id, EPISODE_KEY: episode},
        ask=asked if run.has_adapter else None,
        event_types=commands.event_types,
    )


def _pick_episode(run_id: str, names: Sequence[str], errors: Mapping[str, float]) -> str:
    """The episode of the address, else the worst one; a choice goes into the address and begins at its first window."""
    key = f"{_EPISODE_BOX}_{run_id}"
    wanted = st.query_params.get(EPISODE_KEY)
    if key not in st.session_state:
        st.session_state[key] = wanted if wanted in names else names[0]

    def choose() -> None:
        st.query_params[EPISODE_KEY] = st.session_state[key]
        if FRAME_KEY in st.query_params:
            del st.query_params[FRAME_KEY]

    return st.selectbox(
        "Held-out episode",
        names,
        format_func=lambda name: f"{name} (RMSE {errors[name]:.3f})" if name in errors else name,
        help="The worst first.",
        key=key,
        on_change=choose,
    )


def _pick_beside(beside: Sequence[RunSummary]) -> list[RunSummary]:
    if not beside:
        st.multiselect(
            "Runs beside it",
            [],
            disabled=True,
            placeholder="No other evaluated run held this episode out",
            key="overlay_nobody_beside",
        )
        return []
    by_id = {run.run_id: run for run in beside}
    chosen = st.multiselect(
        "Runs beside it",
        list(by_id),
        max_selections=MAX_BESIDE,
        placeholder="Evaluated runs that held this episode out too",
        key=BESIDE_KEY,
    )
    return [by_id[name] for name in chosen if name in by_id]


def _episodes_of(run_id: str) -> tuple[str, ...]:
    """A run whose predictions are damaged is offered nowhere; its own page says why."""
    try:
        return evaluated_episodes(data_root().run(run_id))
    except MvlaError:
        return ()


def _short(run_id: str) -> str:
    """The end of a run's name, which is made to be unique."""
    return run_id.rsplit("-", 1)[-1][:8]
