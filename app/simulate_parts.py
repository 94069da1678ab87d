"""The parts of the page Simulate: the preview of a scene, what recording will take, and the job that records."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import streamlit as st

from app.errors import explain
from app.figure_style import PLOT_CONFIG
from app.job_view import job_card, launch, launched
from app.session import KEPT, data_root
from app.simulate_figures import seen_from_above
from app.simulate_preview import ExpectedCost, ScenePreview, expected_cost, scene_preview
from app.text import count, duration, plain
from mvla_core.errors import MvlaError, UserInputError
from mvla_core.files import check_identifier
from mvla_core.jobs.model import Job
from mvla_core.jobs.queue import JobQueue
from mvla_core.simulation.config import MAX_WORKERS, SimulationConfig, scenario_counts
from mvla_core.simulation.failures import FailureSet
from mvla_core.simulation.journal import Journal

REASONS = {
    "no_way": "there is no way to the goal",
    "too_long": "the drive is too long",
    "too_short": "the drive is too short",
    "collided": "the expert touched something",
    "wrong_side": "the expert passed on the wrong side",
    "not_reached": "the expert did not reach the goal",
    "not_stopped": "the expert did not stop",
    "not_facing": "the expert did not face the goal",
}
UNFINISHED = ("failed", "stopped", "interrupted", "lost")
NAME_KEY, _USUAL_KEY = "sim_dataset", "sim_usual_name"
_MEGA = 1e6


def show_preview(config: SimulationConfig, index: int) -> ScenePreview:
    """The scene of one episode from above and from the camera, with the expert's way.

    Raises:
        MvlaError: It cannot be drawn; the text says why.
    """
    preview = scene_preview(config, index)
    scene = preview.scene
    above, camera = st.columns([3, 2])
    with above:
        st.plotly_chart(
            seen_from_above(scene, preview.poses, preview.shoved_at),
            config=PLOT_CONFIG,
            key="sim_above",
            alt="The scene from above: boxes, goal and the expert's way",
        )
    with camera:
        st.image(preview.frame, caption="What the camera sees at the start.", width="stretch")
        frames = len(preview.poses) - 1
        st.markdown(f"**{plain(scene.instruction)}**")
        st.caption(
            f"{plain(scene.scenario_label)}: {count(max(frames, 0), 'frame')} at {1 / scene.frame_interval_s:.1f} Hz."
        )
        if preview.shoved_at is not None:
            st.caption(f":material/star: The robot is shoved aside in frame {preview.shoved_at}.")
    _tell_refused(preview)
    return preview


def _tell_refused(preview: ScenePreview) -> None:
    reasons = [REASONS.get(reason, reason) for reason in preview.refused]
    if not preview.accepted:
        st.warning(
            f"{count(len(reasons), 'draw')} of this scene will not be recorded: {', '.join(dict.fromkeys(reasons))}. "
            "A recording draws up to 100; make the settings milder if many scenes look like this.",
            icon=":material/block:",
        )
    elif reasons:
        st.caption(f"Drawn anew {len(reasons)} times before: {', '.join(dict.fromkeys(reasons))}.")


def show_launch(settings: dict[str, Any], config: SimulationConfig, preview: ScenePreview, usual_name: str) -> None:
    """Name, workers and cost of the recording, and the button that queues it."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with st.container(horizontal=True):
        _follow(usual_name)
        dataset = st.text_input("Data set name", key=NAME_KEY)
        workers = int(
            st.number_input(
                "Workers",
                1,
                MAX_WORKERS,
                min(cores, 4),
                key="sim_workers",
                persist_state=KEPT,
                help="Processes side by side.",
            )
        )
    try:
        check_identifier(dataset, "data set name")
        journal = Journal.look(data_root().dataset(dataset), dataset, config)
        if config.keep_failures:
            FailureSet(data_root(), dataset, config).look(journal.records)
    except MvlaError as error:
        explain(error)
        return
    kept = sum(journal.has(index) for index in range(config.count))
    cost = expected_cost(config, preview, workers, config.count - kept)
    _show_cost(cost, config, kept)
    free = shutil.disk_usage(_existing(data_root().path)).free
    if cost.bytes > free:
        message = f"{cost.bytes / 1e9:.1f} GB are needed and {free / 1e9:.1f} GB are free; make room or record fewer."
        explain(UserInputError(message))
        return
    label = f"Record {count(config.count - kept, 'episode')}"
    if st.button(label, type="primary", icon=":material/play_arrow:", key="sim_launch", disabled=kept >= config.count):
        try:
            launch("simulate", {"dataset": dataset, "workers": workers, **settings}, f"Simulate {dataset}")
        except MvlaError as error:
            explain(error)


def _follow(usual_name: str) -> None:
    """Let the name follow the level and the match until the user writes one."""
    if st.session_state.get(NAME_KEY) in (None, st.session_state.get(_USUAL_KEY)):
        st.session_state[NAME_KEY] = usual_name
    st.session_state[_USUAL_KEY] = usual_name


def _existing(path: Path) -> Path:
    return next(parent for parent in (path, *path.parents) if parent.exists())


def _show_cost(cost: ExpectedCost, config: SimulationConfig, kept: int) -> None:
    with st.grid(3, min_column_width=150):
        st.metric(
            "Time, about", duration(cost.seconds), border=True, help="On idle cores, from what the preview took here."
        )
        st.metric("Disk, about", f"{cost.bytes / _MEGA:,.0f} MB", border=True, help="Frames are compressed.")
        st.metric("Frames, about", f"{cost.frames:,}", border=True)
    told = [f"{name.replace('_', ' ')} {number:,}" for name, number in scenario_counts(config).items() if number]
    st.caption("Scenarios: " + ", ".join(told) + ".")
    if kept:
        st.caption(f"{kept:,} of {config.count:,} episodes are there already and are kept.")


def show_job() -> Job | None:
    """The newest simulation, with its progress and buttons; one that did not finish can go on where it ended."""
    job = launched("simulate") or _newest()
    if job is None:
        return None
    job_card(job.id)
    if job.status in UNFINISHED and st.button(
        "Go on where it ended", icon=":material/resume:", key="sim_go_on", help="Finished episodes are kept."
    ):
        try:
            again = JobQueue(data_root()).retry(job.id)
        except MvlaError as error:
            explain(error)
        else:
            st.session_state.setdefault("launched", {})["simulate"] = again.id
            st.rerun()
    return job


def _newest() -> Job | None:
    root = data_root()
    if not root.jobs_database.exists():
        return None
    return next((job for job in JobQueue(root).list(100) if job.kind == "simulate" and not job.in_bin), None)
