"""What the components with a scrubber are put together of: the player, the overlay and the comparison."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    from streamlit.components.v2.types import ComponentRenderer

_FOLDER = Path(__file__).parent
_SHARED_SCRIPTS = ("drawing.js", "keys.js", "frame_store.js", "time_chart.js", "playback.js", "scrubber.js")
"""Parts that every scrubber uses. A component is one script, so the files are put one after another."""
_FRAME_SCRIPTS = ("floor_path.js", "picture_strip.js", "frame_scrubber.js")
"""Parts of a scrubber that goes through the frames of one episode; they come after the shared ones."""
_FRAME_WORDS = {"first": "First frame", "back": "One frame back", "next": "One frame on", "last": "Last frame"}
_STEP_WORDS = {"first": "Start", "back": "One step back", "next": "One step on", "last": "End"}


def read_parts(folder: Path, names: Sequence[str]) -> str:
    """The text of several files, one after another."""
    return "\n".join((folder / name).read_text(encoding="utf-8") for name in names)


def scrubber_page(page: str, *, frames: bool) -> str:
    """A page with the parts that all scrubbers have in their places.

    Args:
        page: HTML with `$transport`, `$pace` and `$help` where the buttons, the speed and the list of keys belong.
        frames: Whether its steps are the frames of one episode, which the buttons then say.
    """
    words = _FRAME_WORDS if frames else _STEP_WORDS
    parts = {name: read_parts(_FOLDER, [f"{name}.html"]) for name in ("transport", "pace", "help")}
    return Template(page).substitute({name: Template(part).substitute(words) for name, part in parts.items()})


def scrubber_component(name: str, folder: Path, scripts: Sequence[str], *, frames: bool) -> ComponentRenderer:
    """Register a component that is a scrubber.

    Args:
        name: What Streamlit knows it by.
        folder: Where its own files are: a page and a style sheet that are called like the folder, and its scripts.
        scripts: Its own scripts, in the order in which they need each other.
        frames: Whether its steps are the frames of one episode.
    """
    styles = ("scrubber.css", "frame_scrubber.css") if frames else ("scrubber.css",)
    shared = (*_SHARED_SCRIPTS, *_FRAME_SCRIPTS) if frames else _SHARED_SCRIPTS
    return st.components.v2.component(
        name,
        html=scrubber_page(read_parts(folder, [f"{folder.name}.html"]), frames=frames),
        css=read_parts(_FOLDER, styles) + read_parts(folder, [f"{folder.name}.css"]),
        js=read_parts(_FOLDER, shared) + read_parts(folder, scripts),
    )
