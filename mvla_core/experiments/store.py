"""Where experiments leave what they found, and how it is read back. Torch-free: pages and reports read it.

runs/<run_id>/experiments/<kind>/         trained variants, kept so that an experiment that was stopped goes on
runs/<run_id>/evaluation/<kind>.json      what it found
runs/<run_id>/evaluation/gains.json       how much skill the strategy brings: see `mvla_core.reports.gains`
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from mvla_core.errors import RunError
from mvla_core.files import read_json, write_json
from mvla_core.layout import RunFolder
from mvla_core.metrics.intervals import Interval

FORMAT = 1
Kind = Literal["scaling", "mixing", "curriculum"]
KINDS: tuple[Kind, ...] = ("scaling", "mixing", "curriculum")


def variants_folder(run: RunFolder, kind: str) -> Path:
    """Where the trained variants of an experiment lie."""
    return run.path / "experiments" / kind


def result_path(run: RunFolder, kind: str) -> Path:
    return run.evaluation / f"{kind}.json"


def write_result(run: RunFolder, kind: str, result: dict[str, Any]) -> None:
    """Keep what an experiment found."""
    write_json(result_path(run, kind), {"format": FORMAT, **result})


def read_result(run: RunFolder, kind: str) -> dict[str, Any] | None:
    """Return what an experiment found; None where it was not made.

    Raises:
        RunError: It was made by another version of the program.
    """
    path = result_path(run, kind)
    if not path.is_file():
        return None
    result: dict[str, Any] = read_json(path)
    if result.get("format") != FORMAT:
        raise RunError(
            f"The experiment {path} has the format {result.get('format')!r}, expected {FORMAT}; make it again: "
            f"python -m mvla_core experiment {kind} {run.run_id}"
        )
    return result


def store_gain(run: RunFolder, strategy: str, gain: Interval, how: str) -> None:
    """Keep how much skill over the better clock a strategy brings; what is known of the others stays.

    Args:
        run: Whose gain.
        strategy: "more_data", "curriculum" or "simulation".
        gain: Difference of the skills.
        how: What was compared, in words.
    """
    path = run.evaluation / "gains.json"
    known = read_json(path) if path.is_file() else {}
    write_json(path, {**known, strategy: {**gain.to_json(), "how": how}})
