"""The label-consistency check: what is wrong is refused by name, what is right is not, what cannot be told is said so."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mvla_core.audit.wording import worded
from mvla_core.datasets.augmentation.frame_check import check_on_frames, picture_motion
from mvla_core.datasets.augmentation.label_check import (
    MAX_CLIPPED_SHARE,
    check_labels,
    clipping,
    refuse_wrong_labels,
)
from mvla_core.datasets.augmentation.motion_transforms import DrawnMirror, Mirror, SpeedScale, TimeWarp
from mvla_core.datasets.augmentation.path_transform import DrawnPath, PathPerturbation
from mvla_core.datasets.augmentation.picture_transforms import Blur, Crop, Light, Noise, Rotation, Shadow
from mvla_core.datasets.augmentation.recipe import TRANSFORMS, AugmentationRecipe, Step
from mvla_core.datasets.augmentation.sides import names_a_side, swap_sides, unswappable
from mvla_core.datasets.augmentation.transform import ActionLimits, Drawn, EpisodeLabels, Transform
from mvla_core.errors import RecipeError, UserInputError
from mvla_core.schema import LINEAR_X, Actions, ActionSpace, Finding, Frame
from mvla_core.wording import read_catalog

OMNI = ActionSpace.default(2)
CAR = ActionSpace.from_names(("linear_x", "angular_z"))
STICK = ActionSpace.from_names(("linear_x", "angular_z"), ("normalised", "normalised"))


def recipe(*transforms: Transform, copies: int = 4, **others: Any) -> AugmentationRecipe:
    return AugmentationRecipe("tried", tuple(Step(transform) for transform in transforms), copies=copies, **others)


def episodes(instruction: str = "", space: ActionSpace = OMNI, count: int = 3, seed: int = 0) -> list[EpisodeLabels]:
    generator = np.random.default_rng(seed)
    return [
        EpisodeLabels(
            generator.uniform(0.1, 1, (30, len(space))).astype(np.float32), space, instruction, episode_id=f"e{number}"
        )
        for number in range(count)
    ]


def codes(findings: list[Finding], level: str = "error") -> list[str]:
    return [finding.code for finding in findings if finding.level == level]


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("Drive past the box on the left.", "Drive past the box on the right."),
        ("Turn LEFT, then Right", "Turn RIGHT, then Left"),
        ("the leftmost box, then rightwards", "the rightmost box, then leftwards"),
        ("the left-hand path", "the right-hand path"),
        ("from left to right", "from right to left"),
        ("a bright leftover box", "a bright leftover box"),
        ("turn right at the door", "turn left at the door"),
        ("왼쪽으로 가세요", "오른쪽으로 가세요"),
        ("박스 좌측으로 돌아 우회전", "박스 우측으로 돌아 좌회전"),
        ("왼편의 상자를 우회하세요", "오른편의 상자를 우회하세요"),
        ("이 경우로 가세요", "이 경우로 가세요"),
        ("우로 가세요", "좌로 가세요"),
        ("좌우를 살피고 왼쪽으로", "좌우를 살피고 오른쪽으로"),
        ("", ""),
    ],
)
def test_sides_are_exchanged(text: str, other: str) -> None:
    assert swap_sides(text) == other
    assert swap_sides(other) == text
    assert unswappable(text) is None
    assert names_a_side(text) == (text != other)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Go around the box clockwise.", "clockwise"),
        ("turn counter-clockwise", "clockwise"),
        ("turn counterclockwise", "counterclockwise"),
        ("시계방향으로 도세요", "시계방향"),
        ("반시계 방향으로", "반시계 방향"),
        ("3시 방향의 박스", "3시 방향"),
        ("Go to the second box from the left.", "second box from the left"),
        ("왼쪽에서 두 번째 박스", "왼쪽에서 두 번째"),
        ("Stop right away.", "right away"),
        ("drive right up to the box", "right up"),
        ("the box that is left", "is left"),
        ("to the east wall", "east"),
        ("동쪽 벽으로", "동쪽"),
        ("Take path L.", "L"),
        ("steer to starboard", "starboard"),
        ("좌편으로", "좌편으로"),
        ("왼 바퀴", "왼"),
    ],
)
def test_words_for_a_side_that_cannot_be_exchanged_refuse_the_mirror(text: str, words: str) -> None:
    found = unswappable(text)
    assert found is not None
    assert words in found
    findings = check_labels(recipe(Mirror()), [*episodes("Drive left."), *episodes(text, count=1)])
    assert codes(findings) == ["augmentation_side_words"]
    assert "1 of 4 episodes" in findings[0].message
    with pytest.raises(RecipeError, match="tried cannot be used with this data: The instruction of 1 of 4"):
        refuse_wrong_labels(recipe(Mirror()), findings)
    # Without the mirror the words do no harm, nor in a step that is never applied.
    assert check_labels(recipe(Light()), episodes(text)) == []
    never = AugmentationRecipe("tried", (Step(Light()), Step(Mirror(), 0.0)))
    assert check_labels(never, episodes(text)) == []


def test_a_robot_without_a_sideways_axis_cannot_be_mirrored() -> None:
    found = check_labels(recipe(Mirror()), episodes(space=ActionSpace((LINEAR_X,))))
    assert codes(found) == ["augmentation_no_lateral"]


@pytest.mark.parametrize(
    ("transforms", "code"),
    [
        ((Crop(zoom_percent=10, shift_percent=5),), "augmentation_crop_shift"),
        ((Crop(zoom_percent=6, shift_percent=3), Crop(zoom_percent=6, shift_percent=3)), "augmentation_crop_shift"),
        ((Crop(zoom_percent=25, shift_percent=1),), "augmentation_crop_zoom"),
        ((Rotation(degrees=7),), "augmentation_rotation"),
        ((Rotation(degrees=4), Rotation(degrees=4)), "augmentation_rotation"),
    ],
)
def test_a_picture_that_is_moved_too_far_is_refused(transforms: tuple[Transform, ...], code: str) -> None:
    assert codes(check_labels(recipe(*transforms), episodes())) == [code]


def test_the_defaults_pass_on_plain_data() -> None:
    limits = ActionLimits(linear_x=2, linear_y=2)
    findings = check_labels(
        recipe(*(made() for made in TRANSFORMS.values()), limits=limits), episodes("Drive past the box on the left.")
    )
    assert findings == []
    # A shift that the zoom leaves no room for does not count.
    assert check_labels(recipe(Crop(zoom_percent=4, shift_percent=20)), episodes()) == []


def test_scaling_needs_velocities() -> None:
    for transform in (SpeedScale(), TimeWarp(), PathPerturbation()):
        assert codes(check_labels(recipe(transform), episodes(space=STICK)))[0] == "augmentation_no_scale"
    assert check_labels(recipe(Mirror(), Light(), Noise(), Blur(), Shadow()), episodes(space=STICK)) == []


def test_a_car_that_reverses_cannot_be_led_back() -> None:
    backward = episodes(space=CAR, count=2)
    backward[0].actions[:6, 0] = -0.3
    found = check_labels(recipe(PathPerturbation(), limits=ActionLimits(linear_x=9, angular_z=9)), backward)
    assert codes(found) == ["augmentation_reversing"]
    assert "10.0 % of the frames" in found[0].message
    omni = episodes()
    omni[0].actions[:6, 0] = -0.3
    assert codes(check_labels(recipe(PathPerturbation()), omni)) == []


def test_the_clipped_share_is_exact_and_refuses_beyond_its_bound() -> None:
    made = episodes()
    tried = recipe(SpeedScale(percent=30), copies=6, limits=ActionLimits(linear_x=1.0, linear_y=1.0))
    found = clipping(tried, made, seed=4)
    # The same in a few lines, from the factors that the copies say they drew.
    from mvla_core.datasets.augmentation.copies import draw_copy

    beyond = frames = 0
    for episode in made:
        for number in range(1, 7):
            factor = draw_copy(episode, tried, number, 4).parameters[0]["factor"]
            beyond += int(((episode.actions.astype(float) * factor) > 1 + 1e-6).any(axis=1).sum())
            frames += len(episode.actions)
    assert found.after == beyond / frames
    assert found.before == 0
    assert found.after > MAX_CLIPPED_SHARE
    findings = check_labels(tried, made, seed=4)
    assert codes(findings) == ["augmentation_clipped"]
    assert f"{100 * found.after:.1f} % of the copies' frames" in findings[0].message
    roomy = replace(tried, limits=ActionLimits(linear_x=1.22, linear_y=1.22))
    assert codes(check_labels(roomy, made, seed=4)) == []
    assert codes(check_labels(roomy, made, seed=4), "info") == ["augmentation_cut"]
    # What the recordings have beyond the limits already is not the augmentation's fault.
    tight = recipe(Light(), limits=ActionLimits(linear_x=0.5, linear_y=0.5))
    assert codes(check_labels(tight, made)) == []


def test_unknown_limits_are_said_to_be_unknown() -> None:
    findings = check_labels(recipe(SpeedScale(percent=30), limits=ActionLimits(linear_x=2.0)), episodes())
    assert codes(findings, "warning") == ["augmentation_limits_unknown"]
    assert "linear_y reaches" in findings[0].message
    assert "linear_x" not in findings[0].message


def test_a_recipe_that_does_nothing_is_pointed_out() -> None:
    assert codes(check_labels(recipe(), episodes()), "warning") == ["augmentation_nothing"]
    assert check_labels(recipe(Light()), []) == []


@dataclass(frozen=True)
class _PictureOnly(DrawnMirror):
    def relabel(self, labels: EpisodeLabels) -> EpisodeLabels:
        return labels


@dataclass(frozen=True)
class WrongMirror(Mirror):
    """The planted fault: the picture is mirrored, the action is not."""

    def draw(self, generator: np.random.Generator) -> Drawn:
        return _PictureOnly()


@dataclass(frozen=True)
class _WrongWay(DrawnPath):
    def relabel(self, labels: EpisodeLabels) -> EpisodeLabels:
        right = super().relabel(labels).actions
        return replace(labels, actions=2 * labels.actions - right)


@dataclass(frozen=True)
class WrongPath(PathPerturbation):
    """The planted fault: corrected away from the path."""

    def draw(self, generator: np.random.Generator) -> Drawn:
        found = super().draw(generator)
        return _WrongWay(abs(found.left_m), abs(found.turned_deg), found.recovery_s, found.camera)


def panned(count: int = 50, seed: int = 0, speed: float = 8.0) -> tuple[list[Frame], Actions]:
    """A camera that looks along a wall and turns by its actions: left moves the picture to the right."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (15, 200, 3), dtype=np.uint8)
    wall = np.asarray(cv2.resize(coarse, (1600, 120), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)
    turning = generator.uniform(-1, 1, count)
    left = 720 - np.concatenate([[0], np.cumsum(turning[:-1] * speed)]).round().astype(int)
    frames = [np.ascontiguousarray(wall[:, begin : begin + 160]) for begin in left]
    return frames, np.stack([np.full(count, 0.5), turning], axis=1).astype(np.float32)


def test_picture_motion_is_measured_to_the_right() -> None:
    frames, actions = panned()
    found = picture_motion(frames) * 160
    assert np.abs(found - 8 * actions[:-1, 1]).max() < 1.5
    flat = np.full((60, 80, 3), 90, np.uint8)
    assert np.isnan(picture_motion([flat, flat])).all()


@pytest.mark.parametrize("space", [CAR, OMNI], ids=["turns", "slides"])
@pytest.mark.parametrize(
    "transform",
    [Mirror(), Light(), Noise(), Crop(), Rotation(), Blur(), Shadow(), SpeedScale(), TimeWarp(), PathPerturbation()],
    ids=lambda transform: transform.name,
)
def test_right_transforms_hold_on_frames(transform: Transform, space: ActionSpace) -> None:
    frames, actions = panned()
    found = check_on_frames(frames, actions, "", space, recipe(transform, copies=2))
    assert found.verdict == "holds"
    assert found.before is not None
    assert found.before > 0.9
    assert found.after is not None
    assert found.after > 0.6


def test_a_mirror_that_forgets_the_action_is_caught() -> None:
    frames, actions = panned()
    found = check_on_frames(frames, actions, "", CAR, recipe(WrongMirror()))
    assert found.verdict == "contradicted"
    assert found.finding.code == "augmentation_pictures_opposed"
    assert found.after is not None
    assert found.after < -0.6
    # Also where only some of the copies are wrong, and hardly any relation is left in all of them together.
    half = AugmentationRecipe("half", (Step(WrongMirror(), 0.5),), copies=10)
    assert check_on_frames(frames, actions, "", CAR, half).verdict == "contradicted"
    with pytest.raises(RecipeError, match="no longer fits what is seen"):
        refuse_wrong_labels(recipe(WrongMirror()), [found.finding])


def test_a_correction_to_the_wrong_side_is_caught() -> None:
    frames, actions = panned()
    for space in (CAR, OMNI):
        found = check_on_frames(frames, actions, "", space, recipe(WrongPath(shift_m=0.1, turn_deg=4)))
        assert (found.verdict, found.finding.code) == ("contradicted", "augmentation_correction_wrong")
        right = check_on_frames(frames, actions, "", space, recipe(PathPerturbation(0.1, 4), copies=10))
        assert right.verdict == "holds"
        assert right.shifts > 0
        assert right.shifts_wrong == 0


def test_what_frames_cannot_tell_is_not_told() -> None:
    frames, actions = panned()
    still = np.zeros_like(actions)
    for shown, commanded in (
        (frames, still),
        ([frames[0]] * 50, actions),
        (frames[:8], actions[:8]),
        ([], actions[:0]),
    ):
        found = check_on_frames(shown, commanded, "", CAR, recipe(WrongMirror()))
        assert found.verdict == "cannot_tell"
        assert found.finding.level == "info"
    unrelated = np.random.default_rng(5).uniform(-1, 1, actions.shape).astype(np.float32)
    assert check_on_frames(frames, unrelated, "", CAR, recipe(WrongMirror())).verdict == "cannot_tell"
    with pytest.raises(UserInputError, match="50 frames and 3 actions"):
        check_on_frames(frames, actions[:3], "", CAR, recipe(Mirror()))


@pytest.mark.shared
def test_the_tub_tells_a_right_mirror_from_a_wrong_one(shared_data: Path, tmp_path: Path) -> None:
    """Real frames of a hand-driven car: left steering moves the picture to the right."""
    from mvla_core.episodes.catalogue import scan
    from mvla_core.episodes.dataset import named_dataset
    from mvla_core.episodes.importers import import_recordings
    from mvla_core.episodes.reader import open_known
    from mvla_core.layout import DataRoot

    root = DataRoot(tmp_path)
    import_recordings(shared_data / "donkeycar_tub.tar.gz", root, "tub")
    info = scan(root, named_dataset(root, "tub")).episodes[0]
    with open_known(info) as episode:
        frames, actions = list(episode.frames(range(min(100, info.num_frames)))), episode.actions()[:100]
    right = check_on_frames(frames, actions, "", info.action_space, recipe(Mirror(), copies=1))
    wrong = check_on_frames(frames, actions, "", info.action_space, recipe(WrongMirror(), copies=1))
    assert (right.verdict, wrong.verdict) == ("holds", "contradicted")


def test_every_finding_is_worded_in_korean() -> None:
    frames, actions = panned()
    car = episodes(space=CAR)
    car[0].actions[0, 0] = -1
    tight = ActionLimits(linear_x=1.0, linear_y=1.0)
    found = [
        *check_labels(recipe(), episodes()),
        *check_labels(recipe(Mirror()), episodes("clockwise", ActionSpace((LINEAR_X,)))),
        *check_labels(recipe(Crop(40, 20), Rotation(9)), episodes()),
        *check_labels(recipe(SpeedScale()), episodes(space=STICK)),
        *check_labels(recipe(PathPerturbation()), car),
        *check_labels(recipe(SpeedScale(30), limits=tight), episodes()),
        *check_labels(recipe(SpeedScale(30), limits=ActionLimits(linear_x=1.25)), episodes()),
        check_on_frames(frames, actions, "", CAR, recipe(WrongMirror())).finding,
        check_on_frames(frames, actions, "", CAR, recipe(WrongPath())).finding,
        check_on_frames(frames, actions, "", CAR, recipe(Mirror())).finding,
        check_on_frames(frames[:3], actions[:3], "", CAR, recipe(Mirror())).finding,
    ]
    catalog = read_catalog("mvla_core.audit", "findings_ko")
    seen = {finding.code for finding in found}
    assert seen == {code for code in catalog if code.startswith("augmentation_")}
    for finding in found:
        said = worded(finding, "ko")
        assert not said.foreign
        assert bool(said.next) == bool(finding.next)
