"""A policy's folder states what happens to pictures, truthfully, and is refused on a base that prepares them otherwise."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from mvla_core.errors import PolicyError
from mvla_core.files import read_json, write_json
from mvla_core.policies.adapter import load_policy, save_policy
from mvla_core.policies.build import build_policy
from mvla_core.policies.compact import IMAGE_SIZE, EfficientNetEncoder
from mvla_core.policies.preprocessing import image_preprocessing
from mvla_core.policies.spec import PolicySpec
from mvla_core.policies.stated_preprocessing import KEY, preprocessing_sentence


def test_an_adapter_states_its_base_preprocessing_and_shows_it(
    tiny_spec: PolicySpec, tiny_kosmos_folder: Callable[[], Path], tmp_path: Path
) -> None:
    base = tiny_kosmos_folder()
    spec = replace(tiny_spec, backbone="kosmos2", base_model=str(base))
    save_policy(build_policy(spec, seed=1), tmp_path / "adapter", {})
    stored = read_json(tmp_path / "adapter" / "policy.json")[KEY]
    config = json.loads((base / "preprocessor_config.json").read_text())
    assert stored == {
        "size": [config["size"]["height"], config["size"]["width"]],
        "crop": [56, 56],
        "resampling": "bicubic",
        "mean": config["image_mean"],
        "std": config["image_std"],
    }
    card = (tmp_path / "adapter" / "README.md").read_text()
    assert "cut to the middle 56 x 56, and normalised with mean 0.4815, 0.4578, 0.4082" in card
    load_policy(tmp_path / "adapter", "cpu")
    # The base's weights stay; what happens before them is changed.
    config["image_mean"] = [0.5, 0.5, 0.5]
    (base / "preprocessor_config.json").write_text(json.dumps(config))
    with pytest.raises(PolicyError, match=r"prepared with mean \[0\.48.*prepare them with mean \[0\.5, 0\.5, 0\.5\]"):
        load_policy(tmp_path / "adapter", "cpu")


def test_a_whole_policy_states_it_too_and_an_older_one_that_does_not_still_loads(
    tiny_spec: PolicySpec, tmp_path: Path
) -> None:
    save_policy(build_policy(replace(tiny_spec, tuning="full"), seed=1), tmp_path / "policy", {})
    path = tmp_path / "policy" / "policy.json"
    description = read_json(path)
    write_json(path, {**description, KEY: {**description[KEY], "crop": None}})
    with pytest.raises(PolicyError, match=r"prepared with crop None, but .* with crop \[56, 56\]"):
        load_policy(tmp_path / "policy", "cpu")
    write_json(path, {name: value for name, value in description.items() if name != KEY})
    assert load_policy(tmp_path / "policy", "cpu").spec.tuning == "full"


def test_the_constants_of_compact_are_what_enters_its_network(
    compact_spec: PolicySpec, frames: npt.NDArray[np.uint8]
) -> None:
    stated = image_preprocessing(build_policy(compact_spec, seed=1).policy)
    encoder, entered = EfficientNetEncoder(), []

    def enter(pixels: torch.Tensor) -> torch.Tensor:
        entered.append(pixels.numpy())
        return torch.zeros(len(pixels), *encoder.shape)

    encoder._trunk = enter  # type: ignore[assignment]
    plain = np.full((1, IMAGE_SIZE, IMAGE_SIZE, 3), 200, dtype=np.uint8)
    encoder.encode(np.concatenate([plain, frames[:1].repeat(4, 1)[:, :IMAGE_SIZE].repeat(4, 2)[:, :, :IMAGE_SIZE]]))
    encoder.encode(frames[:1])
    assert stated["size"] == list(entered[0].shape[2:]) == list(entered[1].shape[2:])
    assert stated["crop"] is None
    expected = (200 / 255 - np.array(stated["mean"])) / np.array(stated["std"])
    assert np.allclose(entered[0][0], expected[:, None, None], atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "resized to 224 x 224 (bicubic), cut to the middle 200 x 210, and"),
        ({"size": 224}, "resized to a shortest edge of 224 (bicubic), cut to"),
        ({"size": None, "crop": None}, "Pictures are not resized, and normalised with mean 0.5, 0.5, 0.5 and"),
    ],
)
def test_the_sentence_names_every_step(changes: dict[str, Any], words: str) -> None:
    stored = {"size": [224, 224], "crop": [200, 210], "resampling": "bicubic", "mean": [0.5] * 3, "std": [0.25] * 3}
    assert words in preprocessing_sentence({**stored, **changes})
