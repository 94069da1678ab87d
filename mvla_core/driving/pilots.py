"""Who drives: the trained policy, the expert, and four that never look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mvla_core.driving.chunks import Chunk
from mvla_core.metrics.predictors import InstructionClock
from mvla_core.policies.live import LivePolicy
from mvla_core.schema import Actions, ActionSequence, Frame
from mvla_core.simulation.expert import Expert
from mvla_core.simulation.scene import Scene
from mvla_core.simulation.world import World

BASELINES = ("straight", "stop", "clock", "brake")
BRAKES_AFTER = 4
"""The driver "brake" drives straight on for so many frames of a recording, and then stops, whatever is before it."""


class PolicyPilot:
    """A trained policy. It gets frames and an instruction, nothing else."""

    looks = True

    def __init__(self, policy: LivePolicy, instruction: str) -> None:
        self._policy = policy
        self._instruction = instruction

    def reset(self) -> None:
        self._policy.reset()

    def see(self, frame: Frame) -> None:
        self._policy.see(frame)

    def chunk(self, world: World, frame: int) -> Chunk:
        return self._policy.predict(self._instruction)


class ExpertPilot:
    """The expert, who knows the truth: what a perfect policy could reach under the same control."""

    looks = False

    def __init__(self, scene: Scene, axes: int = 2) -> None:
        """`axes`: of the actions, 2 or 3; the expert never turns."""
        self._scene = scene
        self._axes = axes
        self.reset()

    def reset(self) -> None:
        self._expert = Expert(self._scene)

    def see(self, frame: Frame) -> None:
        """Frames tell the expert nothing."""

    def chunk(self, world: World, frame: int) -> Chunk | None:
        action = np.zeros((1, self._axes), np.float32)
        action[0, :2] = self._expert.act(world, None)
        return action


class Blind:
    """Replays one table of actions and then stops."""

    looks = False

    def __init__(self, actions: Actions, pace: float = 1.0) -> None:
        """
        Args:
            actions: float32 (T, A).
            pace: Rows of the table that pass from one command to the next: below 1 where commands come faster than the frames
                of the table.
        """
        self._actions = np.concatenate([actions, np.zeros_like(actions[:1])]).astype(np.float32)
        self._pace = pace

    def reset(self) -> None:
        """Nothing is remembered."""

    def see(self, frame: Frame) -> None:
        """Nothing is seen."""

    def chunk(self, world: World, frame: int) -> Chunk:
        row = int(frame * self._pace + 1e-6)
        return self._actions[min(row, len(self._actions) - 1) :][:1]


@dataclass(frozen=True, eq=False)
class BlindTables:
    """What the baselines learn from the training episodes: nothing but averages.

    Attributes:
        straight: float32 (mean length, A): straight ahead at the largest training speed for the mean length of an episode.
        clocks: By instruction, float32 (T, A): the mean action at each frame index, as long as its longest episode.
        otherwise: The same over all instructions.
    """

    straight: Actions
    otherwise: Actions
    clocks: dict[str, Actions] = field(default_factory=dict)

    @classmethod
    def fit(cls, train: Sequence[ActionSequence]) -> BlindTables:
        """Fit on training episodes, of which at least one holds a frame."""
        fitted = InstructionClock.fit(train)
        length = round(float(np.mean([sequence.num_frames for sequence in train])))
        every = np.concatenate([sequence.actions for sequence in train])
        straight = np.zeros((max(1, length), every.shape[1]), np.float32)
        straight[:, 0] = every[:, 0].max()
        clocks = {instruction: clock.by_index for instruction, clock in fitted.clocks.items()}
        return cls(straight, fitted.all_episodes.by_index, clocks)

    def pilot(self, name: str, instruction: str, pace: float) -> Blind:
        """Return one of `BASELINES`; `pace` as in `Blind`."""
        match name:
            case "straight":
                actions = self.straight
            case "stop":
                actions = self.straight[:1] * 0
            case "brake":
                actions = np.repeat(self.straight[:1], BRAKES_AFTER, axis=0)
            case _:
                actions = self.clocks.get(instruction, self.otherwise)
        return Blind(actions, pace)
