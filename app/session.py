"""What a session works on: the data root of this server, and the names of what it looks at in the URL.

The choice of data set and run lives in the URL (`?dataset=...&run=...`), so that a link opens what its sender saw and a change
of page keeps it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import streamlit as st

from mvla_core.layout import ENVIRONMENT_VARIABLE, DataRoot

DATASET_KEY = "dataset"
RUN_KEY = "run"
EPISODE_KEY = "episode"
FRAME_KEY = "frame"
KEPT: Literal["session"] = "session"
"""`persist_state` of a form's widgets: what was entered is still there when the user comes back from another page."""
_DRAWING = "drawing_whole_page"
_THIS_PAGE = "of_this_page"


@lru_cache(maxsize=8)
def _resolved(given: str | None, folder: str) -> DataRoot:
    return DataRoot.resolve(given)


def data_root() -> DataRoot:
    """The data root of this server: MVLA_DATA_ROOT, else `data/` in the folder it was started in."""
    return _resolved(os.environ.get(ENVIRONMENT_VARIABLE), os.getcwd())


def whole_number(text: str | None, default: int) -> int:
    """A number from the URL; anything but digits counts as not given."""
    return int(text) if text is not None and text.isascii() and text.isdecimal() and len(text) < 10 else default


def open_page(name: str) -> None:
    """Tell which page is drawn now; the shell does. What `of_this_page` holds is forgotten where it is another one."""
    if st.session_state.get(_THIS_PAGE, (None, None))[0] != name:
        st.session_state[_THIS_PAGE] = (name, {})


def of_this_page() -> dict[str, Any]:
    """What a page remembers from one drawing to the next, until the user looks at another page."""
    remembered: dict[str, Any] = st.session_state.setdefault(_THIS_PAGE, (None, {}))[1]
    return remembered


@dataclass
class _Drawing:
    """Whether the whole page of a session is being drawn."""

    whole_page: bool = False


@contextmanager
def drawing_whole_page() -> Iterator[None]:
    """While the whole page is drawn; the shell wraps it. Fragments that run by themselves are outside."""
    drawing = st.session_state.setdefault(_DRAWING, _Drawing())
    drawing.whole_page = True
    try:
        yield
    finally:
        # The session's state cannot be written here: after `st.stop` every access to it stops the script once more.
        drawing.whole_page = False


def may_redraw() -> bool:
    """Whether a fragment that found something new may draw the whole page again.

    Not while the page is being drawn: beginning anew would drop a click that is being answered. The fragment looks again a
    moment later.
    """
    return not st.session_state.get(_DRAWING, _Drawing()).whole_page
