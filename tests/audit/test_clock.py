"""Would a clock do? Raised on scripts, never on data that needs looking; figures against a few lines."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mvla_core.audit.clock import CLOCKS, _clock_errors, clock_evidence, episode_errors, trivial_baselines
from mvla_core.audit.result import AuditResult
from mvla_core.audit.thresholds import default_thresholds
from mvla_core.datasets.windows import WindowSpec
from mvla_core.metrics.predictors import TRIVIAL_PREDICTORS
from mvla_core.schema import ActionSequence, ActionSpace, Finding

Audit = Callable[..., AuditResult]
Varied = Callable[..., list[ActionSequence]]


def codes(result: AuditResult, *levels: str) -> set[str]:
    return {finding.code for finding in result.findings if not levels or finding.level in levels}


def the_clock(result: AuditResult) -> Finding:
    return next(finding for finding in result.findings if finding.code.startswith("clock_"))


def test_the_baselines_agree_with_a_few_lines(audit: Audit, recordings: Any) -> None:
    result = audit(recordings.briefing())
    assert result.split is not None
    assert result.baselines is not None
    by_id = {sequence.episode_id: sequence.actions.astype(np.float64) for sequence in result.sequences}
    train = [by_id[episode_id] for episode_id in result.split.train]
    constant = np.mean(np.concatenate(train), axis=0)
    clock = np.mean(train, axis=0)
    errors: dict[str, list[np.ndarray]] = {"constant": [], "frame_index": [], "repeat_last": []}
    for actions in (by_id[episode_id] for episode_id in result.split.test):
        for last in range(3, len(actions)):
            for index in range(last, min(last + 10, len(actions))):
                errors["constant"].append(constant - actions[index])
                errors["frame_index"].append(clock[index] - actions[index])
                errors["repeat_last"].append(actions[last - 1] - actions[index])
    for name, rows in errors.items():
        size = np.abs(np.array(rows))
        found = result.baselines[name].to_json(("linear_x", "linear_y"))
        assert found["rmse"] == pytest.approx(np.sqrt(np.mean(size**2)), rel=1e-5)
        assert found["huber"] == pytest.approx(np.mean(np.where(size <= 1, size**2 / 2, size - 0.5)), rel=1e-5)
    explained = 1 - np.sum(np.square(errors["frame_index"])) / np.sum(np.square(errors["constant"]))
    assert result.baselines["frame_index"].explained.value == pytest.approx(explained, rel=1e-5)


def test_the_evidence_agrees_with_leaving_one_episode_out(recordings: Any) -> None:
    sequences = [sequence for sequence in recordings.briefing() if sequence.num_frames == 18][:10]
    evidence = clock_evidence(sequences, WindowSpec(), ActionSpace.default(2), default_thresholds())
    clock = constant = 0.0
    for held_out in sequences:
        others = np.array([other.actions for other in sequences if other is not held_out], dtype=np.float64)
        for last in range(3, 18):
            for index in range(last, min(last + 10, 18)):
                clock += np.sum((others.mean(axis=0)[index] - held_out.actions[index]) ** 2)
                constant += np.sum((others.mean(axis=(0, 1)) - held_out.actions[index]) ** 2)
    assert evidence is not None
    assert evidence.explained.value == pytest.approx(1 - clock / constant, rel=1e-5)
    assert evidence.episodes == 10


@pytest.mark.parametrize("seed", range(5))
def test_it_is_raised_on_the_briefings_episodes(audit: Audit, recordings: Any, seed: int) -> None:
    found = the_clock(audit(recordings.briefing(), seed=seed))
    assert (found.level, found.code) == ("error", "clock_suffices")
    assert found.message.startswith("A clock explains 8")
    assert "without looking" in found.message
    assert "determinism per frame index 95 %" in found.message
    assert "6 different action sequences" in found.message
    assert found.details["explained"]["low"] > 0.7


def test_it_is_raised_on_89_recordings_of_one_way(audit: Audit, recordings: Any) -> None:
    sequences = recordings.repeated("one_box_left")
    found = the_clock(audit(sequences))
    assert len(sequences) == 89
    assert found.code == "clock_suffices"
    assert found.message.startswith("A clock explains 96 % of this data: a model can reach a Huber loss of 0.0057")


def test_it_is_raised_where_the_instruction_and_a_clock_suffice(audit: Audit, recordings: Any) -> None:
    sequences = [*recordings.repeated("basket_left", "left", 30), *recordings.repeated("basket_right", "right", 30)]
    found = the_clock(audit(sequences))
    assert found.code == "clock_suffices"
    assert found.details["predictor"] == "instruction_clock"
    assert found.message.startswith("The instruction and a clock together explain 100 %")


def test_it_is_not_raised_where_only_the_picture_tells_left_from_right(audit: Audit, recordings: Any) -> None:
    sequences = [*recordings.repeated("basket_left", most=30), *recordings.repeated("basket_right", most=30)]
    assert "clock_suffices" not in codes(audit(sequences))
    assert "one_script" in codes(audit(sequences))


@pytest.mark.parametrize("quantised", [True, False])
@pytest.mark.parametrize("count", [12, 24, 48])
def test_varied_driving_raises_no_alarm(audit: Audit, varied: Varied, quantised: bool, count: int) -> None:
    for first in (0, 1000, 2000):
        result = audit(varied(count, quantised, first))
        assert the_clock(result).code in ("clock_fails", "clock_explains_part")
        assert not codes(result) & {"one_script", "duplicate_sequences", "implausible_velocity", "constant_dimension"}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(3, 25), keys=st.integers(2, 9))
def test_random_keys_never_raise_it(audit: Audit, seed: int, count: int, keys: int) -> None:
    generator = np.random.default_rng(seed)
    table = generator.choice([-1.15, 0.0, 1.15], size=(keys, 2))
    sequences = [
        ActionSequence(f"e{number:02d}", table[generator.integers(0, keys, 18)].astype(np.float32), "go")
        for number in range(count)
    ]
    assert "clock_suffices" not in codes(audit(sequences))


@pytest.mark.parametrize("count", [5, 12, 24])
def test_a_script_with_joystick_noise_is_still_a_script(audit: Audit, varied: Varied, count: int) -> None:
    script = varied(1, True, 3)[0].actions
    generator = np.random.default_rng(count)
    sequences = [
        ActionSequence(f"e{number:02d}", script + generator.normal(0, 0.08, script.shape).astype(np.float32))
        for number in range(count)
    ]
    result = audit(sequences)
    assert result.determinism.mean is not None
    assert result.determinism.mean < 0.5
    assert the_clock(result).code == "clock_suffices"


def test_a_few_episodes_decide_nothing(audit: Audit, recordings: Any) -> None:
    assert the_clock(audit(recordings.repeated("basket_left", most=4))).code == "clock_undecided"
    assert "clock_undecided" not in codes(audit(recordings.repeated("basket_left", most=2)))


def test_actions_that_never_change_have_nothing_to_explain(audit: Audit) -> None:
    still = [ActionSequence(f"e{number}", np.ones((18, 2), dtype=np.float32)) for number in range(6)]
    result = audit(still)
    assert result.clock is None
    assert "constant_dimension" in codes(result, "warning")
    json.dumps(result.to_json(), allow_nan=False)


def test_one_test_episode_gives_a_figure_and_no_interval(recordings: Any) -> None:
    sequences = recordings.briefing()
    space = ActionSpace.default(2)
    clock = trivial_baselines(sequences[:5], sequences[5:6], WindowSpec(), space)["frame_index"].to_json(space.names)
    assert clock["explained"] > 0.5
    assert clock["explained_low"] is None


def test_where_units_differ_their_size_decides_nothing(audit: Audit, recordings: Any, varied: Varied) -> None:
    script = recordings.briefing()[0].actions[:, 1]
    explained = []
    for factor in (0.01, 1.0, 100.0):
        sequences = [
            ActionSequence(free.episode_id, np.stack([free.actions[:, 1], factor * script], axis=1).astype(np.float32))
            for free in varied(24, False)
        ]
        space = ActionSpace.from_names(("linear_x", "angular_z"))
        found = audit(sequences, info={"action_space": space}).clock
        assert found is not None
        explained.append(found.explained.value)
    assert 0.3 < explained[0] < 0.7
    assert explained == pytest.approx([explained[0]] * 3, rel=1e-3)


@pytest.mark.shared
@pytest.mark.parametrize("length", [18, 50])
def test_it_is_not_raised_on_a_car_that_follows_its_track(audit: Audit, shared_data: Path, length: int) -> None:
    with tarfile.open(shared_data / "donkeycar_tub.tar.gz") as archive:
        member = next(entry for entry in archive if Path(entry.name).name == "catalog_0.catalog")
        rows = [json.loads(line) for line in archive.extractfile(member).read().splitlines()]  # type: ignore[union-attr]
    actions = np.array([[row["user/throttle"], -row["user/angle"]] for row in rows], dtype=np.float32)
    space = ActionSpace.from_names(("linear_x", "angular_z"), ("normalised", "normalised"))
    sequences = [
        ActionSequence(f"tub_{start:04d}", actions[start : start + length]) for start in range(0, len(actions), length)
    ]
    result = audit(sequences, info={"action_space": space, "recording_id": "tub"})
    assert the_clock(result).code == "clock_fails"
    assert result.clock is not None
    assert result.clock.explained.high < 0.1
    assert codes(result, "error", "warning") <= {"short_episode"}


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 12))
def test_episodes_that_are_alike_are_measured_together_to_the_same_result(seed: int, count: int) -> None:
    generator = np.random.default_rng(seed)
    sequences = [
        ActionSequence(
            f"e{number}",
            generator.normal(size=(generator.integers(4, 9), 2)).astype(np.float32),
            str(generator.choice(["left", "right"])),
        )
        for number in range(count)
    ]
    window = WindowSpec(2, 3)
    for name in ("constant", *CLOCKS):
        clock = TRIVIAL_PREDICTORS[name].fit(sequences[: max(1, count // 2)])
        together, one_by_one = _clock_errors(clock, sequences, window), episode_errors(clock, sequences, window)
        for field in ("squared", "absolute", "huber", "count"):
            assert np.allclose(getattr(together, field), getattr(one_by_one, field), rtol=1e-6)
