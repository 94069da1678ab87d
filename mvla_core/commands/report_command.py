"""`report`: what a run's evaluation found, as files to read and to hand on."""

from __future__ import annotations

import argparse
from pathlib import Path

from mvla_core.commands.options import add_common, data_root, print_result


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_id", metavar="RUN_ID", help="an evaluated run under the data root")
    parser.add_argument("--lang", choices=("en", "ko"), default="en", help="language (default: %(default)s)")
    parser.add_argument(
        "--out", type=Path, default=Path("report"), metavar="DIR", help="folder to write (default: %(default)s)"
    )
    add_common(parser, run)


def run(options: argparse.Namespace) -> int:
    from mvla_core.reports.write import write_report

    files = write_report(data_root(options), options.run_id, lang=options.lang, out=options.out)
    print_result(options, {"files": [str(file) for file in files]}, "\n".join(str(file) for file in files))
    return 0
