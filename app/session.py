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

import streamlit as st

from mvla_core.layout import ENVIRONMENT_VARIABLE, DataRoot

DATASET_KEY = "dataset"
RUN_KEY = "run"
EPISODE_KEY = "episode"
FRAME_KEY = "frame"
_DRAWING = "drawing_whole_page"


@lru_cache(maxsize=8)
def _resolved(given: str | None, folder: str) -> DataRoot:
    return DataRoot.resolve(given)


def data_root() -> DataRoot:
    """The data root of this server: MVLA_DATA_ROOT, else `data/` in the folder it was started in."""
    return _resolved(os.environ.get(ENVIRONMENT_VARIABLE), os.getcwd())


def whole_number(text: str | None, default: int) -> int:
    """A number from the URL; anything but digits counts as not given."""
    return int(text) if text is not None and text.isascii() and text.isdecimal() and len(text) < 10 else default


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
