"""`evaluate`: measure a run on episodes it has never met, beside predictors that never look."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

from mvla_core.commands.options import add_common, data_root, print_result
from mvla_core.errors import UserInputError

SUITES = ("quick", "full")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_id", metavar="RUN_ID", help="a run under the data root")
    parser.add_argument(
        "--suite",
        choices=SUITES,
        default="quick",
        help="quick: everything but what needs many new pictures or a training; full: also the shift ladder, more disturbed "
        "pictures, and policies trained without pictures and without instructions (default: %(default)s)",
    )
    parser.add_argument(
        "--other",
        metavar="DATASET",
        help="with --suite full: a further data set of the same robot, as the last rung of the shift ladder",
    )
    add_common(parser, run)


def run(options: argparse.Namespace) -> int:
    from mvla_core.commands.follow import run_to_end
    from mvla_core.episodes.dataset import resolve_dataset
    from mvla_core.evaluation.results import load_results
    from mvla_core.jobs.folders import new_job_folder
    from mvla_core.runs.listing import read_run

    root = data_root(options)
    read_run(root, options.run_id)
    config = {"run_id": options.run_id, "suite": options.suite}
    if options.other is not None:
        if options.suite != "full":
            raise UserInputError(f"--other {options.other} needs --suite full: the quick suite has no rung for it.")
        config["other_dataset"] = str(resolve_dataset(root, options.other).folder)
    folder = new_job_folder(root, "evaluate")
    run_to_end(root, "evaluate", folder, config, title=f"evaluate {options.run_id}")
    results = load_results(root.run(options.run_id))
    print_result(options, results, describe(results))
    return 0


def describe(results: Mapping[str, Any]) -> str:
    """The evaluation as a reader's text: the verdict, then what it stands on."""
    metrics = results["metrics"]
    lines = [
        results["verdict"]["sentence"],
        f"  {results['episodes']} held-out episodes: RMSE {metrics['rmse']:.3f}, MAE {metrics['mae']:.3f}, "
        f"direction right in {100 * metrics['direction_accuracy']:.0f} %",
    ]
    for name, values in results["baselines"].items():
        against = _interval("skill", values["skill"], values["skill_low"], values["skill_high"], signed=True)
        lines.append(f"  against {name:<27} RMSE {values['rmse']:.3f}  {against}")
    for name, reason in results.get("baselines_not_measured", {}).items():
        lines.append(f"  against {name:<27} not measured: {reason}")
    lines += _further(results)
    for item in results["verdict"]["evidence"]:
        lines.append(f"  {item['text']}")
    lines.append(f"Next: python -m mvla_core report {results['run_id']} --lang en --out report")
    return "\n".join(lines)


def _further(results: Mapping[str, Any]) -> Iterator[str]:
    """What newer evaluations hold; results of an older version lack it."""
    if "suite" in results:
        yield f"  suite {results['suite']}"
    for name, found in results.get("reliance", {}).items():
        yield f"  reliance on {name:<11} " + (
            _interval("", found["value"], found["low"], found["high"]) + f", by {found['by']}"
            if found["measured"]
            else f"not measured: {found['reason']}"
        )
    metrics = results["metrics"]
    for name in ("any", "calm"):
        part = metrics.get("critical", {}).get(name, {"measured": False})
        if part["measured"]:
            error = part["errors"]["rmse"]
            where = "where the driver starts, stops or turns" if name == "any" else "where the driver changes nothing"
            yield f"  {where}: {_interval('RMSE', error['value'], error['low'], error['high'])}"
    for each in results.get("left_out", []):
        yield f"  left out {each['episode_id']}: {each['reason']}"


def _interval(name: str, value: float | None, low: float | None, high: float | None, *, signed: bool = False) -> str:
    sign = "+" if signed else ""
    told = "unbounded" if value is None else f"{value:{sign}.2f}"
    ends = "no interval" if low is None or high is None else f"95 % interval {low:{sign}.2f} to {high:{sign}.2f}"
    return f"{name} {told} ({ends})".strip()
