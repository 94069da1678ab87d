"""Each transform: shape and dtype stay, the same draw gives the same bytes, and the label changes the way the picture does."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvla_core.datasets.augmentation.copies import augment_episode, augment_frame, augmented_frames, draw_copy
from mvla_core.datasets.augmentation.motion_transforms import DrawnMirror, DrawnSpeed, DrawnTimeWarp, Mirror, TimeWarp
from mvla_core.datasets.augmentation.path_transform import CameraView, DrawnPath, PathPerturbation
from mvla_core.datasets.augmentation.picture_transforms import (
    Crop,
    DrawnBlur,
    DrawnCrop,
    DrawnLight,
    DrawnNoise,
    DrawnRotation,
    DrawnShadow,
    Noise,
)
from mvla_core.datasets.augmentation.recipe import TRANSFORMS, AugmentationRecipe, Step
from mvla_core.datasets.augmentation.settings import settings_of
from mvla_core.datasets.augmentation.transform import ActionLimits, EpisodeLabels
from mvla_core.errors import RecipeError, UserInputError
from mvla_core.schema import Actions, ActionSpace, Frame, Scenario

OMNI = ActionSpace.default(2)
ALL = ActionSpace.default(3)
CAR = ActionSpace.from_names(("linear_x", "angular_z"))
FULL = AugmentationRecipe("full", tuple(Step(transform()) for transform in TRANSFORMS.values()), copies=3, seed=5)
CAMERA = CameraView(60.0, 0.2, 0.0)


def scene(count: int = 7, height: int = 24, width: int = 32, seed: int = 0) -> list[Frame]:
    generator = np.random.default_rng(seed)
    return list(generator.integers(0, 256, (count, height, width, 3), dtype=np.uint8))


def driven(count: int = 7, dims: int = 3, seed: int = 1) -> Actions:
    return np.random.default_rng(seed).uniform(0.1, 1, (count, dims)).astype(np.float32)


def labels_of(actions: Actions, space: ActionSpace, **others: Any) -> EpisodeLabels:
    return EpisodeLabels(actions, space, **others)


@pytest.mark.parametrize("name", list(TRANSFORMS))
def test_shape_and_dtype_stay_and_the_given_frame_is_left_alone(name: str) -> None:
    frames, actions = scene(), driven()
    kept = [frame.copy() for frame in frames]
    recipe = AugmentationRecipe("one", (Step(TRANSFORMS[name]()),), copies=20)
    for number in range(1, 21):
        made = augment_episode(frames, actions, "Drive left.", ALL, recipe, number, 3)
        pictures = list(made.frames)
        assert [(picture.shape, picture.dtype) for picture in pictures] == [((24, 32, 3), np.uint8)] * 7
        assert (made.actions.shape, made.actions.dtype) == ((7, 3), np.float32)
        assert len(made.description) == 1
        assert made.copy.parameters[0]["step"] == 0
    assert all(np.array_equal(before, after) for before, after in zip(kept, frames, strict=True))


@pytest.mark.parametrize("name", list(TRANSFORMS))
def test_every_transform_says_what_it_does_and_assumes(name: str) -> None:
    transform = TRANSFORMS[name]
    assert transform.title
    assert transform.help.endswith(".")
    assert transform.assumption.endswith(".")
    for described in settings_of(transform):
        assert described.help.endswith(".")
        assert described.minimum <= described.default <= described.maximum
        for wrong in (described.maximum * 2 + 1, math.nan, True, "much"):
            with pytest.raises(RecipeError, match=f"{described.name} of the augmentation cannot be"):
                transform(**{described.name: wrong})


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**31 - 1), st.integers(1, 3), st.integers(1, 12))
def test_the_same_seed_and_copy_give_the_same_bytes_in_any_order(seed: int, number: int, count: int) -> None:
    frames, actions = scene(count), driven(count)
    first, second = (augment_episode(iter(frames), actions, "left", ALL, FULL, number, seed) for _ in range(2))
    streamed = list(first.frames)
    assert all(np.array_equal(one, two) for one, two in zip(streamed, second.frames, strict=True))
    assert first.actions.tobytes() == second.actions.tobytes()
    assert first.description == second.description
    copy = draw_copy(labels_of(actions, ALL, instruction="left"), FULL, number, seed)
    for index in reversed(range(count)):
        alone = augment_frame(frames.__getitem__, copy, index)
        assert np.array_equal(alone, streamed[index])


def test_copies_seeds_and_episodes_draw_differently() -> None:
    actions = driven()
    drawn = {
        tuple(draw_copy(labels_of(actions, ALL, episode_id=name), FULL, number, seed).description)
        for name in ("a", "b")
        for number in (1, 2)
        for seed in (0, 1)
    }
    assert len(drawn) == 8


def test_a_copy_that_does_not_exist_is_refused() -> None:
    for number in (0, 4):
        with pytest.raises(UserInputError, match="expected 1 to 3"):
            draw_copy(labels_of(driven(), ALL), FULL, number, 0)
    copy = draw_copy(labels_of(driven(), ALL, episode_id="e"), FULL, 1, 0)
    with pytest.raises(UserInputError, match="Frame 7 of e does not exist"):
        augment_frame(scene().__getitem__, copy, 7)
    with pytest.raises(UserInputError, match="has 3 frames for 7 actions"):
        list(augmented_frames(scene(3), copy))


def test_frames_are_read_one_at_a_time() -> None:
    read = []

    def recording() -> Any:
        for index, frame in enumerate(scene()):
            read.append(index)
            yield frame

    recipe = AugmentationRecipe("one", (Step(Mirror()),))
    made = augment_episode(recording(), driven(), "", ALL, recipe, 1, 0)
    assert read == []
    next(made.frames)
    next(made.frames)
    assert read == [0, 1]


def test_light_stays_and_noise_changes_through_an_episode() -> None:
    frames = [scene(1)[0]] * 3
    recipe = AugmentationRecipe("light", (Step(TRANSFORMS["light"]()),))
    lit = list(augment_episode(frames, driven(3), "", ALL, recipe, 1, 0).frames)
    assert np.array_equal(lit[0], lit[2])
    assert not np.array_equal(lit[0], frames[0])
    noisy = list(augment_episode(frames, driven(3), "", ALL, replace(recipe, steps=(Step(Noise()),)), 1, 0).frames)
    assert not np.array_equal(noisy[0], noisy[1])


def test_a_step_is_applied_in_its_share_of_the_copies() -> None:
    recipe = AugmentationRecipe("half", (Step(Mirror(), 0.5),), copies=20)
    episodes = [labels_of(driven(2), ALL, episode_id=f"e{number}") for number in range(20)]
    applied = [bool(draw_copy(each, recipe, number, 0).drawn) for each in episodes for number in range(1, 21)]
    assert 0.4 < np.mean(applied) < 0.6
    never = AugmentationRecipe("never", (Step(Mirror(), 0.0),))
    unchanged = draw_copy(episodes[0], never, 1, 0)
    assert unchanged.drawn == ()
    assert np.array_equal(unchanged.labels.actions, episodes[0].actions)


def test_pictures_by_an_independent_formula() -> None:
    frame = scene(1)[0]
    lit = DrawnLight(10.0, -20.0).picture(frame, ())
    assert np.array_equal(lit, np.clip(np.rint((frame - 128.0) * 0.8 + 128 + 25.5), 0, 255))
    grey = np.full((80, 100, 3), 128, np.uint8)
    noise = DrawnNoise(8.0).picture(grey, (1,)).astype(float) - 128
    assert noise.std() == pytest.approx(8, rel=0.03)
    assert abs(noise.mean()) < 0.2
    blurred = DrawnBlur(1.0, 6.0, 30.0).picture(frame, ())
    assert blurred.std() < frame.std()
    assert blurred.mean() == pytest.approx(frame.mean(), rel=0.03)
    shaded = DrawnShadow(50.0, ((0.25, 0.0), (0.75, 0.0), (0.75, 1.0), (0.25, 1.0))).picture(grey, ())
    assert set(np.unique(shaded)) == {64, 128}
    assert 0.45 < (shaded == 64).mean() < 0.55


def test_crop_and_tilt_move_what_they_say() -> None:
    ramp = np.repeat(np.repeat(np.arange(0, 200, 2, dtype=np.uint8)[None, :, None], 60, 0), 3, 2)  # value = 2 x column
    same = DrawnCrop(100.0, 0.0, 0.0).picture(ramp, ())
    assert np.array_equal(same, ramp)
    cropped = DrawnCrop(80.0, 5.0, 0.0).picture(ramp, ())
    # The window begins 10 - and 5 more - columns from the left; its pixel centres lie 0.8 apart.
    expected = 2 * (15 + (np.arange(100) + 0.5) * 0.8 - 0.5)
    assert np.abs(cropped[30, :, 0] - expected).max() <= 1
    dot = np.zeros((61, 81, 3), np.uint8)
    dot[30, 70] = 255  # right of the middle
    turned = DrawnRotation(90.0).picture(dot, ())
    shown = np.argwhere(turned[..., 0] > 128)
    assert shown.tolist() == [[0, 40]]  # above the middle: counter-clockwise


def test_crop_never_leaves_the_picture() -> None:
    generator = np.random.default_rng(0)
    for _ in range(200):
        drawn = Crop(zoom_percent=10, shift_percent=20).draw(generator)
        margin = (100 - drawn.kept_percent) / 2
        assert max(abs(drawn.right_percent), abs(drawn.down_percent)) <= margin


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.sampled_from(["left", "Right", "box", "왼쪽으로", "우회전", "LEFT", "좌측", "go,"]), max_size=6),
    st.sampled_from([OMNI, ALL, CAR]),
)
def test_mirroring_twice_is_the_identity(words: list[str], space: ActionSpace) -> None:
    frame, mirror = scene(1)[0], DrawnMirror()
    assert np.array_equal(mirror.picture(mirror.picture(frame, ()), ()), frame)
    labels = labels_of(
        driven(dims=len(space)) - np.float32(0.5),
        space,
        instruction=" ".join(words),
        scenario=Scenario(side="left", boxes=1),
    )
    twice = mirror.relabel(mirror.relabel(labels))
    assert np.array_equal(twice.actions, labels.actions)
    assert twice.instruction == labels.instruction
    assert twice.scenario == labels.scenario
    assert mirror.relabel(labels).scenario == Scenario(side="right", boxes=1)


def test_the_mirror_flips_sideways_and_turning_alone() -> None:
    actions = np.array([[1, 2, 3], [0, 0, 0]], dtype=np.float32)
    changed = DrawnMirror().relabel(labels_of(actions, ALL)).actions
    assert changed.tolist() == [[1, -2, -3], [0, 0, 0]]
    assert not np.signbit(changed[1]).any()
    assert np.array_equal(DrawnMirror().relabel(labels_of(actions[:, :2], CAR)).actions[:, 1], [-2, 0])
    assert DrawnMirror().relabel(labels_of(actions, ALL, instruction="Go left.")).instruction == "Go right."
    assert Mirror.changes_label


def test_speed_scales_every_velocity_and_leaves_the_pictures() -> None:
    frame, actions = scene(1)[0], driven()
    drawn = DrawnSpeed(1.25)
    assert np.array_equal(drawn.picture(frame, ()), frame)
    assert drawn.sources(7) is None
    assert np.allclose(drawn.relabel(labels_of(actions, ALL)).actions, actions * 1.25)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 60), st.floats(0, 0.6), st.integers(1, 3), st.floats(0, 6.2))
def test_time_warp_goes_forward_from_the_first_frame_to_the_last(
    count: int, share: float, waves: int, phase: float
) -> None:
    sources = DrawnTimeWarp(share, waves, phase).sources(count)
    assert (sources[0], sources[-1]) == (0, count - 1)
    assert (np.diff(sources) >= 0).all()


def test_time_warp_covers_the_same_way() -> None:
    """The sum of velocities over time is the way; a slow drive through a smooth speed keeps it."""
    count = 400
    speed = 0.5 + 0.3 * np.sin(np.linspace(0, 5, count))
    actions = np.stack([speed, -speed], axis=1).astype(np.float32)
    for generator in map(np.random.default_rng, range(10)):
        drawn = TimeWarp(percent=60).draw(generator)
        warped = drawn.relabel(labels_of(actions, OMNI)).actions
        assert warped.sum(axis=0) == pytest.approx(actions.sum(axis=0), rel=0.01)
        assert np.array_equal(warped[:, 0] / actions[drawn.sources(count), 0] > 1.0001, drawn.rates(count) > 1.0001)


def test_a_warped_copy_shows_the_frames_that_its_actions_belong_to() -> None:
    frames, actions = scene(40), driven(40)
    recipe = AugmentationRecipe("warp", (Step(TimeWarp(percent=60)), Step(TimeWarp(percent=60))), copies=5)
    for number in range(1, 6):
        made = augment_episode(frames, actions, "", ALL, recipe, number, 0)
        (_, first), (_, second) = made.copy.drawn
        assert isinstance(first, DrawnTimeWarp)
        assert isinstance(second, DrawnTimeWarp)
        shown = first.sources(40)[second.sources(40)]
        assert not np.array_equal(shown, np.arange(40))
        assert all(np.array_equal(frame, frames[index]) for frame, index in zip(made.frames, shown, strict=True))
        rates = first.rates(40)[second.sources(40)] * second.rates(40)
        assert np.allclose(made.actions, actions[shown] * rates[:, None], rtol=1e-5)


def grid(height: int = 120, width: int = 160) -> npt.NDArray[np.uint8]:
    generator = np.random.default_rng(3)
    coarse = generator.integers(0, 256, (height // 6, width // 6, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def test_an_unmoved_camera_shows_the_same_picture() -> None:
    for pitch in (0.0, 20.0):
        shown = DrawnPath(0.0, 0.0, 2.0, CameraView(60.0, 0.2, pitch)).picture(grid(), ())
        assert np.abs(shown.astype(int) - grid()).max() <= 1


def test_a_moved_camera_shows_the_floor_by_plane_geometry() -> None:
    """Camera s to the left: the floor y rows below the horizon moves right by s y / h pixels; above it nothing moves."""
    picture, shift, height = grid(121, 161), 0.05, 0.2
    shown = DrawnPath(shift, 0.0, 2.0, CameraView(60.0, height, 0.0)).picture(picture, ())
    assert np.array_equal(shown[:60], picture[:60])
    for row in (80, 100, 120):
        pixels = shift * (row - 60) / height
        whole = round(pixels)
        assert pixels == pytest.approx(whole)
        assert np.abs(shown[row, 30:130].astype(int) - picture[row, 30 - whole : 130 - whole]).max() <= 2


def test_a_turned_camera_shows_the_scene_turned() -> None:
    """Turned to the left, it shows each line of sight 4 degrees further to the right."""
    ramp = np.repeat(np.repeat(np.arange(161, dtype=np.uint8)[None, :, None], 121, 0), 3, 2)  # value = column
    focal = 80.5 / math.tan(math.radians(30))
    shown = DrawnPath(0.0, 4.0, 2.0, CAMERA).picture(ramp, ())[60, :, 0]
    for column in (40, 80, 120):
        seen = math.atan((column - 80) / focal) - math.radians(4)
        assert shown[column] == pytest.approx(80 + focal * math.tan(seen), abs=1)


@pytest.mark.parametrize(("left_m", "turned_deg"), [(0.1, 0.0), (-0.1, 0.0), (0.0, 3.0), (0.0, -3.0)])
@pytest.mark.parametrize("space", [OMNI, ALL, CAR], ids=["omni", "omni with turning", "car"])
def test_the_correction_leads_back(left_m: float, turned_deg: float, space: ActionSpace) -> None:
    actions = np.zeros((2, len(space)), dtype=np.float32)
    actions[1, 0] = 0.8
    drawn = DrawnPath(left_m, turned_deg, 2.0, CAMERA)
    changed = drawn.relabel(labels_of(actions, space)).actions
    assert np.array_equal(changed[0], actions[0])  # what stands goes on standing
    side = "angular_z" if space == CAR or (turned_deg and space == ALL) else "linear_y"
    column = space.column(side)
    assert column is not None
    assert np.sign(changed[1, column]) == -np.sign(left_m or turned_deg)


def test_a_corrected_car_comes_back() -> None:
    """Driven by the corrected action, a car that began aside ends on its path, straight ahead."""
    aside, heading, time_step, speed = 0.1, math.radians(4), 0.05, 0.6
    for _ in range(200):
        drawn = DrawnPath(aside, math.degrees(heading), 2.0, CAMERA)
        turning = drawn.relabel(labels_of(np.array([[speed, 0]], dtype=np.float32), CAR)).actions[0, 1]
        aside += speed * math.sin(heading) * time_step
        heading += float(turning) * time_step
    assert abs(aside) < 0.005
    assert abs(heading) < 0.01


def test_a_corrected_omni_robot_comes_back_in_the_given_time() -> None:
    actions = np.array([[0.6, 0.1]], dtype=np.float32)
    heading = math.radians(5)
    changed = DrawnPath(0.1, 5.0, 2.0, CAMERA).relabel(labels_of(actions, OMNI)).actions[0]
    in_room = (
        changed[0] * math.cos(heading) - changed[1] * math.sin(heading),
        changed[0] * math.sin(heading) + changed[1] * math.cos(heading),
    )
    assert in_room == pytest.approx((0.6, 0.1 - 0.1 / 2.0), abs=1e-6)
    assert PathPerturbation().changes_label


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 1000), st.floats(0.05, 2))
def test_limits_cut_and_count_by_a_few_lines(seed: int, limit: float) -> None:
    actions = np.random.default_rng(seed).uniform(-1.5, 1.5, (20, 3)).astype(np.float32)
    limits = ActionLimits(linear_x=limit, angular_z=0.5)
    beyond = sum(1 for row in actions if abs(float(row[0])) > limit + 1e-6 or abs(float(row[2])) > 0.5 + 1e-6)
    assert limits.clipped_share(actions, ALL) == beyond / 20
    cut = limits.clip(actions, ALL)
    assert limits.clipped_share(cut, ALL) == 0
    assert np.array_equal(cut[:, 1], actions[:, 1])
    assert np.array_equal(np.sign(cut), np.sign(actions))
    assert limits.unknown(ALL) == ("linear_y",)
    assert ActionLimits().clipped_share(actions, ALL) == 0


def test_copies_are_cut_to_the_limits_and_a_normalised_axis_to_one() -> None:
    actions = np.full((4, 2), 0.95, dtype=np.float32)
    steps = (Step(TRANSFORMS["speed"]()),)
    limited = AugmentationRecipe("speed", steps, copies=20, limits=ActionLimits(linear_x=1.0, linear_y=1.0))
    made = [draw_copy(labels_of(actions, OMNI), limited, number, 0) for number in range(1, 21)]
    assert max(copy.labels.actions.max() for copy in made) == 1.0
    assert max(copy.uncut.max() for copy in made) > 1.0
    stick = ActionSpace.from_names(("linear_x", "angular_z"), ("normalised", "normalised"))
    assert ActionLimits().of(stick).tolist() == [1.0, 1.0]
