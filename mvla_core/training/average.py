"""A moving average of the trained weights, for validation and for the best adapter.

After step t the average keeps min(decay, (1 + t) / (10 + t)) of itself and takes the rest from the weights: it starts as they are,
and the first steps, in which they change most, do not stay in it for long. It is a part of every checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mvla_core.errors import RunError

AVERAGE_FILE = "average.safetensors"
"""Beside the weights in a checkpoint folder."""
_STEPS = "steps"


class AveragedWeights:
    """The average of a network's trainable parameters.

    Args:
        network: Whose parameters; they are looked at again at each step.
        decay: 0 to below 1.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self._steps = 0
        self._trained = {name: each for name, each in network.named_parameters() if each.requires_grad}
        self._average = {name: each.detach().clone() for name, each in self._trained.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Take an optimiser step into account."""
        self._steps += 1
        kept = min(self.decay, (1 + self._steps) / (10 + self._steps))
        for name, parameter in self._trained.items():
            average = self._on_device(name)
            average.lerp_(parameter.detach().to(average.dtype), 1 - kept)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Give the network the average for as long as this lasts; its weights come back bit by bit."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    def save(self, checkpoint: Path) -> None:
        """Write the average into a checkpoint folder."""
        steps = {_STEPS: str(self._steps)}
        save_file({name: each.cpu() for name, each in self._average.items()}, checkpoint / AVERAGE_FILE, metadata=steps)

    def load(self, checkpoint: Path) -> None:
        """Read what `save` wrote.

        Raises:
            RunError: The checkpoint has no average, or one of other weights.
        """
        path = checkpoint / AVERAGE_FILE
        stored = load_file(path) if path.is_file() else {}
        if stored.keys() != self._average.keys():
            raise RunError(
                f"The checkpoint {checkpoint} cannot be continued: its moving average of the weights is missing or of another "
                "network; delete this checkpoint to continue from an older one, or train again."
            )
        self._average = stored
        self._steps = int(_metadata(path)[_STEPS])

    @torch.no_grad()
    def _exchange(self) -> None:
        for name, parameter in self._trained.items():
            average = self._on_device(name)
            weights = parameter.detach().clone()
            parameter.copy_(average)
            average.copy_(weights)

    def _on_device(self, name: str) -> Tensor:
        """Return the average of a parameter where that lies now: a network moves after it was built."""
        self._average[name] = self._average[name].to(self._trained[name].device)
        return self._average[name]


def _metadata(path: Path) -> dict[str, str]:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        return dict(file.metadata())
