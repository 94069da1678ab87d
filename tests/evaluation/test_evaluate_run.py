"""The whole evaluation of a real policy from its adapter folder, and what the server may import of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from mvla_core.datasets.normalise import ActionNormaliser
from mvla_core.errors import PolicyError, RunError, Stopped
from mvla_core.evaluation.evaluate import evaluate_run
from mvla_core.evaluation.results import load_predictions
from mvla_core.files import read_json, write_json
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.policies.adapter import DESCRIPTION, load_policy, save_policy
from mvla_core.policies.build import build_policy
from mvla_core.policies.spec import PolicySpec
from mvla_core.progress import Progress


@pytest.fixture
def untrained(root: DataRoot, worlds: ModuleType) -> RunFolder:
    """A run whose adapter is a tiny policy with random weights."""
    worlds.record(root, "world", worlds.varied_keys, 24)
    run: RunFolder = worlds.prepare(root, "world")
    normaliser = ActionNormaliser.fit("mean_std", worlds.train_sequences(root, run, "world"))
    spec = PolicySpec("tiny", worlds.SPACE, normaliser, window_size=4, chunk_size=10, lora_rank=2, head_hidden=16)
    save_policy(build_policy(spec, seed=0), run.adapter, {"run_id": run.run_id})
    return run


def test_a_policy_that_was_never_trained_is_not_called_learned(root: DataRoot, untrained: RunFolder) -> None:
    results = evaluate_run(root, untrained.run_id)
    assert results["verdict"]["label"] in ("collapsed", "blind", "no_better_than_clock")
    assert results["baselines"]["constant"]["skill_low"] < 0.05
    stored = load_predictions(untrained)
    assert sum(episode.num_windows for episode in stored) == results["windows"] == 5 * 15
    assert all(value["measured"] for value in results["ablations"].values())


def test_what_is_reported_is_what_the_adapter_predicts(root: DataRoot, untrained: RunFolder) -> None:
    from mvla_core.episodes.catalogue import scan
    from mvla_core.episodes.dataset import resolve_dataset

    evaluate_run(root, untrained.run_id)
    first = load_predictions(untrained)[0]
    info = scan(root, resolve_dataset(root, "world")).by_id(first.episode_id)
    again = load_policy(untrained.adapter).predict_episode(root, info, first.last_frames)
    assert (again == first.predicted).all()


def test_a_run_without_adapter_says_so(root: DataRoot, worlds: ModuleType) -> None:
    with pytest.raises(RunError, match="There is no run 'nobody'"):
        evaluate_run(root, "nobody")
    worlds.record(root, "world", worlds.varied_keys, 12)
    run = worlds.prepare(root, "world")
    with pytest.raises(RunError, match="no adapter"):
        evaluate_run(root, run.run_id)


def test_missing_base_weights_say_how_to_get_them(root: DataRoot, untrained: RunFolder) -> None:
    described = read_json(untrained.adapter / DESCRIPTION)
    described["spec"] |= {"backbone": "kosmos2", "base_model": "nobody/kosmos-2-of-nowhere"}
    write_json(untrained.adapter / DESCRIPTION, described)
    with pytest.raises(PolicyError, match="not on this machine .* Download them with: hf download"):
        evaluate_run(root, untrained.run_id)
    assert not untrained.evaluation_results.exists()


def test_a_stop_leaves_no_results(root: DataRoot, untrained: RunFolder) -> None:
    class StopNow(Progress):
        @property
        def stop_requested(self) -> bool:
            return True

    with pytest.raises(Stopped):
        evaluate_run(root, untrained.run_id, StopNow())
    assert not untrained.evaluation_results.exists()


def test_reading_and_judging_results_never_loads_torch(repository: Path) -> None:
    modules = "mvla_core.evaluation.results, mvla_core.evaluation.assess, mvla_core.evaluation.verdict, mvla_core.reports.write"
    code = f"import sys, {modules}; print([name for name in ('torch', 'transformers', 'peft') if name in sys.modules])"
    finished = subprocess.run(
        [sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, timeout=60, check=True
    )
    assert finished.stdout.strip() == "[]"
