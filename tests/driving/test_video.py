"""A film is whole, or the former one stays: a full disk is told, as the coder says nothing of it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from mvla_core.driving.video import write_video
from mvla_core.errors import SimulationError
from mvla_core.simulation.config import SimulationConfig
from mvla_core.simulation.sampling import sample_scene
from mvla_core.simulation.scene import Pose

SCENE = sample_scene(1, "left", SimulationConfig())


def film(path: Path, frames: int = 30) -> None:
    pictures = list(np.random.default_rng(0).integers(0, 255, (frames, 24, 24, 3), dtype=np.uint8))
    poses = [Pose(0.05 * number, 0.0, 0.0) for number in range(frames + 1)]
    write_video(path, SCENE, pictures, poses, np.ones((frames, 2), np.float32), 6.0, "film")


ON_A_SMALL_DISK = """
import resource, sys
from pathlib import Path
from mvla_core.errors import SimulationError
from tests.driving.test_video import film
resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, 8_000))
try:
    film(Path(sys.argv[1]))
except SimulationError as error:
    print(error)
"""
"""No file may grow beyond a few kilobytes. In a process of its own: the limit would meet the test's log too."""


def test_a_film_holds_every_picture_and_a_rest(tmp_path: Path) -> None:
    film(tmp_path / "whole" / "film.mp4")
    reader = cv2.VideoCapture(str(tmp_path / "whole" / "film.mp4"))
    assert sum(iter(reader.grab, False)) == 30 + 5
    assert [path.name for path in (tmp_path / "whole").iterdir()] == ["film.mp4"]


def test_a_full_disk_leaves_the_former_film_and_is_told(tmp_path: Path) -> None:
    target = tmp_path / "film.mp4"
    target.write_bytes(b"former")
    finished = subprocess.run(
        [sys.executable, "-c", ON_A_SMALL_DISK, str(target)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert re.search(r"pictures reached the disk, which has [\d,]+ MB left", finished.stdout), finished.stderr
    assert target.read_bytes() == b"former"
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]


def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(SimulationError, match="cannot be written"):
        film(tmp_path / "taken" / "film.mp4")
