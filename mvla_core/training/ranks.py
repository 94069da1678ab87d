"""Which of several processes this is, from the environment that torchrun sets. Torch-free."""

from __future__ import annotations

import os


def process_rank() -> int:
    """Return the number of this process; 0 for a training in one process."""
    return int(os.environ.get("RANK", "0"))


def world_size() -> int:
    """Return how many processes train one policy together."""
    return int(os.environ.get("WORLD_SIZE", "1"))
