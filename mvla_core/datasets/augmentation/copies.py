"""Augmented copies of an episode: labels at once, pictures one by one, each by itself where only one is wanted.

The pictures of a copy come from the episode's pictures alone, so frame 7 of copy 2 can be made without frames 0 to 6: what is
the same in all frames is drawn from (recipe, seed, episode, copy, step), what differs from these and the frame's number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mvla_core.datasets.augmentation.recipe import AugmentationRecipe
from mvla_core.datasets.augmentation.transform import Drawn, EpisodeLabels, Index
from mvla_core.errors import UserInputError
from mvla_core.schema import Actions, ActionSpace, Frame, Scenario


@dataclass(frozen=True, eq=False)
class EpisodeCopy:
    """What was drawn for one copy of an episode.

    Attributes:
        number: Which copy, from 1.
        drawn: The transforms that are applied, each with its place among the recipe's steps.
        labels: After all of them and after the limits; as many frames as the episode has.
        uncut: The actions before they were cut to the limits, float32.
        sources: int64 (num_frames,), which frame of the episode each frame of the copy shows; ascending.
        seed: Of what differs from frame to frame.
    """

    number: int
    drawn: tuple[tuple[int, Drawn], ...]
    labels: EpisodeLabels
    uncut: Actions
    sources: Index
    seed: tuple[int, ...]

    @property
    def num_frames(self) -> int:
        return len(self.sources)

    @property
    def description(self) -> tuple[str, ...]:
        """A few words for each transform that is applied, for example ("brightness +12 %, contrast -3 %", "mirrored")."""
        return tuple(drawn.describe() for _, drawn in self.drawn)

    @property
    def parameters(self) -> list[dict[str, Any]]:
        """What was drawn, as JSON values."""
        return [{"step": place, **drawn.parameters()} for place, drawn in self.drawn]

    def picture(self, source: Frame, index: int) -> Frame:
        """Return frame `index` of the copy, made of frame `sources[index]` of the episode."""
        for place, drawn in self.drawn:
            source = drawn.picture(source, (*self.seed, place, index))
        return source


@dataclass(frozen=True, eq=False)
class AugmentedEpisode:
    """An augmented episode.

    Attributes:
        frames: Made while they are read, once; only one is held at a time.
        actions: float32, of the shape of the given ones.
        instruction: Its words after the transforms.
        scenario: The same.
        description: What was drawn, in words.
        copy: All that was drawn.
    """

    frames: Iterator[Frame]
    actions: Actions
    instruction: str
    scenario: Scenario
    description: tuple[str, ...]
    copy: EpisodeCopy = field(repr=False)


def draw_copy(labels: EpisodeLabels, recipe: AugmentationRecipe, copy: int, seed: int) -> EpisodeCopy:
    """Draw one copy of an episode, without its pictures.

    Args:
        labels: Of the episode.
        recipe: What to do.
        copy: 1 to `recipe.copies`.
        seed: In addition to the recipe's, 0 or above; a training gives its own.

    Raises:
        UserInputError: There is no such copy.
    """
    if not 1 <= copy <= recipe.copies:
        raise UserInputError(
            f"The augmentation {recipe.name} has no copy {copy}: expected 1 to {recipe.copies}; 0 is the episode itself."
        )
    episode = int.from_bytes(hashlib.sha256(labels.episode_id.encode()).digest()[:8], "big")
    of_copy = (recipe.seed, seed, episode, copy)
    drawn: list[tuple[int, Drawn]] = []
    count = len(labels.actions)
    sources = np.arange(count, dtype=np.int64)
    changed = labels
    for place, step in enumerate(recipe.steps):
        generator = np.random.default_rng([*of_copy, place])
        if generator.random() >= step.probability:
            continue
        found = step.transform.draw(generator)
        changed = found.relabel(changed)
        moved = found.sources(count)
        sources = sources if moved is None else sources[moved]
        drawn.append((place, found))
    actions = recipe.limits.clip(changed.actions, changed.space) if drawn else changed.actions
    return EpisodeCopy(copy, tuple(drawn), replace(changed, actions=actions), changed.actions, sources, of_copy)


def augment_episode(
    frames: Iterable[Frame],
    actions: Actions,
    instruction: str,
    space: ActionSpace,
    recipe: AugmentationRecipe,
    copy: int,
    seed: int,
    *,
    scenario: Scenario | None = None,
    episode_id: str = "",
) -> AugmentedEpisode:
    """Return one copy of an episode; the same arguments give the same bytes.

    Args:
        frames: uint8 (height, width, 3), RGB, in order, as many as there are actions; read while the result is read.
        actions: float32 (num_frames, num_dims).
        instruction: "" where there is none.
        space: Of the actions.
        recipe: What to do. Whether its labels are right is the affair of `label_check.check_labels`.
        copy: 1 to `recipe.copies`.
        seed: In addition to the recipe's.
        scenario: What the episode was a recording of.
        episode_id: Lets episodes draw differently.

    Raises:
        UserInputError: There is no such copy, or, while it is read, there are fewer frames than actions.
    """
    labels = EpisodeLabels(actions, space, instruction, scenario or Scenario(), episode_id)
    drawn = draw_copy(labels, recipe, copy, seed)
    changed = drawn.labels
    return AugmentedEpisode(
        augmented_frames(frames, drawn),
        changed.actions,
        changed.instruction,
        changed.scenario,
        drawn.description,
        drawn,
    )


def augmented_frames(frames: Iterable[Frame], copy: EpisodeCopy) -> Iterator[Frame]:
    """Yield the frames of a copy in order, reading the episode's once and in order.

    Raises:
        UserInputError: There are fewer frames than the copy was drawn for.
    """
    stored = iter(enumerate(frames))
    at, frame = -1, None
    for index, source in enumerate(copy.sources.tolist()):
        while at < source:
            found = next(stored, None)
            if found is None:
                raise UserInputError(
                    f"The episode {copy.labels.episode_id} has {at + 1} frames for {copy.num_frames} actions; give one a row."
                )
            at, frame = found
        assert frame is not None, "the first source is at least 0"
        yield copy.picture(frame, index)


def augment_frame(read: Callable[[int], Frame], copy: EpisodeCopy, index: int) -> Frame:
    """Return one frame of a copy without the others.

    Args:
        read: Gives a frame of the episode by its number, for example `EpisodeReader.frame`.
        copy: From `draw_copy`.
        index: 0 to num_frames - 1.

    Raises:
        UserInputError: There is no such frame.
    """
    if not 0 <= index < copy.num_frames:
        raise UserInputError(
            f"Frame {index} of {copy.labels.episode_id} does not exist: expected 0 to {copy.num_frames - 1}."
        )
    return copy.picture(read(int(copy.sources[index])), index)
