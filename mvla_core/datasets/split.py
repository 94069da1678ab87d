"""Train, validation and test by whole episodes, never by windows.

The training part teaches, the validation part chooses the checkpoint, the test part is what evaluation reports. The
same episodes and seed give the same split on every machine.

What is dealt out is a **unit**: an episode that is a recording of its own, or a whole continuous recording. Only where
fewer than `WHOLE_RECORDINGS` units exist is a recording cut: into three blocks in time order, with whole episodes left
out between them, because neighbouring frames of one recording look alike and would let a model score by remembering.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

import numpy as np

from mvla_core.datasets.grouping import group_by_scenario, group_by_session, in_time_order
from mvla_core.datasets.windows import WindowSpec
from mvla_core.errors import DatasetError, UserInputError
from mvla_core.schema import EpisodeInfo

FRACTIONS = (0.6, 0.2, 0.2)
GAP_FRAMES = 50
"""Frames left out between two blocks of one recording: 2.5 s at 20 Hz, several times a window and its chunk."""

WHOLE_RECORDINGS = 5
"""From this many units on, whole recordings are dealt out: fewer cannot fill three parts in the fractions asked for."""

PARTS = ("train", "validation", "test")
_SMALLEST_STRATUM = 3

SplitBy = Literal["episode", "session", "scenario", "time"]
SPLITS: Mapping[SplitBy, str] = {
    "episode": "whole episodes at random, each instruction or scenario in every part",
    "session": "whole recording sessions: is another day as good?",
    "scenario": "whole scenarios: is a scenario that was never trained on as good?",
    "time": "in time order: trained on the oldest, tested on the newest",
}
"""What is kept together, and what the test part then asks."""

Unit = tuple[EpisodeInfo, ...]


@dataclass(frozen=True)
class Split:
    """Which episode serves what. The five lists share no episode and hold every episode that was given.

    Attributes:
        train: Episode ids, as all lists here; sorted.
        validation: Chooses the checkpoint.
        test: What evaluation reports.
        gap: Left out between blocks of one recording.
        excluded: Too short to give a single window.
        seed: The seed of the draw.
        strategy: How it was split, in a sentence.
        stratified_by: "instruction", "scenario" or None.
        by: What was kept together.
    """

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    gap: tuple[str, ...]
    excluded: tuple[str, ...]
    seed: int
    strategy: str
    stratified_by: str | None
    by: SplitBy = "episode"

    def part_of(self, episode_id: str) -> str | None:
        """Return "train", "validation", "test", "gap" or "excluded"; None for an episode the split does not know."""
        return next((part for part in (*PARTS, "gap", "excluded") if episode_id in getattr(self, part)), None)

    def to_json(self) -> dict[str, Any]:
        parts = {part: list(getattr(self, part)) for part in (*PARTS, "gap", "excluded")}
        drawn = {"seed": self.seed, "strategy": self.strategy, "stratified_by": self.stratified_by, "by": self.by}
        return {**parts, **drawn}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        parts = {part: tuple(value[part]) for part in (*PARTS, "gap", "excluded")}
        return cls(
            **parts,
            seed=value["seed"],
            strategy=value["strategy"],
            stratified_by=value["stratified_by"],
            # A split that was written before there was a choice was made by episode.
            by=value.get("by", "episode"),
        )


def make_split(
    episodes: Sequence[EpisodeInfo],
    *,
    by: SplitBy = "episode",
    seed: int = 0,
    fractions: tuple[float, float, float] = FRACTIONS,
    gap_frames: int = GAP_FRAMES,
    min_frames: int | None = None,
) -> Split:
    """Split episodes into train, validation and test.

    Args:
        episodes: The episodes of one data set, in any order; their ids differ.
        by: What is never divided between parts; see `SPLITS`.
        seed: Which episodes go where, among the splits that are equally good.
        fractions: Shares of train, validation and test, each above 0, together 1.
        gap_frames: At least so many frames, as whole episodes, lie between two blocks of one recording.
        min_frames: Shorter episodes are excluded; the default is the shortest that gives a window of the default
            `WindowSpec`.

    Raises:
        DatasetError: Fewer than three usable episodes, or sessions, or scenarios; a time or scenario that is not known where the
            split goes by it; or a single recording too short for three blocks and two gaps.
        UserInputError: The fractions, the gap, the ids or `by` cannot be used.
    """
    _check(episodes, fractions, gap_frames, by)
    shortest = WindowSpec().minimum_frames if min_frames is None else min_frames
    ordered = sorted(episodes, key=lambda info: info.episode_id)
    usable = [info for info in ordered if info.num_frames >= shortest]
    excluded = [info.episode_id for info in ordered if info.num_frames < shortest]
    if len(usable) < 3:
        raise DatasetError(
            f"The data set cannot be split: {len(usable)} of {len(ordered)} episodes have at least {shortest} frames, "
            "and train, validation and test need one each; record more episodes."
        )
    if by != "episode":
        return _split_by_group(usable, excluded, by, seed, fractions, gap_frames)
    units = _units(usable)
    parts: dict[str, list[str]] = {part: [] for part in (*PARTS, "gap")}
    cut: list[Unit] = []
    if len(units) < WHOLE_RECORDINGS:
        whole: list[Unit] = []
        for unit in units:
            blocks = _blocks(unit, fractions, gap_frames) if len(unit) > 1 else None
            (whole if blocks is None else cut).append(unit)
            for part, ids in (blocks or {}).items():
                parts[part] += ids
        units = whole
    if not cut and len(units) < 3:
        raise DatasetError(
            f"The data set cannot be split: its {len(usable)} usable episodes come from {len(units)} continuous "
            f"recording(s), too short for three blocks with {gap_frames} frames left out between them; record more, or "
            "import with a shorter episode length."
        )
    stratified_by, strata = _strata(units)
    for part, ids in _deal(strata, fractions, seed).items():
        parts[part] += ids
    train, validation, test, gap = (tuple(sorted(parts[part])) for part in (*PARTS, "gap"))
    return Split(
        train=train,
        validation=validation,
        test=test,
        gap=gap,
        excluded=tuple(excluded),
        seed=seed,
        strategy=_strategy(units, cut, stratified_by, gap_frames, seed),
        stratified_by=stratified_by,
    )


def _split_by_group(
    usable: Sequence[EpisodeInfo],
    excluded: Sequence[str],
    by: SplitBy,
    seed: int,
    fractions: tuple[float, float, float],
    gap_frames: int,
) -> Split:
    """Deal whole sessions or scenarios out, or cut the episodes in time order."""
    gap: list[str] = []
    if by == "time":
        ordered = in_time_order(usable)
        train, validation, _ = _counts(len(ordered), fractions)
        ends = {"train": (0, train), "validation": (train, train + validation), "test": (train + validation, None)}
        blocks = {part: ordered[slice(*span)] for part, span in ends.items()}
        for earlier, later in itertools.pairwise(PARTS):
            gap += _leave_gap(blocks[earlier], blocks[later], gap_frames)
        parts = {part: [info.episode_id for info in block] for part, block in blocks.items()}
        strategy = f"{len(ordered)} episodes in time order: the oldest train, the newest test."
        if gap:
            strategy += f" {len(gap)} left out where a continuous recording was cut."
    else:
        groups = group_by_session(usable) if by == "session" else group_by_scenario(usable)
        if len(groups) < 3:
            raise DatasetError(
                f"The data set cannot be split by {by}: it holds {len(groups)}, and train, validation and test need one each; "
                f"record more {by}s, or split by episode."
            )
        parts = _deal([groups], fractions, seed)
        strategy = f"{len(groups)} {by}s dealt out as a whole with seed {seed}, so that no {by} serves two parts."
    kept = {part: tuple(sorted(parts[part])) for part in PARTS}
    return Split(
        **kept,
        gap=tuple(sorted(gap)),
        excluded=tuple(excluded),
        seed=seed,
        strategy=strategy,
        stratified_by=None,
        by=by,
    )


def _leave_gap(earlier: list[EpisodeInfo], later: list[EpisodeInfo], gap_frames: int) -> list[str]:
    """Take episodes off the end of a part where the next one goes on with the same recording; each part keeps one."""
    taken: list[str] = []
    frames = 0
    while frames < gap_frames and len(earlier) > 1:
        last = earlier[-1]
        if last.recording_id is None or last.recording_id != later[0].recording_id:
            break
        frames += last.num_frames
        taken.append(earlier.pop().episode_id)
    return taken


def _check(
    episodes: Sequence[EpisodeInfo], fractions: tuple[float, float, float], gap_frames: int, by: SplitBy
) -> None:
    if by not in get_args(SplitBy):
        raise UserInputError(f"A data set cannot be split by {by!r}: expected one of {', '.join(SPLITS)}.")
    if len(fractions) != 3 or min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-6:
        raise UserInputError(
            f"The fractions {fractions} cannot be used: give train, validation and test, each above 0, sum 1."
        )
    if gap_frames < 0:
        raise UserInputError(f"A gap of {gap_frames} frames cannot be left out; give 0 or more.")
    repeated = [name for name, count in Counter(info.episode_id for info in episodes).items() if count > 1]
    if repeated:
        raise UserInputError(f"The episode {repeated[0]} was given twice; give each episode of a data set once.")


def _units(episodes: Sequence[EpisodeInfo]) -> list[Unit]:
    """Group the episodes of one continuous recording, in time order."""
    groups: dict[tuple[str, str], list[EpisodeInfo]] = {}
    for info in episodes:
        key = ("episode", info.episode_id) if info.recording_id is None else ("recording", info.recording_id)
        groups.setdefault(key, []).append(info)
    return [
        tuple(sorted(group, key=lambda info: (info.recording_start or 0, info.episode_id))) for group in groups.values()
    ]


def _counts(total: int, fractions: Sequence[float], owed: Sequence[float] = (0.0, 0.0, 0.0)) -> list[int]:
    """Share `total` >= 3 items out as three whole numbers of at least 1.

    What the fractions leave over goes, one by one, to the part that lacks most (test first, then validation, on a tie).
    `owed` is what earlier strata left each part short of, so that the parts fit the fractions over all strata.
    """
    counts = [max(1, int(total * fraction + 1e-9)) for fraction in fractions]
    while sum(counts) > total:
        counts[int(np.argmax(counts))] -= 1
    while sum(counts) < total:
        lacks = [total * fractions[part] + owed[part] - counts[part] for part in range(3)]
        counts[max(range(3), key=lambda part: (round(lacks[part], 9), part))] += 1
    return counts


def _blocks(unit: Unit, fractions: Sequence[float], gap_frames: int) -> dict[str, list[str]] | None:
    """Cut one recording into train, gap, validation, gap, test in time order; None where it is too short for that."""

    def gap_episodes(begin: int) -> int:
        frames = 0
        for count, info in enumerate(unit[begin:]):
            if frames >= gap_frames:
                return count
            frames += info.num_frames
        return len(unit) - begin

    to_share = len(unit) - 2 * gap_episodes(0)
    if to_share < 3:
        return None
    train, validation, _ = _counts(to_share, fractions)
    first = train + gap_episodes(train)
    second = first + validation
    last = second + gap_episodes(second)
    if last >= len(unit):
        return None
    ids = [info.episode_id for info in unit]
    return {
        "train": ids[:train],
        "validation": ids[first:second],
        "test": ids[last:],
        "gap": ids[train:first] + ids[second:last],
    }


def _strata(units: Sequence[Unit]) -> tuple[str | None, list[list[Unit]]]:
    """Group units that every part shall hold some of: by instruction where several are there, else by scenario.

    Groups of fewer than three units cannot reach all parts and are dealt out together.
    """
    labels: dict[str, Callable[[EpisodeInfo], str]] = {
        "instruction": lambda info: info.instruction,
        "scenario": lambda info: info.scenario.label(),
    }
    for name, label in labels.items():
        groups: dict[str, list[Unit]] = {}
        for unit in units:
            most_common = Counter(label(info) for info in unit).most_common(1)[0][0]
            groups.setdefault(most_common, []).append(unit)
        large = [groups[key] for key in sorted(groups) if len(groups[key]) >= _SMALLEST_STRATUM]
        rest = [unit for key in sorted(groups) if len(groups[key]) < _SMALLEST_STRATUM for unit in groups[key]]
        if len(groups) > 1 and large:
            return name, [*large, rest] if rest else large
    return None, [list(units)] if units else []


def _deal(strata: Sequence[Sequence[Unit]], fractions: Sequence[float], seed: int) -> dict[str, list[str]]:
    """Deal whole units to the parts. A stratum of at least three units reaches every part; a smaller one goes to train.

    Units are shuffled, large ones first, each to the part with the most room left.
    """
    generator = np.random.default_rng(seed)
    dealt: tuple[list[str], ...] = ([], [], [])
    owed = [0.0, 0.0, 0.0]
    for stratum in strata:
        if len(stratum) < _SMALLEST_STRATUM:
            dealt[0].extend(info.episode_id for unit in stratum for info in unit)
            continue
        total = sum(map(len, stratum))
        room = _counts(total, fractions, owed)
        owed = [owed[part] + total * fractions[part] - room[part] for part in range(3)]
        shuffled = [stratum[position] for position in generator.permutation(len(stratum))]
        shuffled.sort(key=len, reverse=True)
        empty = {0, 1, 2}
        for position, unit in enumerate(shuffled):
            # The last units are kept for parts that large recordings have not left room in.
            candidates = empty if empty and len(shuffled) - position <= len(empty) else {0, 1, 2}
            part = max(candidates, key=lambda candidate: (room[candidate], candidate))
            dealt[part].extend(info.episode_id for info in unit)
            room[part] -= len(unit)
            empty.discard(part)
    return dict(zip(PARTS, dealt, strict=True))


def _strategy(units: Sequence[Unit], cut: Sequence[Unit], stratified_by: str | None, gap_frames: int, seed: int) -> str:
    sentences = []
    if cut:
        what = "One continuous recording" if len(cut) == 1 else f"{len(cut)} continuous recordings, each"
        sentences.append(
            f"{what} cut in time order into train, validation and test, with whole episodes of at least {gap_frames} "
            "frames together left out between the parts."
        )
    whole = sum(len(unit) > 1 for unit in units)
    if whole:
        what = "One recording" if whole == 1 else f"{whole} recordings"
        sentences.append(f"{what} dealt out as a whole, so that no recording serves two parts.")
    if len(units) > whole:
        by = f", each {stratified_by} in every part where it has at least {_SMALLEST_STRATUM}" if stratified_by else ""
        sentences.append(f"{len(units) - whole} separate episode(s) drawn at random with seed {seed}{by}.")
    return " ".join(sentences)
