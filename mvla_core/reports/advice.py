"""What to change in augmentation and validation: codes with their reasons, decided from stored results by plain rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mvla_core.evaluation.facts import threshold

_ONE_SIDED = ("unbalanced_side", "unbalanced_direction", "missing_direction", "unbalanced_instruction")
_LIGHT = ("dark_frames", "one_time_of_day")
_KINDS_OF_DAY = 2


def recommend(results: Mapping[str, Any], audit: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return `{"augmentation": [...], "validation": [...]}`, each item `{"code", "values"}`; their texts are `advice.<code>`.

    Args:
        results: `evaluation/results.json`.
        audit: `evaluation/audit.json`.
        settings: The recipe's, as `training_efficiency` returns them.
    """
    return {
        "augmentation": _augmentation(results, audit, settings),
        "validation": _validation(results, audit, settings),
    }


def _augmentation(
    results: Mapping[str, Any], audit: Mapping[str, Any], settings: Mapping[str, Any]
) -> list[dict[str, Any]]:
    codes = {finding["code"] for finding in audit["findings"]}
    said = []
    if results["clock"]["verdict"] == "suffices":
        said.append(
            _advice(
                "no_script_by_copies", {"value": results["clock"]["value"], "baseline": results["clock"]["baseline"]}
            )
        )
    if codes.intersection(_ONE_SIDED):
        said.append(_advice("mirror", {}))
    times = sum(group["episodes"] > 0 for group in audit["balance"]["time_of_day"])
    if codes.intersection(_LIGHT) or times < _KINDS_OF_DAY:
        said.append(_advice("light", {"times": times}))
    used = settings["augmentation"]
    said.append(_advice("used", {"name": used}) if used else _advice("unused", {}))
    return said


def _validation(
    results: Mapping[str, Any], audit: Mapping[str, Any], settings: Mapping[str, Any]
) -> list[dict[str, Any]]:
    said = []
    narrow = int(threshold("narrow_episodes"))
    if results["episodes"] < narrow:
        said.append(_advice("hold_out_more", {"episodes": results["episodes"], "narrow": narrow}))
    scenarios = sum(group["episodes"] > 0 for group in audit["balance"]["scenario"])
    if settings["split_by"] == "episode":
        said.append(_advice("hold_out_scenarios" if scenarios > 1 else "hold_out_sessions", {"scenarios": scenarios}))
    if results["sequences_seen"]:
        said.append(_advice("repeated", {"seen": results["sequences_seen"], "episodes": results["episodes"]}))
    said.append(_advice("closed_loop", {}))
    return said


def _advice(code: str, values: dict[str, Any]) -> dict[str, Any]:
    return {"code": code, "values": values}
