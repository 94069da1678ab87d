"""Policies and a data set small enough for tests, with real parts throughout."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from mvla_core.datasets.normalise import ActionNormaliser
from mvla_core.policies.spec import PolicySpec
from mvla_core.schema import ActionSpace

os.environ["HF_HUB_OFFLINE"] = "1"

WINDOW, CHUNK = 3, 4


@pytest.fixture
def tiny_spec() -> PolicySpec:
    """A tiny policy of two dimensions with LoRA on the text model, no dropout."""
    return PolicySpec(
        "tiny",
        ActionSpace.default(2),
        ActionNormaliser("mean_std", (0.5, -0.1), (0.4, 0.6)),
        window_size=WINDOW,
        chunk_size=CHUNK,
        lora_rank=4,
        lora_alpha=8,
        lora_dropout=0.0,
        head_hidden=16,
    )


@pytest.fixture
def compact_spec(tiny_spec: PolicySpec) -> PolicySpec:
    """The same for the compact policy."""
    return replace(tiny_spec, backbone="compact", visual_channels=8)


@pytest.fixture
def frames() -> npt.NDArray[np.uint8]:
    """uint8 (7, 60, 80, 3): coloured noise, the same in every run."""
    generator = np.random.default_rng(3)
    colour = generator.integers(0, 200, (7, 1, 1, 3))
    noise = generator.integers(0, 55, (7, 60, 80, 3))
    return (colour + noise).astype(np.uint8)


@pytest.fixture
def tiny_kosmos_folder(tmp_path: Path) -> Callable[[], Path]:
    """Write a random miniature Kosmos-2 as the hub's folder is laid out: config, weights, tokenizer, image processor."""

    def write() -> Path:
        import torch
        from transformers import Kosmos2ForConditionalGeneration

        from mvla_core.policies.tiny import tiny_config, tiny_processor

        folder = tmp_path / "kosmos-2-miniature"
        processor = tiny_processor()
        torch.manual_seed(11)
        model = Kosmos2ForConditionalGeneration(tiny_config(len(processor.tokenizer)))
        model.save_pretrained(folder)
        processor.image_processor.save_pretrained(folder)
        processor.tokenizer.save_pretrained(folder)
        return folder

    return write
