"""The action head: joins the features of the observed frames and predicts a chunk of future actions."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LSTMActionHead(nn.Module):
    """Layer norm, LSTM over the window, linear layer from its last state to the chunk.

    Args:
        frame_dim: Size D of a frame's feature vector.
        action_dim: Number A of action dimensions.
        chunk_size: Number C of predicted actions.
        hidden: Width of the LSTM.
        layers: Its layers.
        dropout: Applied to the frame vectors, between LSTM layers, and to the last state.
    """

    def __init__(
        self, frame_dim: int, action_dim: int, *, chunk_size: int, hidden: int, layers: int, dropout: float
    ) -> None:
        super().__init__()
        self.chunk_size = chunk_size
        self.action_dim = action_dim
        self.norm = nn.LayerNorm(frame_dim)
        self.dropout = nn.Dropout(dropout)
        self.lstm = nn.LSTM(frame_dim, hidden, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)
        self.out = nn.Linear(hidden, chunk_size * action_dim)

    def forward(self, frame_vectors: Tensor, window_index: Tensor) -> Tensor:
        """Predict normalised actions.

        Args:
            frame_vectors: (F, D), the frames of a batch, each encoded by itself.
            window_index: int64 (N, W), which frames each window sees, oldest first.

        Returns:
            (N, C, A).
        """
        windows = self.dropout(self.norm(frame_vectors))[window_index]
        states, _ = self.lstm(windows)
        chunk: Tensor = self.out(self.dropout(states[:, -1]))
        return chunk.view(-1, self.chunk_size, self.action_dim)


def masked_huber(predicted: Tensor, target: Tensor, mask: Tensor, delta: float) -> Tensor:
    """Return the sum of Huber losses over the unmasked entries, in float32.

    Args:
        predicted: (N, C, A).
        target: (N, C, A).
        mask: (N, C); a zero excludes all A dimensions of that action.
        delta: Where the loss turns from square to linear.
    """
    losses = nn.functional.huber_loss(predicted.float(), target.float(), reduction="none", delta=delta)
    return (losses * mask.unsqueeze(-1).to(losses.dtype)).sum()


def count_targets(mask: Tensor, action_dim: int) -> Tensor:
    """Return how many numbers the loss averages: unmasked actions times real action dimensions, int64 ()."""
    return torch.count_nonzero(mask) * action_dim
