"""Two runs in closed loop: on the worlds that both have driven, and whether they were driven alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mvla_core.driving.proportions import PairedShares
from mvla_core.driving.results import rules_of
from mvla_core.driving.settings import ALL_SUITES


def compare_driven(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Compare two runs on the trials whose worlds they share.

    Args:
        first: What `load_driven` gave for one run.
        second: For the other.

    Returns:
        By suite what `PairedShares.to_json` gives, `difference` being second minus first; only suites with common worlds.
    """
    compared = {}
    for name in ALL_SUITES:
        if name not in first["suites"] or name not in second["suites"]:
            continue
        others = {trial["digest"]: bool(trial["success"]) for trial in second["suites"][name]["trials"]}
        pairs = [
            (bool(trial["success"]), others[trial["digest"]])
            for trial in first["suites"][name]["trials"]
            if trial["digest"] in others
        ]
        if pairs:
            compared[name] = PairedShares.of([a for a, _ in pairs], [b for _, b in pairs]).to_json()
    return compared


def driven_unlike(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Return what else than the policy differs between two runs' drives: what it is, and how each run had it.

    To compare controls is legitimate; a difference in success is then one of the controls too, and has to be told so.

    Args:
        first: What `load_driven` gave for one run.
        second: For the other.
    """
    said = _driven_as(first), _driven_as(second)
    return {name: (said[0][name], said[1][name]) for name in said[0] if said[0][name] != said[1][name]}


def _driven_as(results: Mapping[str, Any]) -> dict[str, str]:
    """What a drive depends on besides policy and world, in words. The first results of earlier releases hold all of it too."""
    settings, guard, worlds = results["settings"], results["guard"], results.get("worlds", {})
    averaged, interval = settings["ensembling"], settings["interval_s"]
    height = worlds.get("image_size")
    limits = [f"{low:.2f} to {high:.2f}" for low, high in zip(guard["low"], guard["high"], strict=True)]
    return {
        "steps of a chunk": "one, averaged" if averaged is not None else str(settings["execute_steps"]),
        "averaging": "off" if averaged is None else f"{averaged:g}",
        "latency": f"{1000 * settings['latency_s']:.0f} ms",
        "interval": "as recorded" if interval is None else f"{1000 * interval:.0f} ms",
        "limits": ", ".join(limits),
        "dead band": f"{guard['dead_band']:.3f}",
        "pictures": "unknown" if height is None else f"{height} x {worlds.get('image_width') or height}",
        "renderer": str(worlds.get("renderer", "ray")),
        "rules of success": str(rules_of(results)),
    }


def told_unlike(unlike: Mapping[str, tuple[str, str]], first: str, second: str) -> str:
    """Put what `driven_unlike` gave into one sentence; "" where the runs were driven alike.

    Args:
        unlike: What differs.
        first: How to call the first run.
        second: The second.
    """
    if not unlike:
        return ""
    parts = "; ".join(f"{name} {mine} ({first}) and {other} ({second})" for name, (mine, other) in unlike.items())
    return f"They were not driven alike: {parts}. What differs in success may come from that, not from the policies."
