"""How figures and names are put into the sentences of a finding."""

from __future__ import annotations

from collections.abc import Sequence

_NAMED_AT_MOST = 5


def percent(share: float) -> str:
    """Return "83 %" for 0.83; one decimal below 1 %, so that a small share does not read as none."""
    decimals = 1 if 0 < abs(share) < 0.01 else 0
    return f"{100 * share:.{decimals}f} %"


def names_of(episode_ids: Sequence[str]) -> str:
    """Return a few names: "a, b", or "a, b, c, d, e and 7 more"."""
    shown = ", ".join(episode_ids[:_NAMED_AT_MOST])
    return shown if len(episode_ids) <= _NAMED_AT_MOST else f"{shown} and {len(episode_ids) - _NAMED_AT_MOST} more"
