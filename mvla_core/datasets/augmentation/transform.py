"""What a transform is: it draws its parameters once for each copy of an episode, and what was drawn is applied.

A real camera keeps its light, its crop and its tilt through an episode, so a draw holds for all frames of a copy. Only
sensor noise differs from frame to frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Self, cast

import numpy as np
import numpy.typing as npt

from mvla_core.datasets.augmentation.settings import Settings, check_keys
from mvla_core.errors import RecipeError
from mvla_core.schema import KNOWN_DIMS, NORMALISED, Actions, ActionSequence, ActionSpace, EpisodeInfo, Frame, Scenario

Seed = Sequence[int]
Index = npt.NDArray[np.int64]

_TOLERANCE = 1e-6
"""Actions are float32: a limit of 1.15 is not exceeded by the stored 1.15."""


@dataclass(frozen=True, eq=False)
class EpisodeLabels:
    """What is known of an episode besides its pictures.

    Attributes:
        actions: float32 (num_frames, num_dims), in the units of `space`.
        space: Names and units of the columns.
        instruction: "" where there is none.
        scenario: What it was a recording of.
        episode_id: Enters the draw, so that episodes of one training differ; "" is one as well.
    """

    actions: Actions
    space: ActionSpace
    instruction: str = ""
    scenario: Scenario = field(default_factory=Scenario)
    episode_id: str = ""

    @classmethod
    def of(cls, info: EpisodeInfo, sequence: ActionSequence) -> Self:
        """Take what the catalogue and the action reader know of one episode."""
        return cls(sequence.actions, info.action_space, sequence.instruction, info.scenario, info.episode_id)

    def column(self, name: str) -> npt.NDArray[np.float64] | None:
        """Return one action dimension, float64 (num_frames,), or None where the robot lacks it."""
        at = self.space.column(name)
        return None if at is None else self.actions[:, at].astype(np.float64)

    @property
    def is_physical(self) -> bool:
        """Whether every action dimension is a velocity in its own unit, not a normalised command."""
        return all(unit != NORMALISED for unit in self.space.units)


@dataclass(frozen=True)
class Drawn:
    """The parameters that one transform drew for one copy of an episode. The base changes nothing."""

    def describe(self) -> str:
        """Return a few words for people, for example "brightness +12 %"."""
        raise NotImplementedError

    def parameters(self) -> dict[str, Any]:
        """Return what was drawn as JSON values."""
        return asdict(self)

    def picture(self, frame: Frame, seed: Seed) -> Frame:
        """Return the changed frame, of the same shape and dtype; the given one is left as it is.

        Args:
            frame: uint8 (height, width, 3), RGB.
            seed: Of what differs from frame to frame.
        """
        return frame

    def relabel(self, labels: EpisodeLabels) -> EpisodeLabels:
        """Return the labels that fit the changed pictures; actions keep shape and dtype."""
        return labels

    def sources(self, num_frames: int) -> Index | None:
        """Return which frame is shown in the place of each, int64 (num_frames,), ascending; None for each itself."""
        return None

    def apply(self, frames: Iterable[Frame], seed: Seed = (0,)) -> Iterator[Frame]:
        """Yield the changed frames one by one; only one is held at a time. Frames are not reordered: see `sources`."""
        for index, frame in enumerate(frames):
            yield self.picture(frame, (*seed, index))


@dataclass(frozen=True)
class Transform(Settings):
    """One kind of augmentation with its ranges.

    Attributes:
        name: Key in files.
        title: For a form.
        help: What it does, in one sentence.
        assumption: What must hold for its label to be right, in one sentence.
        changes_label: Whether actions or words change with the picture.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    help: ClassVar[str]
    assumption: ClassVar[str]
    changes_label: ClassVar[bool] = False

    def draw(self, generator: np.random.Generator) -> Drawn:
        """Draw the parameters of one copy of an episode."""
        raise NotImplementedError


@dataclass(frozen=True)
class ActionLimits:
    """The largest speed of the robot in each dimension, forward and backward, in the dimension's unit; None: not known.

    A dimension whose unit is "normalised" is limited to 1 by what that unit means.

    Raises:
        RecipeError: A limit is not above 0.
    """

    linear_x: float | None = None
    linear_y: float | None = None
    angular_z: float | None = None

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if value is not None and not (number and 0 < value < np.inf):
                raise RecipeError(
                    f"The limit of {name} cannot be {value!r}: expected a number above 0, in {KNOWN_DIMS[name].unit}."
                )
            if value is not None:
                object.__setattr__(self, name, float(value))

    def of(self, space: ActionSpace) -> npt.NDArray[np.float64]:
        """Return the limit of each column, float64 (num_dims,); infinite where it is not known."""
        given = cast(dict[str, float | None], asdict(self))
        known = [1.0 if given[dim.name] is None and dim.unit == NORMALISED else given[dim.name] for dim in space.dims]
        return np.array([np.inf if value is None else value for value in known])

    def unknown(self, space: ActionSpace) -> tuple[str, ...]:
        """Return the dimensions of which no limit is known."""
        limits = self.of(space)
        return tuple(name for name, limit in zip(space.names, limits, strict=True) if np.isinf(limit))

    def clip(self, actions: Actions, space: ActionSpace) -> Actions:
        """Return actions cut to the limits, float32; those within them are kept to the bit."""
        limits = self.of(space)
        beyond = np.abs(actions) > limits + _TOLERANCE
        return np.where(beyond, np.clip(actions, -limits, limits), actions).astype(np.float32)

    def clipped_share(self, actions: Actions, space: ActionSpace) -> float:
        """Return the share (0 to 1) of frames with a value beyond its limit; 0 where there is no frame."""
        if len(actions) == 0:
            return 0.0
        return float((np.abs(actions) > self.of(space) + _TOLERANCE).any(axis=1).mean())

    def to_json(self) -> dict[str, float]:
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        check_keys(value, list(KNOWN_DIMS), "The augmentation has no limit for")
        return cls(**value)
