"""`evaluate`: measure a run on episodes it has never met, beside predictors that never look."""

from __future__ import annotations

import argparse
from typing import Any

from mvla_core.commands.options import add_common, data_root, print_result


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_id", metavar="RUN_ID", help="a run under the data root")
    add_common(parser, run)


def run(options: argparse.Namespace) -> int:
    from mvla_core.commands.follow import run_to_end
    from mvla_core.evaluation.results import load_results
    from mvla_core.jobs.folders import new_job_folder
    from mvla_core.runs.listing import read_run

    root = data_root(options)
    read_run(root, options.run_id)
    folder = new_job_folder(root, "evaluate")
    run_to_end(root, "evaluate", folder, {"run_id": options.run_id}, title=f"evaluate {options.run_id}")
    results = load_results(root.run(options.run_id))
    print_result(options, results, describe(results))
    return 0


def describe(results: dict[str, Any]) -> str:
    """The evaluation as a reader's text: the verdict, then what it stands on."""
    metrics = results["metrics"]
    lines = [
        results["verdict"]["sentence"],
        f"  {results['episodes']} held-out episodes: RMSE {metrics['rmse']:.3f}, MAE {metrics['mae']:.3f}, "
        f"direction right in {100 * metrics['direction_accuracy']:.0f} %",
    ]
    for name, values in results["baselines"].items():
        low, high = values["skill_low"], values["skill_high"]
        interval = "no interval" if low is None or high is None else f"95 % interval {low:+.2f} to {high:+.2f}"
        lines.append(f"  against {name:<18} RMSE {values['rmse']:.3f}  skill {values['skill']:+.2f} ({interval})")
    for item in results["verdict"]["evidence"]:
        lines.append(f"  {item['text']}")
    lines.append(f"Next: python -m mvla_core report {results['run_id']} --lang en --out report")
    return "\n".join(lines)
