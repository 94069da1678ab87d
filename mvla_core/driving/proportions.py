"""Shares of trials with their 95 % intervals, and two shares on the same trials."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Z = 1.959963984540054
"""The 97.5 % point of the normal distribution."""


@dataclass(frozen=True)
class Share:
    """`successes` of `trials` with the interval of Wilson (1927), which holds what it promises also near 0 and 1."""

    successes: int
    trials: int

    @property
    def value(self) -> float:
        """NaN without trials."""
        return self.successes / self.trials if self.trials else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Lower and upper end, 0 to 1; all of it without trials."""
        if not self.trials:
            return 0.0, 1.0
        share, n = self.value, self.trials
        middle = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
        half = Z / (1 + Z**2 / n) * math.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
        low = 0.0 if self.successes == 0 else max(0.0, middle - half)
        high = 1.0 if self.successes == n else min(1.0, middle + half)
        return low, high

    def to_json(self) -> dict[str, Any]:
        """`value` is null without trials."""
        low, high = self.interval
        value = self.value if self.trials else None
        return {"value": value, "low": low, "high": high, "successes": self.successes, "trials": self.trials}


@dataclass(frozen=True)
class PairedShares:
    """Two drivers on the same trials.

    Attributes:
        both: Trials in which both succeed.
        only_first: In which only the first does.
        only_second: Likewise.
        neither: The rest.
    """

    both: int
    only_first: int
    only_second: int
    neither: int

    @classmethod
    def of(cls, first: Sequence[bool], second: Sequence[bool]) -> PairedShares:
        """Count trials; both sequences are in the same order."""
        pairs = list(zip(first, second, strict=True))
        return cls(
            both=sum(a and b for a, b in pairs),
            only_first=sum(a and not b for a, b in pairs),
            only_second=sum(b and not a for a, b in pairs),
            neither=sum(not a and not b for a, b in pairs),
        )

    @property
    def trials(self) -> int:
        return self.both + self.only_first + self.only_second + self.neither

    @property
    def difference(self) -> float:
        """Success of the second minus that of the first, -1 to 1; NaN without trials."""
        return (self.only_second - self.only_first) / self.trials if self.trials else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the difference: Newcombe's for paired shares (1998, method 10), made of two Wilson intervals."""
        n = self.trials
        if not n:
            return -1.0, 1.0
        first, second = self.both + self.only_first, self.both + self.only_second
        (low_1, high_1), (low_2, high_2) = Share(first, n).interval, Share(second, n).interval
        p_1, p_2 = first / n, second / n
        correlation = self._correlation()
        down = (p_2 - low_2) ** 2 - 2 * correlation * (p_2 - low_2) * (high_1 - p_1) + (high_1 - p_1) ** 2
        up = (high_2 - p_2) ** 2 - 2 * correlation * (high_2 - p_2) * (p_1 - low_1) + (p_1 - low_1) ** 2
        return (
            max(-1.0, self.difference - math.sqrt(max(0.0, down))),
            min(1.0, self.difference + math.sqrt(max(0.0, up))),
        )

    def _correlation(self) -> float:
        """The phi of the four counts with Newcombe's correction for few trials; 0 where a margin is empty."""
        a, b, c, d = self.both, self.only_first, self.only_second, self.neither
        product = (a + b) * (c + d) * (a + c) * (b + d)
        if not product:
            return 0.0
        top = a * d - b * c
        n = self.trials
        top_corrected = max(top - n / 2, 0.0) if top > 0 else float(top)
        return top_corrected / math.sqrt(product)

    @property
    def p_value(self) -> float:
        """Of McNemar's exact test that neither is better: how likely so uneven discordant trials are by chance."""
        discordant = self.only_first + self.only_second
        fewer = min(self.only_first, self.only_second)
        ways = sum(math.comb(discordant, count) for count in range(fewer + 1))
        return min(1.0, 2 * ways / (1 << discordant))

    def to_json(self) -> dict[str, Any]:
        low, high = self.interval
        return {
            "trials": self.trials,
            "both": self.both,
            "only_first": self.only_first,
            "only_second": self.only_second,
            "neither": self.neither,
            "difference": self.difference if self.trials else None,
            "low": low,
            "high": high,
            "p_value": self.p_value,
        }
