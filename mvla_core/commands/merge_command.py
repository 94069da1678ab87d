"""`merge`: fold a run's low-rank updates into the weights and write a folder that stands alone."""

from __future__ import annotations

import argparse
from pathlib import Path

from mvla_core.commands.options import add_common, data_root, print_result


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="the id of a trained run, as `runs` lists it")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="a folder that does not exist yet")
    parser.add_argument(
        "--last", action="store_true", help="take the weights of the end of the training instead of the best epoch's"
    )
    add_common(parser, run)


def run(options: argparse.Namespace) -> int:
    from mvla_core.policies.merge import merge_policy

    folder = data_root(options).run(options.run)
    merged = merge_policy(folder.adapter_last if options.last else folder.adapter, options.out)
    text = (
        f"{merged.folder}: {merged.size_bytes / 1e6:.1f} MB. Largest difference to the adapter, on random pictures: "
        f"{merged.largest_difference:.1e} in the head's outputs."
    )
    print_result(options, merged.to_json(), text)
    return 0
