"""`drive`: let a trained policy drive simulated worlds, beside drivers that never look."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from mvla_core.commands.options import add_common, data_root, print_result
from mvla_core.driving.settings import SUITES, DriveSettings, suites_named


def configure(parser: argparse.ArgumentParser) -> None:
    usual = DriveSettings()
    parser.add_argument("run_id", metavar="RUN_ID", help="a run under the data root")
    parser.add_argument(
        "--suite",
        default="similar",
        metavar="NAMES",
        help=f"all, edge_cases, or some of {', '.join(SUITES)} with commas between (default: similar)",
    )
    parser.add_argument(
        "--trials", type=int, default=usual.trials, metavar="N", help=f"worlds of each suite (default: {usual.trials})"
    )
    parser.add_argument("--seed", type=int, default=usual.seed, help="the same seed gives the same worlds (default: 0)")
    parser.add_argument(
        "--execute-steps",
        type=int,
        default=usual.execute_steps,
        metavar="K",
        help="actions of a chunk that are driven before the next is predicted (default: 1)",
    )
    parser.add_argument(
        "--ensembling",
        type=float,
        metavar="X",
        help="mean of all chunks that speak of a frame, older ones weighted by exp(-X * age) (default: off)",
    )
    parser.add_argument(
        "--latency",
        type=float,
        default=usual.latency_s,
        metavar="SECONDS",
        help="from the picture to the wheels, a multiple of 0.01 (default: 0)",
    )
    parser.add_argument(
        "--interval",
        type=float,
        metavar="SECONDS",
        help="time between two commands, 0.05 to 1, a multiple of 0.01 (default: as in the recordings)",
    )
    parser.add_argument(
        "--against", metavar="RUN_ID", help="also compare with this run on the worlds that both have driven"
    )
    add_common(parser, run)


def run(options: argparse.Namespace) -> int:
    from mvla_core.commands.follow import run_to_end
    from mvla_core.driving.comparison import compare_driven, driven_unlike, told_unlike
    from mvla_core.driving.results import load_driven
    from mvla_core.jobs.folders import new_job_folder
    from mvla_core.runs.listing import read_run

    root = data_root(options)
    settings = DriveSettings(
        suites=suites_named(options.suite),
        trials=options.trials,
        seed=options.seed,
        execute_steps=options.execute_steps,
        ensembling=options.ensembling,
        latency_s=options.latency,
        interval_s=options.interval,
    )
    read_run(root, options.run_id)
    other = None
    if options.against:
        read_run(root, options.against)
        other = load_driven(root.run(options.against))
    config = {"run_id": options.run_id, **settings.to_json()}
    run_to_end(root, "drive", new_job_folder(root, "drive"), config, title=f"drive {options.run_id}")
    results = load_driven(root.run(options.run_id))
    text = describe(results)
    if other is not None:
        compared = compare_driven(other, results)
        unlike = driven_unlike(other, results)
        results = {**results, "against": {"run_id": options.against, "suites": compared, "driven_unlike": unlike}}
        text += "\n" + describe_comparison(
            options.against, compared, told_unlike(unlike, options.against, options.run_id)
        )
    print_result(options, results, text)
    return 0


def describe(results: Mapping[str, Any]) -> str:
    """The evaluation as a reader's text."""
    lines = []
    for name, suite in results["suites"].items():
        failures = ", ".join(f"{kind} {count}" for kind, count in suite["failures"].items())
        lines.append(f"{name:<19} {_share(suite['success'])}" + (f"; failed: {failures}" if failures else ""))
        blind = ", ".join(
            f"{baseline} {found['success']['successes']}" for baseline, found in suite["baselines"].items()
        )
        lines.append(f"{'':<19} without looking, of {suite['success']['trials']}: {blind}")
    for name, found in results["safety"].items():
        lines.append(f"{name:<19} provoked {found['tried']} times, held {found['held']}")
    lines.append(f"Next: python -m mvla_core ready {results['run_id']}")
    return "\n".join(lines)


def describe_comparison(other: str, compared: Mapping[str, Any], unlike: str = "") -> str:
    """The paired comparison as a reader's text; `unlike` is what `told_unlike` gave."""
    if not compared:
        return f"The run {other} has driven none of these worlds; drive it with the same seed and suites."
    lines = [f"Against {other} on the same worlds:"]
    for name, pair in compared.items():
        lines.append(
            f"  {name:<19} {100 * pair['difference']:+.0f} points (95 %: {100 * pair['low']:+.0f} to "
            f"{100 * pair['high']:+.0f}; {pair['trials']} worlds; McNemar p = {pair['p_value']:.3f})"
        )
    return "\n".join([*lines, unlike] if unlike else lines)


def _share(found: Mapping[str, Any]) -> str:
    return (
        f"{found['successes']} of {found['trials']} succeeded: {100 * found['value']:.0f} % "
        f"(95 %: {100 * found['low']:.0f} to {100 * found['high']:.0f})"
    )
