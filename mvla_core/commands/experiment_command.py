"""`experiment`: train variants of a run in one background job, and say what more data, simulation or a curriculum brings."""

from __future__ import annotations

import argparse
from typing import Any

from mvla_core.commands.options import add_common, data_root, print_result
from mvla_core.layout import DataRoot

_KINDS = {
    "scaling": "the same recipe on growing parts of the training episodes: how many more are needed?",
    "mixing": "simulated episodes beside the real ones: does simulation help on real held-out episodes?",
    "curriculum": "the simplest episodes first, or all from the start?",
}
_OPTIONS = {"scaling": ("shares", "seeds", "target"), "mixing": ("simulation", "shares"), "curriculum": ()}


def configure(parser: argparse.ArgumentParser) -> None:
    listed = "; ".join(f"{kind}: {summary}" for kind, summary in _KINDS.items())
    parser.add_argument("experiment", choices=list(_KINDS), help=listed)
    parser.add_argument(
        "subject", metavar="RUN_OR_DATASET", help="a trained run; or a data set, on which a run is trained first"
    )
    parser.add_argument(
        "--preset", default="compact", help="the recipe, where a data set is given (default: %(default)s)"
    )
    parser.add_argument(
        "--shares",
        type=float,
        nargs="+",
        metavar="SHARE",
        help="scaling: parts of the training episodes (default: 0.25 0.5 0.75); mixing: share of simulated ones (default: 0.5)",
    )
    parser.add_argument(
        "--seeds", type=int, metavar="N", help="scaling: trainings of each part of at most a half (default: 2)"
    )
    parser.add_argument(
        "--target", type=float, metavar="RMSE", help="scaling: the error to reach (default: four fifths of today's)"
    )
    parser.add_argument("--simulation", metavar="DATASET", help="mixing: the simulated data set")
    add_common(parser, run)


def run(options: argparse.Namespace) -> int:
    from mvla_core.commands.follow import run_to_end
    from mvla_core.errors import RunError
    from mvla_core.experiments.store import read_result
    from mvla_core.jobs.folders import new_job_folder

    given = _given(options)
    root = data_root(options)
    run_id = _run_of(root, options)
    config = {"experiment": options.experiment, "run_id": run_id, **given}
    folder = new_job_folder(root, "experiment")
    run_to_end(root, "experiment", folder, config, title=f"{options.experiment} of {run_id}")
    result = read_result(root.run(run_id), options.experiment)
    if result is None:
        raise RunError(
            f"The experiment has left no result in {root.run(run_id).evaluation}; see the log in {folder.log}."
        )
    print_result(options, result, describe(options.experiment, result))
    return 0


def _given(options: argparse.Namespace) -> dict[str, Any]:
    """Return the options that were given.

    Raises:
        UserInputError: One belongs to another experiment, or a mix lacks its simulated data set.
    """
    from mvla_core.errors import UserInputError

    values = {name: getattr(options, name) for name in ("shares", "seeds", "target", "simulation")}
    given = {name: value for name, value in values.items() if value is not None}
    for name in given:
        if name not in _OPTIONS[options.experiment]:
            fitting = ", ".join(f"--{each}" for each in _OPTIONS[options.experiment]) or "none of its own"
            raise UserInputError(
                f"The experiment {options.experiment} has no option --{name}; its options are {fitting}."
            )
    if options.experiment == "mixing" and "simulation" not in given:
        raise UserInputError("The experiment mixing needs a simulated data set: add --simulation DATASET.")
    return given


def _run_of(root: DataRoot, options: argparse.Namespace) -> str:
    """Return the run that is named, or train one on the data set that is."""
    from mvla_core.commands.follow import run_to_end
    from mvla_core.files import IDENTIFIER, read_json
    from mvla_core.training.launch import prepare_run

    name = str(options.subject)
    if IDENTIFIER.fullmatch(name) and root.run(name).path.is_dir():
        return name
    folder = prepare_run(root, name, options.preset, {})
    config = read_json(folder.config)
    run_to_end(root, "train", folder, config, title=f"{options.preset} on {config['dataset']}")
    return folder.run_id


def describe(kind: str, result: dict[str, Any]) -> str:
    """The experiment as a reader's text: its answer, then the figures that it stands on."""
    unit, lines = result["unit"], [result["answer"]["text"]]
    if kind == "scaling":
        lines += [
            f"  {row['episodes']:4d} episodes, seed {row['seed']}: RMSE {_between(row, 'rmse', 'rmse_low', 'rmse_high')} {unit}"
            for row in result["trainings"]
        ]
        fit = result["fit"]
        lines.append("  fitted: " + ", ".join(f"{name} {_between(fit[name])}" for name in "abc"))
    elif kind == "mixing":
        lines.append(f"  real alone: RMSE {_between(result['without'])} {unit}")
        lines += [
            f"  with {row['simulated']} simulated ({row['share']:.0%}): RMSE {_between(row['rmse'])} {unit}, "
            f"difference {_between(row['difference'])}"
            for row in result["mixes"]
        ]
    else:
        lines += [f"  {name}: RMSE {_between(result[name])} {unit}" for name in ("without", "with")]
    lines.append(f"  skill over the clock: {_between(result['gain'])}, {result['held_out']} held-out episodes")
    return "\n".join(lines)


def _between(value: dict[str, Any], key: str = "value", low: str = "low", high: str = "high") -> str:
    if value[low] is None or value[high] is None:
        return f"{value[key]:.3f} (no interval)"
    return f"{value[key]:.3f} ({value[low]:.3f} to {value[high]:.3f})"
