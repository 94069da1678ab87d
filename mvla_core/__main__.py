"""The command line: `python -m mvla_core VERB`. Every page of the app has its verb here, and both call the same function."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from mvla_core.errors import MvlaError

VERBS = {
    "doctor": "say what this machine can do, what is missing, and the command that fixes it",
    "demo": "the whole way on simulated episodes: simulate, audit, train, evaluate, report",
    "import": "bring recordings in: HDF5 files, a folder or archive of them, or a donkeycar tub",
    "simulate": "record simulated episodes of a robot that drives around a box to a basket",
    "curate": "tag, exclude, trim and relabel episodes without touching their files; undo it; name versions of the data",
    "audit": "say whether a data set can teach anything, and whether a clock would do",
    "plan": "say what to record next, cell by cell, and write it as a checklist",
    "train": "train a policy in the background and wait for it",
    "runs": "list and compare training runs; tag, archive, delete and restore them; export their metrics",
    "jobs": "list, show and stop background jobs",
    "evaluate": "measure a run on held-out episodes against predictors that never look",
    "compare": "say which of two evaluated runs is better, paired by episode, with an interval",
    "ask": "ask a trained policy what it would do on a frame if it were told something else",
    "experiment": "say what more data, simulation or a curriculum brings, by training variants of a run in one job",
    "drive": "let a trained policy drive simulated worlds in closed loop, beside drivers that never look",
    "ready": "say whether a run may drive, gate by gate, and keep a record of it",
    "verify": "say whether anything that a readiness record stands on has changed",
    "merge": "fold a run's low-rank updates into the weights: a folder that stands alone",
    "report": "write a run's report as HTML and Markdown, in English or Korean",
}
HIDDEN_VERBS = ("work",)
EPILOG = (
    "Exit codes: 0 done; 1 failed; 2 an option or a name cannot be used; 3 the data cannot be used; 4 the policy cannot be "
    "built or loaded; 5 a job or run is missing or failed; 6 the simulation failed; 130 stopped."
)


def build_parser(verbs: Sequence[str]) -> argparse.ArgumentParser:
    """Build the parser; only the modules of `verbs` are imported, the others are listed by name and help."""
    parser = argparse.ArgumentParser(prog="python -m mvla_core", description=__doc__, epilog=EPILOG)
    subparsers = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb, summary in VERBS.items():
        sub = subparsers.add_parser(
            verb, help=summary, description=summary[0].upper() + summary[1:] + ".", epilog=EPILOG
        )
        if verb in verbs:
            importlib.import_module(f"mvla_core.commands.{verb}_command").configure(sub)
    for verb in HIDDEN_VERBS:
        if verb in verbs:
            importlib.import_module(f"mvla_core.commands.{verb}_command").configure(subparsers.add_parser(verb))
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = build_parser([word for word in given[:1] if word in VERBS or word in HIDDEN_VERBS])
    options = parser.parse_args(given)
    try:
        return int(options.function(options))
    except MvlaError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        return 1
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
