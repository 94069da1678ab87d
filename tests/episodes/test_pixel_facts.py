"""Pixel facts against NumPy's own words for them, and what is found in frames that are known to be wrong."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvla_core.episodes.picture_findings import ENOUGH_FRAMES, facts_findings
from mvla_core.episodes.pixel_facts import FROZEN_FRAMES, PixelFacts, pixel_facts
from mvla_core.schema import Finding

Frames = npt.NDArray[np.uint8]
WOOD, GREY = (150, 100, 60), (120, 120, 120)


def noisy(colour: tuple[int, int, int], count: int, seed: int = 0, size: tuple[int, int] = (30, 40)) -> Frames:
    """Frames of one colour with the noise of a camera."""
    noise = np.random.default_rng(seed).normal(0, 12, (count, *size, 3))
    return np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)


def codes(findings: list[Finding]) -> set[str]:
    return {finding.code for finding in findings}


def moving(count: int) -> npt.NDArray[np.float32]:
    return np.full((count, 2), 1.15, np.float32)


@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(3, 20), st.integers(3, 90))
def test_facts_are_what_numpy_says(seed: int, count: int, height: int, width: int) -> None:
    frames = np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), dtype=np.uint8)
    facts = pixel_facts(frames)
    assert len(facts) == count
    np.testing.assert_allclose(facts.brightness, frames.mean(axis=(1, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(facts.contrast, frames.std(axis=(1, 2, 3)), rtol=1e-4)
    change = np.abs(frames[1:].astype(int) - frames[:-1]).mean(axis=(1, 2, 3))
    assert np.isnan(facts.difference[0])
    np.testing.assert_allclose(facts.difference[1:], change, rtol=1e-5)
    green = np.pad(frames[..., 1].astype(float), ((0, 0), (1, 1), (1, 1)), mode="reflect")
    edges = (
        green[:, :-2, 1:-1] + green[:, 2:, 1:-1] + green[:, 1:-1, :-2] + green[:, 1:-1, 2:] - 4 * green[:, 1:-1, 1:-1]
    )
    np.testing.assert_allclose(facts.sharpness, edges.var(axis=(1, 2)), rtol=1e-4)


@given(st.integers(0, 2**32 - 1), st.integers(3, 20), st.integers(3, 60))
def test_only_the_colour_shares_depend_on_the_order_of_channels(seed: int, height: int, width: int) -> None:
    frames = np.random.default_rng(seed).integers(0, 256, (3, height, width, 3), dtype=np.uint8)
    exchanged = pixel_facts(np.ascontiguousarray(frames[..., ::-1]))
    expected = pixel_facts(frames).channels_exchanged()
    for name in ("brightness", "contrast", "sharpness", "difference"):
        np.testing.assert_allclose(getattr(exchanged, name), getattr(expected, name), rtol=1e-5)
    for name in (
        "warm",
        "cold",
    ):  # Hue is rounded to 2 degrees, so that a pixel at the edge of a range may fall out of it.
        np.testing.assert_allclose(getattr(exchanged, name), getattr(expected, name), atol=0.12)


def test_a_blurred_picture_is_less_sharp() -> None:
    sharp = noisy(GREY, 1)[0]
    facts = pixel_facts([sharp, np.asarray(cv2.GaussianBlur(sharp, (5, 5), 0), np.uint8)])
    assert facts.sharpness[0] > 10 * facts.sharpness[1]


def test_flags() -> None:
    frames: list[Frames | None] = [*noisy(GREY, 4)]
    frames[1] = np.zeros((30, 40, 3), np.uint8)
    frames[2] = noisy((30, 30, 30), 1)[0]
    frames[3] = None
    facts = pixel_facts(frames)
    assert facts.corrupt.tolist() == [False, True, False, False]
    assert facts.dark.tolist() == [False, True, True, False]
    assert facts.unreadable.tolist() == [False, False, False, True]
    findings = {finding.code: finding for finding in facts_findings("walk", {"a": facts})}
    assert findings.keys() == {"corrupt_frames", "dark_frames", "unreadable_frames"}
    assert findings["dark_frames"].details == {"frames": 1, "measured": 4, "episodes": {"a": 1}}
    assert findings["dark_frames"].message.startswith("1 of 4 measured frames are dark")


@pytest.mark.parametrize(("repeats", "frozen"), [(FROZEN_FRAMES - 1, 0), (FROZEN_FRAMES, FROZEN_FRAMES), (6, 6)])
def test_frozen_is_the_same_picture_several_times(repeats: int, frozen: int) -> None:
    frames = noisy(GREY, 4)
    facts = pixel_facts([*frames, *[frames[3]] * repeats, *noisy(GREY, 2, seed=1)])
    assert facts.frozen.tolist() == [False] * 4 + [frozen > 0] * repeats + [False] * 2
    told = facts_findings("walk", {"a": facts}, {"a": moving(len(facts))})
    assert [finding.details["frames"] for finding in told] == [frozen] * (frozen > 0)


def test_a_robot_that_stands_still_has_no_frozen_camera() -> None:
    facts = pixel_facts([noisy(GREY, 1)[0]] * 8)
    actions = np.zeros((8, 2), np.float32)
    assert facts_findings("walk", {"a": facts}, {"a": actions}) == []
    actions[6] = 1.15  # The frame after this command should show something else.
    (finding,) = facts_findings("walk", {"a": facts}, {"a": actions})
    assert (finding.code, finding.details["frames"]) == ("frozen_frames", 1)
    assert facts_findings("walk", {"a": facts}) == []


def test_bytes_and_cuts() -> None:
    facts = pixel_facts([*noisy(WOOD, 3), None, *noisy(WOOD, 3)])
    again = PixelFacts.from_bytes(facts.to_bytes())
    for name, values in vars(facts).items():
        np.testing.assert_array_equal(getattr(again, name), values)
    part = facts.cut(slice(4, 6))
    np.testing.assert_array_equal(part.brightness, facts.brightness[4:6])
    assert np.isnan(part.difference[0])
    assert part.difference[1] == facts.difference[5]
    assert len(facts.cut(slice(None))) == 7
    with pytest.raises(ValueError, match="reshape"):
        PixelFacts.from_bytes(facts.to_bytes()[:-4])


def test_exchanged_channels_are_told_of_enough_coloured_frames_only() -> None:
    blue = tuple(reversed(WOOD))
    assert codes(facts_findings("walk", {"a": pixel_facts(noisy(blue, ENOUGH_FRAMES))})) == {"likely_bgr"}
    assert facts_findings("walk", {"a": pixel_facts(noisy(blue, ENOUGH_FRAMES - 1))}) == []
    assert facts_findings("walk", {"a": pixel_facts(noisy(WOOD, ENOUGH_FRAMES))}) == []
    assert facts_findings("walk", {"a": pixel_facts(noisy(GREY, 3 * ENOUGH_FRAMES))}) == []
    assert facts_findings("walk", {}) == []


def test_a_blue_sky_is_no_exchange() -> None:
    frames = noisy(GREY, 2 * ENOUGH_FRAMES)
    frames[:, :10] = noisy((90, 140, 230), 2 * ENOUGH_FRAMES, size=(10, 40))
    assert facts_findings("walk", {"a": pixel_facts(frames)}) == []


def test_a_data_set_of_both_orders_names_the_exchanged_episodes() -> None:
    facts = {f"e{number}": pixel_facts(noisy(WOOD, 18, seed=number)) for number in range(6)}
    one = facts | {"e1": facts["e1"].channels_exchanged()}
    assert facts_findings("walk", one) == []  # 18 frames are too few to speak of.
    two = one | {"e4": facts["e4"].channels_exchanged()}
    (finding,) = facts_findings("walk", two)
    assert (finding.code, finding.details["episodes"]) == ("mixed_color_order", ["e1", "e4"])
    assert "2 episodes (e1, e4) and not in 4 others" in finding.message


def test_a_blue_thing_in_some_episodes_is_no_exchange() -> None:
    """Episodes that are clearly neither show that the room holds both colours."""
    warm = [pixel_facts(noisy(WOOD, 18, seed=seed)) for seed in range(3)]
    cold = [one.channels_exchanged() for one in warm]
    both = noisy(WOOD, 18)
    both[:, :, :20] = noisy((60, 100, 150), 18, size=(30, 20))
    neither = [pixel_facts(both)] * 3
    assert facts_findings("walk", {str(n): one for n, one in enumerate([*warm, *cold, *neither])}) == []


@pytest.mark.shared
def test_real_pictures(shared_data: Path) -> None:
    """Real camera frames: nothing is wrong with them, and their exchange is seen."""
    with tarfile.open(shared_data / "donkeycar_tub.tar.gz") as pack:
        members = [one for one in pack if one.name.endswith(".jpg") and not Path(one.name).name.startswith(".")]
        members.sort(key=lambda one: int(Path(one.name).name.split("_")[0]))  # As they were recorded: a frame a number.
        read: list[Any] = [pack.extractfile(one) for one in members]
        stored = [cv2.imdecode(np.frombuffer(one.read(), np.uint8), cv2.IMREAD_COLOR) for one in read if one]
    bgr = [np.asarray(frame, np.uint8) for frame in stored if frame is not None]
    assert len(bgr) == 1000
    rgb = [np.ascontiguousarray(frame[..., ::-1]) for frame in bgr]
    assert facts_findings("tub", {"a": pixel_facts(rgb)}, {"a": moving(len(rgb))}) == []
    assert codes(facts_findings("tub", {"a": pixel_facts(bgr)})) == {"likely_bgr"}
