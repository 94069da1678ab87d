"""`simulate`: record simulated episodes as an ordinary data set."""

from __future__ import annotations

import argparse

from mvla_core.commands.options import add_common, data_root, print_result
from mvla_core.progress import ConsoleProgress


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dataset", default="simulated", metavar="NAME", help="the data set to write (default: %(default)s)"
    )
    parser.add_argument("--count", type=int, default=24, metavar="N", help="episodes to record (default: %(default)s)")
    parser.add_argument(
        "--seed", type=int, default=0, help="the same seed gives the same episodes (default: %(default)s)"
    )
    parser.add_argument(
        "--image-size", type=int, default=224, metavar="PIXELS", help="square frames (default: %(default)s)"
    )
    parser.add_argument(
        "--workers", type=int, default=2, help="processes that record side by side (default: %(default)s)"
    )
    parser.add_argument(
        "--script",
        action="store_true",
        help="replay one key sequence in every world: the disease that a clock explains",
    )
    add_common(parser, run)


def run(options: argparse.Namespace) -> int:
    from mvla_core.simulation.record import simulate_episodes

    summary = simulate_episodes(
        data_root(options),
        options.dataset,
        count=options.count,
        seed=options.seed,
        image_size=options.image_size,
        script=options.script,
        workers=options.workers,
        progress=ConsoleProgress(),
    )
    text = (
        f"{summary.episodes} episodes with {summary.frames} frames are in the data set '{summary.dataset}'.\n"
        f"Next: python -m mvla_core audit {summary.dataset}"
    )
    print_result(options, summary.to_json(), text)
    return 0
