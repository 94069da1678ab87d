"""What real frames say about an augmentation: does the picture still move the way the action says?

When the robot turns or slides to the left, what it sees moves to the right. On recorded frames the horizontal motion between
two pictures and the sideways action between them are therefore correlated; whichever sign that has, copies must keep it. And
where the camera was moved aside, the action must change against the shift of the picture. Where the recording shows no such
relation (it stands, it drives straight, the pictures are empty), nothing can be said, and nothing is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
import numpy.typing as npt

from mvla_core.datasets.augmentation.copies import EpisodeCopy, augmented_frames, draw_copy
from mvla_core.datasets.augmentation.path_transform import DrawnPath
from mvla_core.datasets.augmentation.recipe import AugmentationRecipe
from mvla_core.datasets.augmentation.transform import EpisodeLabels
from mvla_core.errors import UserInputError
from mvla_core.schema import Actions, ActionSpace, Finding, Frame

Verdict = Literal["holds", "contradicted", "cannot_tell"]
Measured = npt.NDArray[np.float64]

SURE = 2.58
"""Standard errors from 0 of a correlation's Fisher z: about 1 wrong sign in 100 where there is no relation."""
MIN_PAIRS = 12
_WIDTH = 160
_AUGMENTED_WIDTH = 320
_LEAST_RESPONSE = 0.03
"""Of the phase correlation's peak: below it the two pictures have no common pattern."""
_LEAST_CORRECTION = 1e-3
_LEAST_SHIFT = 1e-3


@dataclass(frozen=True)
class FrameCheck:
    """What was measured.

    Attributes:
        verdict: "contradicted" refuses the augmentation.
        pairs: Frame pairs whose motion could be measured, in recording and copies together.
        before: Correlation of picture motion (positive to the right) and sideways action in the recording; None with too few
            pairs.
        after: The same in all copies together.
        shifts: Copies whose moved camera was compared with its corrected action.
        shifts_wrong: How many of them are corrected to the wrong side.
        finding: The verdict in words.
    """

    verdict: Verdict
    pairs: int
    before: float | None
    after: float | None
    shifts: int
    shifts_wrong: int
    finding: Finding


def check_on_frames(
    frames: Sequence[Frame],
    actions: Actions,
    instruction: str,
    space: ActionSpace,
    recipe: AugmentationRecipe,
    *,
    seed: int = 0,
    episode_id: str = "",
) -> FrameCheck:
    """Compare picture motion and sideways action in some consecutive frames, before and after the augmentation.

    Args:
        frames: Consecutive, uint8 (height, width, 3), RGB; some 50 to 200 tell more than 20.
        actions: float32 (len(frames), num_dims).
        instruction: Of the episode.
        space: Of the actions.
        recipe: Each of its copies is made and measured.
        seed: Of the training.
        episode_id: As in `augment_episode`.

    Raises:
        UserInputError: Frames and actions are not equally many.
    """
    if len(frames) != len(actions):
        raise UserInputError(
            f"Found {len(frames)} frames and {len(actions)} actions to check; give one action a frame."
        )
    labels = EpisodeLabels(actions, space, instruction, episode_id=episode_id)
    copies = [draw_copy(labels, recipe, copy, seed) for copy in range(1, recipe.copies + 1)]
    small = [_reduced(frame) for frame in frames]
    recorded = _relation([(picture_motion(small), actions)], space)
    made = [(picture_motion(list(augmented_frames(small, copy))), copy.labels.actions) for copy in copies]
    augmented = _relation(made, space)
    agrees = [found for copy in copies for found in _corrections(small, labels, copy)]
    wrong = sum(not each for each in agrees)
    # Copy by copy, because a step that is wrong in half of the copies leaves no relation in all of them together.
    opposed = recorded.is_sure and any(_relation([each], space).opposes(recorded) for each in made)
    told = recorded.is_sure and augmented.is_sure
    verdict: Verdict = "contradicted" if opposed or wrong else "holds" if told else "cannot_tell"
    details = {
        "pairs": recorded.pairs + augmented.pairs,
        "before": recorded.correlation,
        "after": augmented.correlation,
        "shifts": len(agrees),
        "shifts_wrong": wrong,
    }
    finding = _finding(verdict, opposed, recipe.name, details)
    return FrameCheck(
        verdict, recorded.pairs + augmented.pairs, recorded.known, augmented.known, len(agrees), wrong, finding
    )


def picture_motion(frames: Sequence[Frame]) -> Measured:
    """Return how far the picture moves to the right from each frame to the next, as a share of its width.

    Returns:
        float64 (len(frames) - 1,); not a number where two pictures have no common pattern.
    """
    moved = np.full(max(len(frames) - 1, 0), np.nan)
    before = _grey(frames[0]) if len(frames) else None
    for index, frame in enumerate(frames[1:]):
        after = _grey(frame)
        moved[index] = _shift(before, after)
        before = after
    return moved


@dataclass(frozen=True)
class _Relation:
    correlation: float
    pairs: int

    @property
    def known(self) -> float | None:
        return self.correlation if self.pairs >= MIN_PAIRS else None

    @property
    def is_sure(self) -> bool:
        if self.pairs < MIN_PAIRS:
            return False
        bounded = max(-0.999999, min(0.999999, self.correlation))
        return abs(math.atanh(bounded)) * math.sqrt(self.pairs - 3) > SURE

    def opposes(self, other: _Relation) -> bool:
        return self.is_sure and self.correlation * other.correlation < 0


def _relation(recordings: Sequence[tuple[Measured, Actions]], space: ActionSpace) -> _Relation:
    """Each recording is centred by itself: a camera that is moved aside for all of it has an offset that says nothing."""
    motions, steering = [], []
    for moved, actions in recordings:
        sideways = _sideways(actions[:-1], space)
        seen = np.isfinite(moved)
        if sideways is not None and seen.any():
            motions.append(moved[seen] - moved[seen].mean())
            steering.append(sideways[seen] - sideways[seen].mean())
    if not motions:
        return _Relation(0.0, 0)
    motion, action = np.concatenate(motions), np.concatenate(steering)
    spread = float(np.sqrt((motion**2).sum() * (action**2).sum()))
    return _Relation(float((motion * action).sum()) / spread if spread > 1e-9 else 0.0, len(motion))


def _sideways(actions: Actions, space: ActionSpace) -> Measured | None:
    """The turning axis where it is used, because turning moves the whole picture; else the sideways one."""
    for name in ("angular_z", "linear_y"):
        column = space.column(name)
        if column is not None and len(actions) and np.ptp(actions[:, column]) > 1e-6:
            return actions[:, column].astype(np.float64)
    return None


def _corrections(frames: Sequence[Frame], labels: EpisodeLabels, copy: EpisodeCopy) -> list[bool]:
    """Whether each moved camera is corrected to the side to which the picture moved; those that cannot tell are left out.

    A camera that is moved to one side and turned to the other moves near and far things differently: it is not judged.
    """
    agrees = []
    name = labels.space.lateral
    for _, drawn in copy.drawn:
        if not isinstance(drawn, DrawnPath) or drawn.left_m * drawn.turned_deg < 0 or name is None:
            continue
        column = labels.space.column(name)
        moves = (np.abs(labels.actions) > 1e-6).any(axis=1)
        change = (drawn.relabel(labels).actions - labels.actions)[moves][:, column]
        chosen = np.linspace(0, len(frames) - 1, min(8, len(frames))).astype(int)
        shifts = [
            _shift(_lower(_grey(frames[index])), _lower(_grey(drawn.picture(frames[index], (0,))))) for index in chosen
        ]
        seen = [shift for shift in shifts if math.isfinite(shift)]
        if len(change) and abs(change.mean()) > _LEAST_CORRECTION and seen and abs(np.median(seen)) > _LEAST_SHIFT:
            agrees.append(bool(np.median(seen) * change.mean() < 0))
    return agrees


def _reduced(frame: Frame) -> Frame:
    """Transforms are relative to the picture's size, so that a small one tells the same in a fraction of the time."""
    height, width = frame.shape[:2]
    if width <= _AUGMENTED_WIDTH:
        return frame
    size = (_AUGMENTED_WIDTH, max(8, round(height * _AUGMENTED_WIDTH / width)))
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _grey(frame: Frame) -> npt.NDArray[np.float32]:
    height = max(8, round(frame.shape[0] * _WIDTH / frame.shape[1]))
    small = cv2.resize(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), (_WIDTH, height), interpolation=cv2.INTER_AREA)
    # Edges instead of brightness: a bright window would hold the correlation where it is.
    return np.asarray(cv2.Sobel(small, cv2.CV_32F, 1, 0), dtype=np.float32)


def _lower(picture: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The half that shows the floor, which a camera that is moved aside moves most."""
    return np.ascontiguousarray(picture[len(picture) // 2 :])


def _shift(before: npt.NDArray[np.float32] | None, after: npt.NDArray[np.float32]) -> float:
    assert before is not None, "there is a frame before each but the first"
    window = cv2.createHanningWindow((before.shape[1], before.shape[0]), cv2.CV_32F)
    (right, _), response = cv2.phaseCorrelate(before, after, window)
    return right / _WIDTH if response >= _LEAST_RESPONSE else math.nan


def _finding(verdict: Verdict, opposed: bool, where: str, details: dict[str, Any]) -> Finding:
    if opposed:
        return Finding(
            "error",
            "augmentation_pictures_opposed",
            where,
            f"In the recording the picture's motion goes with the sideways action by {details['before']:+.2f}, in the copies by "
            f"{details['after']:+.2f} on the whole and in some by the opposite sign: the action no longer fits what is seen.",
            "Leave out the step that turns one of them round.",
            details,
        )
    if verdict == "contradicted":
        return Finding(
            "error",
            "augmentation_correction_wrong",
            where,
            f"In {details['shifts_wrong']} of {details['shifts']} copies the camera is moved aside and the action is corrected "
            "away from the path.",
            "Leave out the path perturbation.",
            details,
        )
    if verdict == "holds":
        return Finding(
            "ok",
            "augmentation_pictures_hold",
            where,
            f"The picture's motion goes with the sideways action by {details['before']:+.2f} in the recording and by "
            f"{details['after']:+.2f} in the copies.",
            "",
            details,
        )
    return Finding(
        "info",
        "augmentation_pictures_unclear",
        where,
        f"These frames cannot tell whether pictures and actions still fit: {details['pairs']} measured pairs show no clear "
        "relation of picture motion and sideways action.",
        "Check an episode that turns or slides to both sides.",
        details,
    )
