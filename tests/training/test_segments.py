"""Items that share frames: they hold every window once, with the targets of the schema."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mvla_core.datasets.normalise import ActionNormaliser
from mvla_core.datasets.windows import WindowSpec, chunk_targets, last_frames
from mvla_core.schema import ActionSequence
from mvla_core.training.segments import Collator, PreparedEpisode, cut_segments

NORMALISER = ActionNormaliser("mean_std", (1.0, -1.0), (2.0, 0.5))


def episode(name: str, length: int, instruction: str = "") -> PreparedEpisode:
    """An episode whose feature of frame t is t, and whose actions tell t too."""
    frames = np.arange(length, dtype=np.float32)
    actions = np.stack([frames, -frames], axis=1)
    return PreparedEpisode(ActionSequence(name, actions, instruction), frames[:, None])


def encode(instructions: list[str]) -> tuple[Tensor, Tensor]:
    width = max(len(text) for text in instructions) + 1
    ids = torch.zeros(len(instructions), width, dtype=torch.int64)
    for row, text in enumerate(instructions):
        ids[row, : len(text)] = torch.tensor([ord(letter) for letter in text])
    return ids, (ids > 0).long()


@settings(max_examples=60)
@given(
    length=st.integers(1, 40),
    window=st.integers(1, 6),
    chunk=st.integers(1, 8),
    per_item=st.integers(1, 12),
    ends=st.sampled_from(["mask", "drop"]),
)
def test_every_window_is_there_once_and_sees_its_own_frames(
    length: int, window: int, chunk: int, per_item: int, ends: str
) -> None:
    spec = WindowSpec(window, chunk, ends)  # type: ignore[arg-type]
    whole = episode("a", length)
    segments = cut_segments([whole], spec, per_item, NORMALISER)
    last = last_frames(length, spec)
    seen = [
        whole.features[segment.begin : segment.end][row.numpy()][:, 0]
        for segment in segments
        for row in segment.windows
    ]
    assert [int(row[-1]) for row in seen] == last.tolist()
    assert all(np.array_equal(row, np.arange(row[-1] - window + 1, row[-1] + 1)) for row in seen)
    assert all(len(segment.windows) <= per_item for segment in segments)
    targets, mask = chunk_targets(whole.sequence.actions, last, chunk)
    if segments:
        assert np.array_equal(torch.cat([segment.mask for segment in segments]).numpy(), mask)
        labels = torch.cat([segment.labels for segment in segments]).numpy()
        assert np.allclose(labels[mask], NORMALISER.apply(targets)[mask])
        assert np.all(labels[~mask] == 0)


def test_a_batch_joins_segments_and_names_each_instruction_once() -> None:
    episodes = [episode("a", 6, "left"), episode("b", 5, "right"), episode("c", 4, "left")]
    segments = cut_segments(episodes, WindowSpec(3, 2), 64, NORMALISER)
    batch = Collator(encode)(segments)
    assert batch["features"][:, 0].tolist() == [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 0, 1, 2, 3]
    assert batch["instruction_ids"].shape[0] == 2
    assert batch["instruction_index"].tolist() == [0] * 6 + [1] * 5 + [0] * 4
    assert batch["window_index"][4].tolist() == [6, 7, 8]
    assert batch["labels"].shape == (4 + 3 + 2, 2, 2)
    assert batch["labels_mask"].dtype == torch.bool


def test_windows_one_by_one_are_the_briefings_way() -> None:
    segments = cut_segments([episode("a", 18)], WindowSpec(4, 10, "drop"), 1, NORMALISER)
    assert len(segments) == 5
    assert {segment.end - segment.begin for segment in segments} == {4}


def test_an_episode_without_a_window_gives_no_item() -> None:
    assert cut_segments([episode("a", 3)], WindowSpec(4, 10), 8, NORMALISER) == []


@pytest.mark.parametrize("per_item", [1, 5])
def test_labels_past_the_end_are_masked_not_learnt(per_item: int) -> None:
    segments = cut_segments([episode("a", 5)], WindowSpec(4, 3), per_item, NORMALISER)
    mask = torch.cat([segment.mask for segment in segments])
    assert mask.tolist() == [[True, True, False], [True, False, False]]
