"""The miniature through everything that can happen to a training: saved, killed, resumed, kept as an adapter, loaded again."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from mvla_core.datasets.windows import chunk_targets, last_frames
from mvla_core.episodes.catalogue import load_sequences, scan
from mvla_core.episodes.dataset import resolve_dataset
from mvla_core.files import read_json, read_json_lines
from mvla_core.jobs.launch import CODE_FOLDER
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.policies.adapter import load_policy
from mvla_core.training.checkpoints import newest_checkpoint
from mvla_core.training.launch import prepare_run
from mvla_core.training.recipe import Recipe

SETTINGS = {"window_size": 3, "chunk_size": 4, "batch_size": 2, "epochs": 8, "patience": 0}
SAVES_AT_EVERY_STEP = """
import sys, time
from pathlib import Path
from mvla_core.commands.work_command import FUNCTIONS
from mvla_core.jobs.worker import run_worker
from mvla_core.layout import DataRoot
from mvla_core.runs.tensorboard import ScalarEvents
from mvla_core.training import run_callback

run_callback.CHECKPOINT_INTERVAL_S = 0.0
run_callback.WRITING_SHARE = float("inf")
write = ScalarEvents.write

def slowly(self, *arguments, **options):
    write(self, *arguments, **options)
    time.sleep(0.1)  # so that it is killed before it has ended

ScalarEvents.write = slowly
root = DataRoot(Path(sys.argv[1]))
run_worker("train", root.run(sys.argv[2]), root, FUNCTIONS)
"""


def epochs_of(run: RunFolder) -> list[int]:
    return [row["epoch"] for row in read_json_lines(run.progress)[0] if row["event"] == "epoch"]


def kill_after_two_epochs(root: DataRoot, run: RunFolder) -> None:
    command = [sys.executable, "-c", SAVES_AT_EVERY_STEP, str(root.path), run.run_id]
    with subprocess.Popen(command, cwd=CODE_FOLDER, stderr=subprocess.PIPE) as process:
        until = time.monotonic() + 300
        while not (2 in epochs_of(run) and newest_checkpoint(run)) and process.poll() is None:
            assert time.monotonic() < until, "two epochs of the miniature take seconds"
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        _, told = process.communicate()
    assert process.returncode == -signal.SIGKILL, told[-2000:]


def test_saved_killed_resumed_kept_and_loaded_again(root: DataRoot, colours: str) -> None:
    run = prepare_run(root, colours, "tiny", SETTINGS, seed=2)
    kill_after_two_epochs(root, run)
    assert not run.result.exists()
    before = epochs_of(run)
    assert 8 not in before

    # The command that the job runner starts, in a process of its own.
    command = [sys.executable, "-m", "mvla_core", "work", "train", "--folder", str(run.path)]
    resumed = subprocess.run(
        [*command, "--data-root", str(root.path)], cwd=CODE_FOLDER, capture_output=True, timeout=300
    )
    assert resumed.returncode == 0, resumed.stderr[-2000:]
    result = read_json(run.result)
    assert (result["status"], result["epochs_done"]) == ("succeeded", 8)
    after = epochs_of(run)[len(before) :]
    assert after[-1] == 8
    assert after[0] > 1, "it went on from its checkpoint"

    # Loaded here, the adapter of the best epoch has the error that was measured there.
    policy = load_policy(run.adapter, "cpu")
    assert policy.extra["epoch"] == result["best_epoch"]
    catalogue = scan(root, resolve_dataset(root, colours))
    infos = [catalogue.by_id(name) for name in read_json(run.split)["validation"]]
    errors = []
    for info, sequence in zip(infos, load_sequences(infos), strict=True):
        last = last_frames(info.num_frames, Recipe().changed(SETTINGS).window)
        targets, mask = chunk_targets(sequence.actions, last, 4)
        errors.append((policy.predict_episode(root, info, last) - targets)[mask])
    rmse = float(np.sqrt((np.concatenate(errors).astype(np.float64) ** 2).mean()))
    assert result["val_rmse"] == pytest.approx(rmse, rel=1e-5)
