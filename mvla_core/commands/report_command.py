"""`report`: what the evaluation of a run, or of several, found, as files to read and to hand on."""

from __future__ import annotations

import argparse
from pathlib import Path

from mvla_core.commands.options import add_common, data_root, print_result
from mvla_core.errors import UserInputError


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "run_ids", metavar="RUN", nargs="+", help="evaluated runs: the report is about the first, beside the others"
    )
    parser.add_argument("--lang", choices=("en", "ko"), default="en", help="language (default: %(default)s)")
    parser.add_argument(
        "--sections",
        metavar="A,B,...",
        help="only these sections, separated by commas (default: all; see docs/report.md)",
    )
    parser.add_argument(
        "--foreword", type=Path, metavar="FILE", help="plain text in UTF-8 to stand before the sections"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("report"), metavar="DIR", help="folder to write (default: %(default)s)"
    )
    add_common(parser, run)


def run(options: argparse.Namespace) -> int:
    from mvla_core.reports.choice import ReportChoice
    from mvla_core.reports.write import write_report

    sections = None
    if options.sections is not None:
        sections = tuple(name.strip() for name in options.sections.split(",") if name.strip())
    choice = ReportChoice(sections, _foreword(options.foreword))
    files = write_report(data_root(options), options.run_ids, lang=options.lang, out=options.out, choice=choice)
    print_result(options, {"files": [str(file) for file in files]}, "\n".join(str(file) for file in files))
    return 0


def _foreword(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise UserInputError(
            f"The foreword {path} cannot be read ({reason}); give a plain text file in UTF-8."
        ) from error
