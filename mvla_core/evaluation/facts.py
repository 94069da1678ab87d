"""The measured results as the verdict's rules ask for them, and the thresholds of `verdict_rules.toml`."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from mvla_core.evaluation.measure import CLOCKS

REQUIRED = ("constant", *CLOCKS)
"""The trivial predictors that a policy has to beat, each, before it may be called learned."""

TRAINED_BLIND = ("picture_blind",)
"""Policies of the same recipe that were trained without pictures: where one was measured, it has to be beaten too."""

Values = dict[str, Any]


@cache
def rule_file() -> dict[str, Any]:
    """The thresholds with their reasons, and the rules in order, as the file states them."""
    text = resources.files("mvla_core.evaluation").joinpath("verdict_rules.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def threshold(name: str) -> float:
    """Return one threshold of the rule file."""
    return float(rule_file()["thresholds"][name]["value"])


def above(number: float | None, limit: float) -> bool:
    """An unknown end of an interval is above nothing, and below nothing."""
    return number is not None and number > limit


def below(number: float | None, limit: float) -> bool:
    return number is not None and number < limit


def clock_on_data(measured: Mapping[str, Any], audited: Mapping[str, Any] | None) -> Values:
    """Return how much of a constant's squared error the better clock removes on this data, and whether that suffices.

    The audit holds out every episode once, and so knows more than the few test episodes: what it has decided, stands.

    Args:
        measured: `{"baseline", "value", "low", "high"}` on the test part.
        audited: The audit's `clock`, or None where it could not be computed.

    Returns:
        `{"baseline", "value", "low", "high", "episodes", "verdict"}`; `episodes` is None for the test part.
    """
    if audited is not None and audited["verdict"] != "undecided":
        return {
            "baseline": audited["predictor"],
            **audited["explained"],
            "episodes": audited["episodes"],
            "verdict": audited["verdict"],
        }
    suffices = measured["value"] >= threshold("clock_suffices")
    return {**measured, "episodes": None, "verdict": "suffices" if suffices else "fails"}


def with_ends(name: str, found: Mapping[str, Any], value: str = "value") -> Values:
    """A measured figure under a name of its own, as sentences need it; without ends where an older evaluation kept none."""
    return {name: found[value], **{f"{name}_{end}": found[end] for end in ("low", "high") if end in found}}


def most(found: Iterable[Mapping[str, Any]], figure: str) -> Values:
    """The sentence values of the ablation under which a figure ("change" or "rise") is largest."""
    return with_ends(figure, max((each[figure] for each in found), key=lambda each: float(each["value"])))


def opposite_values(found: Mapping[str, Any]) -> Values:
    """The sentence values of `opposites.measure_opposites`."""
    sides = {name: found[name] for name in ("instruction", "left", "right")}
    return {**sides, **with_ends("strength", found["strength"])}


@dataclass(frozen=True)
class Facts:
    """The measured results, as the rules ask for them. Keys are those of `results.json`."""

    results: Mapping[str, Any]

    @property
    def episodes(self) -> int:
        return int(self.results["episodes"])

    def skill(self, name: str) -> Values:
        """Skill against one trivial predictor with its interval, as the sentences need it."""
        found = self.results["baselines"][name]
        return {"baseline": name, "skill": found["skill"], "low": found["skill_low"], "high": found["skill_high"]}

    def beats(self, name: str) -> bool:
        return above(self.skill(name)["low"], 0.0)

    @property
    def beats_all(self) -> bool:
        return all(self.beats(name) for name in self.required)

    @property
    def required(self) -> tuple[str, ...]:
        """What sees nothing and has to be beaten: the trivial predictors, and those trained blind that were measured."""
        return REQUIRED + tuple(name for name in TRAINED_BLIND if name in self.results["baselines"])

    def hardest(self, names: tuple[str, ...]) -> str:
        """The trivial predictor over which the advantage is least certain; the earlier one where two are alike."""
        lows = {name: self.skill(name)["low"] for name in names}
        return min(names, key=lambda name: -math.inf if lows[name] is None else lows[name])

    @property
    def clock(self) -> Values:
        """The sentence values of the harder of the two clocks."""
        name = self.hardest(CLOCKS)
        return {**self.skill(name), "wins": self.results["baselines"][name]["wins"]}

    @property
    def clock_suffices(self) -> bool:
        return bool(self.results["clock"]["verdict"] == "suffices")

    @property
    def script_is_known(self) -> bool:
        """Whether the audit, which holds out every episode once, has found that a clock suffices."""
        return self.clock_suffices and self.results["clock"]["episodes"] is not None

    @property
    def instruction_matters(self) -> bool:
        """Whether knowing the instruction improves a clock, so that the data's instructions call for different actions."""
        return above(self.results["instruction_gain"]["low"], 0.0)

    @property
    def drives_somehow(self) -> bool:
        """Whether it is better than a constant: on the whole, or clearly so under one of the instructions."""
        under = [value["skill"]["constant"]["skill"] for value in self.results["per_instruction"].values()]
        return self.beats("constant") or max(under) >= threshold("one_instruction_skill")

    def ablations(self, names: tuple[str, ...]) -> dict[str, Any]:
        """Those of the named ablations that were measured."""
        found = self.results["ablations"]
        return {name: found[name] for name in names if name in found and found[name]["measured"]}

    @property
    def opposites(self) -> Mapping[str, Any] | None:
        """What the policy does where drivers went to opposite sides; None where they did not, or it was not measured."""
        found: Mapping[str, Any] | None = self.results.get("opposites")
        return found

    def directions(self, *, often: bool) -> dict[str, Values]:
        """Recall of the directions that the driver chose often, or of those that are too rare to decide by."""
        directions = self.results["directions"]
        return {
            name: {"direction": name, **value}
            for name, value in directions["recall"].items()
            if (directions["true_share"][name] >= threshold("direction_share")) is often
        }

    @property
    def weakest_direction(self) -> Values | None:
        """The often chosen direction with the lowest recall; None where no direction is chosen often."""
        return min(self.directions(often=True).values(), key=lambda each: each["recall"], default=None)

    @property
    def missed_rare_direction(self) -> Values | None:
        """The most frequent of the rare directions that are missed; None where none is."""
        rare = self.directions(often=False).values()
        missed = [each for each in rare if each["recall"] < threshold("direction_recall")]
        return max(missed, key=lambda each: each["count"], default=None)

    @property
    def needed_episodes(self) -> int | None:
        """How many held-out episodes would lift the interval off zero if it shrinks as 1 / sqrt(episodes).

        None where there is no interval, or no effect that is worth it.
        """
        found = self.skill(self.hardest(self.required))
        if found["low"] is None or found["skill"] < threshold("smallest_effect"):
            return None
        ratio = (found["skill"] - found["low"]) / found["skill"]
        return math.ceil(round(self.episodes * float(ratio) ** 2, 6))

    @property
    def common(self) -> Values:
        """Values that any sentence may name."""
        narrow = int(threshold("narrow_episodes"))
        share = self.episodes / self.results["split"]["usable_episodes"]
        return {
            "episodes": self.episodes,
            "fewest": int(threshold("fewest_episodes")),
            "narrow": narrow,
            "record": math.ceil(narrow / share),
            "leaked": self.results["split"]["leaked"],
            **with_ends("clock", self.results["clock"]),
            "data_clock": self.results["clock"]["baseline"],
        }
