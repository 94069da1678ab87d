"""Runs side by side: what each was made of and how it ended, what differs between them, and how seeds spread."""

from __future__ import annotations

import contextlib
import json
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mvla_core.errors import MvlaError
from mvla_core.files import read_json
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.runs.labels import FILE as LABELS
from mvla_core.runs.labels import RunLabels, load_labels
from mvla_core.runs.listing import RunSummary

PARTS = ("train", "validation", "test")
Figure = Callable[["RunRecord"], float | None]


@dataclass(frozen=True)
class RunRecord:
    """A run with everything that lists and comparisons show of it. What its files do not tell is None or empty.

    Attributes:
        summary: Its state and losses.
        labels: What the user said of it.
        recipe: Its resolved settings.
        seed: Of the split and of the training.
        data: What provenance.json says of the data: "snapshot", "sha256", "curation_version".
        split: Episode ids by part; see `PARTS`.
        val_rmse: Of the best epoch, physical units.
        seconds: The training took.
        parameters: That were trained.
        verdict: The label of its evaluation, for example "learned".
        skill: Over the better clock, on the test part.
        skill_low: Lower end of its 95 % interval.
        problems: What of its files could not be read, in sentences.
    """

    summary: RunSummary
    labels: RunLabels
    recipe: Mapping[str, Any]
    seed: int | None
    data: Mapping[str, Any]
    split: Mapping[str, tuple[str, ...]]
    val_rmse: float | None
    seconds: float | None
    parameters: int | None
    verdict: str
    skill: float | None
    skill_low: float | None
    problems: tuple[str, ...]

    @property
    def run_id(self) -> str:
        return self.summary.run_id

    @property
    def configuration(self) -> str:
        """The same text for two runs exactly where they differ in nothing but the seed, and the split that follows from it."""
        recipe = {name: value for name, value in self.recipe.items() if name != "seed"}
        made = {"dataset": self.summary.dataset, "data": self.data.get("sha256"), "recipe": recipe}
        return json.dumps(made, sort_keys=True, default=str)

    def to_json(self) -> dict[str, Any]:
        return {
            **self.summary.to_json(),
            **self.labels.to_json(),
            "seed": self.seed,
            "snapshot": self.data.get("snapshot"),
            "val_rmse": self.val_rmse,
            "seconds": self.seconds,
            "parameters": self.parameters,
            "verdict": self.verdict,
            "skill": self.skill,
            "skill_low": self.skill_low,
        }


def record_files(run: RunFolder) -> tuple[Path, ...]:
    """The files that a record is read from, beside its summary."""
    return (
        run.config,
        run.result,
        run.path / "receipt.json",
        run.path / LABELS,
        run.split,
        run.provenance,
        run.evaluation_results,
    )


def run_record(root: DataRoot, summary: RunSummary) -> RunRecord:
    """Read one run's record; files that are missing or damaged leave gaps, and are told in `problems`."""
    run = RunFolder(root.runs / summary.run_id)
    problems: list[str] = []

    def read(path: Path) -> dict[str, Any]:
        if not path.exists():
            return {}
        try:
            value = read_json(path)
        except MvlaError as error:
            problems.append(str(error))
            return {}
        return value if isinstance(value, dict) else {}

    config, result, receipt = read(run.config), read(run.result), read(run.path / "receipt.json")
    labels = RunLabels()
    try:
        labels = load_labels(run)
    except MvlaError as error:
        problems.append(str(error))
    results = read(run.evaluation_results)
    clock = _object(_object(results.get("baselines")).get(str(_object(results.get("clock")).get("baseline"))))
    split = read(run.split)
    return RunRecord(
        summary=summary,
        labels=labels,
        recipe=_object(config.get("recipe")),
        seed=_whole(config.get("seed")),
        data=_object(read(run.provenance).get("data")),
        split={part: tuple(map(str, names)) for part in PARTS if isinstance(names := split.get(part), list)},
        val_rmse=_number(result.get("val_rmse")),
        seconds=_number(result.get("seconds")),
        parameters=_whole(
            _object(result.get("trainable_parameters") or receipt.get("trainable_parameters")).get("total")
        ),
        verdict=str(_object(results.get("verdict")).get("label", "")),
        skill=_number(clock.get("skill")),
        skill_low=_number(clock.get("skill_low")),
        problems=tuple(problems),
    )


@dataclass(frozen=True)
class Difference:
    """One setting in which runs differ: its name, and each run's value as text, "-" where a run has none."""

    setting: str
    values: tuple[str, ...]


def config_differences(records: Sequence[RunRecord]) -> list[Difference]:
    """The settings that are not the same in all the runs, in the order of the recipe."""
    settings = [
        {"data set": record.summary.dataset, "preset": record.summary.preset, **record.recipe} for record in records
    ]
    names = dict.fromkeys(name for setting in settings for name in setting)
    rows = [Difference(name, tuple(_text(setting.get(name)) for setting in settings)) for name in names]
    return [row for row in rows if len(set(row.values)) > 1]


@dataclass(frozen=True)
class DataDifference:
    """How the data of a run differs from that of another.

    Attributes:
        added: By part: episodes that only this run has in any part.
        removed: By part of the other run: episodes that this run has in no part.
        moved: (episode, part in the other run, part in this run).
        facts: Further differences: (what, the other run's, this run's).
    """

    added: Mapping[str, tuple[str, ...]]
    removed: Mapping[str, tuple[str, ...]]
    moved: tuple[tuple[str, str, str], ...]
    facts: tuple[tuple[str, str, str], ...]

    @property
    def same(self) -> bool:
        return not (self.added or self.removed or self.moved or self.facts)


def data_difference(reference: RunRecord, record: RunRecord) -> DataDifference:
    """Compare the data of a run with that of a reference."""
    before = {name: part for part, names in reference.split.items() for name in names}
    after = {name: part for part, names in record.split.items() for name in names}
    facts = [
        (what, _text(reference.data.get(key)), _text(record.data.get(key)))
        for what, key in (("version of the data set", "snapshot"), ("state of the data", "sha256"))
        if reference.data.get(key) != record.data.get(key)
    ]
    if reference.summary.dataset != record.summary.dataset:
        facts.insert(0, ("data set", reference.summary.dataset, record.summary.dataset))
    return DataDifference(
        added=_by_part({name: part for name, part in after.items() if name not in before}),
        removed=_by_part({name: part for name, part in before.items() if name not in after}),
        moved=tuple((name, before[name], part) for name, part in after.items() if before.get(name, part) != part),
        facts=tuple((what, one[:12], other[:12]) for what, one, other in facts),
    )


@dataclass(frozen=True)
class Spread:
    """A figure over several seeds.

    Attributes:
        count: How many runs have it, one a seed.
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


def one_per_seed(records: Sequence[RunRecord]) -> list[RunRecord]:
    """Return one run of each seed, by seed: a training that was started again is not a further seed.

    Of several it is the newest that has a result; where none has one, the newest. A run without a readable seed stands for itself.
    """
    chosen: dict[int | str, RunRecord] = {}
    for record in records:
        key = record.run_id if record.seed is None else record.seed
        other = chosen.get(key)
        if other is None or _standing(record) > _standing(other):
            chosen[key] = record
    return sorted(chosen.values(), key=lambda record: (record.seed or 0, record.run_id))


def _standing(record: RunRecord) -> tuple[bool, float, str]:
    return record.val_rmse is not None, record.summary.created or 0.0, record.run_id


@dataclass(frozen=True)
class SeedGroup:
    """Runs that differ in nothing but the seed, repeated ones too."""

    records: tuple[RunRecord, ...]

    def spread(self, figure: Figure) -> Spread | None:
        """The spread of a figure over the seeds that have it; None where none has."""
        return Spread.of(figure(record) for record in one_per_seed(self.records))


def seed_groups(records: Sequence[RunRecord]) -> list[SeedGroup]:
    """Group runs by configuration, in the order of each group's first run; also those that stand alone."""
    groups: dict[str, list[RunRecord]] = {}
    for record in records:
        # A run whose configuration cannot be read belongs to no other.
        key = record.configuration if record.recipe else record.run_id
        groups.setdefault(key, []).append(record)
    return [SeedGroup(tuple(members)) for members in groups.values()]


def _by_part(names: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    found = {part: tuple(sorted(name for name, where in names.items() if where == part)) for part in PARTS}
    return {part: episodes for part, episodes in found.items() if episodes}


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    with contextlib.suppress(OverflowError):
        number = float(value)
        return number if abs(number) < float("inf") else None
    return None


def _text(value: Any) -> str:
    if value is None or value == "":
        return "-"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
