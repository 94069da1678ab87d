"""A data set beside others: ours computed, theirs cited, and what a source does not state is said to be so."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mvla_core.audit.comparison import (
    FIGURES,
    TABLES,
    Comparison,
    DatasetFigures,
    compare_datasets,
    references,
)
from mvla_core.audit.comparison_wording import comparison_catalog, worded_sources, worded_tables
from mvla_core.audit.result import AuditResult
from mvla_core.commands.audit_command import describe_comparison
from mvla_core.episodes.writer import write_episode
from mvla_core.errors import UserInputError
from mvla_core.layout import DataRoot
from mvla_core.schema import ActionSequence, ActionSpace
from mvla_core.training.recipe import PRESETS
from mvla_core.wording import LANGUAGES, read_catalog

Varied = Callable[..., list[ActionSequence]]


def record(root: DataRoot, dataset: str, sequences: list[ActionSequence], **attributes: Any) -> None:
    root.dataset(dataset).mkdir(parents=True)
    for sequence in sequences:
        write_episode(
            root.dataset(dataset) / f"{sequence.episode_id}.h5",
            np.full((sequence.num_frames, 8, 12, 3), 90, dtype=np.uint8),
            sequence.actions,
            action_space=ActionSpace.default(2),
            instruction=sequence.instruction,
            attributes=attributes,
        )


@pytest.fixture
def two(root: DataRoot, varied: Varied, recordings: Any) -> DataRoot:
    record(root, "briefing", recordings.briefing())
    record(root, "varied", varied(24), frame_rate_hz=5.0)
    return root


def test_both_languages_name_every_figure() -> None:
    english, korean = comparison_catalog("en"), comparison_catalog("ko")
    assert {table: set(texts) for table, texts in english.items()} == {
        table: set(texts) for table, texts in korean.items()
    }
    assert set(english["figures"]) == set(FIGURES)
    assert set(TABLES) < set(english["titles"])


def test_every_published_figure_is_known_and_has_its_source() -> None:
    file = read_catalog("mvla_core.audit", "reference_datasets")
    used = {figure["source"] for entry in file["references"] for figure in entry["figures"].values()}
    assert used == set(file["sources"]), "every source is cited, and nothing is cited that is not there"
    assert [reference.name for reference in references()] == ["calvin", "robovlms", "robovlms_in_briefing", "briefing"]
    for reference in references():
        assert set(reference.title) == set(LANGUAGES)
        assert set(reference.figures) <= set(FIGURES)
        for figure in reference.figures.values():
            assert isinstance(figure.value, int | float) or set(figure.value) == set(LANGUAGES)
            assert figure.qualifier in ("", "about", "at_least")


def test_ours_are_computed_like_the_briefing_published_them(two: DataRoot) -> None:
    compared = compare_datasets(two, "briefing", ["varied"])
    ours, other = compared.datasets
    published = next(reference for reference in compared.references if reference.name == "briefing").figures
    for name in ("episodes", "frames", "mean_length", "unique_actions"):
        assert getattr(ours, name) == published[name].value, name
    assert ours.diversity == pytest.approx(published["diversity"].value, abs=5e-4)
    assert (ours.hours, ours.timed_episodes, ours.frame_rates_hz) == (None, 0, ())
    assert other.hours == pytest.approx(24 * 18 / 5 / 3600)
    assert (other.frame_rates_hz, other.image_sizes, other.instructions) == ((5.0,), ("12 x 8",), 2)
    assert other.action_units == ("m/s", "m/s")
    assert ours.clock is not None
    assert other.clock is not None
    assert ours.clock["value"] > other.clock["value"]
    json.dumps(compared.to_json(), allow_nan=False)


def test_an_audit_that_was_made_already_is_used(
    two: DataRoot, audit: Callable[..., AuditResult], varied: Varied
) -> None:
    made = audit(varied(6))
    compared = compare_datasets(two, "briefing", audited=made)
    assert compared.datasets == (DatasetFigures.of(made),)


def test_what_a_source_does_not_state_is_null(two: DataRoot) -> None:
    written = {entry["name"]: entry["figures"] for entry in compare_datasets(two, "varied").to_json()["references"]}
    assert all(set(figures) == set(FIGURES) for figures in written.values())
    assert written["calvin"]["mean_length"] is None
    assert written["calvin"]["frames"]["qualifier"] == "about"
    assert written["calvin"]["frames"]["source"].endswith("arXiv:2112.03227")


@pytest.mark.parametrize(("others", "match"), [(["varied", "varied"], "named twice"), (["nothing"], "nothing")])
def test_a_wrong_choice_is_refused(two: DataRoot, others: list[str], match: str) -> None:
    with pytest.raises(UserInputError, match=match):
        compare_datasets(two, "briefing", others)


def test_the_tables_in_words(two: DataRoot) -> None:
    compared = compare_datasets(two, "briefing", ["varied"])
    compared = compared.with_preset("briefing", PRESETS["briefing"].recipe.to_json(), 51_200_000)
    english = {table.name: table for table in worded_tables(compared, "en")}
    assert english["data"].columns == (
        "Figure",
        "briefing",
        "varied",
        "CALVIN",
        "RoboVLMs in the briefing",
        "The briefing",
    )
    rows = {row[0]: row[1:] for row in english["data"].rows}
    assert rows["Frames"] == ("218", "432", "about 2,400,000", "100,000 or more", "218")
    assert rows["Diversity (different actions / frames)"][0] == "2.3 %"
    assert rows["Duration [h]"] == ("–", "0.024", "about 24", "not stated", "not stated")
    model = {row[0]: row[1:] for row in english["model"].rows}
    assert english["model"].columns[1] == "preset briefing"
    assert model["Learning rate"] == ("0.0001", "0.0001", "not stated", "0.0001")
    assert model["Trainable parameters"][0] == "51,200,000"
    assert model["Fine-tuning"] == ("LoRA, r 32, alpha 16", "full", "full", "LoRA, r 32, alpha 16")
    korean = {table.name: table for table in worded_tables(compared, "ko")}
    assert {row[0]: row[3:5] for row in korean["data"].rows}["프레임 수"] == ("약 2,400,000", "100,000 이상")
    assert korean["model"].columns[1] == "프리셋 briefing"
    assert len(worded_sources(compared, "ko")) == len(worded_sources(compared, "en")) >= 8
    for language in LANGUAGES:
        text = describe_comparison(compared, language)
        assert "arXiv:2112.03227" in text
        assert "None" not in text


def test_part_of_the_frame_rates_is_said_to_be_part(two: DataRoot, varied: Varied) -> None:
    extra = dataclasses.replace(varied(25)[24], episode_id="no_rate")
    write_episode(
        two.dataset("varied") / "no_rate.h5",
        np.full((extra.num_frames, 8, 12, 3), 90, dtype=np.uint8),
        extra.actions,
        action_space=ActionSpace.default(2),
    )
    compared = compare_datasets(two, "varied")
    hours = {row[0]: row[1] for row in worded_tables(compared, "en")[0].rows}["Duration [h]"]
    assert hours == "0.024 (24 of 25 episodes)"


def test_an_empty_data_set_has_no_figures(root: DataRoot) -> None:
    root.dataset("empty").mkdir(parents=True)
    compared = compare_datasets(root, "empty")
    rows = {row[0]: row[1] for row in worded_tables(compared, "ko")[0].rows}
    assert (rows["에피소드 수"], rows["평균 길이 [프레임]"], rows["시계 예측기의 설명력"]) == ("0", "–", "–")


def test_what_is_kept_of_an_audit_does_not_grow(audit: Callable[..., AuditResult], varied: Varied) -> None:
    sizes = [len(json.dumps(DatasetFigures.of(audit(varied(count))).to_json())) for count in (24, 96)]
    assert abs(sizes[1] - sizes[0]) < 20


def test_a_comparison_without_own_settings_has_no_column_of_ours() -> None:
    model = worded_tables(Comparison((), references()), "en")[2]
    assert model.columns == ("Figure", "RoboVLMs on CALVIN", "RoboVLMs in the briefing", "The briefing")
