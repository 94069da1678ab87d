"""How much a policy's actions depend on what it sees, is told and has seen before: three numbers from 0 to 1.

reliance = min(1, change^2 / 2), where change is the root mean square change of the actions, in training deviations, when the
input is replaced by one that has nothing to do with it: the pictures of another episode at another, drawn moment; what another
episode was told; for the history the last picture in the place of those before it. Two unrelated moments of driving differ by a
mean square of two variances, hence the half: 0 says that the input is not used, 1 that it decides everything. A policy that only
reads the time off its pictures relies on vision, too; that it needs the right ones says the rise under `pictures_other`.

Source: the total-effect index of M. Jansen 1999, Computer Physics Communications 117, E (f(x) - f(x'))^2 / (2 Var f), with the
driver's variance in the place of the policy's, so that the trembling of a collapsed policy is not taken for reliance. It says that
the input moves the actions, not that it improves them: for that see the rise of the error.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

REPLACED_BY = {
    "vision": ("pictures_moment", "pictures_noise"),
    "instruction": ("instruction_other", "instruction_swap"),
    "history": ("history_hidden",),
}
"""By input, the ablations that replace it, the first that was measured counts."""


def reliance(ablations: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return by input `{"measured": True, "value", "low", "high", "by"}`, or a reason where no ablation of it was measured.

    Args:
        ablations: By name, what `measure_ablation` returns.
    """
    found: dict[str, dict[str, Any]] = {}
    for kind, names in REPLACED_BY.items():
        asked = [name for name in names if name in ablations]
        by = next((name for name in asked if ablations[name]["measured"]), None)
        if by is None:
            reason = ablations[asked[0]]["reason"] if asked else "It was not tried."
            found[kind] = {"measured": False, "reason": reason}
            continue
        change = ablations[by]["change"]
        found[kind] = {"measured": True, "by": by, **{end: _of(change[end]) for end in ("value", "low", "high")}}
    return found


def _of(change: float | None) -> float | None:
    return None if change is None else min(1.0, change * change / 2.0)
