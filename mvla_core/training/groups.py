"""Several runs of one recipe that differ in their seed alone, and how far their results lie apart. Torch-free.

All runs of a group share one split, that of the first seed: the spread is that of the training (fresh weights, order of the
items, dropout), not of which episodes happened to be held out.
"""

from __future__ import annotations

import re
import secrets
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mvla_core.errors import MvlaError, UserInputError
from mvla_core.files import read_json
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.runs.table import RunRecord
from mvla_core.training.launch import prepare_run, resolve_recipe

MAX_SEEDS = 20


def prepare_group(
    root: DataRoot, dataset: str, preset: str, overrides: Mapping[str, Any], count: int, seed: int | None = None
) -> list[RunFolder]:
    """Write the folders of several runs that differ in their seed; nothing is started.

    Args:
        root, dataset, preset, overrides: As for `prepare_run`.
        count: How many seeds, counted up from the first.
        seed: The first one; None takes the recipe's. It also draws the split of all of them.

    Raises:
        UserInputError: The count cannot be used.
        MvlaError: As `prepare_run`.
    """
    if not 2 <= count <= MAX_SEEDS:
        raise UserInputError(f"A group of {count} seeds cannot be trained: give 2 to {MAX_SEEDS}.")
    first = resolve_recipe(preset, overrides, seed).seed
    seeds = [first + number for number in range(count)]
    group = {"id": f"seeds-{secrets.token_hex(4)}", "seeds": seeds, "split_seed": first}
    others = {name: value for name, value in overrides.items() if name != "seed"}
    return [prepare_run(root, dataset, preset, others, each, split_seed=first, group=group) for each in seeds]


@dataclass(frozen=True)
class Spread:
    """A figure over the runs of a group that have it.

    Attributes:
        count: How many.
        mean: Their mean.
        deviation: Their sample standard deviation; None with one run.
        low: The smallest.
        high: The largest.
    """

    count: int
    mean: float
    deviation: float | None
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float | None]) -> Spread | None:
        """Return the spread of the values that are there; None where none is."""
        there = [value for value in values if value is not None]
        if not there:
            return None
        deviation = statistics.stdev(there) if len(there) > 1 else None
        return cls(len(there), statistics.fmean(there), deviation, min(there), max(there))


@dataclass(frozen=True)
class RunGroup:
    """The runs of one group.

    Attributes:
        group_id: Its name.
        seeds: Those that were asked for.
        split_seed: Of the split they share.
        records: The runs that are there, by seed.
    """

    group_id: str
    seeds: tuple[int, ...]
    split_seed: int
    records: tuple[RunRecord, ...]

    @property
    def val_rmse(self) -> Spread | None:
        """Of the best epochs, in physical units."""
        return Spread.of(record.val_rmse for record in self.records)

    @property
    def skill(self) -> Spread | None:
        """Over the better clock, on the test part."""
        return Spread.of(record.skill for record in self.records)

    def to_json(self) -> dict[str, Any]:
        spreads = {"val_rmse": self.val_rmse, "skill": self.skill}
        return {
            "group": self.group_id,
            "seeds": list(self.seeds),
            "split_seed": self.split_seed,
            "runs": [record.run_id for record in self.records],
            **{name: spread and vars(spread) for name, spread in spreads.items()},
        }

    def sentences(self) -> list[str]:
        """Return the spread of each figure that is known, in a sentence each."""
        told = []
        for name, spread, form in (("val. RMSE", self.val_rmse, ".4f"), ("skill", self.skill, ".0%")):
            if spread is None:
                continue
            deviation = "" if spread.deviation is None else f" ± {format(spread.deviation, form)}"
            told.append(
                f"{name} {format(spread.mean, form)}{deviation} ({format(spread.low, form)} to {format(spread.high, form)}) "
                f"over {spread.count} of {len(self.seeds)} seeds"
            )
        return told


def run_groups(root: DataRoot, records: Sequence[RunRecord]) -> list[RunGroup]:
    """Return the groups that some runs belong to, in the order of each group's first run."""
    found: dict[str, tuple[Mapping[str, Any], list[RunRecord]]] = {}
    for record in records:
        group = group_of(root, record.run_id)
        if group is not None:
            found.setdefault(str(group["id"]), (group, []))[1].append(record)
    return [
        RunGroup(
            name,
            tuple(group["seeds"]),
            int(group["split_seed"]),
            tuple(sorted(members, key=lambda record: (record.seed or 0, record.run_id))),
        )
        for name, (group, members) in found.items()
    ]


def group_of(root: DataRoot, run_id: str) -> Mapping[str, Any] | None:
    """Return what a run's configuration says of its group; None where it belongs to none or cannot be read."""
    try:
        group = read_json(root.run(run_id).config).get("group")
    except (MvlaError, OSError, AttributeError):
        return None
    return group if isinstance(group, dict) and _is_group(group) else None


def _is_group(group: Mapping[str, Any]) -> bool:
    seeds = group.get("seeds")
    whole = isinstance(seeds, list) and all(isinstance(seed, int) for seed in seeds)
    named = re.fullmatch(r"seeds-[0-9a-f]{8}", str(group.get("id"))) is not None
    return whole and named and isinstance(group.get("split_seed"), int)
