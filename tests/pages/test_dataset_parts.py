"""The parts of the Data set page: each opens by its link, and shows what real pictures say."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from mvla_core.audit.audit import audit_dataset
from mvla_core.episodes.writer import write_episode
from mvla_core.layout import ENVIRONMENT_VARIABLE, DataRoot
from mvla_core.policies.picture_looks import look_at_pictures
from mvla_core.schema import ActionSpace, Frame

PARTS = ("summary", "actions", "pictures", "splits", "plan", "augmentation", "comparison")
FRAMES = 12


def panorama(seed: int) -> Frame:
    """A wall with large coloured forms, uint8 (96, 480, 3)."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 30, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (480, 96), interpolation=cv2.INTER_CUBIC), np.uint8)


@pytest.fixture
def lab(root: DataRoot, monkeypatch: pytest.MonkeyPatch) -> DataRoot:
    """Ten walks along ten walls; two more show the first two walls again and are driven the other way."""
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(root.path))
    folder = root.dataset("lab")
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for number in range(12):
        wall = panorama(number % 10)
        side = 1.0 if (number % 2 == 0) == (number < 10) else -1.0
        frames = np.stack([wall[:, 20 * step : 20 * step + 128] for step in range(FRAMES)])
        noisy = np.clip(frames + generator.normal(0, 2, frames.shape), 0, 255).astype(np.uint8)
        actions = np.stack([np.ones(FRAMES), np.full(FRAMES, side)], axis=1).astype(np.float32)
        name = f"episode_202511{10 + number // 3:02d}_1000{number:02d}"
        write_episode(folder / f"{name}.h5", noisy, actions, action_space=ActionSpace.default(2), instruction="Go on.")
    return root


def said(page: Any) -> str:
    kinds = (page.title, page.subheader, page.caption, page.markdown, page.error, page.warning, page.info, page.success)
    return "\n".join(str(element.value) for kind in kinds for element in kind)


@pytest.mark.parametrize("part", [*PARTS, "nonsense"])
@pytest.mark.parametrize("lang", ["en", "ko"])
def test_every_part_opens_by_its_link(open_page: Any, lab: DataRoot, part: str, lang: str) -> None:
    page = open_page("dataset", dataset="lab", part=part, lang=lang)
    assert not page.exception
    control = page.segmented_control(key="dataset_part")
    assert control.value == (part if part in PARTS else "summary")


def test_choosing_a_part_writes_it_to_the_address(open_page: Any, lab: DataRoot) -> None:
    page = open_page("dataset", dataset="lab")
    page.segmented_control(key="dataset_part").set_value("actions").run()
    assert not page.exception
    assert page.query_params["part"] == "actions"
    assert len(page.get("plotly_chart")) >= 7


def test_pictures_that_nobody_has_looked_at_offer_the_job(open_page: Any, lab: DataRoot) -> None:
    page = open_page("dataset", dataset="lab", part="pictures")
    assert "**0 of 12** episodes" in said(page)
    assert page.button(key="look_at_pictures").label == "Look at the pictures"
    assert not page.get("plotly_chart")


def test_what_the_pictures_say_is_shown(open_page: Any, lab: DataRoot) -> None:
    look_at_pictures(lab, "lab")
    result = audit_dataset(lab, "lab")
    assert result.pictures is not None
    assert result.pictures.conflicts is not None
    assert result.pictures.conflicts.torn_frames >= 2 * FRAMES
    page = open_page("dataset", dataset="lab", part="pictures")
    assert not page.exception
    text = said(page)
    assert "Same view, opposite commands" in text
    assert len(page.get("plotly_chart")) == 1
    pictures = [element.proto.body for element in page.get("html")]
    assert len(pictures) >= 2
    assert all(picture.count('src="/mvla/frames/lab/') == 2 for picture in pictures)
    assert all("driven left" in picture and "driven right" in picture for picture in pictures[:2])
    assert not [button for button in page.button if button.key == "look_at_pictures"], "nothing is left to look at"


def test_the_ways_to_split_say_why_one_is_impossible(open_page: Any, lab: DataRoot) -> None:
    page = open_page("dataset", dataset="lab", part="splits")
    table = page.dataframe[0].value.set_index("Kept together")
    assert list(table.index) == ["Episode", "Session", "Scenario", "Time"]
    assert "scenario of 12 of 12 episodes is not known" in table.loc["Scenario", "What its test asks"]
    assert table.loc["Session", "In a trained session"] == "0"
