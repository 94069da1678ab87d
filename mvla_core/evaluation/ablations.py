"""What the policy does when an input is taken away: the direct test of whether it looks, listens and remembers.

| name | what the policy gets instead |
|---|---|
| `pictures_blank` | mid-grey pictures |
| `pictures_frozen` | the episode's first picture, again and again |
| `pictures_other` | the pictures of another held-out episode at the same frame index: right kind, right time, wrong scene |
| `pictures_moment` | the pictures of another held-out episode at another, drawn moment: the wrong scene at the wrong time |
| `pictures_noise` | random pictures, another one at each frame |
| `pictures_left_hidden` | the left half of each picture grey |
| `pictures_right_hidden` | the right half of each picture grey |
| `instruction_swap` | the opposite instruction: left for right, else another instruction of the data |
| `instruction_empty` | no instruction |
| `instruction_other` | the instruction of the next episode that was told something else |
| `history_hidden` | the last picture in the place of every earlier one of its window |

A policy sees a window of frames and nothing else, so that with blank and frozen pictures every window of an episode looks the
same: one prediction serves all. What leaves the pictures alone uses the stored features of the real frames, encoded once for the
undisturbed predictions. Only noise and hidden halves need every picture encoded anew: see `ablation_pictures.py`.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from mvla_core.datasets.augmentation.sides import names_a_side, swap_sides
from mvla_core.errors import PolicyError
from mvla_core.evaluation.results import Chunks, EpisodePredictions
from mvla_core.evaluation.scale import ActionScale
from mvla_core.layout import DataRoot
from mvla_core.metrics.intervals import bootstrap_ratio
from mvla_core.progress import Progress
from mvla_core.schema import EpisodeInfo, Frame

Frames = npt.NDArray[np.uint8]
LastFrames = npt.NDArray[np.int64]
PICTURES = ("pictures_blank", "pictures_frozen", "pictures_other")
INSTRUCTIONS = ("instruction_swap", "instruction_empty")
"""The ablations that the first verdicts were decided by; those that came later tell more of the same."""
MOMENT = "pictures_moment"
DISTURBED = ("pictures_noise", "pictures_left_hidden", "pictures_right_hidden")
HISTORY = "history_hidden"
ABLATIONS = (*PICTURES, MOMENT, *DISTURBED, *INSTRUCTIONS, "instruction_other", HISTORY)
GREY = 128
ENCODED_WINDOWS = {"quick": 3, "full": 12}
"""Windows of an episode, evenly drawn, for which pictures are disturbed and encoded anew."""


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


@runtime_checkable
class FeaturePolicy(Policy, Protocol):
    """A policy whose picture features can be kept, so that a picture that is shown four times is encoded once."""

    def encode_frames(self, frames: Frames) -> npt.NDArray[Any]:
        """Return features (T, ...) of frames uint8 (T, H, W, 3) RGB."""
        ...

    def predict_features(self, features: npt.NDArray[Any], instruction: str, last_frames: LastFrames) -> Chunks:
        """Predict from features (T, ...)."""
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


@dataclass(frozen=True)
class Answer:
    """What the policy predicts for an episode without an input.

    Attributes:
        chunks: float32 (M, C, A).
        windows: int64 (M,), which of the episode's windows they are of.
    """

    chunks: Chunks
    windows: npt.NDArray[np.int64]


def swapped(instruction: str, known: Sequence[str]) -> str | None:
    """Return the opposite instruction: left and right exchanged, else another one of `known`, else None.

    Only words for a side count, in English and Korean: "bright" and "upright" hold none.
    """
    if names_a_side(instruction):
        return swap_sides(instruction)
    return next((text for text in sorted(set(known)) if text and text != instruction), None)


def still(policy: Policy, frames: Frames, instruction: str, window_size: int) -> Chunks:
    """Predict what the policy would do if it saw nothing but one picture all through its window.

    Args:
        policy: The loaded policy.
        frames: uint8 (N, H, W, 3), a picture for each window.
        instruction: What it is told.
        window_size: How often each picture is shown.

    Returns:
        float32 (N, C, A).
    """
    last = np.arange(1, len(frames) + 1) * window_size - 1
    if isinstance(policy, FeaturePolicy):
        return policy.predict_features(np.repeat(policy.encode_frames(frames), window_size, axis=0), instruction, last)
    return policy.predict_frames(np.repeat(frames, window_size, axis=0), instruction, last)


def run_ablations(
    root: DataRoot,
    policy: Policy,
    subjects: Sequence[Subject],
    instructions: Sequence[str],
    window_size: int,
    scale: ActionScale,
    progress: Progress,
) -> dict[str, dict[str, Any]]:
    """Predict under every ablation that needs no new features of whole episodes, and measure the effect.

    Args:
        root: The data root.
        policy: The loaded policy.
        subjects: The held-out episodes.
        instructions: The instructions of all episodes of the data set, in order; "" where an episode has none.
        window_size: Frames a window.
        scale: Of the training part.
        progress: Told after each ablation.

    Returns:
        By name: what `measure_ablation` returns, or `{"measured": False, "reason"}` where the data or the policy does not allow
        it.
    """

    def shown(subject: Subject, frame: Frame) -> Chunks:
        one = still(policy, frame[None], subject.info.instruction, window_size)
        return np.repeat(one, subject.intact.num_windows, axis=0)

    def other(subject: Subject) -> Chunks:
        donor = _donor(subject, subjects)
        reached = subject.intact.last_frames[subject.intact.last_frames < donor.info.num_frames]
        return policy.predict_episode(root, donor.info, reached, subject.info.instruction)

    def elsewhen(subject: Subject) -> Chunks:
        donor = _donor(subject, subjects)
        generator = np.random.default_rng(zlib.crc32(subject.info.episode_id.encode()))
        drawn = generator.integers(0, donor.intact.num_windows, subject.intact.num_windows)
        chunks = policy.predict_episode(root, donor.info, donor.intact.last_frames, subject.info.instruction)
        return chunks[drawn]

    def told(subject: Subject, instruction: str | None) -> Chunks:
        return policy.predict_episode(root, subject.info, subject.intact.last_frames, instruction or "")

    ways: Mapping[str, Callable[[Subject], Chunks]] = {
        "pictures_blank": lambda subject: shown(subject, np.full_like(subject.first_frame, GREY)),
        "pictures_frozen": lambda subject: shown(subject, subject.first_frame),
        "pictures_other": other,
        MOMENT: elsewhen,
        "instruction_swap": lambda subject: told(subject, swapped(subject.info.instruction, instructions)),
        "instruction_empty": lambda subject: told(subject, ""),
        "instruction_other": lambda subject: told(subject, _other_instruction(subject, instructions)),
    }
    intact = [subject.intact for subject in subjects]
    results: dict[str, dict[str, Any]] = {}
    for done, (name, way) in enumerate(ways.items()):
        progress.update(done, len(ways), name.replace("_", " "))
        reason = _unmeasurable(name, subjects, instructions)
        if reason is not None:
            results[name] = {"measured": False, "reason": reason}
            continue
        try:
            results[name] = measure_ablation(intact, [first_windows(way(subject)) for subject in subjects], scale)
        except PolicyError as error:
            # The policy may refuse an instruction that it was never taught; that is a result, not a failure.
            results[name] = {"measured": False, "reason": str(error)}
    progress.update(len(ways), len(ways))
    return results


def first_windows(chunks: Chunks) -> Answer:
    """The answer for the first windows of an episode, as many as there are chunks."""
    return Answer(chunks, np.arange(len(chunks)))


def measure_ablation(
    intact: Sequence[EpisodePredictions], changed: Sequence[Answer], scale: ActionScale
) -> dict[str, Any]:
    """Compare predictions with and without an input, on the windows that both have.

    Args:
        intact: The undisturbed predictions.
        changed: The answers without the input, one an episode.
        scale: Of the training part.

    Returns:
        `{"measured": True, "episodes", "windows", "rmse", "error", "change", "rise"}`; the last three are `{value, low, high}`:
        RMSE without the input, root mean square change of the actions in training deviations over the axes that vary, and how
        much the squared error grows (0.5 = by half). `{"measured": False, "reason"}` where not one window is answered.

    Raises:
        PolicyError: An answer is NaN or infinite.
    """
    moved, before, after, physical, counts = [], [], [], [], []
    for episode, answer in zip(intact, changed, strict=True):
        mask = episode.mask[answer.windows]
        predicted, target = (
            array[answer.windows][mask].astype(np.float64) for array in (episode.predicted, episode.target)
        )
        disturbed = answer.chunks[mask].astype(np.float64)
        if not np.isfinite(disturbed).all():
            raise PolicyError(
                f"Without this input the policy predicts NaN or infinity on the episode {episode.episode_id}, expected velocities."
            )
        moved.append(np.square((disturbed - predicted) / scale.spread)[:, scale.varies].sum())
        before.append((np.square(predicted - target) * scale.weights).sum())
        after.append((np.square(disturbed - target) * scale.weights).sum())
        physical.append(np.square(disturbed - target).sum())
        counts.append(float(mask.sum()))
    count = np.array(counts)
    if not count.any():
        return {"measured": False, "reason": "No window could be asked without this input."}
    change = bootstrap_ratio(np.array(moved), count * scale.varies.sum()).mapped(math.sqrt)
    error = bootstrap_ratio(np.array(physical), count * len(scale.space)).mapped(math.sqrt)
    floor = count * scale.floor
    rise = bootstrap_ratio(np.maximum(after, floor), np.maximum(before, floor))
    return {
        "measured": True,
        "episodes": len(intact),
        "windows": sum(len(answer.windows) for answer in changed),
        "rmse": error.value,
        "error": error.to_json(),
        "change": change.to_json(),
        "rise": rise.mapped(lambda ratio: ratio - 1.0).to_json(),
    }


def _donor(subject: Subject, subjects: Sequence[Subject]) -> Subject:
    """The next other episode, one with the same instruction if there is one, so that only the scene is wrong."""
    place = next(index for index, each in enumerate(subjects) if each is subject)
    ring = [*subjects[place + 1 :], *subjects[:place]]
    return next((other for other in ring if other.info.instruction == subject.info.instruction), ring[0])


def _other_instruction(subject: Subject, instructions: Sequence[str]) -> str | None:
    """What the next episode of the data set that was told something else was told; None where all were told the same."""
    place = instructions.index(subject.info.instruction)
    ring = [*instructions[place + 1 :], *instructions[:place]]
    return next((text for text in ring if text and text != subject.info.instruction), None)


def _unmeasurable(name: str, subjects: Sequence[Subject], instructions: Sequence[str]) -> str | None:
    """Say why an ablation cannot be done on this data, or None where it can."""
    if name in ("pictures_other", MOMENT) and len(subjects) < 2:
        return "There is only one held-out episode."
    if name.startswith("instruction_") and not any(instructions):
        return "The episodes carry no instruction."
    if name == "instruction_swap" and any(swapped(s.info.instruction, instructions) is None for s in subjects):
        return "The data holds one instruction, without left or right in it: there is nothing to swap it with."
    if name == "instruction_other" and any(_other_instruction(s, instructions) is None for s in subjects):
        return "The data holds one instruction: there is no other one to give."
    return None
