"""The figure of each gate, read from what an evaluation and its audit have stored. Where a part of the tree does not measure
something yet, its agreed place is read all the same and the gate is "not measured".

| place in `evaluation/results.json` | form |
|---|---|
| `latency` | `p99_ms`, `frame_rate_hz` at will |
| `shift.rungs` | list of `{"name", "kind", "skill", "skill_low", "skill_high"}`; skill over the better clock |

| place in `evaluation/closed_loop.json` | form |
|---|---|
| `suites.<name>.success` | `{"value", "low", "high"}`: the trials of one suite; a gate takes the worst of all that it asks for |
| `worlds_of_data` | whether the worlds were drawn with the settings of the run's own data |
| `safety.out_of_range`, `safety.stale_command` | `{"tried", "held"}`: provoked how often, and kept safe how often |

The kind of a rung is "picture" (light, blur, noise, camera) or "place" (held-out scenario, session, time of day, data set).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mvla_core.audit.balance import UNKNOWN
from mvla_core.datasets.split import PARTS
from mvla_core.driving.settings import EDGE_CASES, GENERAL
from mvla_core.evaluation.facts import REPLAY, Facts
from mvla_core.readiness.evidence import (
    AUDIT,
    DRIVEN,
    RESULTS,
    SPLIT,
    Evidence,
    Gathered,
    interval_of,
    number,
    table,
    unmeasured,
)
from mvla_core.readiness.prediction_measures import acceleration_limit, sharp_turn, speed_limit, sudden_stop

EPISODES_A_SCENARIO = 10
"""As many as the collection plan wants of a cell: the split then leaves two of each to test on."""


def _stored_count(gathered: Gathered, place: str, *keys: str) -> Evidence:
    where = f"{place}: {'.'.join(keys)}"
    found: Any = gathered.results if place == RESULTS else gathered.audit
    for key in keys:
        found = table(found).get(key)
    value = number(found)
    return unmeasured("not_stored", where) if value is None else Evidence(value, stored=where)


def split_parts(gathered: Gathered) -> Evidence:
    """Episodes that are named in more than one of train, validation and test."""
    if gathered.split is None:
        return unmeasured("not_stored", SPLIT)
    parts = [set(getattr(gathered.split, part)) for part in PARTS]
    return Evidence(float(sum(map(len, parts)) - len(set().union(*parts))), stored=SPLIT)


def leaked_episodes(gathered: Gathered) -> Evidence:
    """Held-out episodes that training has seen: by name, by bytes, or closer than a window in one recording."""
    return _stored_count(gathered, RESULTS, "split", "leaked")


def lookalike_episodes(gathered: Gathered) -> Evidence:
    """Held-out episodes whose pictures are nearly those of a training episode."""
    where = f"{AUDIT}: pictures.leaks.twins"
    twins = table(table(gathered.audit.get("pictures")).get("leaks")).get("twins")
    if not isinstance(twins, list):
        return unmeasured("pictures_not_looked_at", where)
    return Evidence(float(len(twins)), stored=where)


def shared_recordings(gathered: Gathered) -> Evidence:
    """Held-out episodes from a session that was trained on."""
    where = f"{AUDIT}: pictures.leaks.shared_sessions"
    leaks = table(table(gathered.audit.get("pictures")).get("leaks"))
    if not leaks:
        return unmeasured("pictures_not_looked_at", where)
    value = number(leaks.get("shared_sessions"))
    return unmeasured("no_times", where) if value is None else Evidence(value, stored=where)


def held_out_episodes(gathered: Gathered) -> Evidence:
    return _stored_count(gathered, RESULTS, "episodes")


def recorded_episodes(gathered: Gathered) -> Evidence:
    return _stored_count(gathered, AUDIT, "episodes")


def recorded_frames(gathered: Gathered) -> Evidence:
    return _stored_count(gathered, AUDIT, "frames")


def scenarios(gathered: Gathered) -> Evidence:
    """Scenarios with enough episodes to teach and to test."""
    where = f"{AUDIT}: balance.scenario"
    groups = table(gathered.audit.get("balance")).get("scenario")
    if not isinstance(groups, list):
        return unmeasured("not_stored", where)
    named = [group for group in map(table, groups) if group.get("name") not in ("", None, UNKNOWN)]
    if not named:
        return unmeasured("no_scenarios", where)
    full = sum((number(group.get("episodes")) or 0) >= EPISODES_A_SCENARIO for group in named)
    return Evidence(float(full), stored=where, values={"each": EPISODES_A_SCENARIO, "seen": len(named)})


def clock_explains(gathered: Gathered) -> Evidence:
    """Share of a constant's squared error that the better clock removes, every episode held out once."""
    clock = table(gathered.audit.get("clock"))
    if not clock:
        return unmeasured("few_episodes", f"{AUDIT}: clock")
    return interval_of(clock.get("explained"), f"{AUDIT}: clock.explained")


def vision_needed(gathered: Gathered) -> Evidence:
    """Share of what no clock explains that the nearest pictures do."""
    where = f"{AUDIT}: pictures.vision.headroom"
    vision = table(table(gathered.audit.get("pictures")).get("vision"))
    if not vision:
        return unmeasured("pictures_not_looked_at", where)
    return interval_of(vision.get("headroom"), where)


def skill_clock(gathered: Gathered) -> Evidence:
    """Skill over what never looks: a constant, both clocks, and the recipe trained blind where that was measured; over the one
    where the advantage is least certain."""
    facts = Facts(gathered.results)
    return _skill(gathered, facts.hardest(tuple(name for name in facts.required if name != REPLAY)))


def skill_repeat_last(gathered: Gathered) -> Evidence:
    return _skill(gathered, "repeat_last")


def _skill(gathered: Gathered, name: str) -> Evidence:
    found = table(table(gathered.results.get("baselines")).get(name))
    return interval_of(found, f"{RESULTS}: baselines.{name}.skill", key="skill", baseline=name)


def direction_recall(gathered: Gathered) -> Evidence:
    """The direction that is most surely missed, among those that the driver chose in a tenth of the actions at least."""
    found = Facts(gathered.results).directions(often=True).values()
    if not found:
        return unmeasured("no_direction", f"{RESULTS}: directions.recall")
    worst = min(found, key=lambda each: (each["low"] if each["low"] is not None else -1.0, each["recall"]))
    name = str(worst["direction"])
    return interval_of(worst, f"{RESULTS}: directions.recall.{name}", key="recall", direction=name)


def pictures_used(gathered: Gathered) -> Evidence:
    """How much the squared error grows with another episode's pictures."""
    return _ablation(gathered, "pictures_other")


def instruction_used(gathered: Gathered) -> Evidence:
    """How much the squared error grows under the opposite instruction."""
    if len(gathered.results.get("instructions", ())) < 2:
        return unmeasured("one_instruction", f"{RESULTS}: instructions")
    return _ablation(gathered, "instruction_swap")


def _ablation(gathered: Gathered, name: str) -> Evidence:
    where = f"{RESULTS}: ablations.{name}.rise"
    found = table(table(gathered.results.get("ablations")).get(name))
    if not found.get("measured"):
        return unmeasured("ablation_impossible" if found else "not_stored", where)
    return interval_of(found.get("rise"), where)


def latency(gathered: Gathered) -> Evidence:
    """The slowest answer in a hundred, as a share of the time between two commands."""
    where = f"{RESULTS}: latency.p99_ms"
    p99 = number(table(gathered.results.get("latency")).get("p99_ms"))
    if p99 is None:
        return unmeasured("not_stored", where)
    if gathered.period_ms is None:
        return unmeasured("no_period", where, p99_ms=p99)
    return Evidence(p99 / gathered.period_ms, stored=where, values={"p99_ms": p99, "period_ms": gathered.period_ms})


def new_environment_tested(gathered: Gathered) -> Evidence:
    """Rungs of the shift ladder away from what was trained on that were measured."""
    rungs = [rung for rung in _rungs(gathered) if rung.get("kind") in ("picture", "place")]
    where = f"{RESULTS}: shift.rungs"
    return Evidence(float(len(rungs)), stored=where) if rungs else unmeasured("no_shift", where)


def shift_pictures(gathered: Gathered) -> Evidence:
    return _worst_rung(gathered, "picture")


def shift_places(gathered: Gathered) -> Evidence:
    return _worst_rung(gathered, "place")


def _rungs(gathered: Gathered) -> list[Mapping[str, Any]]:
    rungs = table(gathered.results.get("shift")).get("rungs")
    found = map(table, rungs) if isinstance(rungs, list) else ()
    return [rung for rung in found if number(rung.get("skill")) is not None]


def _worst_rung(gathered: Gathered, kind: str) -> Evidence:
    """The measured rung of a kind where the skill is least certain."""
    where = f"{RESULTS}: shift.rungs"
    rungs = [rung for rung in _rungs(gathered) if rung.get("kind") == kind]
    if not rungs:
        return unmeasured("no_shift", where)

    def surely(rung: Mapping[str, Any]) -> float:
        low = number(rung.get("skill_low"))
        return float("-inf") if low is None else low

    worst = min(rungs, key=surely)
    return interval_of(worst, where, key="skill", rung=str(worst.get("name", "")))


def closed_loop(gathered: Gathered) -> Evidence:
    """Success in the suite of general worlds where it is least certain."""
    return _worst_suite(gathered, tuple(GENERAL))


def edges_driven(gathered: Gathered) -> Evidence:
    """Success in the edge case where it is least certain."""
    return _worst_suite(gathered, tuple(EDGE_CASES))


def _worst_suite(gathered: Gathered, names: Sequence[str]) -> Evidence:
    """The suite with the lowest end of its interval, of suites that must all be driven: an easy one covers up no other."""
    suites = table(gathered.driven.get("suites"))
    shares = {name: table(table(suites.get(name)).get("success")) for name in names}
    known = {name: share for name, share in shares.items() if number(share.get("value")) is not None}
    if not known:
        return unmeasured("not_driven", f"{DRIVEN}: suites")
    if missing := [name for name in names if name not in known]:
        return unmeasured("suite_not_driven", f"{DRIVEN}: suites.{missing[0]}", suite=missing[0], missing=len(missing))

    def surely(name: str) -> float:
        low = number(known[name].get("low"))
        return float("-inf") if low is None else low

    worst = min(known, key=surely)
    worlds = "data" if gathered.driven.get("worlds_of_data") is True else "default"
    return interval_of(known[worst], f"{DRIVEN}: suites.{worst}.success", suite=worst, worlds=worlds)


def out_of_range(gathered: Gathered) -> Evidence:
    return _held(gathered, "out_of_range")


def stale_command(gathered: Gathered) -> Evidence:
    return _held(gathered, "stale_command")


def _held(gathered: Gathered, key: str) -> Evidence:
    where, found = f"{DRIVEN}: safety.{key}", table(table(gathered.driven.get("safety")).get(key))
    tried, held = number(found.get("tried")), number(found.get("held"))
    if not tried or held is None:
        return unmeasured("not_provoked", where)
    return Evidence(held / tried, stored=where, values={"tried": int(tried), "held": int(held)})


Measure = Callable[[Gathered], Evidence]

MEASURES: Mapping[str, Measure] = {
    "split_parts": split_parts,
    "leaked_episodes": leaked_episodes,
    "lookalike_episodes": lookalike_episodes,
    "test_episodes": held_out_episodes,
    "episodes": recorded_episodes,
    "clock_explains": clock_explains,
    "vision_needed": vision_needed,
    "skill_clock": skill_clock,
    "pictures_used": pictures_used,
    "speed_limit": speed_limit,
    "acceleration_limit": acceleration_limit,
    "latency": latency,
    "new_environment_tested": new_environment_tested,
    "frames": recorded_frames,
    "shared_recordings": shared_recordings,
    "skill_repeat_last": skill_repeat_last,
    "direction_recall": direction_recall,
    "instruction_used": instruction_used,
    "sudden_stop": sudden_stop,
    "sharp_turn": sharp_turn,
    "shift_pictures": shift_pictures,
    "closed_loop": closed_loop,
    "out_of_range": out_of_range,
    "stale_command": stale_command,
    "frames_deploy": recorded_frames,
    "scenarios": scenarios,
    "shift_places": shift_places,
    "edges_driven": edges_driven,
    "closed_loop_deploy": closed_loop,
}
"""By the name of the gate."""

OF_PREDICTIONS = ("speed_limit", "acceleration_limit", "sudden_stop", "sharp_turn")
"""Measures that read every prediction."""

WITHOUT_EVALUATION = frozenset({"split_parts"})
"""Measures that need nothing but the split; all others are "not evaluated" until the run is."""
