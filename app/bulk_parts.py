"""What is done to many episodes at once, and the order of a data set's colours."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from app.annotated import annotations_of
from app.catalogues import known_dataset
from app.curation import DEFAULT_REASON, changed, tell
from app.session import data_root
from app.text import count
from mvla_core.episodes.annotations import change
from mvla_core.episodes.curation import propose_trims
from mvla_core.episodes.dataset import named_dataset
from mvla_core.episodes.notes import Change
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
        if hint:
            st.text_input("Value", key=_value_key(what), placeholder=hint, width=280)
        st.button(
            f"Apply to {count(len(targets), 'episode')}",
            key="bulk_apply",
            icon=":material/done_all:",
            disabled=not targets,
            on_click=_apply_to_all,
            args=(targets,),
        )


def _value_key(what: str) -> str:
    return f"bulk_value_{_ACTIONS[what][0]}"


def _apply_to_all(targets: Targets) -> None:
    """Make one kind of change to many episodes; each data set gets one step, which one undo takes back."""
    # What was entered is read now: a click right after it comes before the next drawing, whose arguments would be old.
    what: str = st.session_state["bulk_what"]
    text: str = st.session_state.get(_value_key(what), "").strip() if _ACTIONS[what][0] else ""
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
