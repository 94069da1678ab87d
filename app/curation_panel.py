"""The panel beside the player: what was said of the episode, and everything that can be said of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from app.curation import DEFAULT_REASON, change_one, take_back, wanted_change
from app.text import plain
from mvla_core.episodes.notes import MAX_NOTE_CHARACTERS, MAX_REASON_CHARACTERS, Annotations, Change
from mvla_core.schema import EpisodeInfo


def show_panel(info: EpisodeInfo, annotations: Annotations, state: dict[str, Any], all_tags: list[str]) -> None:
    """Show and change what is said of an episode.

    Args:
        info: The whole episode.
        annotations: Of its data set.
        state: From `curation_state`.
        all_tags: Tags that the data set knows.
    """
    with st.container(border=True, gap="small"):
        _undo_row(info.dataset, annotations)
        _exclusion(info, state)
        _rating(info, state)
        _tags(info, state, all_tags)
        _text(info, "Instruction", "relabel", state["instruction"], 500)
        if state["instruction"] != info.instruction:
            st.caption(f"The recording says: {plain(info.instruction or 'nothing')}")
        _text(info, "Note", "note", state["note"], MAX_NOTE_CHARACTERS)
        _trim(info, state)


def _key(info: EpisodeInfo, what: str, stored: Any = "") -> str:
    """The key of a widget. `stored` is what it shows: with another value it is another widget.

    One widget that is set anew in each run would not do: a browser that had not heard of the new value yet would send the
    old one back, and it would be taken for a change by the user. For the same reason every callback passes over a value
    that its widget was drawn with.
    """
    return f"curate_{what}_{info.dataset}/{info.episode_id}_{stored!r}"


def _act(info: EpisodeInfo, what: str, value: Any = None) -> None:
    change_one(info, *wanted_change(what, value))


def _undo_row(dataset: str, annotations: Annotations) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown("**Curation**", width="content")
        with st.container(horizontal=True, gap="xsmall", width="content"):
            st.button(
                "Undo",
                key="curation_undo",
                icon=":material/undo:",
                disabled=annotations.undoable is None,
                help=plain(annotations.undoable or "Nothing to undo") + " (U)",
                on_click=take_back,
                args=(dataset,),
            )
            st.button(
                "Redo",
                key="curation_redo",
                icon=":material/redo:",
                disabled=annotations.redoable is None,
                help=plain(annotations.redoable or "Nothing to do again") + " (Shift + U)",
                on_click=take_back,
                args=(dataset, True),
            )


def _exclusion(info: EpisodeInfo, state: dict[str, Any]) -> None:
    if state["excluded"] is not None:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.badge(f"excluded: {plain(state['excluded'])}", icon=":material/block:", color="red")
            st.button("Take back in", key=_key(info, "include"), on_click=_act, args=(info, "include"))
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        key = _key(info, "reason", state["reason"])
        st.text_input(
            "Exclude because",
            value=state["reason"],
            key=key,
            max_chars=MAX_REASON_CHARACTERS,
            help="An excluded episode stays where it is and takes no part in audit, training and evaluation.",
        )
        st.button(
            "Exclude",
            key=_key(info, "exclude"),
            icon=":material/block:",
            # Read at the click: a reason that was entered right before it has not been drawn yet.
            on_click=lambda: _act(info, "exclude", st.session_state[key].strip() or DEFAULT_REASON),
        )


def _rating(info: EpisodeInfo, state: dict[str, Any]) -> None:
    key = _key(info, "rating", state["rating"])

    def rate() -> None:
        chosen = st.session_state[key]
        rating = None if chosen is None else chosen + 1
        if rating != state["rating"]:
            _act(info, "rate", rating or 0)

    st.feedback("stars", key=key, on_change=rate, default=None if state["rating"] is None else state["rating"] - 1)


def _tags(info: EpisodeInfo, state: dict[str, Any], all_tags: list[str]) -> None:
    key = _key(info, "tags", state["tags"])

    def retag() -> None:
        chosen = set(st.session_state[key])
        before = set(state["tags"])
        if chosen != before:
            wanted = Change(add_tags=tuple(chosen - before), remove_tags=tuple(before - chosen))
            change_one(info, wanted, "Change the tags")

    options = sorted({*all_tags, *state["tags"]})
    st.multiselect(
        "Tags",
        options,
        default=state["tags"],
        key=key,
        on_change=retag,
        accept_new_options=True,
        placeholder="Choose or type a tag",
    )


def _text(info: EpisodeInfo, label: str, what: str, value: str, limit: int) -> None:
    key = _key(info, what, value)

    def keep() -> None:
        if st.session_state[key] != value:
            _act(info, what, st.session_state[key])

    field: Callable[..., Any] = st.text_area if what == "note" else st.text_input
    field(
        label,
        value,
        key=key,
        on_change=keep,
        max_chars=max(limit, len(value)),
        **({"height": 80} if what == "note" else {}),
    )


def _trim(info: EpisodeInfo, state: dict[str, Any]) -> None:
    if info.num_frames < 2:
        return
    key = _key(info, "trim", state["trim"])
    whole = (1, info.num_frames)
    kept = tuple(end + 1 for end in state["trim"]) if state["trim"] else whole

    def trim() -> None:
        first, last = st.session_state[key]
        if (first, last) != kept:
            _act(info, "trim", None if (first, last) == whole else [first - 1, last - 1])

    st.slider(
        "Frames kept",
        *whole,
        kept,
        key=key,
        on_change=trim,
        help="In the player \\[ and \\] begin and end at the frame in sight.",
    )
    proposed = state["proposed"]
    with st.container(horizontal=True):
        if proposed and proposed != state["trim"]:
            st.button(
                f"Trim idle ends: keep {proposed[0] + 1} to {proposed[1] + 1}",
                key=_key(info, "idle"),
                icon=":material/content_cut:",
                on_click=_act,
                args=(info, "trim", proposed),
            )
        if state["trim"]:
            st.button("Keep all frames", key=_key(info, "whole"), on_click=_act, args=(info, "trim"))
