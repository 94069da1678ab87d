"""Real small experiments of a real small run: the curve, the mix, the curriculum, and the blind versions of its policy."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mvla_core.errors import DatasetError, RunError, Stopped, UserInputError
from mvla_core.evaluation.evaluate import evaluate_run
from mvla_core.experiments.blind import blind_epochs, blind_policies, kept_blind_policies
from mvla_core.experiments.job import run_experiment
from mvla_core.experiments.mixing import make_mix
from mvla_core.experiments.scaling_plan import expected_seconds, plan_trainings
from mvla_core.experiments.store import read_result, variants_folder
from mvla_core.experiments.subject import Errors, load_subject, nested_order, skill_gain
from mvla_core.experiments.variants import _same
from mvla_core.files import read_json, write_json
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.metrics.predictors import TRIVIAL_PREDICTORS
from mvla_core.progress import SILENT, Progress
from mvla_core.reports.gains import read_gains

Trained = tuple[DataRoot, RunFolder]


class Telling(Progress):
    """Remembers stages, and asks to stop once so many were told."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.stages: list[str] = []
        self._stop_after = stop_after

    def emit(self, event: str, **values: Any) -> None:
        if event == "stage":
            self.stages.append(values["name"])

    @property
    def stop_requested(self) -> bool:
        return self._stop_after is not None and len(self.stages) >= self._stop_after


def test_a_curve_is_one_job_that_goes_on_after_a_stop(trained: Trained) -> None:
    root, run = trained
    config = {"experiment": "scaling", "run_id": run.run_id, "shares": [0.25, 0.5], "seeds": 1, "target": 0.01}
    with pytest.raises(Stopped):
        run_experiment(root, config, Telling(stop_after=3))
    finished = variants_folder(run, "scaling") / "0003-seed0"
    assert (finished / "result.json").is_file()
    assert not (variants_folder(run, "scaling") / "0006-seed0" / "result.json").exists()
    before = (finished / "result.json").stat().st_mtime_ns
    telling = Telling()
    told = run_experiment(root, config, telling)
    assert (finished / "result.json").stat().st_mtime_ns == before
    assert [name for name in telling.stages if name.startswith("Training")] == [
        "Training 2 of 2: 6 of 12 episodes, seed 0, epochs"
    ]
    result = read_result(run, "scaling")
    assert result is not None
    assert [row["episodes"] for row in result["trainings"]] == [3, 6, 12]
    assert all(row["rmse_low"] <= row["rmse"] <= row["rmse_high"] for row in result["trainings"])
    assert told["answer"] == result["answer"]["text"]
    assert result["unit"] == "m/s"
    gain = read_gains(run)["more_data"]
    assert gain is not None
    assert gain["low"] <= gain["value"] <= gain["high"]
    assert "24 instead of 12" in gain["how"]
    json.dumps(result, allow_nan=False)


def test_smaller_parts_lie_in_larger_ones_and_keep_the_instructions_in_proportion(trained: Trained) -> None:
    subject = load_subject(trained[0], trained[1].run_id)
    order = nested_order(subject.train, seed=4)
    assert sorted(order) == sorted(subject.split.train)
    told = {info.episode_id: info.instruction for info in subject.train}
    for count in range(2, len(order) + 1):
        left = sum(told[name] == "Go left." for name in order[:count])
        whole = sum(text == "Go left." for text in told.values()) / len(told)
        assert abs(left - whole * count) <= 1
    assert nested_order(subject.train, seed=5) != order


def test_a_mix_is_judged_on_the_same_real_episodes(trained: Trained) -> None:
    root, run = trained
    run_experiment(
        root, {"experiment": "mixing", "run_id": run.run_id, "simulation": "others", "shares": [0.5]}, SILENT
    )
    result = read_result(run, "mixing")
    assert result is not None
    (row,) = result["mixes"]
    assert (row["simulated"], row["real"]) == (12, 12)
    assert row["difference"]["value"] == pytest.approx(row["rmse"]["value"] - result["without"]["value"])
    folder = next(variants_folder(run, "mixing").glob("others-*"))
    split, own = read_json(folder / "split.json"), read_json(run.split)
    assert set(own["train"]) < set(split["train"])
    assert split["validation"] == own["validation"]
    assert not set(own["test"]) & {*split["train"], *split["validation"]}
    linked = next((variants_folder(run, "mixing") / "episodes").glob("*/*.h5"))
    assert linked.stat().st_nlink > 1
    gain = read_gains(run)["simulation"]
    assert gain is not None
    # One training against one: the held-out interval alone names no winner.
    if (run.evaluation / "scaling.json").is_file():
        assert gain["low"] < result["gain_held_out"]["low"]
        assert gain["high"] > result["gain_held_out"]["high"]
    else:
        assert (gain["low"], result["answer"]["code"]) == (None, "cannot_tell")
    assert gain["value"] == result["gain_held_out"]["value"]


def test_a_recording_that_was_replaced_is_linked_and_trained_anew(trained: Trained, tmp_path: Path) -> None:
    root, run = trained
    subject = load_subject(root, run.run_id)
    mixed = make_mix(root, subject, "others")
    name = mixed.simulated[0]
    source, target = root.dataset("others") / f"{name}.h5", mixed.ref.folder / f"{name}.h5"
    kept = source.read_bytes()
    assert target.samefile(source)
    try:
        other = root.dataset("others") / f"{mixed.simulated[1]}.h5"
        aside = tmp_path / "new.h5"
        aside.write_bytes(other.read_bytes())
        aside.replace(source)
        assert not target.samefile(source)
        make_mix(root, subject, "others")
        assert target.read_bytes() == other.read_bytes()
    finally:
        source.write_bytes(kept)


def test_what_a_variant_was_trained_on_is_part_of_its_plan() -> None:
    plan = {"recipe": {"epochs": 2}, "files": {"e0": [10, 1]}}
    assert _same({"recipe": {"epochs": 2}}, plan), "a plan of an earlier release"
    assert _same(dict(plan), plan)
    assert not _same({**plan, "files": {"e0": [10, 2]}}, plan)
    assert not _same({"recipe": {"epochs": 3}}, plan)


def test_a_mix_that_makes_no_sense_is_refused(trained: Trained) -> None:
    root, run = trained
    mixing = {"experiment": "mixing", "run_id": run.run_id}
    with pytest.raises(DatasetError, match="settings\nmatched|settings matched to sides"):
        run_experiment(root, {**mixing, "simulation": "wheels"}, SILENT)
    shutil.copytree(root.dataset("sides"), root.dataset("real"))
    with pytest.raises(DatasetError, match="was not simulated"):
        run_experiment(root, {**mixing, "simulation": "real"}, SILENT)
    with pytest.raises(UserInputError, match="trained on sides itself"):
        run_experiment(root, {**mixing, "simulation": "sides"}, SILENT)
    with pytest.raises(DatasetError, match="simulate more"):
        run_experiment(root, {**mixing, "simulation": "others", "shares": [0.9]}, SILENT)
    with pytest.raises(UserInputError, match="between 0 and 1"):
        run_experiment(root, {**mixing, "simulation": "others", "shares": [0.0]}, SILENT)
    with pytest.raises(RunError, match="There is no run"):
        run_experiment(root, {**mixing, "run_id": "nobody", "simulation": "others"}, SILENT)
    with pytest.raises(UserInputError, match="no experiment 'mixin'"):
        run_experiment(root, {"experiment": "mixin"}, SILENT)


def test_a_curriculum_is_compared_with_none(trained: Trained) -> None:
    root, run = trained
    run_experiment(root, {"experiment": "curriculum", "run_id": run.run_id}, SILENT)
    result = read_result(run, "curriculum")
    assert result is not None
    own = load_subject(root, run.run_id)
    assert (
        read_json(variants_folder(run, "curriculum") / "on" / "config.json")["recipe"]["curriculum"] == "simple_first"
    )
    assert own.recipe.curriculum == "none"
    assert result["difference"]["value"] == pytest.approx(result["with"]["value"] - result["without"]["value"])
    assert read_gains(run)["curriculum"] is not None


def test_without_pictures_the_mean_action_of_the_instruction_is_all_that_is_left(trained: Trained) -> None:
    root, run = trained
    found = blind_policies(root, run)
    assert set(found) == {"picture_blind", "instruction_blind"}
    subject = load_subject(root, run.run_id)
    info, last = subject.test[0], np.arange(1, 8)
    chunks = found["picture_blind"].predict_episode(root, info, last)
    assert chunks.shape == (7, 3, 2)
    assert (chunks == chunks[0]).all()
    assert (
        found["picture_blind"].predict_frames(np.zeros((8, 24, 24, 3), np.uint8), info.instruction, last) == chunks
    ).all()
    blind = subject.errors(root, found["picture_blind"], SILENT)
    constant = subject._measured(
        lambda info, sequence, last: (
            TRIVIAL_PREDICTORS["constant"].fit(subject.train_sequences).predict(sequence, last, 3)
        )
    )
    assert blind.rmse > 0.8 * subject.clock()[1].rmse
    assert blind.rmse < 1.25 * constant.rmse
    left, right = (
        found["instruction_blind"].predict_episode(root, info, last, text) for text in ("Go left.", "Go right.")
    )
    assert (left == right).all()
    # They are kept, and trained anew only for another policy.
    kept = (run.evaluation / "blind" / "picture" / "policy.json").stat().st_mtime_ns
    blind_policies(root, run)
    assert (run.evaluation / "blind" / "picture" / "policy.json").stat().st_mtime_ns == kept
    assert read_json(run.evaluation / "blind" / "picture" / "policy.json")["extra"]["epochs"] == blind_epochs(
        subject.recipe
    )


def test_the_trainings_of_a_curve_are_planned(trained: Trained) -> None:
    plan = plan_trainings(20, (0.5, 0.25, 0.75), 2, 7)
    assert [(each.episodes, each.seed) for each in plan] == [(5, 7), (5, 8), (10, 7), (10, 8), (15, 7)]
    for shares, seeds in (((0.5,), 1), ((0.5, 1.0), 1), ((0.5, 0.25), 0)):
        with pytest.raises(UserInputError):
            plan_trainings(20, shares, seeds, 0)
    with pytest.raises(UserInputError, match="too few for the shares"):
        plan_trainings(2, (0.25, 0.5), 1, 0)
    root, run = trained
    seconds = expected_seconds(root, run, (0.25, 0.5), 1)
    assert seconds is None or 0 < seconds < 600
    moved = root.run("20260101-000000-gone-tiny-0001")
    write_json(moved.config, {**read_json(run.config), "dataset_folder": str(root.dataset("empty"))})
    write_json(moved.split, read_json(run.split))
    root.dataset("empty").mkdir(parents=True)
    with pytest.raises(DatasetError, match="holds none of the 12 training episodes"):
        expected_seconds(root, moved, (0.25, 0.5), 1)


def test_gains_are_paired_by_episode() -> None:
    values = np.full(30, 10.0)
    hard = np.random.default_rng(0).gamma(2, 1, 30)
    before, after = Errors(10 * hard, values), Errors(9 * hard, values)
    gain = skill_gain(before, after, Errors(20 * hard, values))
    assert (gain.value, gain.low, gain.high) == pytest.approx((0.05, 0.05, 0.05))
    difference = before.difference(after)
    assert difference.low < difference.value < difference.high < 0
    assert math.isnan(Errors(np.ones(1), np.ones(1)).difference(Errors(np.ones(1), np.ones(1))).low)


def test_reading_experiments_never_loads_torch(repository: Path) -> None:
    import subprocess
    import sys

    modules = "mvla_core.experiments.store, mvla_core.experiments.scaling_plan, mvla_core.experiments.power_law"
    code = f"import sys, {modules}; print([name for name in ('torch', 'transformers', 'peft') if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_full_evaluation_stands_beside_the_blind_versions_and_on_the_ladder(
    trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mvla_core.evaluation.shift_pictures import DISTURBANCES
    from mvla_core.experiments.full_evaluation import evaluate_fully

    # The whole ladder would take most of a minute; its rungs have tests of their own.
    monkeypatch.setattr("mvla_core.evaluation.shift.DISTURBANCES", DISTURBANCES[1:2])
    root, run = trained
    results = evaluate_fully(root, run.run_id, other_dataset="others")
    assert {"picture_blind", "instruction_blind"} <= set(results["baselines"])
    rungs = {rung["name"]: rung for rung in results["shift"]["rungs"]}
    assert rungs["other data set"]["episodes"] == 14
    assert rungs["light -30"]["measured"]
    assert read_json(run.evaluation_results)["shift"] == json.loads(json.dumps(results["shift"]))
    # What the experiments have left is still there.
    assert read_result(run, "curriculum") is not None or not (run.evaluation / "curriculum.json").exists()
    # A quick evaluation afterwards keeps what only the full one measures.
    quick = evaluate_run(root, run.run_id, learned=kept_blind_policies(run))
    assert {"picture_blind", "instruction_blind"} <= set(quick["baselines"])
    assert quick["shift"] == {"carried_from": results["evaluated"], **results["shift"]}
    forgotten = evaluate_run(root, run.run_id)
    assert "picture_blind" in forgotten["baselines_not_measured"]
    # A policy that began elsewhere needs other blind versions.
    (run.start / "weights.bin").parent.mkdir()
    (run.start / "weights.bin").write_bytes(b"")
    assert kept_blind_policies(run) == {}
    (run.start / "weights.bin").unlink()
    run.start.rmdir()
