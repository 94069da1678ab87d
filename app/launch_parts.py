"""Checking a training and launching it: the warm-up as a job, and the launch that waits for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from app.errors import explain
from app.job_view import job_card, launch, launched
from app.one_click import made_just_now, remember_made
from app.places import RUNS
from app.session import RUN_KEY, data_root, of_this_page
from app.text import plain
from mvla_core.errors import MvlaError
from mvla_core.files import read_json
from mvla_core.jobs.devices import slot_for
from mvla_core.jobs.model import Job
from mvla_core.jobs.queue import JobQueue
from mvla_core.training.forecast import Forecast
from mvla_core.training.groups import MAX_SEEDS, prepare_group
from mvla_core.training.launch import plan_training, prepare_run, resolve_recipe
from mvla_core.training.machine import cuda_devices
from mvla_core.training.recipe import PRESETS

KIND = "preflight"
_WAITING = "launch_after_check"


def show_launch(dataset: str, preset: str, overrides: Mapping[str, Any], forecast: Forecast) -> None:
    """The buttons that check and launch a training, and the check's progress or what it found wrong.

    Args:
        dataset: Name of the data set.
        preset: Name of the recipe to begin with.
        overrides: Settings that were changed.
        forecast: What is known of the training now.
    """
    seeds, check_first = _choices()
    if show_running_check():
        return
    job = launched(KIND)
    waiting = of_this_page().get(_WAITING)
    wanted = {"dataset": dataset, "preset": preset, "overrides": dict(overrides), "seeds": seeds}
    if waiting and job is not None:
        del of_this_page()[_WAITING]
        if job.status == "succeeded":
            _launch_now(waiting)
    if job is not None and job.status != "succeeded" and _checked(job) == _check_config(wanted):
        st.error(plain(job.message or "The check left no result."), title="The check failed", icon=":material/error:")
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Launch training", type="primary", icon=":material/rocket_launch:", key="launch"):
            if check_first and not forecast.measured and not _busy():
                _check(wanted, then_launch=True)
            else:
                _launch_now(wanted)
        if st.button("Check this training", icon=":material/speed:", key="check"):
            _check(wanted, then_launch=False)
    st.caption(
        "It runs in the background: this page and the browser may be closed, and it can be stopped on the page Runs."
    )


def show_running_check() -> bool:
    """The card of the check that this session began, with its stop button, while it waits or runs; whether there is one."""
    job = launched(KIND)
    if job is None or not job.active:
        return False
    job_card(job.id)
    if of_this_page().get(_WAITING):
        st.caption(
            "The training is queued as soon as the check has succeeded. Leave this page and only the check goes on."
        )
    return True


def _check_config(wanted: Mapping[str, Any]) -> dict[str, Any]:
    recipe = resolve_recipe(wanted["preset"], wanted["overrides"])
    return {"dataset": wanted["dataset"], "preset": wanted["preset"], "recipe": recipe.to_json()}


def _checked(job: Job) -> Any:
    """What a check was of; None where its configuration cannot be read."""
    try:
        return read_json(job.folder.config)
    except MvlaError:
        return None


def _choices() -> tuple[int, bool]:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        seeds = st.number_input(
            "Seeds",
            1,
            MAX_SEEDS,
            1,
            key="seeds",
            width=140,
            help="More than 1 trains as many runs, one after another, that differ in their seed alone: on one split, so that "
            "their spread is that of the training.",
        )
        check_first = st.toggle(
            "Check before the launch",
            True,
            key="check_first",
            help="A short real training of a few steps in the background: it measures time and memory, and finds what "
            "would fail. It is left out where the same was measured before, or where the device is at work.",
        )
    return int(seeds), check_first


def _busy() -> bool:
    active = JobQueue(data_root()).active()
    slot = slot_for(KIND, len(cuda_devices()), active)
    return any(job.device == slot for job in active)


def _check(wanted: Mapping[str, Any], *, then_launch: bool) -> None:
    try:
        # What can be refused at once is: a launch of several seconds must not end in a missing download.
        plan = plan_training(data_root(), wanted["dataset"], wanted["preset"], wanted["overrides"])
        plan.check_fit()
        launch(KIND, _check_config(wanted), f"Check {PRESETS[wanted['preset']].title} on {wanted['dataset']}")
    except MvlaError as error:
        explain(error)
        return
    if then_launch:
        of_this_page()[_WAITING] = dict(wanted)
    st.rerun()


def _launch_now(wanted: Mapping[str, Any]) -> None:
    # What the machine cannot honour, or a missing download, is found here and told in the same way.
    root = data_root()
    if made := made_just_now(wanted):
        st.switch_page(RUNS.path, query_params={RUN_KEY: made})
    dataset, preset, overrides = wanted["dataset"], wanted["preset"], wanted["overrides"]
    try:
        if wanted["seeds"] > 1:
            runs = prepare_group(root, dataset, preset, overrides, wanted["seeds"])
        else:
            runs = [prepare_run(root, dataset, preset, overrides)]
        queue = JobQueue(root)
        slot = slot_for("train", len(cuda_devices()), queue.active())
        for number, run in enumerate(runs, 1):
            which = f", seed {number} of {len(runs)}" if len(runs) > 1 else ""
            title = f"{PRESETS[preset].title} on {dataset}{which}"
            queue.submit("train", run, title=title, device=slot)
        remember_made(wanted, runs[0].run_id)
    except MvlaError as error:
        explain(error)
    else:
        st.switch_page(RUNS.path, query_params={RUN_KEY: runs[0].run_id})
