"""The action heads: an LSTM joins the features of the observed frames, and its last state becomes a chunk of future actions.

Shapes: N windows, C predicted actions, A action dimensions, O numbers an action (A, or one score a class).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class HeadShape:
    """What every head needs to know besides the size of its inputs and outputs.

    Attributes:
        chunk_size: Number C of predicted actions.
        hidden: Width of the LSTM.
        layers: Its layers.
        dropout: Applied to the frame vectors, between LSTM layers, and to the last state; 0 to below 1.
    """

    chunk_size: int
    hidden: int
    layers: int
    dropout: float


class LSTMActionHead(nn.Module):
    """Layer norm, LSTM over the window, linear layer from its last state to the chunk.

    Args:
        frame_dim: Size D of a frame's feature vector.
        outputs: Numbers O it gives for each action.
        shape: Everything else.
    """

    def __init__(self, frame_dim: int, outputs: int, shape: HeadShape) -> None:
        super().__init__()
        self.chunk_size = shape.chunk_size
        self.outputs = outputs
        self.norm = nn.LayerNorm(frame_dim)
        self.dropout = nn.Dropout(shape.dropout)
        between = shape.dropout if shape.layers > 1 else 0.0
        self.lstm = nn.LSTM(frame_dim, shape.hidden, shape.layers, batch_first=True, dropout=between)
        self.out = nn.Linear(shape.hidden, shape.chunk_size * outputs)

    def forward(self, frame_vectors: Tensor, window_index: Tensor) -> Tensor:
        """Return what `actions` and `loss_sum` read, (N, C, O).

        Args:
            frame_vectors: (F, D), the frames of a batch, each encoded by itself.
            window_index: int64 (N, W), which frames each window sees, oldest first.
        """
        windows = self.dropout(self.norm(frame_vectors))[window_index]
        states, _ = self.lstm(windows)
        chunk: Tensor = self.out(self.dropout(states[:, -1]))
        return chunk.view(-1, self.chunk_size, self.outputs)

    def actions(self, outputs: Tensor) -> Tensor:
        """Return the normalised actions, (N, C, A), of what `forward` gave."""
        raise NotImplementedError

    def loss_sum(self, outputs: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
        """Return the loss over unmasked actions, float32 (); divided by `count_targets` it is the mean the head is taught by.

        Args:
            outputs: What `forward` gave.
            labels: (N, C, A), normalised actions.
            mask: (N, C); a zero excludes all A dimensions of that action.
        """
        raise NotImplementedError


class RegressionHead(LSTMActionHead):
    """Gives the actions themselves; the loss is Huber's, and its mean is over unmasked numbers.

    Args:
        delta: Where the loss turns from square to linear, normalised action.
    """

    def __init__(self, frame_dim: int, action_dim: int, shape: HeadShape, *, delta: float) -> None:
        super().__init__(frame_dim, action_dim, shape)
        self.delta = delta

    def actions(self, outputs: Tensor) -> Tensor:
        return outputs

    def loss_sum(self, outputs: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
        return masked_huber(outputs, labels, mask, self.delta)


class DirectionHead(LSTMActionHead):
    """Gives a score for each class of actions and chooses the highest; the loss is the cross-entropy of each chunk step.

    A label belongs to the class whose action is nearest. Each unmasked action weighs as much as its A numbers, so that the mean
    over `count_targets` is the mean cross-entropy of an action, in nats.

    Args:
        classes: float32 (K, A), the normalised action of each class.
    """

    classes: Tensor

    def __init__(self, frame_dim: int, classes: Tensor, shape: HeadShape) -> None:
        super().__init__(frame_dim, len(classes), shape)
        self.register_buffer("classes", classes, persistent=False)  # the policy's description holds them

    def actions(self, outputs: Tensor) -> Tensor:
        return self.classes[outputs.argmax(-1)]

    def loss_sum(self, outputs: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
        distances = (labels.unsqueeze(-2).float() - self.classes).square().sum(-1)
        right = distances.argmin(-1)
        losses = nn.functional.cross_entropy(outputs.float().flatten(0, 1), right.flatten(), reduction="none")
        return (losses * mask.flatten().to(losses.dtype)).sum() * labels.shape[-1]


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
