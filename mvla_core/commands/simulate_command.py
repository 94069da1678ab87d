"""`simulate`: record simulated episodes as an ordinary data set."""

from __future__ import annotations

import argparse
from typing import Any

from mvla_core.commands.options import add_common, data_root, print_result
from mvla_core.errors import UserInputError
from mvla_core.progress import ConsoleProgress

_USUAL_COUNT = 24


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--dataset", default="simulated", metavar="NAME", help="the data set to write (default: %(default)s)"
    )
    parser.add_argument(
        "--count",
        type=int,
        metavar="N",
        help=f"episodes to record (default: what the scenarios add up to, else {_USUAL_COUNT})",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="the same seed gives the same episodes (default: %(default)s)"
    )
    parser.add_argument(
        "--scenario",
        action="append",
        default=[],
        metavar="NAME[=N]",
        help="record N episodes of a scenario, for example 2box_vert_left=10; may be given again; 'all' is every one",
    )
    parser.add_argument("--level", metavar="NAME", help="easy, medium or hard: see docs/simulation.md")
    parser.add_argument(
        "--match", metavar="DATASET", help="take image size, frame rate, keys, wording and colours from a real data set"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="any other setting, as JSON: --set clutter=6 --set 'cruise_speeds=[0.8,1.15]'",
    )
    parser.add_argument("--image-size", type=int, metavar="PIXELS", help="square frames (default: 224)")
    parser.add_argument("--renderer", metavar="NAME", help="ray (default) or gl, where there is a GL library")
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

    settings, told = _settings(options)
    count = settings.pop("count", None)
    if options.count is not None or count is None:
        count = options.count if options.count is not None else _usual_count(settings)
    summary = simulate_episodes(
        data_root(options),
        options.dataset,
        count=count,
        seed=options.seed,
        script=options.script,
        workers=options.workers,
        progress=ConsoleProgress(),
        **settings,
    )
    text = f"{summary.episodes} episodes with {summary.frames} frames are in the data set '{summary.dataset}'.\n"
    if summary.failures:
        text += f"The expert's failures are kept in '{summary.failures}', left out of training.\n"
    text = "".join(f"{line}\n" for line in told) + text + f"Next: python -m mvla_core audit {summary.dataset}"
    print_result(options, summary.to_json(), text)
    return 0


def _settings(options: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    """What the options ask for beyond number and seed, and what is to be said of it; a single setting wins over a level."""
    from mvla_core.simulation.levels import level_settings
    from mvla_core.simulation.scenarios import ALL_SCENARIOS, matrix_from_texts

    settings: dict[str, Any] = {}
    told: list[str] = []
    if options.level is not None:
        settings |= level_settings(options.level)
    if options.match is not None:
        from mvla_core.simulation.match import match_dataset

        match = match_dataset(data_root(options), options.match)
        settings |= match.settings
        told = [f"Matched: {line}" for line in match.matched] + [f"Not matched: {line}" for line in match.unmatched]
    if options.scenario:
        texts = [
            f"{name}={text.partition('=')[2]}" if text.partition("=")[2] else name
            for text in options.scenario
            for name in (ALL_SCENARIOS if text.partition("=")[0] == "all" else (text.partition("=")[0],))
        ]
        settings["scenarios"] = [list(entry) for entry in matrix_from_texts(texts)]
    if options.image_size is not None:
        settings |= {"image_size": options.image_size, "image_width": None}
    if options.renderer is not None:
        settings["renderer"] = options.renderer
    for text in options.set:
        name, value = _setting(text)
        settings[name] = value
    return settings, told


def _setting(text: str) -> tuple[str, Any]:
    import json

    name, equals, value = text.partition("=")
    if name in ("seed", "script", "workers"):
        raise UserInputError(f"The setting {name!r} has an option of its own; use --{name}.")
    try:
        return name, json.loads(value)
    except ValueError:
        if equals and value.isalpha():
            return name, value
        raise UserInputError(
            f"The setting {text!r} cannot be read; write NAME=VALUE with the value as JSON, for example clutter=6."
        ) from None


def _usual_count(settings: dict[str, Any]) -> int:
    return sum(number for _, number in settings.get("scenarios", ())) or _USUAL_COUNT
