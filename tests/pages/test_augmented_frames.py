"""The route of augmented frames: the very pictures that training makes, and nothing that an address should not reach."""

from __future__ import annotations

from dataclasses import replace

import cv2
import h5py
import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from app.augmented import as_trained, drawn
from app.augmented_frames import augmented_url
from app.routes import MIDDLEWARE, ROUTES
from mvla_core.datasets.augmentation.copies import draw_copy
from mvla_core.datasets.augmentation.motion_transforms import Mirror, TimeWarp
from mvla_core.datasets.augmentation.picture_transforms import Light
from mvla_core.datasets.augmentation.recipe import AugmentationRecipe, Step
from mvla_core.datasets.augmentation.store import save_augmentation
from mvla_core.datasets.augmentation.transform import EpisodeLabels
from mvla_core.episodes.annotations import change
from mvla_core.episodes.catalogue import load_sequences
from mvla_core.episodes.dataset import named_dataset
from mvla_core.episodes.notes import Change
from mvla_core.episodes.writer import write_episode
from mvla_core.layout import ENVIRONMENT_VARIABLE, DataRoot
from mvla_core.schema import ActionSpace

RECIPE = AugmentationRecipe("evening", (Step(Light(contrast_percent=0)), Step(TimeWarp(percent=60))), copies=2)
ADDRESS = "/mvla/augmented/lab/take/3.jpg?recipe=evening&copy=1"
LEVELS = 40 + 8 * np.arange(18)


@pytest.fixture
def client() -> TestClient:
    return TestClient(Starlette(routes=ROUTES, middleware=MIDDLEWARE), base_url="http://localhost:8501")


@pytest.fixture
def lab(root: DataRoot, monkeypatch: pytest.MonkeyPatch) -> DataRoot:
    """An episode whose frames are grey levels of their own, with a brighter left half."""
    frames = np.zeros((18, 24, 32, 3), np.uint8) + LEVELS.astype(np.uint8)[:, None, None, None]
    frames[:, :, :16] += 50
    actions = np.full((18, 2), 0.5, np.float32)
    write_episode(
        root.dataset("lab") / "take.h5", frames, actions, action_space=ActionSpace.default(2), instruction="Go left."
    )
    save_augmentation(root, RECIPE)
    save_augmentation(root, AugmentationRecipe("mirror", (Step(Mirror()),)))
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(root.path))
    return root


def picture(content: bytes) -> np.ndarray:
    decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    return decoded[..., ::-1].astype(int)


def trained_copy(root: DataRoot, recipe: AugmentationRecipe, copy: int, seed: int):  # type: ignore[no-untyped-def]
    """Drawn as a training does, beside the route's own way."""
    info = as_trained(root, "lab", "take")
    (sequence,) = load_sequences([info], root)
    return draw_copy(EpisodeLabels.of(info, sequence), recipe, copy, seed)


@pytest.mark.parametrize(("copy", "seed"), [(1, 0), (2, 0), (1, 5)])
def test_it_shows_what_training_makes_with_the_warped_index(
    client: TestClient, lab: DataRoot, copy: int, seed: int
) -> None:
    made = trained_copy(lab, RECIPE, copy, seed)
    assert (made.sources != np.arange(18)).any(), "the warp moves some frame"
    for index in (0, 4, 9, 13):
        answer = client.get(f"/mvla/augmented/lab/take/{index}.jpg?recipe=evening&copy={copy}&seed={seed}")
        assert answer.status_code == 200
        brightness = made.parameters[0]["brightness_percent"]
        expected = np.clip(LEVELS[made.sources[index]] + 2.55 * brightness, 0, 255)
        assert abs(picture(answer.content)[12, 28, 1] - expected) <= 3


def test_the_mirror_and_the_episode_itself(client: TestClient, lab: DataRoot) -> None:
    mirrored = picture(client.get("/mvla/augmented/lab/take/3.jpg?recipe=mirror&copy=1").content)
    itself = picture(client.get("/mvla/augmented/lab/take/3.jpg?recipe=mirror&copy=0").content)
    assert mirrored[12, 28, 0] > mirrored[12, 4, 0] + 30
    assert itself[12, 28, 0] < itself[12, 4, 0] - 30


def test_a_trim_counts_the_frames_that_are_kept(client: TestClient, lab: DataRoot) -> None:
    address = "/mvla/augmented/lab/take/2.jpg?recipe=mirror&copy=0"
    change(lab, named_dataset(lab, "lab"), {"take": Change(trim=(5, 12))}, "Trim")
    assert abs(picture(client.get(address).content)[12, 28, 1] - LEVELS[7]) <= 3
    assert client.get(address.replace("/2.jpg", "/8.jpg")).status_code == 404


def test_only_an_address_that_names_all_it_depends_on_is_kept(client: TestClient, lab: DataRoot) -> None:
    info = as_trained(lab, "lab", "take")
    url = augmented_url(info, RECIPE, 1, 0).replace("{index}", "3").replace("{width}", "16")
    answer = client.get(url)
    assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert picture(answer.content).shape == (12, 16, 3)
    assert client.get(ADDRESS).headers["cache-control"] == "no-store"
    assert client.get(ADDRESS + "&v=1").headers["cache-control"] == "no-store"
    save_augmentation(lab, replace(RECIPE, seed=9))
    assert client.get(url).headers["cache-control"] == "no-store", "the recipe of this name does something else now"
    assert augmented_url(info, replace(RECIPE, seed=9), 1, 0) != augmented_url(info, RECIPE, 1, 0)
    assert augmented_url(replace(info, trim=(1, 5)), RECIPE, 1, 0) != augmented_url(info, RECIPE, 1, 0)


def test_a_damaged_frame_is_a_sentence_and_the_others_are_shown(client: TestClient, lab: DataRoot) -> None:
    path = lab.dataset("lab") / "take.h5"
    with h5py.File(path, "r") as file:
        chunk = file["images"].id.get_chunk_info(3)
    with open(path, "r+b") as raw:
        raw.seek(chunk.byte_offset)
        raw.write(b"\xff" * chunk.size)
    answer = client.get("/mvla/augmented/lab/take/3.jpg?recipe=mirror&copy=1")
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/plain")
    assert "take.h5 is damaged" in answer.text
    assert client.get("/mvla/augmented/lab/take/9.jpg?recipe=mirror&copy=1").status_code == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("lab/take/18.jpg?recipe=evening", 404),
        ("lab/take/-1.jpg?recipe=evening", 400),
        (f"lab/take/{'9' * 6000}.jpg?recipe=evening", 400),
        ("lab/take/3.jpg", 400),
        ("lab/take/3.jpg?recipe=nobody", 404),
        ("lab/take/3.jpg?recipe=..%2fevening", 400),
        ("lab/take/3.jpg?recipe=%00", 400),
        ("lab/take/3.jpg?recipe=evening&copy=3", 404),
        ("lab/take/3.jpg?recipe=evening&copy=999999", 400),
        ("lab/take/3.jpg?recipe=evening&copy=-1", 400),
        ("lab/take/3.jpg?recipe=evening&seed=one", 400),
        ("lab/take/3.jpg?recipe=evening&seed=99999999999", 400),
        ("lab/take/3.jpg?recipe=evening&w=1e9", 400),
        ("lab/nobody/3.jpg?recipe=evening", 404),
        ("nowhere/take/3.jpg?recipe=evening", 404),
        ("%2e%2e/take/3.jpg?recipe=evening", 400),
        ("lab/%2e%2e/3.jpg?recipe=evening", 404),
    ],
)
def test_refusals_are_one_sentence(client: TestClient, lab: DataRoot, path: str, status: int) -> None:
    answer = client.get(f"/mvla/augmented/{path}")
    assert answer.status_code == status
    assert "\n" not in answer.text.strip()
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    "headers", [{"sec-fetch-site": "cross-site"}, {"origin": "http://evil.example"}, {"host": "evil.example"}]
)
def test_other_sites_get_nothing(client: TestClient, lab: DataRoot, headers: dict[str, str]) -> None:
    assert client.get(ADDRESS, headers=headers).status_code in (400, 403)


def test_what_was_drawn_follows_the_file(lab: DataRoot) -> None:
    first = drawn(as_trained(lab, "lab", "take"), RECIPE, 1, 0)
    frames = np.zeros((9, 24, 32, 3), np.uint8)
    (lab.dataset("lab") / "take.h5").unlink()
    write_episode(
        lab.dataset("lab") / "take.h5",
        frames,
        np.full((9, 2), 0.1, np.float32),
        action_space=ActionSpace.default(2),
        instruction="Go.",
    )
    assert (first.num_frames, drawn(as_trained(lab, "lab", "take"), RECIPE, 1, 0).num_frames) == (18, 9)
