"""`audit`: whether a data set can teach anything, before a GPU is warmed."""

from __future__ import annotations

import argparse
from typing import Any

from mvla_core.commands.options import add_common, data_root, print_result


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", metavar="DATASET", help="a name under the data root, or a folder of HDF5 files")
    parser.add_argument(
        "--window", type=int, default=4, metavar="FRAMES", help="observed frames (default: %(default)s)"
    )
    parser.add_argument(
        "--chunk", type=int, default=10, metavar="ACTIONS", help="future actions (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the split (default: %(default)s)")
    add_common(parser, run)


def run(options: argparse.Namespace) -> int:
    from mvla_core.audit.audit import audit_dataset
    from mvla_core.datasets.windows import WindowSpec

    window = WindowSpec(window_size=options.window, chunk_size=options.chunk)
    result = audit_dataset(data_root(options), options.dataset, window=window, seed=options.seed).to_json()
    print_result(options, result, describe(result))
    return 0


def describe(result: dict[str, Any]) -> str:
    """The audit as a reader's text: the figures, then the findings, worst first."""
    lines = [
        f"{result['episodes']} episodes, {result['frames']} frames, mean length {result['mean_length']}, "
        f"{result['windows']['total']} complete windows",
        f"{result['unique_actions']} unique actions, {result['unique_sequences']} unique sequences",
    ]
    for name, values in result["actions"].items():
        lines.append(
            f"  {name:<10} mean {values['mean']:+.2f}  sd {values['std']:.2f}  "
            f"from {values['min']:+.2f} to {values['max']:+.2f} {values['unit']}"
        )
    order = {"error": 0, "warning": 1, "info": 2, "ok": 3}
    for finding in sorted(result["findings"], key=lambda finding: order[finding["level"]]):
        lines.append(f"{finding['level']}: {finding['where']}: {finding['message']}")
        if finding["next"]:
            lines.append(f"    -> {finding['next']}")
    return "\n".join(lines)
