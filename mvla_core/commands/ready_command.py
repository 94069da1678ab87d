"""`ready`: may a run drive? Every gate with its evidence, and a record of it to keep."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from mvla_core.commands.options import add_common, data_root, print_result
from mvla_core.wording import LANGUAGES, Language

if TYPE_CHECKING:
    from mvla_core.readiness.assess import Readiness

_MARKS = {"met": "+", "not_met": "-", "not_measured": "?"}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run_id", metavar="RUN", help="a run under the data root")
    parser.add_argument("--lang", choices=LANGUAGES, default="en", help="language (default: %(default)s)")
    parser.add_argument(
        "--write",
        action="store_true",
        help="keep a readiness record in the run folder, and write the adapter's model card",
    )
    add_common(parser, run)


def run(options: argparse.Namespace) -> int:
    from mvla_core.readiness.assess import assess
    from mvla_core.readiness.model_card import write_model_card
    from mvla_core.readiness.record import write_record
    from mvla_core.readiness.wording import worded_gate

    root = data_root(options)
    readiness = assess(root, options.run_id)
    files: list[str] = []
    if options.write:
        files.append(str(write_record(root, options.run_id)))
        if root.run(options.run_id).adapter.is_dir():
            files.append(str(write_model_card(root, options.run_id)))
    value: dict[str, Any] = {**readiness.to_json(), "sentence": readiness.sentence(options.lang), "files": files}
    for entry, found in zip(value["gates"], readiness.gates, strict=True):
        words = worded_gate(found, readiness, options.lang)
        entry |= {"title": words.name, "wanted": words.wanted, "found": words.found, "next": words.next}
        entry |= {"command": words.command, "reason": words.reason}
    print_result(options, value, "\n".join([*describe(readiness, options.lang), *files]))
    return 0


def describe(readiness: Readiness, language: Language) -> list[str]:
    """The gates as a reader's text: the sentence, then each level."""
    from mvla_core.readiness.gates import LEVELS
    from mvla_core.readiness.wording import say, worded_gate

    lines = [readiness.sentence(language)]
    for level in LEVELS:
        lines += ["", f"{say(language, f'level.{level}.name', {})}: {say(language, f'level.{level}.line', {})}"]
        for found in readiness.of_level(level):
            gate = worded_gate(found, readiness, language)
            lines.append(f"  {_MARKS[gate.status]} {gate.name}: {gate.found} [{gate.wanted}] {gate.status_text}")
            if gate.next:
                lines.append(f"      -> {gate.next}{f'  {gate.command}' if gate.command else ''}")
    return lines
