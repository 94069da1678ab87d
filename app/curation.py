"""Changing what is said of episodes: what the keys of the player and the buttons beside it do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app.annotated import annotations_of, told_instruction
from app.session import FRAME_KEY, data_root
from app.text import plain
from mvla_core.episodes.annotations import change, redo, undo
from mvla_core.episodes.curation import propose_trim
from mvla_core.episodes.dataset import named_dataset
from mvla_core.episodes.notes import Annotations, Change
from mvla_core.errors import MvlaError
from mvla_core.schema import Actions, EpisodeInfo

DEFAULT_REASON = "not as instructed"
_REASON = "last_reason"
_HEARD = "last_act"
_TOLD = "curation_told"


def curation_state(info: EpisodeInfo, annotations: Annotations, actions: Actions) -> dict[str, Any]:
    """What the player shows and asks about an episode; see curation.js."""
    note = annotations.of(info.episode_id)
    return {
        "excluded": note.excluded_reason,
        "tags": list(note.tags),
        "rating": note.rating,
        "note": note.note,
        "instruction": told_instruction(info, annotations),
        "trim": list(note.trim) if note.trim else None,
        "proposed": list(proposed) if (proposed := propose_trim(actions)) else None,
        "reason": st.session_state.get(_REASON, DEFAULT_REASON),
        "heard": st.session_state.get(_HEARD, 0),
    }


def changed(datasets: Mapping[str, Mapping[str, Change]], title: str) -> None:
    """Make changes, by data set and episode, and tell what was done where the page is drawn next."""
    try:
        for dataset, changes in datasets.items():
            change(data_root(), named_dataset(data_root(), dataset), changes, title)
    except MvlaError as error:
        tell(str(error), failed=True)
    else:
        tell(title)


def change_one(info: EpisodeInfo, wanted: Change, title: str) -> None:
    """Change the note of one episode."""
    changed({info.dataset: {info.episode_id: wanted}}, f"{title} ({info.episode_id})")


def take_back(dataset: str, forward: bool = False) -> None:
    """Undo the last step of a data set's curation, or do again what was undone."""
    step = redo if forward else undo
    annotations = annotations_of(dataset)
    title = annotations.redoable if forward else annotations.undoable
    try:
        step(data_root(), named_dataset(data_root(), dataset), expected_version=annotations.version)
    except MvlaError as error:
        tell(str(error), failed=True)
    else:
        tell(f"{'Done again' if forward else 'Undone'}: {title}")


def do_acts(acts: Sequence[Mapping[str, Any]] | None, names: list[str], parameter: str) -> None:
    """Do what key presses in the player asked for, each once and for the episode that was in sight then.

    Args:
        acts: From curation.js; those that were done before may be among them.
        names: The rows of the table, in order, as the URL names them.
        parameter: The URL's name for the chosen row.
    """
    for act in acts or ():
        if act["number"] <= st.session_state.get(_HEARD, 0):
            continue
        st.session_state[_HEARD] = act["number"]
        dataset, episode_id = str(act["episode"]).split("/", 1)
        _do_act(dataset, episode_id, act["what"], act["value"], names, parameter)


def _do_act(dataset: str, episode_id: str, what: str, value: Any, names: list[str], parameter: str) -> None:
    if what == "open":
        _open_neighbour(names, parameter, int(value))
    elif what in ("undo", "redo"):
        take_back(dataset, forward=what == "redo")
    else:
        wanted, title = wanted_change(what, value)
        if what == "exclude":
            st.session_state[_REASON] = value
        changed({dataset: {episode_id: wanted}}, f"{title} ({episode_id})")


def wanted_change(what: str, value: Any) -> tuple[Change, str]:
    """The change that an act means, with its title for the history."""
    match what:
        case "exclude":
            return Change(excluded_reason=str(value)), f"Exclude: {value}"
        case "include":
            return Change(excluded_reason=None), "Take back in"
        case "tag":
            return Change(add_tags=(str(value),)), f"Add the tag {value}"
        case "untag":
            return Change(remove_tags=(str(value),)), f"Remove the tag {value}"
        case "note":
            return Change(note=str(value)), "Change the note"
        case "rate":
            return Change(rating=int(value) or None), f"Rate {value}" if value else "Take the rating away"
        case "relabel":
            return Change(instruction=str(value)), "Change the instruction"
        case "trim" if value is None:
            return Change(trim=None), "Take the trim away"
        case "trim":
            first, last = int(value[0]), int(value[1])
            return Change(trim=(first, last)), f"Keep the frames {first + 1} to {last + 1}"
        case _:
            raise ValueError(f"the player asked for {what!r}")


def _open_neighbour(names: list[str], parameter: str, step: int) -> None:
    chosen = st.session_state.get(f"chosen_{parameter}")
    if chosen not in names:
        return
    wanted = names[min(max(names.index(chosen) + step, 0), len(names) - 1)]
    address = {name: value for name, value in st.query_params.items() if name != FRAME_KEY}
    st.query_params.from_dict({**address, parameter: wanted})


def tell(text: str, failed: bool = False) -> None:
    """Have a sentence shown when the page is drawn next."""
    st.session_state[_TOLD] = (text, failed)


def show_told() -> None:
    """Show what was done since the page was drawn last."""
    text, failed = st.session_state.pop(_TOLD, ("", False))
    if text:
        st.toast(
            plain(text),
            icon=":material/error:" if failed else ":material/check:",
            duration="long" if failed else "short",
        )
