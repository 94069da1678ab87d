"""A new user opens any page first: each says what it is, what to do next, and leads there."""

from __future__ import annotations

import pytest

from app.places import EVALUATE, OVERVIEW, PLACES, TRAIN, Place
from mvla_core.layout import DataRoot


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_page_says_what_it_is(open_page, served: DataRoot, place: Place) -> None:
    page = open_page(place.name)
    assert not page.exception
    assert not page.error
    assert [title.value for title in page.title] == [place.title]
    assert place.line in [caption.value for caption in page.caption]


@pytest.mark.parametrize(
    ("name", "leads_to"),
    [
        ("episodes", OVERVIEW),
        ("compare", OVERVIEW),
        ("dataset", OVERVIEW),
        ("train", OVERVIEW),
        ("runs", TRAIN),
        ("evaluate", TRAIN),
        ("report", EVALUATE),
    ],
)
def test_empty_page_leads_on(open_page, served: DataRoot, name: str, leads_to: Place) -> None:
    page = open_page(name)
    page.button(key="empty_state").click().run()
    assert not page.exception
    assert page.title[0].value == leads_to.title


def test_overview_offers_two_ways_to_begin(open_page, served: DataRoot) -> None:
    page = open_page("overview")
    assert [heading.value for heading in page.subheader] == ["Make demo episodes", "Import recordings"]
    assert len(page.form_submit_button) == 2


def test_nothing_is_written_by_looking(open_page, served: DataRoot) -> None:
    for place in PLACES:
        open_page(place.name)
    assert sorted(path.name for path in served.path.iterdir()) == [served.runner_lock.name]
