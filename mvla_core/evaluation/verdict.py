"""From measured evidence to one of ten labels, by the rules of `verdict_rules.toml`. Pure: figures in, words out.

The rules are tried in the file's order; the first that holds decides. None of them calls a policy learned unless the lower
end of its skill against a constant, a frame-index clock and an instruction clock is above zero, and against the replay of the scene
that begins most alike where that could pass for driving.

A disease is named where the whole interval shows it; what stands between a policy and "learned" is the policy's to show, so that
there the end that speaks against it counts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mvla_core.evaluation.ablations import INSTRUCTIONS, PICTURES
from mvla_core.evaluation.evidence import next_steps, statements
from mvla_core.evaluation.facts import (
    REPLAY,
    Facts,
    Values,
    above,
    below,
    end_of,
    most,
    opposite_values,
    rule_file,
    threshold,
    with_ends,
)
from mvla_core.evaluation.measure_baselines import CLOCKS
from mvla_core.evaluation.wording import fill

LABELS = (
    "learned",
    "partly_learned",
    "memorised_script",
    "no_better_than_clock",
    "collapsed",
    "blind",
    "deaf",
    "averaging",
    "leaked_split",
    "cannot_tell",
)


def _leaked_split(facts: Facts) -> Values | None:
    return {} if facts.results["split"]["leaked"] else None


def _few_episodes(facts: Facts) -> Values | None:
    if facts.episodes >= threshold("fewest_episodes"):
        return None
    # Few held-out episodes cannot show that a policy looks, but the audit of all of them can show that none needs to.
    recites = facts.script_is_known and facts.beats("constant") and not facts.beats_all
    return None if recites else {}


def _collapsed_direction(facts: Facts) -> Values | None:
    top = facts.results["directions"]["collapse"]
    excess = top["share"] - top["true_share"]
    if top["share"] < threshold("collapse_share") or excess < threshold("collapse_excess") or facts.beats("constant"):
        return None
    return {**top, **with_ends("share", top, "share"), **facts.skill("constant")}


def _collapsed_mean(facts: Facts) -> Values | None:
    ratio = facts.results["directions"]["variation"]
    if ratio is None or facts.beats("constant"):
        return None
    found = {"value": ratio, **(facts.results["directions"].get("variation_interval") or {})}
    flat = below(end_of(found, "high"), threshold("spread_ratio"))
    return {**facts.skill("constant"), **with_ends("ratio", found)} if flat else None


def _blind(facts: Facts) -> Values | None:
    found = facts.ablations(PICTURES).values()
    still = all(below(each["change"]["high"], threshold("ablation_change")) for each in found)
    return most(found, "change") if found and still else None


def _blind_harmless(facts: Facts) -> Values | None:
    found = facts.ablations(PICTURES).values()
    harmless = all(below(each["rise"]["high"], threshold("ablation_error")) for each in found)
    return {**most(found, "change"), **most(found, "rise")} if found and harmless and facts.beats("constant") else None


def _deaf(facts: Facts) -> Values | None:
    # Another instruction of the data asks the right question; none at all is unlike anything that was taught.
    found = (facts.ablations(("instruction_swap",)) or facts.ablations(INSTRUCTIONS)).values()
    still = all(below(each["change"]["high"], threshold("ablation_change")) for each in found)
    if not found or not still or not facts.instruction_matters or not facts.drives_somehow:
        return None
    return most(found, "change")


def _averaging(facts: Facts) -> Values | None:
    found = facts.opposites
    if found is None or found["rarer"] < threshold("opposite_share"):
        return None
    weak = below(found["strength"]["high"], threshold("opposite_strength"))
    undecided = not above(found["agreement"]["low"], threshold("opposite_agreement"))
    return {**opposite_values(found), **facts.skill("constant")} if weak and undecided else None


def _memorised_script(facts: Facts) -> Values | None:
    if not facts.clock_suffices or not facts.beats("constant") or facts.beats_all:
        return None
    clock = facts.hardest(CLOCKS)
    return facts.skill(facts.hardest(facts.required) if facts.beats(clock) else clock)


def _memorised_scenes(facts: Facts) -> Values | None:
    if not facts.replay_suffices or not facts.beats("constant") or facts.beats(REPLAY):
        return None
    return {**facts.skill(REPLAY), **with_ends("replay", facts.scene or {})}


def _uncertain(facts: Facts) -> Values | None:
    found, needed = facts.skill(facts.hardest(facts.required)), facts.needed_episodes
    if facts.beats_all or facts.surely_worse is not None:
        return None
    if needed is None or needed > threshold("needed_factor") * facts.episodes:
        return None
    return {**found, "needed": max(needed, facts.episodes + 1)}


def _no_better_than_clock(facts: Facts) -> Values | None:
    return None if facts.beats_all else facts.skill(facts.surely_worse or facts.hardest(facts.required))


def _partly_script(facts: Facts) -> Values | None:
    return facts.clock if facts.clock_suffices else None


def _partly_scenes(facts: Facts) -> Values | None:
    if not facts.replay_suffices:
        return None
    return {**facts.skill(REPLAY), **with_ends("replay", facts.scene or {})}


def _partly_wins(facts: Facts) -> Values | None:
    few = facts.episodes < threshold("narrow_episodes")
    return facts.clock if few and facts.clock["wins"] < threshold("win_share") * facts.episodes else None


def _partly_direction(facts: Facts) -> Values | None:
    weakest = facts.weakest_direction
    if weakest is None or not below(end_of(weakest, "low", "recall"), threshold("direction_recall")):
        return None
    return {**facts.clock, "direction": weakest["direction"], **with_ends("recall", weakest, "recall")}


def _partly_pictures(facts: Facts) -> Values | None:
    found = facts.ablations(("pictures_other",)).values()
    return facts.clock if found and not any(above(each["rise"]["low"], 0.0) for each in found) else None


def _partly_instruction(facts: Facts) -> Values | None:
    found = facts.ablations(("instruction_swap",)).values()
    unheard = found and not any(above(each["rise"]["low"], 0.0) for each in found)
    return facts.clock if facts.instruction_matters and unheard else None


def _learned(facts: Facts) -> Values | None:
    return facts.clock if facts.beats_all else None


RULES: dict[str, Callable[[Facts], Values | None]] = {
    "leaked_split": _leaked_split,
    "few_episodes": _few_episodes,
    "collapsed_direction": _collapsed_direction,
    "collapsed_mean": _collapsed_mean,
    "blind": _blind,
    "blind_harmless": _blind_harmless,
    "deaf": _deaf,
    "averaging": _averaging,
    "memorised_script": _memorised_script,
    "memorised_scenes": _memorised_scenes,
    "uncertain": _uncertain,
    "no_better_than_clock": _no_better_than_clock,
    "partly_script": _partly_script,
    "partly_scenes": _partly_scenes,
    "partly_wins": _partly_wins,
    "partly_direction": _partly_direction,
    "partly_pictures": _partly_pictures,
    "partly_instruction": _partly_instruction,
    "learned": _learned,
}
"""Each returns the values of its sentence where it holds, else None."""


def judge(results: Mapping[str, Any]) -> dict[str, Any]:
    """Return the verdict on measured results.

    Args:
        results: The keys of `results.json` that `measure.measure` makes, and `ablations`, `split`, `sequences_seen`,
            `instructions`; and `opposites`, `scene_clock` and `instruction_gains`, where they were measured.

    Returns:
        `{"label", "rule", "sentence", "values", "evidence": [...], "next": [...], "not_measured": [...]}`. Each item of
        evidence is `{"for", "code", "say", "text", "figure", "value", "low", "high", "values"}`: `say` is its key in the wording
        catalogs, so that it can be said in either language; `figure` names where it is drawn, see `evidence.FIGURES`.
    """
    facts = Facts(results)
    for rule in rule_file()["rules"]:
        extra = RULES[rule["name"]](facts)
        if extra is not None:
            values = {**facts.common, **extra}
            return {
                "label": rule["label"],
                "rule": rule["name"],
                "sentence": fill("en", f"verdict.{rule['name']}", values),
                "values": values,
                "evidence": list(statements(facts)),
                "next": list(next_steps(facts, rule["name"], values)),
                "not_measured": [
                    {"code": name, "reason": value["reason"]}
                    for name, value in results["ablations"].items()
                    if not value["measured"]
                ],
            }
    raise AssertionError("no rule held, although either every predictor is beaten or one is not")
