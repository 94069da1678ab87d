"""Several runs of one recipe that differ in their seed alone, and how far their results lie apart. Torch-free.

All runs of a group share one split, that of the first seed: the spread is that of the training (fresh weights, order of the
items, dropout), not of which episodes happened to be held out.
"""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mvla_core.errors import MvlaError, RecipeError, UserInputError
from mvla_core.files import read_json
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.runs.table import RunRecord, Spread, one_per_seed
from mvla_core.training.fit import check_fit, room_here
from mvla_core.training.launch import Plan, plan_training, resolve_recipe, write_plan
from mvla_core.training.slurm import Cluster

MAX_SEEDS = 20


def prepare_group(
    root: DataRoot,
    dataset: str,
    preset: str,
    overrides: Mapping[str, Any],
    count: int,
    seed: int | None = None,
    *,
    cluster: Cluster | None = None,
) -> list[RunFolder]:
    """Write the folders of several runs that differ in their seed, all of them or none; nothing is started.

    Args:
        root, dataset, preset, overrides, cluster: As for `prepare_run`.
        count: How many seeds, counted up from the first.
        seed: The first one; None takes the recipe's. It also draws the split of all of them.

    Raises:
        UserInputError: The count cannot be used.
        MvlaError: As `prepare_run`; a `RecipeError` also where the disk cannot take all of them.
    """
    if not 2 <= count <= MAX_SEEDS:
        raise UserInputError(f"A group of {count} seeds cannot be trained: give 2 to {MAX_SEEDS}.")
    first = resolve_recipe(preset, overrides, seed).seed
    seeds = [first + number for number in range(count)]
    group = {"id": f"seeds-{secrets.token_hex(4)}", "seeds": seeds, "split_seed": first}
    others = {name: value for name, value in overrides.items() if name != "seed"}
    plans = [plan_training(root, dataset, preset, others, each, split_seed=first, cluster=cluster) for each in seeds]
    plans[0].check_fit()
    _check_disk(plans)
    written: list[RunFolder] = []
    try:
        for plan in plans:
            written.append(write_plan(plan, {"group": group}))
    except BaseException:
        for run in written:
            shutil.rmtree(run.path, ignore_errors=True)
        raise
    return written


def _check_disk(plans: Sequence[Plan]) -> None:
    """Refuse a group of which one run fits the disk and all of them do not: each keeps its folder."""
    one = plans[0].forecast()
    # The features of recorded pictures serve every seed; augmented copies are drawn with the seed.
    caches = len(plans) if plans[0].augmentation else 1
    together = replace(one, run_bytes=one.run_bytes * len(plans), cache_bytes=one.cache_bytes * caches)
    room = replace(room_here(plans[0].root, 0), memory_bytes=None)
    try:
        check_fit(plans[0].recipe, together, room, lambda recipe: together)
    except RecipeError as error:
        raise RecipeError(
            f"{len(plans)} seeds do not fit this disk together; train fewer. As one training: {error}"
        ) from error


@dataclass(frozen=True)
class RunGroup:
    """The runs of one group.

    Attributes:
        group_id: Its name.
        seeds: Those that were asked for.
        split_seed: Of the split they share.
        records: The runs that are there, one a seed, by seed: of a training that was started again see `one_per_seed`.
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
            tuple(one_per_seed(members)),
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
