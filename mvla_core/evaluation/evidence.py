"""Measured statements for and against, and what to do next. Each can be said in every language of the wording catalogs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mvla_core.evaluation.ablations import INSTRUCTIONS, PICTURES
from mvla_core.evaluation.facts import Facts, Values, above, opposite_values, rule_file, threshold, with_ends
from mvla_core.evaluation.wording import fill

FIGURES: Mapping[str, str] = {
    "split": "split",
    "episodes": "per_episode",
    "wins": "per_episode",
    "first_window": "first_window",
    "clock": "clock",
    "sequences": "clock",
    "collapse": "directions",
    "variation": "directions",
    "recall": "directions",
    "rare_direction": "directions",
    "opposites": "opposites",
}
"""The figure or table that shows a statement, by its code, so that a page can link to it. A skill is drawn among the
"baselines", what an experiment changed among the "ablations"."""


def statements(facts: Facts) -> Iterator[dict[str, Any]]:
    """Yield `{"for", "level", "code", "say", "text", "figure", "value", "low", "high", "values"}` in the order of reading.

    `say` is the statement's key in the wording catalogs, `values` what fills it, `text` the English sentence, `figure` where it
    is drawn (see `FIGURES`); `level` says how much a statement against weighs ("error", "warning", "info"), and is "ok" for one
    that supports.
    """
    yield from _test_statements(facts)
    yield from _skill_statements(facts)
    yield from _data_statements(facts)
    yield from _direction_statements(facts)
    yield from _ablation_statements(facts)


def next_steps(facts: Facts, rule: str, values: Values) -> Iterator[dict[str, Any]]:
    """Yield `{"code", "text", "values"}`: first what the verdict calls for, then what the evidence does."""
    codes = [rule]
    if facts.clock_suffices and rule not in ("memorised_script", "partly_script"):
        codes.append("clock_not_varied")
    if facts.episodes < threshold("narrow_episodes") and rule not in ("few_episodes", "uncertain"):
        codes.append("more_episodes")
    if facts.beats_all and not facts.beats("repeat_last"):
        codes.append("repeat_last")
    for code in codes:
        yield {"code": code, "text": fill("en", f"next.{code}", values), "values": values}


def severity(code: str) -> str:
    """How much a statement against weighs; one that the rule file does not name decides nothing and is "info"."""
    return str(rule_file()["severity"].get(code, "info"))


def _statement(supports: bool, code: str, say: str, value: float | None, values: Values) -> dict[str, Any]:
    found = {**values, "value": value}
    return {
        "for": supports,
        "level": "ok" if supports else severity(code),
        "code": code,
        "say": f"evidence.{say}",
        "text": fill("en", f"evidence.{say}", found),
        "figure": FIGURES.get(code, "baselines" if code.startswith("skill_") else "ablations"),
        "value": value,
        "low": found.get("low"),
        "high": found.get("high"),
        "values": found,
    }


def _test_statements(facts: Facts) -> Iterator[dict[str, Any]]:
    """Whether the test itself can be trusted."""
    common = facts.common
    leaked = common["leaked"]
    yield _statement(not leaked, "split", "split.leaked" if leaked else "split.clean", leaked, common)
    many = facts.episodes >= threshold("narrow_episodes")
    yield _statement(many, "episodes", "episodes.enough" if many else "episodes.few", facts.episodes, common)


def _skill_statements(facts: Facts) -> Iterator[dict[str, Any]]:
    """Against each trivial predictor; an instruction clock is a plain clock where all instructions are the same."""
    for name in facts.results["baselines"]:
        if name == "instruction_clock" and len(facts.results["instructions"]) < 2:
            continue
        found = facts.skill(name)
        say = "better" if above(found["low"], 0.0) else "unsure" if found["skill"] > 0 else "worse"
        yield _statement(say == "better", f"skill_{name}", f"skill.{say}", found["skill"], found)
    clock = facts.clock
    most = clock["wins"] >= threshold("win_share") * facts.episodes
    counts = {"baseline": clock["baseline"], "wins": clock["wins"], "episodes": facts.episodes}
    yield _statement(most, "wins", "wins.most" if most else "wins.few", clock["wins"] / facts.episodes, counts)
    first = facts.results["metrics"]["first_window"]["skill"][clock["baseline"]]
    say = "better" if above(first["low"], 0.0) else "unsure"
    values = {"baseline": clock["baseline"], "low": first["low"], "high": first["high"]}
    yield _statement(say == "better", "first_window", f"first_window.{say}", first["skill"], values)


def _data_statements(facts: Facts) -> Iterator[dict[str, Any]]:
    """Whether the data can show that a policy looks."""
    clock = facts.results["clock"]
    say = "suffices" if facts.clock_suffices else "fails" if clock["value"] > 0 else "useless"
    yield _statement(not facts.clock_suffices, "clock", f"clock.{say}", clock["value"], clock)
    seen = facts.results["sequences_seen"]
    say = "seen" if seen > facts.episodes / 2 else "new"
    counts = {"seen": seen, "episodes": facts.episodes}
    yield _statement(say == "new", "sequences", f"sequences.{say}", seen / facts.episodes, counts)


def _direction_statements(facts: Facts) -> Iterator[dict[str, Any]]:
    directions = facts.results["directions"]
    top = directions["collapse"]
    collapsed = top["share"] >= threshold("collapse_share") and top["share"] - top["true_share"] >= threshold(
        "collapse_excess"
    )
    say = "collapsed" if collapsed else "spread"
    yield _statement(not collapsed, "collapse", f"collapse.{say}", top["share"], top)
    ratio = directions["variation"]
    if ratio is not None:
        say = "flat" if ratio < threshold("spread_ratio") else "alive"
        ends = directions.get("variation_interval") or {}
        yield _statement(say == "alive", "variation", f"variation.{say}", ratio, dict(ends))
    weakest = facts.weakest_direction
    if weakest is not None:
        say = "missed" if weakest["recall"] < threshold("direction_recall") else "all"
        yield _statement(say == "all", "recall", f"recall.{say}", weakest["recall"], weakest)
    opposites = facts.opposites
    if opposites is not None and opposites["agreement"]["value"] is not None:
        agreement = opposites["agreement"]
        say = "follows" if above(agreement["low"], threshold("opposite_agreement")) else "averages"
        values = {**opposite_values(opposites), "low": agreement["low"], "high": agreement["high"]}
        yield _statement(say == "follows", "opposites", f"opposites.{say}", agreement["value"], values)
    rare = facts.missed_rare_direction
    if rare is not None:
        yield _statement(False, "rare_direction", "recall.rare", rare["recall"], rare)


def _ablation_statements(facts: Facts) -> Iterator[dict[str, Any]]:
    """What happens without an input. Where the instruction changes nothing in the data, ignoring it is no fault."""
    names = PICTURES + INSTRUCTIONS if facts.instruction_matters else PICTURES
    for name, found in facts.ablations(names).items():
        rise = found["rise"]
        say = "used" if above(rise["low"], 0.0) else "unused"
        values = {**with_ends("change", found["change"]), "low": rise["low"], "high": rise["high"]}
        yield _statement(say == "used", name, f"{name}.{say}", rise["value"], values)
