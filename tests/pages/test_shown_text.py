"""Texts that come from files are shown as they are, whatever they hold."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from app.text import count, duration, plain


@given(st.text(alphabet=st.characters(blacklist_categories=("Cs", "Cc")), max_size=60))
def test_plain_text_survives_markdown(text: str) -> None:
    tokens = MarkdownIt("commonmark", {"html": True}).parse("x" + plain(text))
    shown = "".join(child.content for token in tokens for child in (token.children or []))
    assert all(child.type in ("text", "text_special") for token in tokens for child in (token.children or []))
    assert shown == "x" + " ".join(text.split())


def test_streamlit_directives_are_escaped() -> None:
    assert not re.search(r"(?<!\\):", plain(":red[hi] :material/home: $x$"))
    assert not re.search(r"(?<!\\)\$", plain(":red[hi] :material/home: $x$"))


def test_durations_say_enough() -> None:
    assert [duration(seconds) for seconds in (0.4, 89, 100, 3600, 9000)] == [
        "0 s",
        "89 s",
        "2 min",
        "60 min",
        "2 h 30 min",
    ]


def test_counts_agree_with_their_noun() -> None:
    assert [count(number, "episode") for number in (0, 1, 1200)] == ["0 episodes", "1 episode", "1,200 episodes"]
