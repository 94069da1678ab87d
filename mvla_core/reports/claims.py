"""What a training report likes to claim, checked: on the epochs that the briefing published, and on any run.

A claim holds, does not hold, or was not measured. Nothing here decides whether a policy has learned: that is the verdict's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from mvla_core.evaluation.losses import analyse_losses
from mvla_core.wording import read_catalog

CODES = (
    "train_fall",
    "val_fall",
    "mean_gap",
    "last_gap",
    "no_negative",
    "rmse_root",
    "beats_clock",
    "train_windows",
    "trainable_parameters",
    "samples_per_parameter",
    "diversity",
)
"""Every claim, in the order of reading; their texts are `claims_run` and `claims_published` of the report's catalogs."""
RUN_CODES = tuple(code for code in CODES if code != "trainable_parameters")
"""Those that a run is checked on: of its own parameters it claims nothing, they are counted."""


@dataclass(frozen=True)
class Claim:
    """One claim with what was found.

    Attributes:
        code: One of `CODES`.
        holds: None where it was not measured.
        claimed: The figure that was claimed; None where the claim names none.
        found: The figure that was computed; None where it could not be.
        values: What the sentence about it needs.
    """

    code: str
    holds: bool | None
    claimed: float | None = None
    found: float | None = None
    values: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def published() -> dict[str, Any]:
    """What the briefing published: `epochs`, `claims`, `recomputed` and `limits` of `briefing.toml`."""
    return read_catalog("mvla_core.reports", "briefing")


def check_published() -> tuple[Claim, ...]:
    """Check the briefing's claims on its own nine epochs, its own episodes and its own recipe."""
    file = published()
    said, known = file["claims"], file["recomputed"]
    losses = analyse_losses(file["epochs"])
    last = file["epochs"][-1]["val_loss"]
    root = math.sqrt(last)
    ratio = known["train_windows"] / known["trainable_parameters"]
    diversity = known["unique_actions"] / known["frames"]
    summary = file["summary"]
    fall = (summary["train_first"] - summary["train_last"]) / summary["train_first"]
    found = {
        "train_fall": _rounded(said["train_fall"], fall, 3),
        "val_fall": _rounded(said["val_fall"], losses["val_reduction"], 3),
        "mean_gap": _rounded(said["mean_gap"], losses["mean_gap"], 4),
        "last_gap": _rounded(said["last_gap"], losses["last_gap"], 4),
        "no_negative": (_no_negative(losses), None, None),
        # It is the root of the loss, digit for digit; so it is no RMSE.
        "rmse_root": (round(root, 2) != said["rmse"], said["rmse"], root),
        "beats_clock": (last < known["clock_huber"] * (1 - file["limits"]["same_root"]["value"]), None, last),
        "train_windows": (
            said["train_windows"] == known["train_windows"],
            said["train_windows"],
            known["train_windows"],
        ),
        "trainable_parameters": (
            math.isclose(said["trainable_parameters"], known["trainable_parameters"], rel_tol=0.1),
            said["trainable_parameters"],
            known["trainable_parameters"],
        ),
        "samples_per_parameter": _rounded(said["samples_per_parameter"], ratio, 2),
        "diversity": _rounded(said["diversity"], diversity, 3),
    }
    values = {
        **known,
        **_worse(losses),
        "train_last": summary["train_last"],
        "table_fall": losses["train_reduction"],
        "val_loss": last,
        "root": root,
        "epochs": len(file["epochs"]),
    }
    return tuple(Claim(code, *found[code], values) for code in CODES)


def check_run(
    results: Mapping[str, Any], audit: Mapping[str, Any], trainable_parameters: int | None
) -> tuple[Claim, ...]:
    """Check the same claims on a run, as far as its stored results tell.

    Args:
        results: `evaluation/results.json`.
        audit: `evaluation/audit.json`.
        trainable_parameters: Of the run's policy; None where it is not known.
    """
    losses, limits = results["losses"], published()["limits"]
    rows = [row for row in losses["epochs"] if row["val_loss"] is not None]
    last = rows[-1]["val_loss"] if rows else None
    rmse = None if results["actions"]["mixed_units"] else results["metrics"]["rmse"]
    root = None if last is None else math.sqrt(last)
    clock = results["clock"]["baseline"]
    against = results["baselines"][clock]
    windows = audit["windows"]["parts"].get("train")
    ratio = windows / trainable_parameters if windows and trainable_parameters else None
    recommended = audit["thresholds"].get("samples_per_parameter", {}).get("recommended")
    least = {row["name"]: row for row in audit["table"]}
    gap = losses["last_gap"]
    small = None if gap is None or not last else gap < limits["small_gap"]["value"] * last
    same = None if root is None or rmse is None else math.isclose(root, rmse, rel_tol=limits["same_root"]["value"])
    found: dict[str, tuple[bool | None, float | None, float | None]] = {
        "train_fall": (_positive(losses["train_reduction"]), None, losses["train_reduction"]),
        "val_fall": (_positive(losses["val_reduction"]), None, losses["val_reduction"]),
        "mean_gap": (
            None if losses["mean_gap"] is None or not last else losses["mean_gap"] < last,
            None,
            losses["mean_gap"],
        ),
        "last_gap": (small, None, gap),
        "no_negative": (_no_negative(losses) if rows else None, None, None),
        "rmse_root": (same, rmse, root),
        "beats_clock": (_positive(against["skill_low"]), None, against["skill"]),
        "train_windows": _table_claim(least.get("train_windows"), windows),
        "samples_per_parameter": (
            None if ratio is None or recommended is None else ratio >= recommended,
            recommended,
            ratio,
        ),
        "diversity": _table_claim(least.get("diversity"), audit["diversity"]),
    }
    values = {
        **_worse(losses),
        "val_loss": last,
        "root": root,
        "rmse": rmse,
        "baseline": clock,
        "low": against["skill_low"],
        "high": against["skill_high"],
        "policy_huber": results["metrics"]["huber"],
        "clock_huber": against["huber"],
        "windows": windows,
    }
    return tuple(Claim(code, *found[code], values) for code in RUN_CODES)


def _rounded(claimed: float, found: float, digits: int) -> tuple[bool, float, float]:
    """A claim holds where what is found reads the same with the digits that it was published with."""
    return round(found, digits) == round(claimed, digits), claimed, found


def _table_claim(row: Mapping[str, Any] | None, found: float | None) -> tuple[bool | None, float | None, float | None]:
    if row is None or found is None or row["recommended"] is None:
        return None, None, found
    met = found >= row["recommended"] if row["sense"] == "at_least" else found <= row["recommended"]
    return met, row["recommended"], found


def _positive(value: float | None) -> bool | None:
    return None if value is None else value > 0


def _epochs(losses: Mapping[str, Any], key: str) -> list[int]:
    rows: Sequence[Mapping[str, Any]] = losses["epochs"]
    return [int(row["epoch"]) for row in rows if row[key] is not None and row[key] < 0]


def _no_negative(losses: Mapping[str, Any]) -> bool:
    return not _epochs(losses, "train_improvement") and not _epochs(losses, "val_improvement")


def _worse(losses: Mapping[str, Any]) -> dict[str, Any]:
    """Epochs in which a loss rose, and by how much at most."""
    falls = [row[key] for row in losses["epochs"] for key in ("train_improvement", "val_improvement")]
    worst = min((fall for fall in falls if fall is not None), default=None)
    return {
        "train_epochs": _epochs(losses, "train_improvement"),
        "val_epochs": _epochs(losses, "val_improvement"),
        "worst": worst,
    }
