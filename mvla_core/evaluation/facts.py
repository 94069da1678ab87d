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
from mvla_core.evaluation.measure_baselines import FIRST_PICTURE

REQUIRED = ("constant", *CLOCKS)
"""The trivial predictors that a policy has to beat, each, before it may be called learned."""

TRAINED_BLIND = ("picture_blind",)
"""Policies of the same recipe that were trained without pictures: where one was measured, it has to be beaten too."""

REPLAY = FIRST_PICTURE
"""Looks once, then replays: has to be beaten too where it could pass for driving; see `Facts.replay_counts`."""

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


def scene_on_data(measured: Mapping[str, Any]) -> Values:
    """Say whether replaying after one look suffices on this data: surely, over all episodes, each held out once.

    Args:
        measured: The evidence of `scene_clock.scene_clock`.
    """
    return {**measured, "verdict": "suffices" if above(measured["low"], threshold("clock_suffices")) else "fails"}


def end_of(found: Mapping[str, Any], end: str, value: str = "value") -> float | None:
    """The "low" or "high" end of a measured figure; the figure itself in results of an older evaluation, which kept no ends."""
    number: float | None = found[end] if end in found else found[value]
    return number


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


def _certain(low: float | None) -> float:
    """A lower end for comparing: an unknown one is below every other."""
    return -math.inf if low is None else low


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
        return all(self.beats(name) for name in self.required) and self.surely_worse is None

    @property
    def required(self) -> tuple[str, ...]:
        """What does not look while it drives and has to be beaten; what an older evaluation did not measure is left out."""
        blind = tuple(name for name in TRAINED_BLIND if name in self.results["baselines"])
        return REQUIRED + blind + ((REPLAY,) if self.replay_counts else ())

    @property
    def scene(self) -> Mapping[str, Any] | None:
        """How far replaying after one look goes; None in results of an older evaluation."""
        found: Mapping[str, Any] | None = self.results.get("scene_clock")
        return found

    @property
    def replay_suffices(self) -> bool:
        return self.scene is not None and self.scene["verdict"] == "suffices"

    @property
    def scenes_are_known(self) -> bool:
        """Whether most of the held-out episodes begin in a scene of the training part."""
        return self.scene is not None and self.scene["known"] > threshold("known_scenes") * self.scene["held_out"]

    @property
    def replay_counts(self) -> bool:
        """Whether a script that was learned by heart could pass for driving, so that replaying has to be beaten.

        Nobody can know the script of a scene that training never met, unless the scenes are so few or so regular that
        replaying suffices.
        """
        return self.scenes_are_known or self.replay_suffices

    @property
    def surely_worse(self) -> str | None:
        """A predictor that does not look while it drives and is surely at least as good, replaying in any scene; else None."""
        names = (*self.required, *((REPLAY,) if self.scene is not None and not self.replay_counts else ()))
        highs = {name: self.skill(name)["high"] for name in names}
        worse = [name for name in names if highs[name] is not None and highs[name] <= 0.0]
        return min(worse, key=lambda name: float(highs[name] or 0.0), default=None)

    def hardest(self, names: tuple[str, ...]) -> str:
        """The trivial predictor over which the advantage is least certain; the earlier one where two are alike."""
        lows = {name: self.skill(name)["low"] for name in names}
        return min(names, key=lambda name: _certain(lows[name]))

    @property
    def clock(self) -> Values:
        """The sentence values of the harder of the two clocks, or of the replay where it counts and is harder still."""
        name = self.hardest((*CLOCKS, REPLAY) if self.replay_counts else CLOCKS)
        return {**self.skill(name), "wins": self.results["baselines"][name]["wins"]}

    @property
    def clock_suffices(self) -> bool:
        return bool(self.results["clock"]["verdict"] == "suffices")

    @property
    def script_is_known(self) -> bool:
        """Whether the audit, which holds out every episode once, has found that a clock suffices."""
        return self.clock_suffices and self.results["clock"]["episodes"] is not None

    @property
    def instruction_gains(self) -> dict[str, Mapping[str, Any]]:
        """What knowing the instruction is worth on this data, by what was measured: to a clock and to the nearest pictures."""
        measured: dict[str, Mapping[str, Any]] = {"clock_test": self.results["instruction_gain"]}
        return {**measured, **self.results.get("instruction_gains", {})}

    @property
    def instruction_matters(self) -> bool:
        """Whether the data's instructions call for different actions: knowing them improves a clock, or the nearest pictures."""
        return any(above(found["low"], 0.0) for found in self.instruction_gains.values())

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
        """The often chosen direction whose recall is the least certain; None where no direction is chosen often."""
        often = self.directions(often=True).values()
        return min(often, key=lambda each: (_certain(end_of(each, "low", "recall")), each["recall"]), default=None)

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
            **{f"leaked_{part}": self.results["split"].get(f"leaked_{part}") for part in ("training", "validation")},
            **with_ends("clock", self.results["clock"]),
            "data_clock": self.results["clock"]["baseline"],
        }
