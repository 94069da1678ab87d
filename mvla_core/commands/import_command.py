"""`import`: bring recordings into the data root, leaving the originals as they are."""

from __future__ import annotations

import argparse
from pathlib import Path

from mvla_core.commands.options import add_common, data_root, print_result
from mvla_core.progress import ConsoleProgress


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source",
        metavar="SRC",
        type=Path,
        help="an HDF5 file, a folder of them, a donkeycar tub, or an archive of either",
    )
    parser.add_argument(
        "--dataset", required=True, metavar="NAME", help="the data set to add them to; made if it is new"
    )
    parser.add_argument(
        "--episode-length",
        type=int,
        default=50,
        metavar="FRAMES",
        help="a continuous recording (a tub) is cut into episodes of this many frames (default: %(default)s)",
    )
    add_common(parser, run)


def run(options: argparse.Namespace) -> int:
    from mvla_core.episodes.importers import import_recordings

    summary = import_recordings(
        options.source,
        data_root(options),
        options.dataset,
        episode_length=options.episode_length,
        progress=ConsoleProgress(),
    )
    lines = [f"{summary.episodes} episodes with {summary.frames} frames are in the data set '{summary.dataset}'."]
    lines += [f"  skipped {skipped.file}: {skipped.reason}" for skipped in summary.skipped]
    lines.append(f"Next: python -m mvla_core audit {summary.dataset}")
    print_result(options, summary.to_json(), "\n".join(lines))
    return 0
