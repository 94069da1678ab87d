"""`verify`: has anything changed that a readiness record stands on?"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mvla_core.commands.options import add_common, data_root, print_result

if TYPE_CHECKING:
    from mvla_core.readiness.verify import Verification


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("record", metavar="RECORD", type=Path, help="a record that `ready RUN --write` has written")
    add_common(parser, run)


def run(options: argparse.Namespace) -> int:
    from mvla_core.layout import DataRoot
    from mvla_core.readiness.verify import verify_record

    root = data_root(options)
    path = options.record.expanduser().resolve()
    # A record that lies in its run folder tells its data root by where it lies.
    if options.data_root is None and len(path.parents) > 3 and path.parents[2].name == "runs":
        root = DataRoot(path.parents[3])
    found = verify_record(path, root)
    print_result(options, found.to_json(), describe(found))
    return 0 if found.unchanged else 1


def describe(found: Verification) -> str:
    """What changed, a line each, or that nothing did."""
    if found.unchanged:
        lines = [
            f"Unchanged: all {found.checked:,} things that the record of {found.run_id} stands on are as they were."
        ]
    else:
        lines = [f"Changed: {len(found.changes):,} of what the record of {found.run_id} stands on."]
        lines += [f"  {change.part}: {change.what} {change.how}" for change in found.changes]
        lines.append(f"Decide again: python -m mvla_core ready {found.run_id} --write")
    lines += [f"  other hardware: {difference}" for difference in found.other_hardware]
    return "\n".join(lines)
