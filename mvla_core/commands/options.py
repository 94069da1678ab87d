"""What the verbs share: the data root, `--json`, and how a result is printed."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mvla_core.layout import ENVIRONMENT_VARIABLE, DataRoot

Verb = Callable[[argparse.Namespace], int]


def add_common(parser: argparse.ArgumentParser, function: Verb) -> None:
    """Add `--data-root` and `--json`, and set the function that `main` calls."""
    parser.add_argument(
        "--data-root",
        type=Path,
        metavar="FOLDER",
        help=f"where episodes, runs and jobs lie (default: {ENVIRONMENT_VARIABLE}, else ./data)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout; progress stays on stderr")
    parser.set_defaults(function=function)


def data_root(options: argparse.Namespace) -> DataRoot:
    return DataRoot.resolve(options.data_root)


def print_result(options: argparse.Namespace, value: dict[str, Any], text: str) -> None:
    """Print the machine's form with `--json`, else the reader's."""
    print(json.dumps(value, ensure_ascii=False, allow_nan=False) if options.json else text)
