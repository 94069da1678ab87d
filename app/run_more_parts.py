"""Further parts of a run's page: its forecast beside the truth, the spread of its seeds, and training it on."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app.errors import explain
from app.one_click import made_just_now, remember_made
from app.session import RUN_KEY, data_root
from app.text import count, plain
from mvla_core.errors import MvlaError
from mvla_core.files import read_json
from mvla_core.jobs.devices import slot_for
from mvla_core.jobs.queue import JobQueue
from mvla_core.layout import RunFolder
from mvla_core.runs.table import RunRecord
from mvla_core.training.extend import prepare_extension
from mvla_core.training.forecast_check import ForecastCheck, stored_check
from mvla_core.training.groups import RunGroup, group_of, run_groups
from mvla_core.training.machine import cuda_devices

_MOST_EPOCHS = 10_000


def show_forecast_check(folder: RunFolder) -> None:
    """What the run was expected to take and what it took; nothing where it was not forecast or went on after a stop."""
    try:
        check = stored_check(read_json(folder.result))
    except MvlaError:
        return
    if check is not None:
        st.caption(f":material/speed: {plain(check.sentence())}", help=_explained(check))


def _explained(check: ForecastCheck) -> str:
    came = "a warm-up before the launch" if check.measured else "a formula, without a warm-up"
    return f"The forecast came from {came}. Time is the whole process's, from its start; other work on the machine adds to it."


def show_seeds(record: RunRecord, everything: list[RunRecord]) -> None:
    """The runs of the same recipe with other seeds, and how far they lie apart; nothing for a run of its own."""
    own = group_of(data_root(), record.run_id)
    if own is None:
        return
    group = next(group for group in run_groups(data_root(), everything) if group.group_id == own["id"])
    title = f"Seeds: {len(group.records)} of {len(group.seeds)} runs are there"
    with st.expander(title, icon=":material/casino:", expanded=True):
        with st.grid(2, min_column_width=220):
            _spread_tile("Val. RMSE", group, ".4f")
            _spread_tile("Skill", group, ".0%")
        rows = [
            {
                "run": each.run_id,
                "seed": each.seed,
                "status": each.summary.status,
                "best epoch": each.summary.best_epoch,
                "val. RMSE": each.val_rmse,
                "skill": None if each.skill is None else 100 * each.skill,
            }
            for each in group.records
        ]
        columns = {
            "val. RMSE": st.column_config.NumberColumn(format="%.4f"),
            "skill": st.column_config.NumberColumn(format="%.0f %%", help="Over the better clock, on the test part"),
        }
        st.dataframe(pd.DataFrame(rows), hide_index=True, column_config=columns, alt="Runs of the group, one a seed")
        st.caption(
            f"One split for all of them, drawn with seed {group.split_seed}: the spread is that of the training."
        )


def _spread_tile(label: str, group: RunGroup, form: str) -> None:
    spread = group.val_rmse if label == "Val. RMSE" else group.skill
    if spread is None:
        st.metric(label, "-", "no run has it yet", delta_color="off", delta_arrow="off", border=True, height="stretch")
        return
    deviation = "" if spread.deviation is None else f" ± {format(spread.deviation, form)}"
    st.metric(
        label,
        f"{format(spread.mean, form)}{deviation}",
        f"{format(spread.low, form)} to {format(spread.high, form)}, {count(spread.count, 'run')}",
        delta_color="off",
        delta_arrow="off",
        border=True,
        height="stretch",
        help="Mean and sample deviation over the seeds; below it the lowest and the highest.",
    )


def show_extend(record: RunRecord) -> None:
    """Train a finished run on: a run of its own that begins with the last state of this one."""
    if record.summary.status != "succeeded":
        return
    with st.expander("Train on", icon=":material/forward:"):
        st.write(
            "A new run begins with the last state of this one, on the same episodes and split. Its learning rate rises and falls "
            "again, and the optimiser begins anew. This run stays as it is."
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            epochs = st.number_input("More epochs, at most", 1, _MOST_EPOCHS, 10, key="more_epochs", width=200)
            wanted = st.button("Train on", icon=":material/rocket_launch:", key="extend")
        if wanted:
            _extend(record.run_id, int(epochs))


def _extend(run_id: str, epochs: int) -> None:
    root = data_root()
    wanted = {"extend": run_id, "epochs": epochs}
    if made := made_just_now(wanted):
        st.query_params[RUN_KEY] = made
        st.rerun()
    try:
        run = prepare_extension(root, run_id, epochs, {})
        queue = JobQueue(root)
        slot = slot_for("train", len(cuda_devices()), queue.active())
        queue.submit("train", run, title=f"{epochs} more epochs of {run_id}"[:200], device=slot)
        remember_made(wanted, run.run_id)
    except MvlaError as error:
        explain(error)
        return
    st.query_params[RUN_KEY] = run.run_id
    st.rerun()
