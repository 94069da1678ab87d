"""What a gate is decided on: a figure with its interval and the place where it is stored, or the reason why there is none."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mvla_core.datasets.split import Split
from mvla_core.driving.results import RULES, has_driven, is_stale, load_driven, rules_of
from mvla_core.episodes.catalogue import EPISODE_SUFFIXES
from mvla_core.episodes.reader import open_episode
from mvla_core.errors import EpisodeError
from mvla_core.evaluation.results import (
    EpisodePredictions,
    audit_path,
    is_outdated,
    load_audit,
    load_predictions,
    load_results,
)
from mvla_core.files import read_json
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.readiness.gates import Robot
from mvla_core.runs.listing import read_run

Values = Mapping[str, Any]

RESULTS, DRIVEN, AUDIT, PREDICTIONS, SPLIT = (
    "evaluation/results.json",
    "evaluation/closed_loop.json",
    "evaluation/audit.json",
    "evaluation/predictions.npz",
    "split.json",
)
"""Where evidence lies, below the run folder."""


@dataclass(frozen=True)
class Evidence:
    """One figure.

    Attributes:
        value: The figure; None where it is not measured.
        low: Lower end of its 95 % interval; None without one.
        high: Upper end.
        stored: File and key that hold it, for example "evaluation/results.json: baselines.frame_index".
        missing: Why there is no figure, a key of the catalogs under `missing`; "" where there is one.
        values: What its sentences may name besides, such as the weakest direction.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    stored: str = ""
    missing: str = ""
    values: Values = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "stored": self.stored,
            "missing": self.missing,
            "values": dict(self.values),
        }


def unmeasured(reason: str, stored: str = "", **values: Any) -> Evidence:
    """Evidence that is not there, with the reason as a key of the catalogs."""
    return Evidence(None, stored=stored, missing=reason, values=values)


def number(value: Any) -> float | None:
    """Return a finite number; None for anything else that a file may hold."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def table(value: Any) -> Mapping[str, Any]:
    """Return an object of a JSON file; an empty one where there is none."""
    return value if isinstance(value, Mapping) else {}


def interval_of(found: Any, stored: str, *, key: str = "value", **values: Any) -> Evidence:
    """Read `{value, low, high}` as evidence.

    Args:
        found: The object; anything else is "not stored".
        stored: Where it lies.
        key: Name of the figure in it; its ends are `low` and `high`, or `key_low` and `key_high`.
        values: What sentences may name.
    """
    here = table(found)
    value = number(here.get(key))
    if value is None:
        return unmeasured("not_stored", stored, **values)
    low, high = (number(here.get(end, here.get(f"{key}_{end}"))) for end in ("low", "high"))
    return Evidence(value, low, high, stored, values=values)


@dataclass(frozen=True)
class Gathered:
    """Everything stored that gates are decided on. A run that is not evaluated has empty results.

    Attributes:
        run: Its folder.
        config: `config.json`.
        split: Which episode serves what; None where the run has none.
        results: `evaluation/results.json`, or empty.
        audit: The audit that was stored with the evaluation, or empty.
        predictions: By held-out episode, or empty.
        robot: What the user says of the robot.
        frame_rate_hz: Of the recordings; None where they do not tell.
        driven: `evaluation/closed_loop.json`; empty where the policy, as it is now, was not driven, or judged by earlier rules.
    """

    run: RunFolder
    config: Values
    split: Split | None
    results: Values
    audit: Values
    predictions: Sequence[EpisodePredictions]
    robot: Robot
    frame_rate_hz: float | None
    driven: Values = field(default_factory=dict)

    @property
    def evaluated(self) -> bool:
        return bool(self.results)

    @property
    def period_ms(self) -> float | None:
        """Time between two commands: the robot's own, else one frame of the recordings."""
        if self.robot.control_period_ms is not None:
            return self.robot.control_period_ms
        return 1000.0 / self.frame_rate_hz if self.frame_rate_hz else None


def gather(root: DataRoot, run_id: str, robot: Robot, *, with_predictions: bool = True) -> Gathered:
    """Read what a run has stored; measures nothing.

    Args:
        root: The data root.
        run_id: The run.
        robot: What the user says of the robot.
        with_predictions: Also read the predictions, the only large file.

    Raises:
        RunError: There is no such run, or its results are of another version or damaged.
        MvlaError: A JSON file of it is damaged.
    """
    read_run(root, run_id)
    run = root.run(run_id)
    config = table(read_json(run.config))
    split = Split.from_json(read_json(run.split)) if run.split.is_file() else None
    driven = load_driven(run) if has_driven(run) and not is_stale(run) else {}
    if driven and rules_of(driven) != RULES:
        driven = {}
    results = load_results(run) if run.evaluation_results.is_file() else {}
    if not results or is_outdated(run, results):
        return Gathered(run, config, split, {}, {}, (), robot, None, driven)
    return Gathered(
        run,
        config,
        split,
        results,
        load_audit(run) if audit_path(run).is_file() else {},
        load_predictions(run) if with_predictions and run.predictions.is_file() else (),
        robot,
        _frame_rate(config, split, results),
        driven,
    )


def _frame_rate(config: Values, split: Split | None, results: Values) -> float | None:
    """Frames a second: what the evaluation has stored, else what the head of a held-out recording says."""
    stored = number(table(results.get("latency")).get("frame_rate_hz"))
    if stored is not None or split is None or not split.test:
        return stored
    folder = Path(str(config.get("dataset_folder", "")))
    paths = [path for suffix in EPISODE_SUFFIXES if (path := folder / f"{split.test[0]}{suffix}").is_file()]
    if not paths:
        return None
    try:
        with open_episode(paths[0], str(config.get("dataset", ""))) as episode:
            return episode.info.frame_rate_hz
    except EpisodeError:
        return None
