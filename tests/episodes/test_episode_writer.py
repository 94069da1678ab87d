"""What is written is read back the same, and nothing half-written stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvla_core.episodes.reader import open_episode
from mvla_core.episodes.writer import write_episode
from mvla_core.errors import EpisodeError, UserInputError
from mvla_core.schema import NORMALISED, ActionSpace

SPACES = [
    ActionSpace.default(2),
    ActionSpace.default(3),
    ActionSpace.from_names(("linear_x", "angular_z"), (NORMALISED, NORMALISED)),
]


@given(
    space=st.sampled_from(SPACES),
    num_frames=st.integers(1, 6),
    height=st.integers(1, 20),
    width=st.integers(1, 20),
    instruction=st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), max_size=40),
    seed=st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_round_trip(
    tmp_path_factory: pytest.TempPathFactory,
    space: ActionSpace,
    num_frames: int,
    height: int,
    width: int,
    instruction: str,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    frames = rng.integers(0, 256, (num_frames, height, width, 3), dtype=np.uint8)
    actions = rng.normal(size=(num_frames, len(space))).astype(np.float32)
    folder = tmp_path_factory.mktemp("written")
    attributes = {"recording_id": "r", "recording_start": 7, "frame_rate_hz": 20.0, "simulated": True, "seed": None}
    for name, given_frames in (("a.h5", frames), ("b.h5", iter(list(frames)))):
        write_episode(
            folder / name, given_frames, actions, action_space=space, instruction=instruction, attributes=attributes
        )
    with open_episode(folder / "a.h5", "d") as reader:
        np.testing.assert_array_equal(reader.frames(), frames)
        np.testing.assert_array_equal(reader.actions(), actions)
        info = reader.info
    assert (info.action_space, info.instruction, info.color_order) == (space, instruction, "rgb")
    assert (info.recording_id, info.recording_start, info.frame_rate_hz, info.simulated) == ("r", 7, 20.0, True)
    assert (folder / "a.h5").read_bytes() == (folder / "b.h5").read_bytes()


def test_one_frame_is_one_chunk(tmp_path: Path, frames_of: Any) -> None:
    write_episode(tmp_path / "a.h5", frames_of(3), np.zeros((3, 2)), action_space=SPACES[0])
    with h5py.File(tmp_path / "a.h5") as file:
        assert (file["images"].chunks, file["images"].compression, file["images"].compression_opts) == (
            (1, 8, 10, 3),
            "gzip",
            1,
        )


def test_nothing_is_overwritten(tmp_path: Path, frames_of: Any) -> None:
    (tmp_path / "a.h5").write_text("precious")
    with pytest.raises(UserInputError, match="never overwritten"):
        write_episode(tmp_path / "a.h5", frames_of(3), np.zeros((3, 2)), action_space=SPACES[0])
    assert (tmp_path / "a.h5").read_text() == "precious"


def broken_iterator(frames: Any) -> Any:
    yield frames[0]
    raise OSError("the camera was unplugged")


@pytest.mark.parametrize(
    ("frames", "actions", "code"),
    [
        (np.zeros((2, 4, 4, 3), np.uint8), np.zeros((3, 2)), "shape_mismatch"),
        (np.zeros((4, 4, 4, 3), np.uint8), np.zeros((3, 2)), "shape_mismatch"),
        (np.zeros((3, 4, 4), np.uint8), np.zeros((3, 2)), "shape_mismatch"),
        (np.zeros((3, 4, 4, 3), np.float32), np.zeros((3, 2)), "shape_mismatch"),
        ([np.zeros((4, 4, 3), np.uint8), np.zeros((5, 4, 3), np.uint8)], np.zeros((2, 2)), "shape_mismatch"),
        (np.zeros((3, 4, 4, 3), np.uint8), np.zeros((3, 3)), "shape_mismatch"),
        (np.zeros((3, 4, 4, 3), np.uint8), np.zeros(3), "shape_mismatch"),
        (np.zeros((3, 4, 4, 3), np.uint8), np.full((3, 2), np.nan), "not_finite"),
        (np.zeros((0, 4, 4, 3), np.uint8), np.zeros((0, 2)), "stub"),
    ],
)
def test_what_does_not_fit_leaves_nothing(tmp_path: Path, frames: Any, actions: Any, code: str) -> None:
    with pytest.raises(EpisodeError, match=r"a\.h5") as raised:
        write_episode(tmp_path / "a.h5", frames, actions, action_space=SPACES[0])
    assert raised.value.code == code
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_recording_leaves_nothing(tmp_path: Path, frames_of: Any) -> None:
    with pytest.raises(OSError, match="unplugged"):
        write_episode(tmp_path / "a.h5", broken_iterator(frames_of(3)), np.zeros((3, 2)), action_space=SPACES[0])
    assert list(tmp_path.iterdir()) == []


def test_own_attributes_cannot_be_given(tmp_path: Path, frames_of: Any) -> None:
    with pytest.raises(UserInputError, match="color_order"):
        write_episode(
            tmp_path / "a.h5",
            frames_of(3),
            np.zeros((3, 2)),
            action_space=SPACES[0],
            attributes={"color_order": "bgr"},
        )
