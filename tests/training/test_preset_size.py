"""The size of a preset is that of its forecast."""

from __future__ import annotations

import pytest

from mvla_core.errors import RecipeError
from mvla_core.training.forecast import estimate
from mvla_core.training.preset_size import preset_size
from mvla_core.training.recipe import PRESETS


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("num_dims", [2, 3])
def test_it_agrees_with_the_forecast(name: str, num_dims: int) -> None:
    forecast = estimate(
        PRESETS[name].recipe,
        train_frames=[18],
        validation_frames=[18],
        action_dims=num_dims,
        cores=1,
        has_cuda=False,
    )
    assert preset_size(name).of(num_dims) == forecast.parameters["total"]
    assert preset_size(name, 9).of(num_dims) < forecast.parameters["total"]


def test_an_unknown_preset_is_refused_with_the_closest_name() -> None:
    with pytest.raises(RecipeError, match="Did you mean 'compact'"):
        preset_size("compakt")
