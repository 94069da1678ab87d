"""A data set whose recorder stored BGR: measured, put right with one click, right wherever pictures are shown or learned from."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import cv2
import h5py
import numpy as np
import numpy.typing as npt
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from app.annotated import as_shown
from app.catalogues import find_episode
from app.routes import MIDDLEWARE, ROUTES, frame_url, strip_url
from mvla_core.episodes.curation import scan_curated
from mvla_core.episodes.dataset import named_dataset
from mvla_core.episodes.frame_features import Features, frame_features
from mvla_core.episodes.measured_pictures import measure_pictures
from mvla_core.episodes.picture_findings import facts_findings
from mvla_core.episodes.pixel_facts import pixel_facts
from mvla_core.episodes.reader import open_known
from mvla_core.layout import DataRoot
from mvla_core.simulation.sampling import sample_scene
from mvla_core.simulation.scene import Colour, Room, Surface
from mvla_core.simulation.world import World

FRAMES, SIZE = 18, 48
WOOD = (0.62, 0.45, 0.28)
ROOMS: dict[str, tuple[Colour, Colour]] = {
    "wooden floor, white walls": (WOOD, (0.92, 0.91, 0.89)),
    "grey floor, white walls": ((0.5, 0.5, 0.5), (0.92, 0.92, 0.92)),
    "cream floor, beige walls": ((0.86, 0.80, 0.68), (0.90, 0.84, 0.72)),
    "green floor, white walls": ((0.25, 0.50, 0.28), (0.92, 0.92, 0.92)),
    "grey floor, blue walls": ((0.5, 0.5, 0.5), (0.45, 0.62, 0.85)),
    "blue floor, blue walls": ((0.20, 0.38, 0.62), (0.45, 0.62, 0.85)),
}


def drive(floor: Colour, wall: Colour, first_seed: int, count: int) -> npt.NDArray[np.uint8]:
    """RGB frames of a robot that drives forward in rooms of one painting: cartons, baskets and furniture differ."""
    world, frames = World(SIZE), []
    for seed in range(first_seed, first_seed + count):
        scene = sample_scene(seed, ("left", "right")[seed % 2])
        room = vars(scene.room) | {"floor": Surface("carpet", floor, seed), "wall": Surface("wall", wall, seed)}
        world.reset(type(scene)(**(vars(scene) | {"room": Room(**room)})))
        for _ in range(3):
            frames.append(world.frame())
            world.step((0.5, 0.0), 0.4)
    return np.stack(frames)


def codes(frames: npt.NDArray[np.uint8]) -> set[str]:
    return {found.code for found in facts_findings("room", {"a": pixel_facts(frames)}) if "bgr" in found.code}


@pytest.mark.parametrize("name", ROOMS)
def test_no_room_is_taken_for_another_and_a_warm_one_is_known(name: str) -> None:
    """In a room whose floor is not warm nothing is said at all, whichever way the colours lie: see docs/formats.md."""
    rgb = drive(*ROOMS[name], first_seed=300, count=12)
    assert codes(rgb) == set()
    assert codes(np.ascontiguousarray(rgb[..., ::-1])) == ({"likely_bgr"} if "wooden" in name else set())


@pytest.fixture
def swapped(served: DataRoot) -> dict[str, npt.NDArray[np.uint8]]:
    """Two recordings as an early recorder wrote them: BGR, and no word of it. The right pictures by episode id."""
    right = {}
    for number in range(2):
        rgb = drive(WOOD, (0.92, 0.91, 0.89), 300 + 6 * number, FRAMES // 3)
        name = f"episode_20260101_12{number:02d}00"
        path = served.dataset("lab") / f"{name}.h5"
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(path, "w") as file:
            file.create_dataset("images", data=rgb[..., ::-1], chunks=(1, SIZE, SIZE, 3), compression="gzip")
            file["actions"] = np.ones((FRAMES, 2), np.float32)
        right[name] = rgb
    return right


class MeanColour:
    """An encoder whose features are the mean of each channel: 3 numbers that tell RGB from BGR."""

    key = "mean"
    shape: ClassVar[tuple[int, ...]] = (3,)
    dtype: ClassVar[np.dtype[Any]] = np.dtype(np.float16)

    def encode(self, frames: npt.NDArray[np.uint8]) -> Features:
        return frames.mean(axis=(1, 2)).astype(np.float16)

    def to(self, device: Any) -> None:
        """It has no weights."""


def test_one_click_puts_the_colours_right_everywhere(
    open_page, served: DataRoot, swapped: dict[str, npt.NDArray[np.uint8]]
) -> None:
    measure_pictures(served, "lab")
    name, right = next(iter(swapped.items()))
    client = TestClient(Starlette(routes=ROUTES, middleware=MIDDLEWARE), base_url="http://localhost:8501")

    def shown() -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Frame 4 and the strip, RGB, as the browser gets them."""
        info = as_shown(served, find_episode(served, "lab", name))
        found = []
        for address in (frame_url(info).replace("{index}", "4").replace("{width}", "640"), strip_url(info)):
            answer = client.get(address)
            assert "immutable" in answer.headers["cache-control"]
            found.append(cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)[..., ::-1])
        return found[0], found[1]

    def warmth(picture: npt.NDArray[Any]) -> float:
        return float(picture[..., 0].mean() - picture[..., 2].mean())

    page = open_page("episodes")
    assert not page.exception
    before = shown()
    assert warmth(before[0]) < -5 and warmth(before[1]) < -5  # noqa: PT018 - frame and strip
    page.button(key="treat_as_other").click().run()
    assert not page.exception
    assert [button.key for button in page.button if button.key == "treat_as_other"] == []

    frame, strip = shown()
    assert np.abs(frame.astype(float) - right[4]).mean() < 6, "as the camera saw it, but for the JPEG"
    assert warmth(strip) > 5
    info = scan_curated(served, named_dataset(served, "lab")).by_id(name)
    with open_known(info) as reader:
        np.testing.assert_array_equal(reader.frame(4), right[4])
    np.testing.assert_allclose(frame_features(served, MeanColour(), info), right.mean(axis=(1, 2)), rtol=1e-2)
    assert Path(info.path).stat().st_mtime_ns == info.file_mtime_ns, "the recording itself was not touched"

    page.button(key="curation_undo").click().run()
    assert warmth(shown()[0]) < -5
    assert [button.key for button in page.button if button.key == "treat_as_other"] == ["treat_as_other"]
