"""Problems and risks of a run, ranked: the gravest first, and among equally grave ones by what was measured of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LEVELS = ("error", "warning", "info")


def rank_risks(results: Mapping[str, Any], audit: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return everything that speaks against policy or data.

    Returns:
        `{"origin": "policy" | "data", "place", "level", "effect", "kind"}` each; `place` is its index in the verdict's evidence
        or in the audit's findings. `effect` is a share of `kind`, None where nothing comparable was measured; these come last
        within their level.
    """
    risks = []
    for place, item in enumerate(results["verdict"]["evidence"]):
        if not item["for"]:
            effect, kind = _evidence_effect(item, results)
            risks.append({"origin": "policy", "place": place, "level": item["level"], "effect": effect, "kind": kind})
    for place, finding in enumerate(audit["findings"]):
        if finding["level"] in LEVELS:
            effect, kind = _finding_effect(finding)
            risks.append({"origin": "data", "place": place, "level": finding["level"], "effect": effect, "kind": kind})
    return sorted(
        risks, key=lambda risk: (LEVELS.index(risk["level"]), -1.0 if risk["effect"] is None else -risk["effect"] - 2)
    )


def _evidence_effect(item: Mapping[str, Any], results: Mapping[str, Any]) -> tuple[float | None, str]:
    """How much of the error, of the actions or of the episodes a statement is about."""
    code, value, values = item["code"], item["value"], item["values"]
    if code.startswith("skill_") or code == "first_window":
        # How far the advantage may lie below none at all.
        return (None if item["low"] is None else max(0.0, -item["low"])), "error_above"
    if code in ("recall", "rare_direction"):
        missed = (1.0 - values["recall"]) * values["count"]
        return missed / results["actions_compared"], "actions"
    if code in ("clock", "scenes"):
        return value, "explained"
    if code == "collapse":
        return values["share"] - values["true_share"], "actions"
    if code == "wins":
        return 1.0 - value, "episodes"
    if code == "sequences":
        return value, "episodes"
    if code == "split":
        return results["split"]["leaked"] / results["episodes"], "episodes"
    if code.startswith(("pictures_", "instruction_")):
        # Nearly no rise: nearly all of the error is reached without this input.
        return min(1.0, max(0.0, 1.0 - max(0.0, value))), "unused"
    if code == "variation":
        return max(0.0, 1.0 - value), "spread"
    return None, ""


def _finding_effect(finding: Mapping[str, Any]) -> tuple[float | None, str]:
    details = finding.get("details") or {}
    explained = details.get("explained")
    if isinstance(explained, Mapping):
        return explained["value"], "explained"
    if isinstance(details.get("share"), int | float):
        return float(details["share"]), "frames"
    if finding["code"] == "one_script" and details.get("determinism") is not None:
        return float(details["determinism"]), "same_action"
    if details.get("value") is not None and details.get("recommended"):
        bound = details["recommended"] if finding["level"] == "info" else details.get("limit") or details["recommended"]
        return max(0.0, 1.0 - details["value"] / bound), "lacking"
    return None, ""
