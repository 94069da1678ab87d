"""A curriculum: the first epochs draw from the simplest episodes only, with as many items as every epoch has.

So the learning-rate schedule, the forecast and the count of steps are those of a training without one. What each epoch draws
follows from the seed and the epoch alone, and so survives a resume.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import Sampler

from mvla_core.datasets.difficulty import difficulties, episodes_of_epoch, simplest_first
from mvla_core.schema import ActionSequence
from mvla_core.training.recipe import Recipe
from mvla_core.training.segments import Segment


def order_seed(seed: int, epoch: int) -> int:
    """Return the seed of an epoch's order, 0 to 2**63 - 1.

    Their sum would not do: the second epoch of one seed would be the first of the next, and the runs of a group would share
    their orders.
    """
    return int.from_bytes(hashlib.blake2b(f"{seed} {epoch}".encode(), digest_size=8).digest()) >> 1


class CurriculumSampler(Sampler[int]):
    """Positions of the items of an epoch, in a random order.

    Args:
        segments: All training items.
        sequences: The episodes they are cut from.
        epochs_until_all: Epochs until all episodes take part.
        seed: Of the order.
    """

    def __init__(
        self, segments: Sequence[Segment], sequences: Sequence[ActionSequence], epochs_until_all: int, seed: int
    ) -> None:
        order = simplest_first(sequences)
        rank = {sequences[index].episode_id: place for place, index in enumerate(order)}
        self._ranks = [rank[segment.episode.sequence.episode_id] for segment in segments]
        self._episodes = len(sequences)
        self.epochs_until_all = epochs_until_all
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch (0-based) is drawn next."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._ranks)

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(order_seed(self._seed, self._epoch))
        allowed = self._allowed()
        drawn: list[int] = []
        while len(drawn) < len(self):
            drawn += [allowed[place] for place in torch.randperm(len(allowed), generator=generator).tolist()]
        yield from drawn[: len(self)]

    def _allowed(self) -> list[int]:
        """Return the items of the episodes that take part; of one more, until there is an item."""
        for count in range(episodes_of_epoch(self._episodes, self._epoch, self.epochs_until_all), self._episodes + 1):
            allowed = [position for position, rank in enumerate(self._ranks) if rank < count]
            if allowed:
                return allowed
        return []


def curriculum_receipt(recipe: Recipe, sequences: Sequence[ActionSequence]) -> dict[str, Any]:
    """Return the curriculum as it is carried out, as JSON values.

    "order" lists the episodes from the simplest with their difficulty, "episodes_per_epoch" how many of them the first epochs use;
    every later epoch uses all. Both are empty without a curriculum.
    """
    if recipe.curriculum == "none":
        return {"name": "none", "order": [], "episodes_per_epoch": []}
    measured = difficulties(sequences)
    first = range(min(recipe.epochs, recipe.curriculum_epochs))
    return {
        "name": recipe.curriculum,
        "order": [
            {"episode_id": sequences[index].episode_id, **measured[index].to_json()}
            for index in simplest_first(sequences)
        ],
        "episodes_per_epoch": [episodes_of_epoch(len(sequences), epoch, recipe.curriculum_epochs) for epoch in first],
    }
