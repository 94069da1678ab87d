"""Action spaces, and values that go through JSON unchanged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mvla_core.errors import UserInputError
from mvla_core.schema import ActionSpace, EpisodeInfo, Finding, Scenario


def test_the_robots_own_columns() -> None:
    assert ActionSpace.default(2).names == ("linear_x", "linear_y")
    assert ActionSpace.default(3).units == ("m/s", "m/s", "rad/s")
    assert ActionSpace.default(3).lateral == "linear_y"


def test_a_car_steers_by_turning() -> None:
    space = ActionSpace.from_names(["linear_x", "angular_z"], ["normalised", "normalised"])
    assert space.lateral == "angular_z"
    assert space.column("angular_z") == 1
    assert space.column("linear_y") is None
    assert ActionSpace.from_json(space.to_json()) == space


@pytest.mark.parametrize(
    ("names", "units", "says"),
    [
        (["linear_x"], None, "2 or 3"),
        (["linear_x", "linear_x"], None, "different"),
        (["linear_x", "linear_z"], None, "Did you mean 'linear_"),
        (["linear_x", "linear_y"], ["m/s"], "1 action units for 2"),
        (["linear_x", "linear_y"], ["m/s", "km/h"], "expected 'm/s' or 'normalised'"),
    ],
)
def test_other_columns_are_refused_with_the_remedy(names: list[str], units: list[str] | None, says: str) -> None:
    with pytest.raises(UserInputError, match=says):
        ActionSpace.from_names(names, units)


def test_an_episode_goes_through_json_unchanged() -> None:
    info = EpisodeInfo(
        dataset="lab",
        episode_id="episode_1",
        path=Path("lab") / "episode_1.h5",
        num_frames=18,
        height=720,
        width=1280,
        action_space=ActionSpace.default(2),
        instruction="바구니로 가세요",
        instruction_source="file",
        scenario=Scenario(goal="basket", boxes=1, layout="hori", side="left", pattern="core", distance="medium"),
        recorded_at="2025-11-06T14:52:48",
        frame_rate_hz=None,
        color_order="bgr",
        recording_id=None,
        recording_start=None,
        simulated=False,
        file_size=1,
        file_mtime_ns=2,
        tags=("shove",),
    )
    assert EpisodeInfo.from_json(json.loads(json.dumps(info.to_json()))) == info
    assert info.scenario.label() == "basket_1box_hori_left_core_medium"


def test_a_finding_without_details_stays_short() -> None:
    finding = Finding("warning", "few_frames", "lab", "Only 218 frames.", "Record more.")
    assert set(finding.to_json()) == {"level", "code", "where", "message", "next"}
    assert Finding.from_json(finding.to_json()) == finding
