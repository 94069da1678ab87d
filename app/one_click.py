"""Two quick clicks on a button whose work takes a second are one.

The second click arrives while the first is worked on and draws the page once more as if nothing had been made yet.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import streamlit as st

ONE_CLICK_S = 5.0
_LAST = "made_by_a_click"


def made_just_now(wanted: Mapping[str, Any]) -> str | None:
    """Return the name of what the same wish made within the last `ONE_CLICK_S` seconds in this session, or None."""
    last: tuple[Mapping[str, Any], str, float] | None = st.session_state.get(_LAST)
    if last is None or last[0] != wanted or time.monotonic() - last[2] > ONE_CLICK_S:
        return None
    return last[1]


def remember_made(wanted: Mapping[str, Any], name: str) -> None:
    """Remember what a wish has made just now."""
    st.session_state[_LAST] = (dict(wanted), name, time.monotonic())
