"""Was the instruction text made from the action? Then a policy reads the answer instead of looking for it.

The robot project once trained on prompts whose ending ("... sliding left") had been written from the target action: the
training loss was pleasant, and on the robot, where nobody knows the action beforehand, the prompt was empty.

Two measurable signs, each enough:

- **told by the text**: the mean action of the other episodes with the same text, without a clock, removes more of the
  constant's squared error than `text_explained` allows (each episode held out once, lower end of the interval).
- **told by the actions**: there are more texts than the recorded scenes ask for, and which one an episode has follows from
  what it drives. A scene is what an instruction may name: goal, number of boxes and side; it asks for one text, or for three
  (left, right, straight) where its side was not recorded. Each episode's text is guessed as the commonest of the other
  episodes of its scene with the same drive, where the drive is the whole action sequence, or the first, last, commonest or
  mean direction. The share of right guesses beyond guessing each scene's commonest text (Cohen's kappa) is above
  `text_from_actions`. Episodes that no other shares scene and drive with cannot be guessed; more than half must be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mvla_core.audit.clock import Weights, axis_weights
from mvla_core.audit.distributions import Values, sequence_keys
from mvla_core.audit.thresholds import Thresholds
from mvla_core.audit.wording import percent
from mvla_core.metrics.directions import direction_classes
from mvla_core.metrics.intervals import Interval, skill
from mvla_core.schema import ActionSequence, ActionSpace, EpisodeInfo, Finding

_TEXTS_WITHOUT_SIDE = 3
"""Left, right and straight."""
_FEWEST_EPISODES = 2
"""Of a text, so that another episode can speak for it."""
_FEWEST_BEYOND_CHANCE = 3
"""Episodes that guessing each scene's commonest text gets wrong: with fewer, a share of them says nothing."""

DRIVES: dict[str, str] = {
    "sequence": "the whole action sequence",
    "first": "the first direction",
    "last": "the last direction",
    "commonest": "the commonest direction",
    "mean": "the mean direction",
}
"""What an episode's drive is summed up as, and how to call it."""


@dataclass(frozen=True)
class TextEvidence:
    """How much text and actions tell of each other.

    Attributes:
        texts: Different instruction texts.
        needed: How many texts the recorded scenes ask for.
        explained: Share of the constant's squared error that the text alone removes; None with fewer than two texts that
            two episodes have.
        drive: The key of `DRIVES` that tells the text best; None as `told`.
        told: At most 1, how surely that drive tells the text beyond chance; None where there are no more texts than needed.
    """

    texts: int
    needed: int
    explained: Interval | None
    drive: str | None
    told: float | None

    def to_json(self) -> dict[str, Any]:
        return {
            "texts": self.texts,
            "needed": self.needed,
            "explained": None if self.explained is None else self.explained.to_json(),
            "drive": self.drive,
            "told": self.told,
        }


def text_evidence(
    episodes: Sequence[EpisodeInfo],
    sequences: Sequence[ActionSequence],
    space: ActionSpace,
    band: Values,
    explained: Interval | None,
) -> TextEvidence:
    """Measure how surely the actions tell the text, and set it beside what the text tells of the actions.

    Args:
        episodes: The episodes of `sequences`, in the same order; their scenes are counted.
        sequences: At least one episode, all of one action space.
        space: Names the columns.
        band: float64 (A,), the dead band below which an axis counts as still.
        explained: From `text_explained`.
    """
    scenes = [(info.scenario.goal, info.scenario.boxes, info.scenario.side) for info in episodes]
    texts = [sequence.instruction for sequence in sequences]
    needed = sum(1 if side is not None else _TEXTS_WITHOUT_SIDE for _, _, side in set(scenes))
    if len(set(zip(scenes, texts, strict=True))) <= needed:
        return TextEvidence(len(set(texts)), needed, explained, None, None)
    told = {name: _told(scenes, drive, texts) for name, drive in _drives(sequences, space, band).items()}
    drive = max(told, key=lambda name: told[name])
    return TextEvidence(len(set(texts)), needed, explained, drive, told[drive])


def text_explained(sequences: Sequence[ActionSequence], space: ActionSpace) -> Interval | None:
    """Return the skill of the mean action of the other episodes with the same text, against the mean of all others.

    Args:
        sequences: At least one episode.
        space: Names the columns.

    Returns:
        The skill with its interval over episodes; None with fewer than two texts that two episodes have.
    """
    often = [text for text, count in Counter(s.instruction for s in sequences).items() if count >= _FEWEST_EPISODES]
    return _explained(sequences, axis_weights(sequences, space)) if len(often) >= 2 else None


def check_text(dataset: str, evidence: TextEvidence, thresholds: Thresholds) -> list[Finding]:
    """Return `instruction_from_actions` (warning) where either sign is beyond its limit, else nothing."""
    reasons = []
    if evidence.explained is not None and evidence.explained.low > thresholds["text_explained"].needed:
        reasons.append(
            f"the text alone explains {percent(evidence.explained.value)} of the actions of held-out episodes (95 % interval "
            f"from {percent(evidence.explained.low)})"
        )
    if (
        evidence.drive is not None
        and evidence.told is not None
        and evidence.told > thresholds["text_from_actions"].needed
    ):
        reasons.append(
            f"there are {evidence.texts} texts where the recorded scenes ask for {evidence.needed}, and {DRIVES[evidence.drive]} "
            f"tells which one an episode has ({percent(evidence.told)} beyond chance)"
        )
    if not reasons:
        return []
    message = " and ".join(reasons)
    return [
        Finding(
            "warning",
            "instruction_from_actions",
            dataset,
            f"The instructions seem to be made from the actions: {message}.",
            "Instruct before driving, by the goal and the side, and never write the text from the recorded action: on the robot "
            "nobody knows the action beforehand.",
            {
                "texts": evidence.texts,
                "needed": evidence.needed,
                "explained": None if evidence.explained is None else evidence.explained.to_json(),
                "drive": evidence.drive,
                "told": evidence.told,
            },
        )
    ]


def _drives(sequences: Sequence[ActionSequence], space: ActionSpace, band: Values) -> dict[str, list[Hashable]]:
    """Each episode's drive, in the ways of `DRIVES`."""
    classes = [direction_classes(sequence.actions, space, band) for sequence in sequences]
    moving = [found[found != 0] if (found != 0).any() else found for found in classes]
    means = np.stack([sequence.actions.mean(axis=0) for sequence in sequences])

    def each(pick: Callable[[Any], Any]) -> list[Hashable]:
        return [int(pick(found)) for found in moving]

    return {
        "sequence": list(sequence_keys(sequences)),
        "first": each(lambda found: found[0]),
        "last": each(lambda found: found[-1]),
        "commonest": each(lambda found: np.bincount(found).argmax()),
        "mean": [int(number) for number in direction_classes(means, space, band)],
    }


def _told(scenes: Sequence[Hashable], drive: Sequence[Hashable], texts: Sequence[str]) -> float:
    """Share of the texts that are guessed from scene and drive beyond chance; 0 where too few can be guessed."""
    keys = list(zip(scenes, drive, strict=True))
    texts_of: dict[Hashable, Counter[str]] = {}
    for key, text in zip(keys, texts, strict=True):
        texts_of.setdefault(key, Counter())[text] += 1
    known = [(key, text) for key, text in zip(keys, texts, strict=True) if texts_of[key].total() > 1]
    if 2 * len(known) <= len(texts):
        return 0.0
    right = sum(_guessed(texts_of[key], text) for key, text in known)
    of_scenes: dict[Hashable, Counter[str]] = {}
    for (scene, _), text in known:
        of_scenes.setdefault(scene, Counter())[text] += 1
    by_chance = sum(max(found.values()) for found in of_scenes.values())
    beyond = len(known) - by_chance
    return (right - by_chance) / beyond if beyond >= _FEWEST_BEYOND_CHANCE else 0.0


def _guessed(with_the_drive: Counter[str], text: str) -> bool:
    """Whether the other episodes with the drive have this text more often than any other text."""
    others = max((count for name, count in with_the_drive.items() if name != text), default=0)
    return with_the_drive[text] - 1 > others


def _explained(sequences: Sequence[ActionSequence], weights: Weights) -> Interval:
    """Skill of the mean action of the other episodes with the same text, against the mean of all others."""
    texts, numbers = np.unique([sequence.instruction for sequence in sequences], return_inverse=True)
    frames = np.array([sequence.num_frames for sequence in sequences], dtype=np.float64)
    sums = np.stack([sequence.actions.sum(axis=0, dtype=np.float64) for sequence in sequences])
    squares = np.stack([np.square(sequence.actions, dtype=np.float64).sum(axis=0) for sequence in sequences])
    text_frames = np.bincount(numbers, weights=frames, minlength=len(texts))[numbers] - frames
    text_sums = np.stack([np.bincount(numbers, weights=column)[numbers] for column in sums.T], axis=1) - sums
    rest_frames, rest_sums = frames.sum() - frames, sums.sum(axis=0) - sums
    constant = rest_sums / np.maximum(rest_frames, 1)[:, None]
    alone = (text_frames == 0)[:, None]
    by_text = np.where(alone, constant, text_sums / np.maximum(text_frames, 1)[:, None])

    def errors(mean: Values) -> Values:
        # Sum over the frames of (a - m)^2 = sum a^2 - 2 m sum a + L m^2; rounding may leave a hair below zero.
        return np.asarray(np.maximum(squares - 2 * mean * sums + frames[:, None] * mean**2, 0.0) @ weights)

    return skill(errors(by_text), errors(constant))
