"""Player, overlay and comparison are put together of the same parts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app.components.player import scrubber

COMPONENTS = Path(scrubber.__file__).parent.parent


@pytest.mark.parametrize(("name", "frames"), [("player", True), ("overlay", True), ("compare", False)])
def test_every_scrubber_has_the_same_controls(name: str, frames: bool) -> None:
    page = scrubber.scrubber_page((COMPONENTS / name / f"{name}.html").read_text(encoding="utf-8"), frames=frames)
    acts = re.findall(r'data-act="(\w+)"', page)
    assert acts[:5] == ["first", "back", "play", "next", "last"]
    assert acts.count("help") == 2, "one to open the list of keys, one to close it"
    assert page.count('class="speed rate"') == page.count('class="where"') == 1
    assert ('aria-label="One frame on"' in page) == frames
    assert ('aria-label="One step on"' in page) != frames
    assert "$" not in page


def test_a_page_without_a_known_place_is_refused() -> None:
    with pytest.raises(KeyError, match="brake"):
        scrubber.scrubber_page("<section>$transport $brake</section>", frames=True)
