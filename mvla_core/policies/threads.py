"""How many threads a policy's products may use.

The threads of one torch operation wait for each other by spinning. In the small networks of `compact` and `tiny` they wait longer
than they work: on two cores that other programs use as well, a training step of `compact` took 90 ms of CPU with one thread and
1,870 ms with two. So small networks get one thread an operation, and pictures are encoded several batches at a time.
"""

from __future__ import annotations

import os

import torch

SMALL_BACKBONES = ("compact", "tiny")
_OWN_CHOICE = torch.get_num_threads()
"""Torch's, before any policy was built; it follows OMP_NUM_THREADS."""


def usable_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def set_threads(backbone: str) -> None:
    """Set torch's threads for the whole process: one for a small backbone, torch's own choice for Kosmos-2.

    A process that loads both works with what the last one needs. The number also decides the order in which products are
    summed up, and with it the last bit of a prediction: a policy gets the same in every process.
    """
    torch.set_num_threads(1 if backbone in SMALL_BACKBONES else _OWN_CHOICE)
