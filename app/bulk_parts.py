"""What is done to many episodes at once, and to a data set as a whole: versions, export, order of colours."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import pandas as pd
import streamlit as st

from app.annotated import annotations_of
from app.catalogues import known_dataset
from app.curation import DEFAULT_REASON, changed, tell
from app.session import data_root
from app.text import count, plain
from mvla_core.episodes.annotations import change, export_json, history
from mvla_core.episodes.curation import propose_trims
from mvla_core.episodes.dataset import named_dataset
from mvla_core.episodes.notes import Change
from mvla_core.episodes.snapshots import list_snapshots, take_snapshot
from mvla_core.errors import MvlaError
from mvla_core.schema import ColorOrder

Targets = Sequence[tuple[str, str]]
"""Data set and episode id of each."""

_ACTIONS: dict[str, tuple[str, Callable[[str], Change]]] = {
    "Exclude": ("because", lambda text: Change(excluded_reason=text or DEFAULT_REASON)),
    "Take back in": ("", lambda text: Change(excluded_reason=None)),
    "Add a tag": ("tag", lambda text: Change(add_tags=(text,))),
    "Remove a tag": ("tag", lambda text: Change(remove_tags=(text,))),
    "Rate": ("1 to 5", lambda text: Change(rating=int(text) if text.isdecimal() else -1)),
    "Change the instruction": ("instruction", lambda text: Change(instruction=text)),
    "Trim idle ends": ("", lambda text: Change()),
    "Keep all frames": ("", lambda text: Change(trim=None)),
}


def show_bulk(targets: Targets) -> None:
    """Do one thing to all episodes that the filter shows, as one step."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        what = st.selectbox("Do to all that are shown", list(_ACTIONS), key="bulk_what", width=230)
        hint = _ACTIONS[what][0]
        text = st.text_input("Value", key=f"bulk_value_{hint}", placeholder=hint, width=280) if hint else ""
        st.button(
            f"Apply to {count(len(targets), 'episode')}",
            key="bulk_apply",
            icon=":material/done_all:",
            disabled=not targets,
            on_click=apply_to_all,
            args=(what, text.strip(), targets),
        )


def apply_to_all(what: str, text: str, targets: Targets) -> None:
    """Make one kind of change to many episodes; each data set gets one step, which one undo takes back."""
    title = f"{what}{': ' + text if text else ''} ({count(len(targets), 'episode')})"
    try:
        changes: dict[str, dict[str, Change]] = {}
        for dataset, episode_id in targets:
            changes.setdefault(dataset, {})[episode_id] = _ACTIONS[what][1](text)
        if what == "Trim idle ends":
            changes = {dataset: _idle_trims(dataset, list(named)) for dataset, named in changes.items()}
            title = f"{what} ({count(sum(map(len, changes.values())), 'episode')} of {len(targets)} had some)"
    except MvlaError as error:
        tell(str(error), failed=True)
        return
    changed(changes, title)


def _idle_trims(dataset: str, names: Sequence[str]) -> dict[str, Change]:
    catalogue, annotations = known_dataset(data_root(), dataset).catalogue, annotations_of(dataset)
    whole = [catalogue.by_id(name) for name in names if annotations.of(name).trim is None]
    return {name: Change(trim=trim) for name, trim in propose_trims(data_root(), whole).items()}


def show_versions(dataset: str) -> None:
    """Snapshots, history and export of a data set."""
    root = data_root()
    ref = named_dataset(root, dataset)
    snapshots = list_snapshots(root, ref)
    if snapshots:
        rows = [
            {
                "version": f"v{kept.number}",
                "title": kept.title,
                "taken": kept.created[:16].replace("T", " "),
                "episodes": kept.episodes,
                "frames": kept.frames,
                "excluded": kept.excluded,
                "hash": kept.sha256[:12],
            }
            for kept in reversed(snapshots)
        ]
        st.dataframe(pd.DataFrame(rows), hide_index=True, key="snapshots", alt="Versions of the data set")
    else:
        st.caption("No version yet. A training takes one by itself, so that it can be told later which data it saw.")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        title = st.text_input(
            "Title of the version", key="snapshot_title", placeholder="Before the long training", width=300
        )
        if st.button("Take snapshot", key="take_snapshot", icon=":material/photo_camera:"):
            with st.spinner("Reading the recordings once for their hash"):
                taken = take_snapshot(root, ref, title.strip() or "Taken by hand")
            tell(f"Kept as version v{taken.number}")
            st.rerun()
        st.download_button(
            "Export the curation",
            data=lambda: json.dumps(export_json(root, ref), ensure_ascii=False, indent=2),
            file_name=f"{dataset}-curation.json",
            mime="application/json",
            icon=":material/download:",
            key="export_curation",
            on_click="ignore",
        )
    steps = history(root, ref, limit=20)
    if steps:
        with st.popover("Last steps", icon=":material/history:"):
            for step in steps:
                kind = "" if step.kind == "change" else f" ({step.kind})"
                st.markdown(f"{plain(step.created[:16].replace('T', ' '))} {plain(step.title)}{kind}")


def color_choice(dataset: str) -> None:
    """Say in which order the channels are stored, where the files tell it wrongly."""
    orders: dict[str, ColorOrder | None] = {"as the files tell": None, "BGR": "bgr", "RGB": "rgb"}
    now = annotations_of(dataset).dataset_settings.color_order
    # With another stored order it is another widget: see curation_panel.
    key = f"color_order_{dataset}_{now}"

    def choose() -> None:
        if orders[st.session_state[key]] != now:
            set_color_order(dataset, orders[st.session_state[key]])

    st.segmented_control(
        "Colours are stored as",
        list(orders),
        key=key,
        default=next(told for told, order in orders.items() if order == now),
        required=True,
        on_change=choose,
        help="Choose BGR where sky and skin look blue and orange the wrong way round. Nothing in the files is changed.",
    )


def set_color_order(dataset: str, order: ColorOrder | None) -> None:
    """Say in which order the channels of a data set are stored."""
    title = f"Colours as {order.upper() if order else 'the files tell'}"
    try:
        change(data_root(), named_dataset(data_root(), dataset), {}, title, color_order=order)
    except MvlaError as error:
        tell(str(error), failed=True)
    else:
        tell(title)
