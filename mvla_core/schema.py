"""The data format, stated once. Everything else imports it.

An **episode** is one HDF5 file:

| key / attribute | form | unit, range |
|---|---|---|
| `images` or `observations/images` | uint8 (num_frames, height, width, 3) | RGB unless `color_order` says "bgr" |
| `actions` | float (num_frames, 2 or 3) | columns named by `action_names`; see `ActionSpace` |
| `action_event_types` | string (num_frames,), optional | `episode_start`, `start_action`, `stop_action` |
| `language_instruction` | string (1,), optional | Korean or English |
| attr `action_names`, `action_units` | string lists, optional | default: linear_x, linear_y[, angular_z] in m/s, rad/s |
| attr `color_order` | "rgb" or "bgr", optional | channel order of the stored pixels |
| attr `frame_rate_hz` | float, optional | frames a second of the recording |
| attr `recording_id`, `recording_start` | string, int, optional | the continuous recording an episode was cut from, and where |
| attrs of the robot's recorder | all optional | episode_name, collection_datetime, scenario, pattern, distance, time_period, ... |

`actions[t]` is the command given when frame `t` was seen. In memory a frame is always uint8 (height, width, 3) **RGB**.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from mvla_core.errors import UserInputError, did_you_mean

Frame = npt.NDArray[np.uint8]
"""uint8 (height, width, 3), RGB."""
Actions = npt.NDArray[np.float32]
"""float32 (num_frames, num_dims), units of the episode's `ActionSpace`."""

ColorOrder = Literal["rgb", "bgr"]
NORMALISED = "normalised"
"""The unit of an action dimension whose recording has no physical scale; values within [-1, 1]."""

FILE_FAULTS = {
    "pointer_file": "a Git LFS pointer, not the recording itself",
    "not_hdf5": "not an HDF5 file",
    "truncated": "an HDF5 file that ends too early or is damaged",
    "stub": "no frames",
    "missing_key": "a required data set is missing",
    "shape_mismatch": "frames and actions do not fit together",
    "not_finite": "actions hold NaN or infinity",
    "unsafe": "the file points outside itself or claims an absurd size",
    "unreadable": "the file cannot be opened",
}
"""Reasons for which a file is set aside. A set-aside file is a finding, never an exception on a page."""


@dataclass(frozen=True)
class ActionDim:
    """One named action dimension."""

    name: str
    unit: str
    positive: str
    """What a positive value does: "forward", "left", "counter-clockwise"."""


LINEAR_X = ActionDim("linear_x", "m/s", "forward")
LINEAR_Y = ActionDim("linear_y", "m/s", "left")
ANGULAR_Z = ActionDim("angular_z", "rad/s", "counter-clockwise")
KNOWN_DIMS = {dim.name: dim for dim in (LINEAR_X, LINEAR_Y, ANGULAR_Z)}


@dataclass(frozen=True)
class ActionSpace:
    """The named dimensions of an action, in column order: 2 or 3 of linear_x, linear_y, angular_z."""

    dims: tuple[ActionDim, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(dim.name for dim in self.dims)

    @property
    def units(self) -> tuple[str, ...]:
        return tuple(dim.unit for dim in self.dims)

    def __len__(self) -> int:
        return len(self.dims)

    def column(self, name: str) -> int | None:
        """Return the column of a dimension, or None where this space lacks it."""
        return self.names.index(name) if name in self.names else None

    @property
    def lateral(self) -> str | None:
        """The dimension that steers left and right: linear_y for an omni robot, else angular_z. Positive is left."""
        return next((name for name in ("linear_y", "angular_z") if name in self.names), None)

    @classmethod
    def from_names(cls, names: Sequence[str], units: Sequence[str] | None = None) -> ActionSpace:
        """Build a space from column names and, where they differ from the default, units.

        Raises:
            UserInputError: A name is unknown or repeated, or the units do not fit the names.
        """
        for name in names:
            if name not in KNOWN_DIMS:
                raise UserInputError(
                    f"The action dimension {name!r} is unknown: expected 2 or 3 of {', '.join(KNOWN_DIMS)}."
                    f"{did_you_mean(name, KNOWN_DIMS)}"
                )
        if len(set(names)) != len(names) or not 2 <= len(names) <= 3:
            raise UserInputError(
                f"Action dimensions {list(names)} cannot be used: expected 2 or 3 different ones of {', '.join(KNOWN_DIMS)}."
            )
        chosen = list(units) if units is not None else [KNOWN_DIMS[name].unit for name in names]
        if len(chosen) != len(names):
            raise UserInputError(
                f"Found {len(chosen)} action units for {len(names)} action dimensions; give one for each."
            )
        for name, unit in zip(names, chosen, strict=True):
            if unit not in (KNOWN_DIMS[name].unit, NORMALISED):
                raise UserInputError(
                    f"The unit {unit!r} of {name} is unknown: expected {KNOWN_DIMS[name].unit!r} or {NORMALISED!r}."
                )
        return cls(tuple(ActionDim(n, u, KNOWN_DIMS[n].positive) for n, u in zip(names, chosen, strict=True)))

    @classmethod
    def default(cls, num_dims: int) -> ActionSpace:
        """The robot's own recorder: two columns are linear_x, linear_y; a third is angular_z."""
        return cls.from_names(("linear_x", "linear_y", "angular_z")[:num_dims])

    def to_json(self) -> dict[str, list[str]]:
        return {"names": list(self.names), "units": list(self.units)}

    @classmethod
    def from_json(cls, value: dict[str, list[str]]) -> ActionSpace:
        return cls.from_names(value["names"], value["units"])


@dataclass(frozen=True)
class Scenario:
    """What an episode was a recording of, from its attributes or its file name; None where neither says."""

    goal: str | None = None
    """"basket", "target", ..."""
    boxes: int | None = None
    layout: str | None = None
    """"vert" or "hori": how the boxes stand."""
    side: str | None = None
    """"left", "right" or "straight": the way past the boxes."""
    pattern: str | None = None
    """"core" or "variant"."""
    distance: str | None = None
    """"close", "medium" or "far"."""
    time_of_day: str | None = None
    """"dawn" 0-6, "morning" 6-12, "evening" 12-18 or "night" 18-24 o'clock."""

    def label(self) -> str:
        """A short name without the time of day, for example "1box_hori_left_core_medium"; "" where nothing is known."""
        boxes = f"{self.boxes}box" if self.boxes else None
        parts = (self.goal, boxes, self.layout, self.side, self.pattern, self.distance)
        return "_".join(part for part in parts if part)


@dataclass(frozen=True)
class EpisodeInfo:
    """What is known of an episode without decoding a picture. Cheap to hold for 10,000 episodes."""

    dataset: str
    episode_id: str
    """The file name without its ending; unique within the data set."""
    path: Path
    num_frames: int
    height: int
    width: int
    action_space: ActionSpace
    instruction: str
    """"" where there is none."""
    instruction_source: Literal["file", "file_name", "curation", "none"]
    scenario: Scenario
    recorded_at: str | None
    """ISO 8601 local time of the recording, from the attributes or the file name."""
    frame_rate_hz: float | None
    color_order: ColorOrder
    recording_id: str | None
    """Names the continuous recording this episode was cut from; None where an episode is a recording of its own."""
    recording_start: int | None
    """Index of the first frame within that recording."""
    simulated: bool
    file_size: int
    file_mtime_ns: int
    image_key: str = "images"
    tags: tuple[str, ...] = ()
    trim: tuple[int, int] | None = None
    """First and last stored frame that are kept; `num_frames` counts these alone. None where all are kept."""

    @property
    def kept(self) -> slice:
        """Which of the stored frames, and rows of actions, belong to the episode."""
        return slice(None) if self.trim is None else slice(self.trim[0], self.trim[1] + 1)

    def trimmed(self, first: int, last: int) -> EpisodeInfo:
        """Return the episode cut to its frames `first` to `last`, both kept.

        Raises:
            UserInputError: The episode has no such frames.
        """
        assert self.trim is None, "a trim counts stored frames, so it is never applied twice"
        if not 0 <= first <= last < self.num_frames:
            raise UserInputError(
                f"The episode {self.episode_id} cannot be trimmed to the frames {first} to {last}: expected a first and a last "
                f"frame within 0 to {self.num_frames - 1}."
            )
        if (first, last) == (0, self.num_frames - 1):
            return self
        start = None if self.recording_start is None else self.recording_start + first
        return replace(self, num_frames=last - first + 1, trim=(first, last), recording_start=start)

    def to_json(self) -> dict[str, Any]:
        value = asdict(self)
        value["path"] = str(self.path)
        value["action_space"] = self.action_space.to_json()
        value["tags"] = list(self.tags)
        value["trim"] = None if self.trim is None else list(self.trim)
        return value

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> EpisodeInfo:
        fields = dict(value)
        fields["path"] = Path(fields["path"])
        fields["action_space"] = ActionSpace.from_json(fields["action_space"])
        fields["scenario"] = Scenario(**fields["scenario"])
        fields["tags"] = tuple(fields["tags"])
        if fields.get("trim") is not None:
            first, last = fields["trim"]
            fields["trim"] = (int(first), int(last))
        return cls(**fields)


@dataclass(frozen=True)
class ActionSequence:
    """The actions of one episode with what a predictor may know without looking."""

    episode_id: str
    actions: Actions
    instruction: str = ""

    @property
    def num_frames(self) -> int:
        return len(self.actions)


Level = Literal["error", "warning", "info", "ok"]


@dataclass(frozen=True)
class Finding:
    """One thing that was found in the data or the results, with what to do about it."""

    level: Level
    code: str
    """Stable, machine-readable: "clock_suffices", "short_episode", "pointer_file", ..."""
    where: str
    """The data set, episode or dimension concerned."""
    message: str
    """What was found, in one sentence with its figure."""
    next: str
    """What the user does about it; "" where nothing needs to be done."""
    details: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        value = asdict(self)
        if not self.details:
            del value["details"]
        return value

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Finding:
        return cls(**value)
