"""Measured statements for and against, and what to do next. Each can be said in every language of the wording catalogs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mvla_core.evaluation.ablations import INSTRUCTIONS, PICTURES
from mvla_core.evaluation.facts import (
    REPLAY,
    Facts,
    Values,
    above,
    below,
    end_of,
    opposite_values,
    rule_file,
    threshold,
    with_ends,
)
from mvla_core.evaluation.wording import fill

FIGURES: Mapping[str, str] = {
    "split": "split",
    "episodes": "per_episode",
    "wins": "per_episode",
    "first_window": "first_window",
    "clock": "clock",
    "sequences": "clock",
    "scenes": "baselines",
    "instruction": "ablations",
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
    that supports. A score without an interval (of a single episode) decides nothing and is "info", whatever it says.
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


COUNTS = ("split", "episodes", "wins", "sequences")
"""Statements that count episodes; every other one is a score, which needs its interval."""


def _statement(
    supports: bool, code: str, say: str, value: float | None, values: Values, *, decides: bool = True
) -> dict[str, Any]:
    found = {**values, "value": value}
    if code not in COUNTS and (found.get("low") is None and found.get("high") is None):
        decides = False
    return {
        "for": supports,
        "level": "info" if not decides else "ok" if supports else severity(code),
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
    checked = bool(facts.results["split"].get("pictures_checked"))
    say = _leaked(common) if leaked else "checked" if checked else "clean"
    yield _statement(not leaked, "split", f"split.{say}", leaked, common, decides=bool(leaked) or checked)
    many = facts.episodes >= threshold("narrow_episodes")
    say = "enough" if many else "one" if facts.episodes == 1 else "few"
    yield _statement(many, "episodes", f"episodes.{say}", facts.episodes, common)


def _leaked(common: Values) -> str:
    """Which part knows the leaking episodes; older evaluations did not tell."""
    if not common["leaked_validation"]:
        return "leaked"
    return "leaked_both" if common["leaked_training"] else "leaked_validation"


def _skill_statements(facts: Facts) -> Iterator[dict[str, Any]]:
    """Against each trivial predictor; an instruction clock is a plain clock where all instructions are the same."""
    for name in facts.results["baselines"]:
        if name == "instruction_clock" and len(facts.results["instructions"]) < 2:
            continue
        found = facts.skill(name)
        say = _against(found, found["skill"])
        decides = name != REPLAY or facts.replay_counts or facts.surely_worse == REPLAY
        yield _statement(say == "better", f"skill_{name}", f"skill.{say}", found["skill"], found, decides=decides)
    clock = facts.clock
    most = clock["wins"] >= threshold("win_share") * facts.episodes
    counts = {"baseline": clock["baseline"], "wins": clock["wins"], "episodes": facts.episodes}
    yield _statement(most, "wins", "wins.most" if most else "wins.few", clock["wins"] / facts.episodes, counts)
    first = facts.results["metrics"]["first_window"]["skill"][clock["baseline"]]
    say = {"worse": "unsure"}.get(found_say := _against(first, first["skill"]), found_say)
    values = {"baseline": clock["baseline"], "low": first["low"], "high": first["high"]}
    yield _statement(say == "better", "first_window", f"first_window.{say}", first["skill"], values)


def _against(found: Mapping[str, Any], skill: float) -> str:
    """What a skill says: "better", "unsure", "worse", or "unknown" where no interval tells."""
    if found["low"] is None and found["high"] is None:
        return "unknown"
    return "better" if above(found["low"], 0.0) else "unsure" if skill > 0 else "worse"


def _data_statements(facts: Facts) -> Iterator[dict[str, Any]]:
    """Whether the data can show that a policy looks."""
    clock = facts.results["clock"]
    say = "suffices" if facts.clock_suffices else "fails" if clock["value"] > 0 else "useless"
    yield _statement(not facts.clock_suffices, "clock", f"clock.{say}", clock["value"], clock)
    if facts.scene is not None:
        say = "suffices" if facts.replay_suffices else "known" if facts.scenes_are_known else "new"
        values = dict(facts.scene)
        yield _statement(say == "new", "scenes", f"scenes.{say}", values["value"], values, decides=say != "known")
    if len(facts.results["instructions"]) > 1:
        yield _instruction_statement(facts)
    seen = facts.results["sequences_seen"]
    say = "seen" if seen > facts.episodes / 2 else "new"
    counts = {"seen": seen, "episodes": facts.episodes}
    yield _statement(say == "new", "sequences", f"sequences.{say}", seen / facts.episodes, counts)


def _instruction_statement(facts: Facts) -> dict[str, Any]:
    """What the words are worth on this data, by the measure that shows it most; it weighs on the other statements only."""
    say = "matters" if facts.instruction_matters else "idle"
    gains = facts.instruction_gains
    name = max(gains, key=lambda each: (gains[each]["low"] is not None, gains[each]["low"] or 0.0))
    baseline = "nearest_picture" if name == "pictures" else "frame_index"
    values = {"baseline": baseline, "low": gains[name]["low"], "high": gains[name]["high"]}
    return _statement(True, "instruction", f"instruction.{say}", gains[name]["value"], values, decides=False)


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
        ends = dict(directions.get("variation_interval") or {})
        say = "flat" if below(end_of({"value": ratio, **ends}, "high"), threshold("spread_ratio")) else "alive"
        yield _statement(say == "alive", "variation", f"variation.{say}", ratio, ends)
    weakest = facts.weakest_direction
    if weakest is not None:
        say = "missed" if below(end_of(weakest, "low", "recall"), threshold("direction_recall")) else "all"
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
    for name, found in facts.ablations(PICTURES + INSTRUCTIONS).items():
        rise = found["rise"]
        say = "used" if above(rise["low"], 0.0) else "unused"
        values = {**with_ends("change", found["change"]), "low": rise["low"], "high": rise["high"]}
        decides = name in PICTURES or facts.instruction_matters
        yield _statement(say == "used", name, f"{name}.{say}", rise["value"], values, decides=decides)
