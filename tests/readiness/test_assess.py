"""A run held against its gates: what is read from where, and the sentence on top."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from mvla_core.driving.settings import EDGE_CASES, GENERAL
from mvla_core.episodes.writer import write_episode
from mvla_core.errors import RunError
from mvla_core.evaluation.results import EpisodePredictions
from mvla_core.files import read_json, write_json
from mvla_core.layout import DataRoot
from mvla_core.readiness.assess import GateResult, Readiness, assess, decide, judge
from mvla_core.readiness.evidence import Evidence, Gathered, gather
from mvla_core.readiness.gates import Robot, default_gates, load_gates, own_gates_file
from mvla_core.readiness.kept import kept_file
from mvla_core.readiness.prediction_measures import acceleration_limit, sharp_turn, speed_limit, sudden_stop
from mvla_core.readiness.wording import worded_gate

RUN = "planted"


@pytest.fixture(scope="module")
def gathered(evaluated: DataRoot) -> Gathered:
    return gather(evaluated, RUN, Robot())


@pytest.fixture(scope="module")
def readiness(evaluated: DataRoot) -> Readiness:
    return assess(evaluated, RUN)


def found(readiness: Readiness, name: str) -> GateResult:
    return next(result for result in readiness.gates if result.gate.name == name)


def chunk(target: list[list[float]], predicted: list[list[float]]) -> EpisodePredictions:
    """One window of an episode, steps of (linear_x, linear_y)."""
    arrays = [np.array([rows], dtype=np.float32) for rows in (predicted, target)]
    return EpisodePredictions("e", np.array([3]), arrays[0], arrays[1], np.ones((1, len(target)), dtype=bool))


def test_the_figures_are_those_that_are_stored(evaluated: DataRoot, readiness: Readiness) -> None:
    results = read_json(evaluated.run(RUN).evaluation_results)
    audit = read_json(evaluated.run(RUN).evaluation / "audit.json")
    assert found(readiness, "frames").evidence.value == audit["frames"] == 720
    assert found(readiness, "episodes").evidence.value == audit["episodes"] == 40
    skill = found(readiness, "skill_clock").evidence
    stored = results["baselines"]["instruction_clock"]
    assert (skill.value, skill.low, skill.high) == (stored["skill"], stored["skill_low"], stored["skill_high"])
    assert skill.stored == "evaluation/results.json: baselines.instruction_clock.skill"
    assert found(readiness, "skill_clock").status == "met"
    assert found(readiness, "test_episodes").status == "not_met"


def test_what_the_tree_does_not_measure_is_not_measured(readiness: Readiness) -> None:
    for name in (
        "new_environment_tested",
        "shift_pictures",
        "closed_loop",
        "out_of_range",
        "stale_command",
        "edges_driven",
    ):
        assert found(readiness, name).status == "not_measured", name
    assert readiness.passed is None
    assert readiness.speed == 0.0
    assert readiness.sentence("en").startswith("No: ")
    assert readiness.sentence("ko").startswith("아니요")
    counts = readiness.to_json()["counts"]
    assert sum(counts.values()) == len(readiness.gates)
    assert readiness.to_json()["may_drive"] is False


def test_the_agreed_places_are_read(gathered: Gathered) -> None:
    rung = {"name": "dark", "kind": "picture", "skill": 0.3, "skill_low": 0.1, "skill_high": 0.4}
    other = {"name": "blur", "kind": "picture", "skill": 0.5, "skill_low": 0.4, "skill_high": 0.6}
    added = {
        "shift": {"rungs": [other, rung]},
    }
    driven = {
        "suites": {name: {"success": {"value": 0.9, "low": 0.81, "high": 0.95}} for name in GENERAL},
        "safety": {"stale_command": {"tried": 20, "held": 19}, "out_of_range": {"tried": 20, "held": 20}},
    }
    decided = decide(replace(gathered, results={**gathered.results, **added}, driven=driven), default_gates())
    assert found(decided, "new_environment_tested").evidence.value == 2
    shift = found(decided, "shift_pictures")
    assert (shift.evidence.values["rung"], shift.status) == ("dark", "met")
    assert found(decided, "closed_loop").status == "met"
    assert found(decided, "closed_loop_deploy").status == "not_met"
    assert found(decided, "stale_command").status == "not_met"
    assert found(decided, "out_of_range").status == "met"
    assert "19 of 20" in worded_gate(found(decided, "stale_command"), decided, "en").found


def shares(names: Iterable[str], low: float = 0.96) -> dict[str, Any]:
    return {name: {"success": {"value": 0.99, "low": low, "high": 1.0}} for name in names}


def test_an_easy_suite_covers_up_no_other(gathered: Gathered) -> None:
    def decided(suites: dict[str, Any], **more: Any) -> Readiness:
        return decide(replace(gathered, driven={"suites": suites, **more}), default_gates())

    one = decided(shares(["similar", "dark"]))
    for name, missing in (("closed_loop", 2), ("closed_loop_deploy", 2), ("edges_driven", len(EDGE_CASES) - 1)):
        result = found(one, name)
        assert (result.status, result.evidence.missing) == ("not_measured", "suite_not_driven")
        assert result.evidence.values["missing"] == missing
    assert "sudden obstacle" in worded_gate(found(one, "edges_driven"), one, "en").found
    assert "갑자기 나타난 장애물" in worded_gate(found(one, "edges_driven"), one, "ko").found
    every = shares([*GENERAL, *EDGE_CASES])
    good = decided(every, worlds_of_data=True)
    for name in ("closed_loop", "closed_loop_deploy", "edges_driven"):
        assert found(good, name).status == "met"
    weak = decided({**every, **shares(["sharp_turn"], low=0.2), **shares(["new"], low=0.3)})
    for name, worst in (("closed_loop", "new"), ("edges_driven", "sharp_turn")):
        result = found(weak, name)
        assert (result.status, result.evidence.values["suite"]) == ("not_met", worst)
        assert result.evidence.stored.endswith(f"suites.{worst}.success")


def test_a_real_policy_in_made_up_worlds_is_told_as_such(gathered: Gathered) -> None:
    for told, said in ((True, "drawn as the run's own data"), (False, "not the place of its recordings")):
        driven = {"suites": shares(GENERAL), "worlds_of_data": told}
        decided = decide(replace(gathered, driven=driven), default_gates())
        assert said in worded_gate(found(decided, "closed_loop"), decided, "en").found
        assert worded_gate(found(decided, "closed_loop"), decided, "ko").found
    # Readiness that an earlier release has stored names no suite; it is shown all the same.
    kept = replace(found(decided, "closed_loop"), evidence=Evidence(0.9, 0.81, 0.95, "evaluation/closed_loop.json"))
    assert worded_gate(kept, decided, "en").found == "90 % (95 % interval 81 to 95 %)"


@pytest.mark.parametrize("junk", [None, 7, "x", [], {"rungs": 3}, {"success": "high"}, {"rungs": [{"skill": "x"}]}])
def test_junk_in_an_agreed_place_counts_for_nothing(gathered: Gathered, junk: Any) -> None:
    added, driven = {"shift": junk, "latency": junk}, {"suites": junk, "safety": junk}
    decided = decide(replace(gathered, results={**gathered.results, **added}, driven=driven), default_gates())
    for name in ("shift_pictures", "new_environment_tested", "closed_loop", "stale_command", "latency"):
        assert found(decided, name).status == "not_measured"


def test_latency_is_held_against_the_control_period(gathered: Gathered) -> None:
    for period, status in ((1e6, "met"), (1e-6, "not_met")):
        decided = decide(replace(gathered, robot=Robot(control_period_ms=period)), default_gates())
        assert found(decided, "latency").status == status
    at_5_hz = replace(gathered, frame_rate_hz=5.0, results={**gathered.results, "latency": {"p99_ms": 150.0}})
    assert found(decide(at_5_hz, default_gates()), "latency").evidence.value == pytest.approx(0.75)


def test_the_frame_rate_comes_from_a_held_out_recording(changeable: DataRoot, worlds: ModuleType) -> None:
    split = read_json(changeable.run(RUN).split)
    path = changeable.dataset("corridor") / f"{split['test'][0]}.h5"
    assert gather(changeable, RUN, Robot()).period_ms is None, "the planted recordings do not tell it"
    actions = worlds.VELOCITIES[[1] * 18]
    path.unlink()
    assert gather(changeable, RUN, Robot()).period_ms is None
    frames = np.zeros((18, 4, 10, 3), dtype=np.uint8)
    write_episode(path, frames, actions, action_space=worlds.SPACE, instruction="", attributes={"frame_rate_hz": 4.0})
    assert gather(changeable, RUN, Robot()).period_ms == 250.0
    assert gather(changeable, RUN, Robot(control_period_ms=100.0)).period_ms == 100.0
    path.write_bytes(b"no recording")
    assert gather(changeable, RUN, Robot()).period_ms is None


def test_speed_and_change_against_driver_and_robot(gathered: Gathered) -> None:
    calm = replace(gathered, predictions=[chunk([[1.15, 0]] * 3, [[1.15, 0], [1.15, 1.15], [1.15, 0]])])
    assert speed_limit(calm).value == pytest.approx(1 / 1.1)
    assert acceleration_limit(calm).value == pytest.approx(1 / 1.1)
    slow = replace(calm, robot=Robot(max_speed=1.0, max_acceleration=2.0, control_period_ms=200))
    assert speed_limit(slow).value == pytest.approx(1.15 * 2**0.5), "speed is the length of the velocity"
    assert acceleration_limit(slow).value == pytest.approx(1.15 / 0.4)
    assert acceleration_limit(replace(slow, robot=Robot(max_acceleration=2.0))).missing == "no_period"


def test_commands_of_neighbouring_windows_follow_each_other(gathered: Gathered) -> None:
    predicted = np.zeros((2, 2, 2), dtype=np.float32)
    predicted[1] = [[1.15, 0], [1.15, 0]]
    still = np.zeros_like(predicted)
    mask = np.ones((2, 2), dtype=bool)
    near = EpisodePredictions("e", np.array([3, 4]), predicted, still, mask)
    far = EpisodePredictions("e", np.array([3, 9]), predicted, still, mask)
    steps = read_json(gathered.run.evaluation / "audit.json")["commanded_changes"]["linear_x"]["largest_step"]
    assert acceleration_limit(replace(gathered, predictions=[near])).value == pytest.approx(1.15 / (1.1 * steps))
    assert acceleration_limit(replace(gathered, predictions=[far])).value == 0.0


def test_sudden_stops_and_sharp_turns(gathered: Gathered) -> None:
    go, stop, left = [1.15, 0.0], [0.0, 0.0], [1.15, 1.15]
    found_stop = chunk([go, go, stop, stop, stop], [go, go, go, stop, stop])
    missed_stop = chunk([go, go, stop, stop, stop], [go, go, go, go, go])
    stops = sudden_stop(replace(gathered, predictions=[found_stop, found_stop, missed_stop]))
    assert stops.value == pytest.approx(2 / 3)
    assert stops.values == {"episodes": 3}
    assert sudden_stop(replace(gathered, predictions=[chunk([go] * 3, [stop] * 3)])).missing == "no_stops"
    turns = [
        chunk([go, go, left, left], [go, left, left, left]),
        chunk([go, go, left, left], [go, go, go, [1.15, -1.15]]),
    ]
    assert sharp_turn(replace(gathered, predictions=turns)).value == 0.5
    assert sharp_turn(replace(gathered, predictions=[chunk([go] * 3, [left] * 3)])).missing == "no_turns"


def test_a_run_that_is_not_evaluated_has_hardly_a_gate(changeable: DataRoot) -> None:
    changeable.run(RUN).evaluation_results.unlink()
    decided = assess(changeable, RUN)
    assert {result.gate.name for result in decided.gates if result.status != "not_measured"} == {"split_parts"}
    assert worded_gate(found(decided, "frames"), decided, "en").next == "Evaluate the run."


def test_an_episode_in_two_parts_is_seen(changeable: DataRoot) -> None:
    split = read_json(changeable.run(RUN).split)
    write_json(changeable.run(RUN).split, {**split, "test": [*split["test"], split["train"][0]]})
    assert found(assess(changeable, RUN), "split_parts").status == "not_met"


def test_an_unknown_run_is_refused(evaluated: DataRoot) -> None:
    with pytest.raises(RunError, match="planted"):
        assess(evaluated, "plantet")


def test_the_sentence_says_where_and_how_fast(readiness: Readiness) -> None:
    def with_levels(*levels: str) -> Readiness:
        gates = tuple(
            replace(result, status="met" if result.gate.level in levels else "not_measured")
            for result in readiness.gates
        )
        return replace(readiness, gates=gates, passed=levels[-1])  # type: ignore[arg-type]

    blocks = with_levels("at_once")
    assert blocks.speed == 0.0
    assert "On blocks only" in blocks.sentence()
    slow = with_levels("at_once", "before")
    assert slow.speed == 0.25
    assert "no more than 0.25 m/s, with a person at the stop" in slow.sentence()
    assert "0.25 m/s" in slow.sentence("ko")
    deployed = with_levels("at_once", "before", "deploy")
    assert deployed.speed == pytest.approx(1.15)
    assert "1.15 m/s" in deployed.sentence()
    assert "Not alone" in deployed.sentence()
    crawler = replace(slow, top_speed=0.1)
    assert crawler.speed == 0.1, "never faster than it was driven"
    assert "measure its speed first" in replace(deployed, top_speed=None).sentence()


def test_predictions_are_read_once_until_something_changes(changeable: DataRoot) -> None:
    run = changeable.run(RUN)
    first = assess(changeable, RUN)
    kept = kept_file(changeable, run)
    written = kept.stat().st_mtime_ns
    assert assess(changeable, RUN) == first
    assert kept.stat().st_mtime_ns == written
    own_gates_file(changeable).write_text("format: 1\nrobot: {max_speed: 100}\n")
    assert found(assess(changeable, RUN), "speed_limit").evidence.value != found(first, "speed_limit").evidence.value
    own_gates_file(changeable).unlink()
    run.predictions.unlink()
    assert found(assess(changeable, RUN), "speed_limit").status == "not_measured", "never from a file that is gone"
    for damage in ("{", "[]", '{"state": {}, "evidence": 3}'):
        kept.write_text(damage)
        assert found(assess(changeable, RUN), "speed_limit").status == "not_measured"


def test_own_gates_decide(changeable: DataRoot) -> None:
    own_gates_file(changeable).write_text("format: 1\ngates: {test_episodes: {threshold: 8}}\n")
    decided = assess(changeable, RUN)
    assert found(decided, "test_episodes").status == "met"
    words = worded_gate(found(decided, "test_episodes"), decided, "ko")
    assert (words.source, words.reason) == ("사용자의 gates.yaml", "Set in the data root's gates.yaml.")
    assert decided.gates_sha256 == load_gates(changeable).sha256


def test_each_gate_can_be_worded_in_every_state(readiness: Readiness) -> None:
    for result in readiness.gates:
        for language in ("en", "ko"):
            words = worded_gate(result, readiness, language)
            assert all((words.name, words.wanted, words.found, words.reason))
            assert bool(words.next) == (result.status != "met")
            alone = judge(replace(result.gate, uses="low"), Evidence(0.5, values=result.evidence.values))
            assert worded_gate(alone, readiness, language).found
