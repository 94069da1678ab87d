"""Several processes that train one policy, as torchrun starts them: who writes, who waits, and who gets which items.

A recipe means the same with any number of processes: its batch is divided among them, every step uses the items that one process
would have used, and an incomplete last batch is filled up with items that count nothing. Only the first process writes files.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Protocol, cast

import torch
from accelerate.data_loader import SeedableRandomSampler
from torch import distributed
from torch.utils.data import Sampler

from mvla_core.errors import RecipeError
from mvla_core.training.ranks import process_rank, world_size
from mvla_core.training.recipe import Recipe
from mvla_core.training.segments import Segment

_PATIENCE = timedelta(hours=24)
"""How long a process waits for the others: one of them may compute the picture features of the whole data set."""


class EpochSampler(Protocol):
    """A sampler whose order depends on the epoch."""

    def set_epoch(self, epoch: int) -> None: ...

    def __iter__(self) -> Iterator[int]: ...

    def __len__(self) -> int: ...


@contextlib.contextmanager
def joined_processes(has_cuda: bool) -> Iterator[None]:
    """Join the process group that torchrun's environment describes, and leave it at the end; nothing with one process."""
    if world_size() == 1:
        yield
        return
    if has_cuda:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    distributed.init_process_group("nccl" if has_cuda else "gloo", timeout=_PATIENCE)
    try:
        yield
    finally:
        distributed.destroy_process_group()


def is_main() -> bool:
    """Whether this process writes files and tells progress."""
    return process_rank() == 0


@contextlib.contextmanager
def main_first() -> Iterator[None]:
    """Let the first process do something alone, for example fill a cache, before the others do the same."""
    if not is_main():
        wait_for_all()
    yield
    if is_main():
        wait_for_all()


def wait_for_all() -> None:
    """Wait until every process has come here; nothing with one process."""
    if world_size() > 1:
        distributed.barrier()


def any_of(flag: bool) -> bool:
    """Return whether the flag is set in any process, so that all of them decide the same."""
    if world_size() == 1:
        return flag
    device = "cuda" if distributed.get_backend() == "nccl" else "cpu"
    total = torch.tensor(int(flag), device=device)
    distributed.all_reduce(total, op=distributed.ReduceOp.MAX)
    return bool(total.item())


def from_main(value: Any) -> Any:
    """Return the first process's value in all of them."""
    if world_size() == 1:
        return value
    values = [value]
    distributed.broadcast_object_list(values, src=0)
    return values[0]


def check_processes(recipe: Recipe) -> None:
    """Raise `RecipeError` where the recipe's batch cannot be divided among the processes."""
    if recipe.batch_size % world_size():
        raise RecipeError(
            f"A batch of {recipe.batch_size} items cannot be divided among {world_size()} processes; choose a batch_size that is "
            f"a multiple of {world_size()}, or another number of processes."
        )


class EvenSampler(Sampler[int]):
    """The order of another sampler, filled up to whole batches with the position of an item that counts nothing.

    Args:
        order: Positions of the items, in the order of one process.
        batch_size: Of all processes together.
        silent: Position of the item that counts nothing.
    """

    def __init__(self, order: EpochSampler, batch_size: int, silent: int) -> None:
        self._order = order
        self._batch_size = batch_size
        self._silent = silent

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch (0-based) is drawn next."""
        self._order.set_epoch(epoch)

    def __len__(self) -> int:
        return -(-len(self._order) // self._batch_size) * self._batch_size

    def __iter__(self) -> Iterator[int]:
        yield from self._order
        yield from [self._silent] * (len(self) - len(self._order))


def shared_items(
    segments: Sequence[Segment], order: EpochSampler | None, recipe: Recipe
) -> tuple[list[Segment], EpochSampler | None]:
    """Return the training items and their order for this number of processes.

    Args:
        segments: All training items.
        order: A curriculum's; None is Trainer's random one.
        recipe: Its batch and seed.

    Returns:
        The same with one process. With several: one silent item more, and an order in whole batches that is one process's.
    """
    if world_size() == 1:
        return list(segments), order
    first = segments[0]
    silent = replace(first, labels=torch.zeros_like(first.labels), mask=torch.zeros_like(first.mask))
    drawn = order or cast(EpochSampler, SeedableRandomSampler(range(len(segments)), data_seed=recipe.seed))
    return [*segments, silent], EvenSampler(drawn, recipe.batch_size, len(segments))
