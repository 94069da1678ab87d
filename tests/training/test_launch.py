"""Before a training: everything that can be refused is refused, and what is left is written down."""

from __future__ import annotations

import numpy as np
import pytest

from mvla_core.datasets.split import Split
from mvla_core.episodes.writer import write_episode
from mvla_core.errors import DatasetError, PolicyError, RecipeError, UserInputError
from mvla_core.files import read_json
from mvla_core.layout import DataRoot
from mvla_core.schema import ActionSpace
from mvla_core.training.forecast import estimate
from mvla_core.training.launch import forecast, prepare_run, resolve_recipe
from mvla_core.training.recipe import PRESETS, Recipe


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
