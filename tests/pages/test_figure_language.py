"""The figures of an audit in Korean: nothing English is left but the names of axes, units and what the data itself says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from app import dataset_figures
from app.cached import audit
from app.figure_language import said_in
from mvla_core.audit.balance import by_instruction
from mvla_core.audit.result import AuditResult
from mvla_core.layout import DataRoot
from mvla_core.wording import read_catalog

from .conftest import DATASET

ENGLISH = re.compile(r"[A-Za-z]{3,}")
NAMES = re.compile(r"linear_[xy]|angular_z|rad/s|%\{[^}]*\}|<extra></extra>")


def drawn(result: AuditResult) -> Iterator[tuple[str, go.Figure]]:
    assert result.action_space is not None
    yield "histograms", dataset_figures.histograms(result, result.action_space)
    yield "joint", dataset_figures.joint_actions(result, result.action_space)
    yield "directions", dataset_figures.direction_shares(result)
    yield "determinism", dataset_figures.determinism_by_index(result)
    transitions = dataset_figures.transition_shares(result)
    assert transitions is not None
    yield "transitions", transitions
    yield "lengths", dataset_figures.episode_lengths(result)
    yield "times", dataset_figures.times_of_day(result)


def said(value: Any) -> Iterator[str]:
    """The texts in a part of a figure's JSON."""
    if isinstance(value, dict):
        yield from said(value.get("text"))
    elif isinstance(value, list | tuple | np.ndarray):
        for inner in value:
            yield from said(inner)
    elif isinstance(value, str):
        yield value


def texts(figure: go.Figure) -> list[str]:
    """Everything that a reader of the figure sees."""
    content = figure.to_dict()
    parts = [*content["data"], *content["layout"].get("annotations", ())]
    parts += [axis for name, axis in content["layout"].items() if name.startswith(("xaxis", "yaxis"))]
    kept = ("text", "name", "hovertemplate", "texttemplate", "x", "y", "customdata", "ticktext", "title")
    return [text for part in parts for key in kept for text in said(part.get(key))]


@pytest.fixture
def result(recorded: DataRoot) -> AuditResult:
    return audit(DATASET)


def test_every_figure_is_said_in_korean(result: AuditResult) -> None:
    for name, figure in drawn(result):
        before = texts(figure)
        left = [text for text in texts(said_in(figure, "ko")) if ENGLISH.search(NAMES.sub("", text))]
        assert left == [], f"add these phrases of {name} to app/figures_ko.toml"
        assert before != texts(figure), name


def test_english_stays_as_it_is_and_numbers_do_not_change(result: AuditResult) -> None:
    for (_, english), (_, korean) in zip(drawn(result), drawn(result), strict=True):
        before = english.to_json()
        assert said_in(english, "en").to_json() == before
        said_in(korean, "ko")
        for ours, theirs in zip(korean.data, english.data, strict=True):
            for key in ("x", "y", "z"):
                if key in theirs and theirs[key] is not None and np.asarray(theirs[key]).dtype.kind in "if":
                    np.testing.assert_array_equal(np.asarray(ours[key], dtype=float), theirs[key])


def test_what_the_data_says_is_not_translated(result: AuditResult) -> None:
    figure = said_in(dataset_figures.balance(by_instruction(result.episodes)), "ko", directions=False)
    assert list(figure.data[0].customdata) == ["Drive past the box on the left.", "Drive past the box on the right."]
    assert figure.layout.xaxis.title.text == "에피소드 수"
    assert "고른 분포" in {note.text for note in figure.layout.annotations}


def test_no_phrase_is_left_that_no_figure_says(repository: Any) -> None:
    source = (repository / "app" / "dataset_figures.py").read_text(encoding="utf-8")
    for phrase in read_catalog("app", "figures_ko")["phrases"]:
        words = max(re.split(r"\{[^}]*\}|%|[<>()\[\],:]", phrase), key=len).strip()
        known = words in source.replace("{{", "{").replace("}}", "}")
        assert known or words in NAMES_OF_CLASSES, f"no figure says this any more: {phrase}"


NAMES_OF_CLASSES = (
    "counter-clockwise",
    "medium",
    "long",
    "extra long",
    "dawn",
    "morning",
    "evening",
    "night",
    "unknown",
    "none",
)
"""Said by the schema and the classes of lengths and times, not by the figures themselves."""
