"""What the policy does when an input is taken away: the direct test of whether it looks and listens.

| name | what the policy gets instead |
|---|---|
| `pictures_blank` | mid-grey pictures |
| `pictures_frozen` | the episode's first picture, again and again |
| `pictures_other` | the pictures of another held-out episode at the same frame index: right kind, right time, wrong scene |
| `instruction_swap` | the opposite instruction: left for right, else another instruction of the data |
| `instruction_empty` | no instruction |

A policy sees a window of frames and nothing else, so that under the first two every window of an episode looks the same: one
prediction serves all. The others use the stored features of the real frames. So the whole set costs a few seconds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mvla_core.errors import PolicyError
from mvla_core.evaluation.results import Chunks, EpisodePredictions
from mvla_core.evaluation.scale import ActionScale
from mvla_core.layout import DataRoot
from mvla_core.metrics.intervals import Interval, bootstrap_ratio
from mvla_core.progress import Progress
from mvla_core.schema import EpisodeInfo, Frame

Frames = npt.NDArray[np.uint8]
LastFrames = npt.NDArray[np.int64]
PICTURES = ("pictures_blank", "pictures_frozen", "pictures_other")
INSTRUCTIONS = ("instruction_swap", "instruction_empty")
ABLATIONS = PICTURES + INSTRUCTIONS
_GREY = 128

_OPPOSITES = (("left", "right"), ("왼쪽", "오른쪽"), ("좌측", "우측"), ("좌회전", "우회전"))


class Policy(Protocol):
    """What an evaluation needs of a loaded policy; see `mvla_core.policies.adapter`."""

    def predict_episode(
        self, root: DataRoot, info: EpisodeInfo, last_frames: LastFrames, instruction: str | None = None
    ) -> Chunks:
        """Predict from the episode's own frames; another instruction than its own where one is given."""
        ...

    def predict_frames(self, frames: Frames, instruction: str, last_frames: LastFrames) -> Chunks:
        """Predict from frames uint8 (T, H, W, 3) RGB."""
        ...


@dataclass(frozen=True)
class Subject:
    """One held-out episode as an ablation sees it.

    Attributes:
        info: The episode.
        intact: Its undisturbed predictions.
        first_frame: uint8 (H, W, 3), RGB.
    """

    info: EpisodeInfo
    intact: EpisodePredictions
    first_frame: Frame


def swapped(instruction: str, known: Sequence[str]) -> str | None:
    """Return the opposite instruction: left and right exchanged, else another one of `known`, else None."""
    for one, other in _OPPOSITES:
        found = re.compile(f"{one}|{other}", re.IGNORECASE)
        if found.search(instruction):
            pair = {one: other, other: one}
            return found.sub(lambda match, pair=pair: pair[match.group().lower()], instruction)  # type: ignore[misc]
    return next((text for text in sorted(set(known)) if text and text != instruction), None)


def run_ablations(
    root: DataRoot,
    policy: Policy,
    subjects: Sequence[Subject],
    instructions: Sequence[str],
    window_size: int,
    scale: ActionScale,
    progress: Progress,
) -> dict[str, dict[str, Any]]:
    """Predict under every ablation and measure the effect.

    Args:
        root: The data root.
        policy: The loaded policy.
        subjects: The held-out episodes.
        instructions: All instructions of the data set; "" where an episode has none.
        window_size: Frames a window.
        scale: Of the training part.
        progress: Told after each ablation.

    Returns:
        By name: `{"measured": True, "episodes", "rmse", "change": {value, low, high}, "rise": {value, low, high}}`, where
        change is the root mean square change of the actions in training deviations and rise is how much the squared error
        grows (0.5 = by half); or `{"measured": False, "reason"}` where the data or the policy does not allow it.
    """

    def still(subject: Subject, frame: Frame) -> Chunks:
        frames = np.broadcast_to(frame, (window_size, *frame.shape))
        one = policy.predict_frames(np.ascontiguousarray(frames), subject.info.instruction, np.array([window_size - 1]))
        return np.repeat(one, subject.intact.num_windows, axis=0)

    def other(subject: Subject) -> Chunks:
        donor = _donor(subject, subjects)
        reached = subject.intact.last_frames[subject.intact.last_frames < donor.info.num_frames]
        return policy.predict_episode(root, donor.info, reached, subject.info.instruction)

    def told(subject: Subject, instruction: str) -> Chunks:
        return policy.predict_episode(root, subject.info, subject.intact.last_frames, instruction)

    ways: Mapping[str, Callable[[Subject], Chunks]] = {
        "pictures_blank": lambda subject: still(subject, np.full_like(subject.first_frame, _GREY)),
        "pictures_frozen": lambda subject: still(subject, subject.first_frame),
        "pictures_other": other,
        "instruction_swap": lambda subject: told(subject, swapped(subject.info.instruction, instructions) or ""),
        "instruction_empty": lambda subject: told(subject, ""),
    }
    intact = [subject.intact for subject in subjects]
    results: dict[str, dict[str, Any]] = {}
    for done, name in enumerate(ABLATIONS):
        progress.update(done, len(ABLATIONS), name.replace("_", " "))
        reason = _unmeasurable(name, subjects, instructions)
        if reason is not None:
            results[name] = {"measured": False, "reason": reason}
            continue
        try:
            results[name] = measure_ablation(intact, [ways[name](subject) for subject in subjects], scale)
        except PolicyError as error:
            # The policy may refuse an instruction that it was never taught; that is a result, not a failure.
            results[name] = {"measured": False, "reason": str(error)}
    progress.update(len(ABLATIONS), len(ABLATIONS))
    return results


def measure_ablation(
    intact: Sequence[EpisodePredictions], changed: Sequence[Chunks], scale: ActionScale
) -> dict[str, Any]:
    """Compare predictions with and without an input, on the windows that both have (the first ones of each episode).

    Args:
        intact: The undisturbed predictions.
        changed: float32 (M, C, A) for each episode, M <= its number of windows.
        scale: Of the training part.
    """
    moved, before, after, physical, counts = [], [], [], [], []
    for episode, chunks in zip(intact, changed, strict=True):
        mask = episode.mask[: len(chunks)]
        predicted, target = (
            array[: len(chunks)][mask].astype(np.float64) for array in (episode.predicted, episode.target)
        )
        disturbed = chunks[mask].astype(np.float64)
        moved.append(np.square((disturbed - predicted) / scale.spread).sum())
        before.append((np.square(predicted - target) * scale.weights).sum())
        after.append((np.square(disturbed - target) * scale.weights).sum())
        physical.append(np.square(disturbed - target).sum())
        counts.append(float(mask.sum()))
    count = np.array(counts)
    values = count * len(scale.space)
    change = bootstrap_ratio(np.array(moved), values)
    floor = count * scale.floor
    rise = bootstrap_ratio(np.maximum(after, floor), np.maximum(before, floor))
    return {
        "measured": True,
        "episodes": len(intact),
        "rmse": math.sqrt(sum(physical) / values.sum()),
        "change": Interval(*(math.sqrt(number) for number in (change.value, change.low, change.high))).to_json(),
        "rise": Interval(*(number - 1.0 for number in (rise.value, rise.low, rise.high))).to_json(),
    }


def _donor(subject: Subject, subjects: Sequence[Subject]) -> Subject:
    """The next other episode, one with the same instruction if there is one, so that only the scene is wrong."""
    place = next(index for index, each in enumerate(subjects) if each is subject)
    ring = [*subjects[place + 1 :], *subjects[:place]]
    return next((other for other in ring if other.info.instruction == subject.info.instruction), ring[0])


def _unmeasurable(name: str, subjects: Sequence[Subject], instructions: Sequence[str]) -> str | None:
    """Say why an ablation cannot be done on this data, or None where it can."""
    if name == "pictures_other" and len(subjects) < 2:
        return "There is only one held-out episode."
    if name in INSTRUCTIONS and not any(instructions):
        return "The episodes carry no instruction."
    if name == "instruction_swap" and any(swapped(s.info.instruction, instructions) is None for s in subjects):
        return "The data holds one instruction, without left or right in it: there is nothing to swap it with."
    return None
