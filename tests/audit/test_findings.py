"""Planted faults: each is found, and a clean data set has none of them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from mvla_core.audit.analysis import audit_episodes
from mvla_core.audit.episode_checks import episode_side
from mvla_core.audit.result import AuditResult
from mvla_core.audit.thresholds import default_thresholds
from mvla_core.datasets.windows import WindowSpec
from mvla_core.schema import ActionSequence, ActionSpace, EpisodeInfo, Finding, Scenario

Audit = Callable[..., AuditResult]
Varied = Callable[..., list[ActionSequence]]
Maker = Callable[..., EpisodeInfo]


def codes(result: AuditResult, *levels: str) -> set[str]:
    return {finding.code for finding in result.findings if not levels or finding.level in levels}


def infos_of(make_info: Maker, sequences: Sequence[ActionSequence], **fields: Any) -> list[EpisodeInfo]:
    return [
        make_info(
            sequence.episode_id, num_frames=sequence.num_frames, **{"instruction": sequence.instruction, **fields}
        )
        for sequence in sequences
    ]


def with_actions(sequence: ActionSequence, actions: np.ndarray) -> ActionSequence:
    return dataclasses.replace(sequence, actions=actions.astype(np.float32))


@pytest.mark.parametrize("quantised", [True, False])
def test_a_clean_set_has_no_error_and_no_warning(audit: Audit, varied: Varied, quantised: bool) -> None:
    assert codes(audit(varied(24, quantised)), "error", "warning") == set()


def test_95_percent_forward(audit: Audit, varied: Varied) -> None:
    generator = np.random.default_rng(0)
    sequences = []
    for sequence in varied(24):
        actions = np.tile(np.float32([1.15, 0.0]), (18, 1))
        actions[generator.integers(0, 18), :] = [0.0, generator.choice([-1.15, 1.15])]
        sequences.append(with_actions(sequence, actions))
    result = audit(sequences)
    assert codes(result, "error", "warning") == {"unbalanced_direction"}
    assert next(row for row in result.table if row.name == "determinism").status == "ok"


def test_steering_to_one_side(audit: Audit, varied: Varied) -> None:
    sequences = [with_actions(sequence, np.abs(sequence.actions)) for sequence in varied(24)]
    found = [finding for finding in audit(sequences).findings if finding.code == "unbalanced_direction"]
    assert [finding.details["direction"] for finding in found] == ["right"]
    assert "0 steer right" in found[0].message


def test_250_left_and_no_right(make_info: Maker, varied: Varied) -> None:
    sequences = [dataclasses.replace(sequence, instruction="go round on the left") for sequence in varied(250)]
    episodes = infos_of(make_info, sequences, scenario=Scenario(side="left"))
    found = codes(audit_episodes("test", episodes, sequences), "error", "warning")
    assert found == {"unbalanced_side"}


def test_an_instruction_that_is_rare(audit: Audit, varied: Varied) -> None:
    sequences = [
        dataclasses.replace(sequence, instruction="stop" if number < 2 else ("left", "right")[number % 2])
        for number, sequence in enumerate(varied(40))
    ]
    found = next(finding for finding in audit(sequences).findings if finding.code == "unbalanced_instruction")
    assert found.level == "warning"
    assert "'stop' has 2 of 40" in found.message


def test_instructions_that_are_missing_or_always_the_same(audit: Audit, varied: Varied) -> None:
    def named(text: Callable[[int], str]) -> set[tuple[str, str]]:
        sequences = [dataclasses.replace(s, instruction=text(n)) for n, s in enumerate(varied(24))]
        found = audit(sequences).findings
        return {(finding.level, finding.code) for finding in found if finding.code.endswith("_instruction")}

    assert named(lambda _: "") == {("info", "missing_instruction")}
    assert named(lambda n: "" if n == 0 else ("left", "right")[n % 2]) == {("warning", "missing_instruction")}
    assert named(lambda _: "go to the basket") == {("info", "one_instruction")}


@pytest.mark.parametrize(
    ("text", "side"),
    [
        ("pass on the left", "left"),
        ("오른쪽으로 가세요", "right"),
        ("left, not right", None),
        ("go leftwards", None),
        ("", None),
    ],
)
def test_the_side_of_an_episode_from_its_words(make_info: Maker, text: str, side: str | None) -> None:
    assert episode_side(make_info("e", instruction=text)) == side
    assert episode_side(make_info("e", instruction=text, scenario=Scenario(side="straight"))) == "straight"


def test_episodes_too_short_for_a_window_or_its_chunk(audit: Audit, varied: Varied) -> None:
    sequences = varied(24)
    for position, length in ((3, 2), (5, 10)):
        sequences[position] = with_actions(sequences[position], sequences[position].actions[:length])
    found = {finding.where: finding.level for finding in audit(sequences).findings if finding.code == "short_episode"}
    assert found == {"drive_0003": "warning", "drive_0005": "info"}
    dropping = audit(sequences, window=WindowSpec(chunk_ends="drop"))
    lost = next(finding for finding in dropping.findings if finding.code == "short_episode")
    assert lost.details["episodes"] == ["drive_0003", "drive_0005"]


def test_a_constant_dimension(make_info: Maker, varied: Varied) -> None:
    sequences = [with_actions(s, np.concatenate([s.actions, np.zeros((18, 1))], axis=1)) for s in varied(24)]
    episodes = infos_of(make_info, sequences, action_space=ActionSpace.default(3))
    result = audit_episodes("test", episodes, sequences)
    assert [(f.code, f.where) for f in result.findings if f.level == "warning"] == [("constant_dimension", "angular_z")]


def test_a_velocity_no_small_robot_drives(audit: Audit, varied: Varied) -> None:
    sequences = varied(24)
    sequences[0].actions[5, 0] = 115.0
    found = [finding for finding in audit(sequences).findings if finding.code == "implausible_velocity"]
    assert [finding.where for finding in found] == ["linear_x"]
    assert "reaches 115 m/s" in found[0].message


def test_values_beyond_one_where_the_unit_is_normalised(make_info: Maker, varied: Varied) -> None:
    sequences = varied(24)
    space = ActionSpace.from_names(("linear_x", "linear_y"), ("normalised", "normalised"))
    result = audit_episodes("test", infos_of(make_info, sequences, action_space=space), sequences)
    assert "implausible_velocity" in codes(result, "warning")


def test_mixed_action_spaces_are_not_averaged(make_info: Maker, varied: Varied) -> None:
    sequences = varied(24)
    episodes = infos_of(make_info, sequences)
    other = ActionSequence("turning", np.ones((18, 3), dtype=np.float32))
    episodes.append(make_info("turning", action_space=ActionSpace.default(3)))
    result = audit_episodes("test", episodes, [*sequences, other])
    assert result.to_json()["episodes"] == 25
    assert len(result.sequences) == 24
    assert [axis.name for axis in result.statistics] == ["linear_x", "linear_y"]
    assert "mixed_action_space" in codes(result, "error")


def test_mixed_image_sizes_and_colour_orders(make_info: Maker, varied: Varied) -> None:
    sequences = varied(24)
    episodes = infos_of(make_info, sequences)
    episodes[0] = dataclasses.replace(episodes[0], width=1280, height=720)
    episodes[1] = dataclasses.replace(episodes[1], color_order="bgr")
    result = audit_episodes("test", episodes, sequences)
    assert codes(result, "error", "warning") == {"mixed_image_size", "mixed_color_order"}
    assert any("8x8 (23), 1280x720 (1)" in finding.message for finding in result.findings)


@pytest.mark.parametrize(("quantised", "copies"), [(True, 26), (False, 1)])
def test_copies_of_episodes(audit: Audit, varied: Varied, quantised: bool, copies: int) -> None:
    sequences = varied(26, quantised)
    sequences += [dataclasses.replace(s, episode_id=f"copy_{s.episode_id}") for s in sequences[:copies]]
    found = [finding for finding in audit(sequences).findings if finding.level in ("error", "warning")]
    assert [finding.code for finding in found] == ["duplicate_sequences"]
    assert f"{copies} of {26 + copies} episodes" in found[0].message


def test_episodes_that_never_move(audit: Audit, varied: Varied) -> None:
    sequences = varied(24)
    sequences[7] = with_actions(sequences[7], np.zeros((18, 2)))
    found = next(finding for finding in audit(sequences).findings if finding.code == "idle_episode")
    assert found.where == "drive_0007"


def test_what_is_never_shown_is_named(audit: Audit, varied: Varied) -> None:
    sequences = [with_actions(sequence, sequence.actions[3:] * [1, 0] + [0.5, 0]) for sequence in varied(24, False)]
    found = next(finding for finding in audit(sequences).findings if finding.code == "missing_direction")
    assert found.details["directions"] == ["stop", "left or right"]


def test_findings_about_files_are_passed_on(audit: Audit, varied: Varied) -> None:
    broken = Finding("error", "pointer_file", "e.h5", "A pointer, not a recording.", "Run git lfs pull.")
    assert audit(varied(24), file_findings=[broken]).findings[0] == broken


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_data_set_too_small_to_split_is_audited_all_the_same(audit: Audit, varied: Varied, count: int) -> None:
    result = audit(varied(count))
    value = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert value["baselines"] is None
    assert value["split"] is None
    assert value["frames"] == 18 * count
    assert ("no_episodes" if count == 0 else "too_small_to_split") in codes(result, "error", "warning")


def test_a_short_recording_that_cannot_be_cut_still_has_its_clock(make_info: Maker, varied: Varied) -> None:
    sequences = varied(6)
    episodes = infos_of(make_info, sequences, recording_id="one")
    result = audit_episodes("test", episodes, sequences)
    assert result.baselines is None
    assert result.clock is not None
    assert "too_small_to_split" in codes(result, "warning")


def test_thresholds_can_be_changed(audit: Audit, varied: Varied) -> None:
    changed = dict(default_thresholds())
    changed["episodes"] = dataclasses.replace(changed["episodes"], limit=30)
    assert "few_episodes" in codes(audit(varied(24), thresholds=changed), "warning")


def test_sequences_of_other_episodes_are_refused(make_info: Maker, varied: Varied) -> None:
    with pytest.raises(ValueError, match="in the same order"):
        audit_episodes("test", [make_info("other")], varied(1))
