"""The ways to split side by side: what each test part would ask, and how much of its answer a clock knows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mvla_core.audit.clock import CLOCKS, trivial_baselines
from mvla_core.audit.leaks import leak_evidence, shared_sessions
from mvla_core.datasets.split import PARTS, SPLITS, Split, SplitBy, make_split
from mvla_core.datasets.windows import WindowSpec, last_frames
from mvla_core.episodes.looks import Looks
from mvla_core.errors import DatasetError
from mvla_core.metrics.intervals import Interval
from mvla_core.schema import ActionSequence, ActionSpace, EpisodeInfo


@dataclass(frozen=True)
class SplitOption:
    """One way to split a data set.

    Attributes:
        by: What is kept together.
        split: The split; None where it cannot be made.
        impossible: Why not, in a sentence; "" where it can.
        episodes: Part -> its episodes.
        windows: Part -> its windows.
        test_instructions: Instruction -> test episodes: a test part of one side proves nothing about the other.
        missing_instructions: Instructions of the data set that no test episode has.
        clock_explained: Share of the constant's error that the better clock removes on the test part.
        shared_sessions: Held-out episodes of a session that was trained on; None where times are not known.
        leaked: Held-out episodes that repeat a training episode's pictures; None where pictures have not been looked at.
        seen_frames: Share of held-out frames with a near-duplicate in the training part; None likewise.
    """

    by: SplitBy
    split: Split | None
    impossible: str
    episodes: Mapping[str, int]
    windows: Mapping[str, int]
    test_instructions: Mapping[str, int]
    missing_instructions: tuple[str, ...]
    clock_explained: Interval | None
    shared_sessions: int | None
    leaked: int | None
    seen_frames: float | None

    def to_json(self) -> dict[str, Any]:
        return {
            "by": self.by,
            "asks": SPLITS[self.by],
            "possible": self.split is not None,
            "impossible": self.impossible,
            "strategy": None if self.split is None else self.split.strategy,
            "episodes": dict(self.episodes),
            "windows": dict(self.windows),
            "test_instructions": dict(self.test_instructions),
            "missing_instructions": list(self.missing_instructions),
            "clock_explained": None if self.clock_explained is None else self.clock_explained.to_json(),
            "shared_sessions": self.shared_sessions,
            "leaked": self.leaked,
            "seen_frames": self.seen_frames,
        }


def compare_splits(
    episodes: Sequence[EpisodeInfo],
    sequences: Sequence[ActionSequence],
    window: WindowSpec,
    space: ActionSpace,
    *,
    seed: int = 0,
    looks: Mapping[str, Looks] | None = None,
    likeness_needed: float | None = None,
) -> tuple[SplitOption, ...]:
    """Split a data set in every way and measure what each leaves to ask.

    Args:
        episodes: Those of one action space.
        sequences: Their actions, in the same order.
        window: The windows a training would use.
        space: Names the axes.
        seed: Of the splits that draw.
        looks: Episode id -> looks, where pictures have been looked at.
        likeness_needed: As in `leak_evidence`.
    """
    by_id = {sequence.episode_id: sequence for sequence in sequences}
    instructions = {info.episode_id: info.instruction for info in episodes}
    options = []
    for by in SPLITS:
        try:
            split = make_split(episodes, by=by, seed=seed, min_frames=window.minimum_frames)
        except DatasetError as error:
            options.append(SplitOption(by, None, str(error), {}, {}, {}, (), None, None, None, None))
            continue
        parts = {part: [by_id[name] for name in getattr(split, part)] for part in PARTS}
        baselines = trivial_baselines(parts["train"], parts["test"], window, space)
        in_test = Counter(instructions[name] for name in split.test)
        leaks = None
        if looks:
            leaks = leak_evidence(episodes, split, looks, likeness_needed)
        options.append(
            SplitOption(
                by=by,
                split=split,
                impossible="",
                episodes={part: len(held) for part, held in parts.items()},
                windows={
                    part: sum(len(last_frames(sequence.num_frames, window)) for sequence in held)
                    for part, held in parts.items()
                },
                test_instructions=dict(in_test),
                missing_instructions=tuple(sorted(set(instructions.values()) - in_test.keys() - {""})),
                clock_explained=max((baselines[name].explained for name in CLOCKS), key=lambda each: each.value),
                shared_sessions=shared_sessions(episodes, split),
                leaked=None if leaks is None else len(leaks.twins),
                seen_frames=None if leaks is None else leaks.seen_frames,
            )
        )
    return tuple(options)
