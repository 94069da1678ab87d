"""Where the filter of the page Episodes is remembered: in the URL, so that a reload, a restart and a link bring it back.

The widgets hold it while the page is shown; Streamlit forgets them on another page, so the session keeps a copy too.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import streamlit as st

FIND_KEY = "find"
"""In the URL: what differs from no filter, as JSON."""
MAX_CHARACTERS = 2000
_KEPT = "kept_filter"
_SHOWN = "shown_filter"
_DEFAULTS: dict[str, Any] = {
    "find_words": "",
    "find_state": "all",
    "find_tags": [],
    "find_rating": 0,
    "find_findings": False,
    "find_instruction": [],
    "find_direction": [],
    "find_scenario": [],
    "find_dataset": [],
    "count_by": None,
    "sort_by": "episode",
    "sort_down": False,
}
_NOT_ALWAYS_DRAWN = ("sort_by", "sort_down")
"""Widgets that only many rows have. Streamlit forgets what is not drawn, unless it is said again."""


def recall() -> None:
    """Give the widgets what the URL says, where it says something new; call before they are drawn."""
    asked = st.query_params.get(FIND_KEY, "")
    returning = "find_words" not in st.session_state
    if returning and not asked:
        asked = st.session_state.get(_KEPT, "")
    if not returning and asked == st.session_state.get(_SHOWN, ""):
        for key in _NOT_ALWAYS_DRAWN:
            st.session_state[key] = st.session_state.get(key, _DEFAULTS[key])
        return
    wanted = _parsed(asked)
    for key, default in _DEFAULTS.items():
        value = wanted.get(key.removeprefix("find_"), default)
        st.session_state[key] = value if _fits(value, default) else default
    st.session_state[_SHOWN] = asked


def keep_to(key: str, options: Sequence[Any]) -> None:
    """Forget what cannot be chosen any more; call before the widget is drawn."""
    value = st.session_state.get(key)
    if isinstance(value, list):
        st.session_state[key] = [one for one in value if one in options]
    elif value not in options:
        st.session_state[key] = _DEFAULTS[key]


def remember() -> None:
    """Write to the URL what the widgets say; call after they were drawn. Nothing is written while it stays the same."""
    said = {
        key.removeprefix("find_"): st.session_state[key]
        for key, default in _DEFAULTS.items()
        if key in st.session_state and st.session_state[key] != default
    }
    text = json.dumps(said, ensure_ascii=False, separators=(",", ":")) if said else ""
    if len(text) > MAX_CHARACTERS:  # Too long for an address; the session still has it.
        text = ""
    st.session_state[_KEPT] = st.session_state[_SHOWN] = text
    if text and st.query_params.get(FIND_KEY) != text:
        st.query_params[FIND_KEY] = text
    elif not text and FIND_KEY in st.query_params:
        del st.query_params[FIND_KEY]


def _parsed(text: str) -> dict[str, Any]:
    """What an address says; anything but an object counts as nothing, because anyone can write an address."""
    try:
        value = json.loads(text) if text else {}
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _fits(value: Any, default: Any) -> bool:
    if isinstance(default, list):
        return isinstance(value, list) and all(isinstance(one, str) for one in value)
    if default is None:
        return value is None or isinstance(value, str)
    return type(value) is type(default)
