"""Before a training: everything that can be refused is refused, and what is left is written down."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mvla_core.datasets.split import Split
from mvla_core.episodes.writer import write_episode
from mvla_core.errors import DatasetError, PolicyError, RecipeError, UserInputError
from mvla_core.files import read_json
from mvla_core.layout import DataRoot
from mvla_core.schema import ActionSpace
from mvla_core.training.fit import Room
from mvla_core.training.forecast import estimate
from mvla_core.training.launch import forecast, plan_training, prepare_run, resolve_recipe
from mvla_core.training.measurement import WarmUp, keep_warm_up
from mvla_core.training.recipe import PRESETS, Recipe
from mvla_core.training.slurm import Cluster


def test_a_prepared_run_holds_what_the_trainer_needs(root: DataRoot, colours: str) -> None:
    run = prepare_run(root, colours, "compact", {"epochs": "5"}, seed=7)
    config = read_json(run.config)
    assert {"run_id", "dataset", "dataset_folder", "preset", "recipe", "seed", "created"} <= set(config)
    assert (config["run_id"], config["dataset"], config["preset"], config["seed"]) == (
        run.run_id,
        colours,
        "compact",
        7,
    )
    recipe = Recipe.from_json(config["recipe"])
    assert (recipe.epochs, recipe.seed) == (5, 7)
    split = Split.from_json(read_json(run.split))
    assert split.seed == 7
    assert len(split.train + split.validation + split.test) == 10
    provenance = read_json(run.provenance)
    assert provenance["packages"]["torch"]
    assert len(provenance["episodes"]) == 10


def test_nothing_is_written_for_a_launch_that_is_refused(root: DataRoot, colours: str) -> None:
    with pytest.raises(RecipeError, match="no preset 'compct'.*Did you mean 'compact'"):
        prepare_run(root, colours, "compct", {})
    with pytest.raises(RecipeError, match="Did you mean 'epochs'"):
        prepare_run(root, colours, "compact", {"epoch": 3})
    with pytest.raises(UserInputError, match="Did you mean 'colours'"):
        prepare_run(root, "colors", "compact", {})
    with pytest.raises(PolicyError, match="is no folder on this machine"):
        prepare_run(root, colours, "briefing", {"precision": "fp32", "base_model": "/nowhere"})
    assert not root.runs.exists()


def test_briefing_is_refused_where_fp16_would_silently_do_nothing(
    root: DataRoot, colours: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(RecipeError, match="choose precision bf16"):
        prepare_run(root, colours, "briefing", {})


SHORT = {"window_size": 3, "chunk_size": 4, "batch_size": 2}


def test_a_cluster_is_not_judged_by_this_machine(
    root: DataRoot, colours: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from mvla_core.training import launch

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(launch, "room_here", lambda root, gpus: Room(10**8, 10**13))
    # A login node without GPU, without the weights, with less memory than the training takes.
    run = prepare_run(root, colours, "briefing", {"chunk_size": 2}, cluster=Cluster("gpu", gpus=1))
    config = read_json(run.config)
    told = config["forecast"]
    assert (told["seconds"], told["memory_bytes"]) == (None, None)
    assert told["gpu_memory_bytes"] > 3 * 10**9
    assert told["basis"].startswith("No time was measured on the partition gpu")
    assert config["cluster"]["partition"] == "gpu"
    assert "its memory and its base weights were not judged" in config["notes"][0]
    assert "hf download microsoft/kosmos-2-patch14-224" in config["notes"][0]
    # Without a GPU asked for, fp16 is refused there as here; and the disk, which nodes share with this machine, is judged.
    with pytest.raises(RecipeError, match="needs a CUDA GPU, and none is asked for; add --gpus 1"):
        prepare_run(root, colours, "briefing", {}, cluster=Cluster("cpu"))
    monkeypatch.setattr(launch, "room_here", lambda root, gpus: Room(10**13, 10**8))
    with pytest.raises(RecipeError, match="of disk space"):
        prepare_run(root, colours, "tiny", SHORT, cluster=Cluster("cpu"))


def test_a_partition_of_cpus_is_forecast_with_its_own_cores(root: DataRoot, colours: str) -> None:
    plan = plan_training(root, colours, "tiny", SHORT)
    keep_warm_up(root, plan.warm_up_key, WarmUp("2026-01-02T03:04", 8, 90, 5, 1, 2, 1, 1, 1, 1, 9, None, 5, ()))
    assert plan.forecast().measured
    there = plan_training(root, colours, "tiny", SHORT, cluster=Cluster("cpu", processes=2, cpus=3)).forecast()
    assert there.measured == "", "what was measured here says nothing of the cluster"
    assert "scaled to 6 of the partition cpu" in there.basis
    here = plan_training(root, colours, "tiny", SHORT, cluster=Cluster("local"))
    assert here.forecast().measured


@pytest.mark.parametrize(
    ("cluster", "batch", "told"),
    [
        (Cluster("gpu", processes=2, gpus=2), 3, "batch of 3 items cannot be divided among 2 processes"),
        (Cluster("gpu", processes=4, gpus=2), 4, "4 processes cannot share 2 GPUs"),
        (Cluster("gpu", processes=1, gpus=4), 4, "3 of 4 GPUs would do nothing with 1 process: .* give --processes 4"),
        (Cluster("local", processes=1, gpus=1), 4, "1 GPUs were asked for and this machine has 0"),
    ],
)
def test_processes_that_do_not_fit_are_refused_at_once(
    root: DataRoot, colours: str, monkeypatch: pytest.MonkeyPatch, cluster: Cluster, batch: int, told: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises((RecipeError, UserInputError), match=told):
        prepare_run(root, colours, "tiny", {**SHORT, "batch_size": batch}, cluster=cluster)
    assert not root.runs.exists()


def test_processes_of_this_machine_share_its_memory(
    root: DataRoot, colours: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mvla_core.training import launch

    one = plan_training(root, colours, "tiny", SHORT).forecast().memory_bytes
    assert one is not None
    monkeypatch.setattr(launch, "room_here", lambda root, gpus: Room(int(1.5 * one), 10**13))
    prepare_run(root, colours, "tiny", SHORT, cluster=Cluster("local"))
    with pytest.raises(RecipeError, match="GB of memory for 2 processes and this machine has"):
        prepare_run(root, colours, "tiny", SHORT, cluster=Cluster("local", processes=2))


def test_mixed_action_spaces_are_refused(root: DataRoot, colours: str) -> None:
    frames = np.zeros((6, 8, 8, 3), dtype=np.uint8)
    path = root.dataset(colours) / "other.h5"
    write_episode(path, frames, np.zeros((6, 3)), action_space=ActionSpace.default(3))
    with pytest.raises(DatasetError, match="mixes action spaces"):
        prepare_run(root, colours, "compact", {})


def test_notes_name_korean_words_without_meaning(root: DataRoot, colours: str) -> None:
    frames = np.zeros((6, 8, 8, 3), dtype=np.uint8)
    write_episode(
        root.dataset(colours) / "korean.h5",
        frames,
        np.zeros((6, 2)),
        action_space=ActionSpace.default(2),
        instruction="왼쪽 냉장고",
    )
    notes = read_json(prepare_run(root, colours, "compact", {}).config)["notes"]
    assert any("냉장고" in note and "왼쪽" not in note for note in notes)


def test_the_seed_of_the_call_counts_more_than_the_preset() -> None:
    assert resolve_recipe("briefing", {}).seed == 123
    assert resolve_recipe("briefing", {}, 4).seed == 4


def test_forecast_counts_exactly_and_says_what_it_rests_on(root: DataRoot, colours: str) -> None:
    found = forecast(root, colours, PRESETS["compact"].recipe.changed({"window_size": 3, "chunk_size": 4}))
    assert found.train_episodes == 6
    assert found.train_windows == 6 * 5
    assert found.frames_per_epoch == 6 * 7
    assert found.parameters["total"] == sum(count for part, count in found.parameters.items() if part != "total")
    assert found.basis


def test_sharing_frames_saves_work_and_a_gpu_is_not_guessed() -> None:
    lengths = {"train_frames": [18] * 10, "validation_frames": [18] * 3, "action_dims": 2, "cores": 2}
    alone = estimate(PRESETS["briefing"].recipe, **lengths, has_cuda=False)
    shared = estimate(PRESETS["briefing"].recipe.changed({"windows_per_item": 8}), **lengths, has_cuda=False)
    assert alone.train_windows == shared.train_windows == 50
    assert alone.frames_per_epoch == 200
    assert shared.frames_per_epoch == 80
    assert alone.seconds is not None
    assert shared.seconds is not None
    assert shared.seconds < alone.seconds
    on_gpu = estimate(PRESETS["briefing"].recipe, **lengths, has_cuda=True)
    assert on_gpu.seconds is None
    assert on_gpu.memory_bytes is None


def test_a_recipe_says_what_is_kept_together(root: DataRoot, colours: str) -> None:
    with pytest.raises(RecipeError, match="split_by"):
        resolve_recipe("compact", {"split_by": "weather"})
    with pytest.raises(DatasetError, match="the time of recording of 10 of 10 episodes is not known"):
        prepare_run(root, colours, "compact", {"split_by": "session"})
    for path in root.dataset(colours).glob("*.h5"):
        day = 1 + int(path.stem[-1]) // 2
        path.rename(path.with_name(f"episode_202511{day:02d}_090{path.stem[-1]}00.h5"))
    split = Split.from_json(read_json(prepare_run(root, colours, "compact", {"split_by": "session"}).split))
    assert split.by == "session"
    days = [{name[:16] for name in part} for part in (split.train, split.validation, split.test)]
    assert sum(map(len, days)) == len(set().union(*days)), "no day serves two parts"
