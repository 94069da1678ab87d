"""What a further strategy is expected to bring, where an experiment has measured it: `evaluation/gains.json`.

    {"more_data": {"value": 0.12, "low": 0.03, "high": 0.2, "how": "skill over the clock, 40 instead of 20 episodes"}}

Names are those of `STRATEGIES`; values are differences of the skill over the better clock. What the file does not name, or a run
without the file, is "not measured".
"""

from __future__ import annotations

from typing import Any

from mvla_core.errors import RunError
from mvla_core.files import read_json
from mvla_core.layout import RunFolder

STRATEGIES = ("more_data", "curriculum", "simulation")
"""The briefing's strategies A, B and C."""


def read_gains(run: RunFolder) -> dict[str, dict[str, Any] | None]:
    """Return the stored gain of each strategy; None where none was measured.

    Raises:
        RunError: The file names another strategy, or leaves a value or its interval out.
    """
    path = run.evaluation / "gains.json"
    stored = read_json(path) if path.is_file() else {}
    for name, gain in stored.items():
        if name not in STRATEGIES or not {"value", "low", "high", "how"} <= set(gain):
            raise RunError(
                f"The file {path} holds {name!r}: expected {', '.join(STRATEGIES)}, each with value, low, high and how; "
                "correct it or delete the file."
            )
    return {name: stored.get(name) for name in STRATEGIES}
