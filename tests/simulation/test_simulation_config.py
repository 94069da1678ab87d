"""Settings of a simulated data set are checked when they are made."""

from __future__ import annotations

from typing import Any

import pytest

from mvla_core.errors import SimulationError, UserInputError
from mvla_core.simulation.config import SimulationConfig


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"count": 0}, "count is 0; expected a whole number from 1 to"),
        ({"count": True}, "count is True"),
        ({"count": 2.0}, "count is 2.0"),
        ({"seed": -1}, "seed is -1"),
        ({"image_size": 8}, "image_size is 8"),
        ({"image_size": 100_000}, "image_size is 100000"),
        ({"placement": 1.5}, "placement holds 1.5; expected a number from 0 to 1"),
        ({"appearance": float("nan")}, "appearance holds nan"),
        ({"furniture": 99}, "furniture is 99"),
        ({"script": "yes"}, "script is 'yes'"),
        ({"cruise_speeds": ()}, "cruise_speeds is empty"),
        ({"cruise_speeds": (3.0,)}, "cruise_speeds holds 3.0"),
        ({"frame_interval_s": (0.3, 0.1)}, "frame_interval_s is (0.3, 0.1)"),
        ({"frame_interval_s": [0.0, 0.1]}, "frame_interval_s holds 0.0"),
        ({"frames": (1, 20)}, "frames is 1"),
        ({"imagesize": 64}, "'imagesize' is unknown; expected one of"),
    ],
)
def test_a_value_out_of_range_is_one_sentence(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserInputError) as caught:
        SimulationConfig.from_settings(**settings)
    assert sentence in str(caught.value)


def test_an_unknown_name_gets_the_nearest_one() -> None:
    with pytest.raises(UserInputError, match="Did you mean 'image_size'"):
        SimulationConfig.from_settings(imagesize=64)


@pytest.mark.parametrize("renderer", ["glx", "rays", "", None])
def test_an_unknown_renderer_is_refused(renderer: Any) -> None:
    with pytest.raises(SimulationError, match="expected 'ray', which needs no graphics library"):
        SimulationConfig(renderer=renderer)


def test_json_round_trip() -> None:
    config = SimulationConfig(count=3, cruise_speeds=(0.5, 1.0), frames=(10, 30))
    assert SimulationConfig.from_settings(**config.to_json()) == config
