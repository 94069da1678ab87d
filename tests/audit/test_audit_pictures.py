"""What was measured of the pictures joins the audit, for the episodes as they are curated."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from mvla_core.audit.audit import audit_dataset
from mvla_core.episodes.measured_pictures import measure_pictures
from mvla_core.episodes.notes import Annotations, DatasetSettings
from mvla_core.episodes.writer import write_episode
from mvla_core.layout import DataRoot
from mvla_core.schema import ActionSpace

WOOD = (150, 100, 60)
PICTURES = {"unreadable_frames", "corrupt_frames", "dark_frames", "frozen_frames", "likely_bgr", "mixed_color_order"}


@pytest.fixture
def write(root: DataRoot) -> Callable[[str, npt.NDArray[np.uint8]], None]:
    def write_frames(name: str, frames: npt.NDArray[np.uint8]) -> None:
        path = root.dataset("walk") / f"{name}.h5"
        path.parent.mkdir(parents=True, exist_ok=True)
        actions = np.full((len(frames), 2), 1.15, np.float32)
        write_episode(path, frames, actions, action_space=ActionSpace.default(2))

    return write_frames


def frames_of(colour: tuple[int, int, int], seed: int) -> npt.NDArray[np.uint8]:
    noise = np.random.default_rng(seed).normal(0, 12, (18, 24, 32, 3))
    return np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)


def picture_findings(root: DataRoot, annotations: Annotations | None = None) -> dict[str, int]:
    """Code -> number of frames; -1 where a finding is not about single frames."""
    found = audit_dataset(root, "walk", annotations=annotations).findings
    return {finding.code: finding.details.get("frames", -1) for finding in found if finding.code in PICTURES}


def test_bad_frames_are_found_once_they_are_measured(
    root: DataRoot, write: Callable[[str, npt.NDArray[np.uint8]], None]
) -> None:
    for seed in range(3):
        write(f"good_{seed}", frames_of(WOOD, seed))
    frames = frames_of(WOOD, 3)
    frames[5:10] = frames[4]
    frames[12] = 0
    frames[14:] //= 6
    write("bad", frames)
    assert picture_findings(root) == {}
    measure_pictures(root, "walk")
    assert picture_findings(root) == {"corrupt_frames": 1, "dark_frames": 4, "frozen_frames": 5}


def test_treating_the_data_set_as_bgr_answers_the_finding(
    root: DataRoot, write: Callable[[str, npt.NDArray[np.uint8]], None]
) -> None:
    for seed in range(3):
        write(f"blue_{seed}", frames_of((60, 100, 150), seed))
    measure_pictures(root, "walk")
    assert picture_findings(root) == {"likely_bgr": -1}
    assert picture_findings(root, Annotations(dataset_settings=DatasetSettings(color_order="bgr"))) == {}
