"""Actions scaled for training, with the way back beside it. Fitted on the training part only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from mvla_core.errors import DatasetError, UserInputError, did_you_mean
from mvla_core.schema import ActionSequence, ActionSpace

NormaliserKind = Literal["mean_std", "range", "clamp"]
NORMALISER_KINDS: tuple[NormaliserKind, ...] = ("mean_std", "range", "clamp")

_CONSTANT_BELOW = 1e-6
"""An axis that varies less than this (in its unit) is constant: it is shifted but not scaled."""


@dataclass(frozen=True)
class ActionNormaliser:
    """normalised = (physical - offset) / scale, column by column.

    Attributes:
        kind: "mean_std": offset = mean, scale = population deviation of the training frames. "range": the training
            frames fill [-1, 1] exactly. "clamp": the briefing's way, values are cut to [-1, 1] in their own unit; what
            was beyond 1.0 stays lost (`clipped_share` says how much that is).
        offset: One value an axis, physical unit.
        scale: One positive value an axis, physical unit; 1 for a constant axis.
    """

    kind: NormaliserKind
    offset: tuple[float, ...]
    scale: tuple[float, ...]

    @classmethod
    def fit(cls, kind: NormaliserKind, sequences: Sequence[ActionSequence]) -> Self:
        """Compute offset and scale from training episodes of one action space.

        Raises:
            UserInputError: The kind is unknown.
            DatasetError: There is no frame.
        """
        if kind not in NORMALISER_KINDS:
            raise UserInputError(
                f"The normalisation {kind!r} is unknown: expected one of {', '.join(NORMALISER_KINDS)}."
                f"{did_you_mean(kind, NORMALISER_KINDS)}"
            )
        used = [sequence.actions for sequence in sequences if sequence.num_frames]
        if not used:
            raise DatasetError(
                "Actions cannot be normalised: the training part holds no frame; add episodes to the data set."
            )
        actions = np.concatenate(used).astype(np.float64)
        if kind == "clamp":
            offset, scale = np.zeros(actions.shape[1]), np.ones(actions.shape[1])
        elif kind == "mean_std":
            offset, scale = actions.mean(axis=0), actions.std(axis=0)
        else:
            low, high = actions.min(axis=0), actions.max(axis=0)
            offset, scale = (low + high) / 2, (high - low) / 2
        scale = np.where(scale < _CONSTANT_BELOW, 1.0, scale)
        return cls(kind, tuple(offset.tolist()), tuple(scale.tolist()))

    def apply(self, actions: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float32]:
        """Return normalised actions, float32 (..., A), of physical ones (..., A); the input is left as it is."""
        scaled = (actions.astype(np.float64) - np.array(self.offset)) / np.array(self.scale)
        return np.asarray(np.clip(scaled, -1.0, 1.0) if self.kind == "clamp" else scaled, dtype=np.float32)

    def invert(self, normalised: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float32]:
        """Return physical actions, float32 (..., A), of normalised ones (..., A). "clamp" cannot bring back what it
        cut.
        """
        physical = normalised.astype(np.float64) * np.array(self.scale) + np.array(self.offset)
        return np.asarray(physical, dtype=np.float32)

    def clipped_share(self, actions: npt.NDArray[np.floating[Any]]) -> float:
        """Return the share (0 to 1) of actions (..., A) of which `apply` changes a value for good; 0 unless "clamp"."""
        flat = actions.reshape(-1, actions.shape[-1])
        if self.kind != "clamp" or len(flat) == 0:
            return 0.0
        return float((np.abs(flat) > 1.0).any(axis=1).mean())

    def clipped_share_per_axis(self, actions: npt.NDArray[np.floating[Any]]) -> tuple[float, ...]:
        """Return the same share for each axis by itself."""
        flat = actions.reshape(-1, actions.shape[-1])
        if self.kind != "clamp" or len(flat) == 0:
            return (0.0,) * len(self.offset)
        shares = (np.abs(flat) > 1.0).mean(axis=0)
        return tuple(float(share) for share in shares)

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "offset": list(self.offset), "scale": list(self.scale)}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        return cls(value["kind"], tuple(map(float, value["offset"])), tuple(map(float, value["scale"])))


def check_teachable(sequences: Sequence[ActionSequence], space: ActionSpace) -> list[str]:
    """Return a sentence for each axis that never changes in the training part; the policy will predict that value.

    Args:
        sequences: Training episodes.
        space: Names and units of their actions.

    Raises:
        DatasetError: An action is not a number, or no axis ever changes: there is nothing to learn.
    """
    for sequence in sequences:
        wrong = np.flatnonzero(~np.isfinite(sequence.actions).all(axis=1))
        if len(wrong):
            raise DatasetError(
                f"The episode {sequence.episode_id} holds actions that are no finite numbers in {len(wrong)} of "
                f"{sequence.num_frames} frames, first in frame {wrong[0]}; exclude the episode, or record it again."
            )
    actions = np.concatenate([sequence.actions for sequence in sequences])
    constant = np.flatnonzero(np.ptp(actions, axis=0) < _CONSTANT_BELOW).tolist()
    if len(constant) == len(space):
        values = ", ".join(
            f"{name} {value:g} {unit}" for name, value, unit in zip(space.names, actions[0], space.units, strict=True)
        )
        raise DatasetError(
            f"Every training action is the same ({values}), so that there is nothing to learn; add episodes "
            "that drive in other ways."
        )
    return [
        f"The axis {space.names[axis]} is {actions[0, axis]:g} {space.units[axis]} in every training action; the policy "
        "will always predict that."
        for axis in constant
    ]
