"""The warm-up, the forecast that it puts right, and what is refused before a launch. A real short training."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from mvla_core.datasets.augmentation.picture_transforms import Light
from mvla_core.datasets.augmentation.recipe import AugmentationRecipe, Step
from mvla_core.datasets.augmentation.store import save_augmentation
from mvla_core.episodes.writer import write_episode
from mvla_core.errors import RecipeError
from mvla_core.files import read_json
from mvla_core.jobs.folders import new_job_folder
from mvla_core.layout import DataRoot
from mvla_core.progress import SILENT
from mvla_core.schema import ActionSpace
from mvla_core.training.fit import Room, check_fit, room_here
from mvla_core.training.footprint import MOST_CHECKPOINTS, frames_in_work, gpu_memory_bytes, memory_bytes, run_bytes
from mvla_core.training.forecast import estimate, planned_work
from mvla_core.training.forecast_check import ForecastCheck, check_forecast, stored_check
from mvla_core.training.launch import forecast, plan_training, prepare_run
from mvla_core.training.measurement import WarmUp, keep_warm_up, known_warm_up, warm_up_key
from mvla_core.training.recipe import PRESETS, Recipe
from mvla_core.training.warm_up import run_preflight_job

SHORT = {"window_size": 3, "chunk_size": 4, "batch_size": 2}
LENGTHS = {"train_frames": [18] * 10, "validation_frames": [18] * 3, "action_dims": 2, "cores": 2}
WARM_UP = WarmUp("2026-01-02T03:04:05+00:00", 8, 90, 5.0, 0.01, 2.0, 1.0, 0.2, 0.1, 0.05, 900, None, 50, ("a",))


def config(recipe: Recipe, dataset: str) -> dict[str, object]:
    return {"dataset": dataset, "preset": "tiny", "recipe": recipe.to_json()}


def test_a_warm_up_measures_and_the_next_launch_knows_it(root: DataRoot, colours: str) -> None:
    recipe = PRESETS["tiny"].recipe.changed({**SHORT, "epochs": 50})
    assert forecast(root, colours, recipe).measured == ""
    folder = new_job_folder(root, "preflight")
    result = run_preflight_job(root, folder, config(recipe, colours), SILENT, began=time.time())
    warm_up = WarmUp.from_json(result["warm_up"])
    assert warm_up.steps == 4 * 2  # two batches, four epochs
    assert warm_up.train_s > 0
    assert warm_up.memory_bytes > 100_000_000
    assert warm_up.run_bytes > 100_000
    assert warm_up.encoder_keys
    assert list(folder.path.iterdir()) == [], "the scratch run is gone"
    assert not root.runs.exists(), "nothing looks like a run"
    found = forecast(root, colours, recipe)
    assert found.measured == warm_up.measured
    assert found.to_json() == result["forecast"]
    assert found.epoch_seconds == pytest.approx(warm_up.epoch_s(planned_work(recipe, [7] * 6, [7, 7])), abs=1e-3)
    # Other epochs and seeds cost the same an epoch; another width does not.
    other = forecast(root, colours, recipe.changed({"epochs": 100, "seed": 9, "learning_rate": 0.5}))
    assert other.measured
    assert other.epoch_seconds == found.epoch_seconds
    assert other.seconds > found.seconds
    assert forecast(root, colours, recipe.changed({"head_hidden": 64})).measured == ""
    run = prepare_run(root, colours, "tiny", {**SHORT, "epochs": 50})
    assert read_json(run.config)["forecast"]["measured"] == warm_up.measured
    # Episodes whose features the warm-up kept are not computed, nor counted, again.
    assert found.cache_bytes < estimate(recipe, **{**LENGTHS, "train_frames": [7] * 6}, has_cuda=False).cache_bytes


def test_a_warm_up_counts_the_augmented_copies_that_it_trained_on(root: DataRoot, colours: str) -> None:
    save_augmentation(root, AugmentationRecipe("lit", (Step(Light()),), copies=4))
    # One item an episode: the scratch run takes one episode, whose copies fill its two batches.
    recipe = PRESETS["tiny"].recipe.changed({**SHORT, "augmentation": "lit"})
    folder = new_job_folder(root, "preflight")
    result = run_preflight_job(root, folder, config(recipe, colours), SILENT, began=time.time())
    warm_up = WarmUp.from_json(result["warm_up"])
    assert warm_up.steps == 4 * 3, "an episode and its four copies in batches of two, four epochs"
    assert warm_up.frames == 7 * (1 + 4) + 2 * 7
    assert warm_up.train_core_s == planned_work(recipe, [7] * 5, []).train_core_s
    found = forecast(root, colours, recipe)
    whole = planned_work(recipe, [7] * 6 * 5, [7, 7])
    assert found.epoch_seconds == pytest.approx(warm_up.epoch_s(whole), abs=1e-3)
    # Six episodes are six times the work of the one that was timed, whatever the copies.
    six = warm_up.train_s * whole.train_core_s / warm_up.train_core_s
    assert six == pytest.approx(6 * warm_up.train_s, rel=0.2)
    # A frame of a copy that was encoded counts like any other one.
    encoded = sum(len(np.load(path)) for path in (root.cache / "features").glob("*/*/*.npy"))
    assert encoded == warm_up.frames


def test_a_warm_up_takes_episodes_until_they_teach(root: DataRoot) -> None:
    """The longest episode alone always drives the same way; the trainer would refuse it."""
    root.dataset("straight").mkdir(parents=True)
    for number in range(8):
        frames = np.full((9 if number == 0 else 7, 32, 32, 3), number, dtype=np.uint8)
        actions = np.full((len(frames), 2), number / 10)
        path = root.dataset("straight") / f"e{number}.h5"
        write_episode(path, frames, actions, action_space=ActionSpace.default(2), instruction="go")
    recipe = PRESETS["tiny"].recipe.changed({**SHORT, "batch_size": 1, "windows_per_item": 1})
    result = run_preflight_job(
        root, new_job_folder(root, "preflight"), config(recipe, "straight"), SILENT, began=time.time()
    )
    assert result["forecast"]["measured"]


def test_a_warm_up_that_fails_leaves_nothing_to_launch_with(
    root: DataRoot, colours: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mvla_core.training import receipt

    monkeypatch.setattr(receipt, "effective_settings", lambda policy, arguments: {"learning_rate": 7.0})
    recipe = PRESETS["tiny"].recipe.changed(SHORT)
    folder = new_job_folder(root, "preflight")
    with pytest.raises(RecipeError, match=r"learning_rate is 7\.0 where 0\.001 was asked for"):
        run_preflight_job(root, folder, config(recipe, colours), SILENT, began=time.time())
    assert list(folder.path.iterdir()) == []
    assert forecast(root, colours, recipe).measured == ""


def test_a_damaged_measurement_counts_as_none(root: DataRoot, colours: str) -> None:
    plan = plan_training(root, colours, "tiny", SHORT)
    keep_warm_up(root, plan.warm_up_key, WARM_UP)
    assert known_warm_up(root, plan.warm_up_key) == WARM_UP
    next((root.cache / "warm_ups").iterdir()).write_text('{"steps": 3}')
    assert known_warm_up(root, plan.warm_up_key) is None


def test_the_key_changes_with_the_data_and_with_what_costs(root: DataRoot, colours: str) -> None:
    plan = plan_training(root, colours, "tiny", SHORT)
    infos = plan.data.episodes
    key = warm_up_key(plan.recipe, infos, (), 2)
    assert key == warm_up_key(plan.recipe.changed({"epochs": 77, "patience": 3, "seed": 5}), infos, (), 2)
    others = [
        warm_up_key(plan.recipe.changed({"batch_size": 1}), infos, (), 2),
        warm_up_key(plan.recipe, infos[:-1], (), 2),
        warm_up_key(plan.recipe, [replace(infos[0], file_mtime_ns=1), *infos[1:]], (), 2),
        warm_up_key(plan.recipe, infos, ("GPU",), 2),
        warm_up_key(plan.recipe, infos, (), 4),
    ]
    assert key not in others
    assert len(set(others)) == len(others)


def test_a_measurement_scales_with_the_work_and_knows_the_gpu() -> None:
    recipe = Recipe(epochs=10)
    small = estimate(recipe, **LENGTHS, has_cuda=True, warm_up=WARM_UP, missing_frames=0)
    large = estimate(
        recipe, **{**LENGTHS, "train_frames": [18] * 100}, has_cuda=True, warm_up=WARM_UP, missing_frames=100
    )
    assert small.epoch_seconds == pytest.approx(WARM_UP.epoch_s(planned_work(recipe, [18] * 10, [18] * 3)), abs=1e-4)
    assert large.epoch_seconds > 5 * small.epoch_seconds
    assert (small.start_seconds, large.start_seconds) == (5.0, 6.0)
    assert small.seconds == pytest.approx(5 + 10 * small.epoch_seconds, abs=0.1)
    assert "Measured on this machine at 03:04" in small.basis


def test_memory_of_kosmos2_by_formula_is_that_which_was_measured() -> None:
    """GiB of the real size in bf16 (see the module): the formula lies within a tenth, and never far below."""
    recipe = PRESETS["briefing-fast"].recipe
    cases = [(recipe, 33_500_000, 4, 6.1), (recipe, 33_500_000, 11, 9.1), (recipe, 33_500_000, 18, 12.5)]
    everywhere = recipe.changed({"lora_targets": "text_vision"})
    cases += [(everywhere, 47_700_000, 4, 9.0)]
    cases += [(everywhere.changed({"gradient_checkpointing": True}), 47_700_000, 4, 5.65)]
    for chosen, parameters, frames, measured in cases:
        assert memory_bytes(chosen, parameters, frames) / 2**30 == pytest.approx(measured, rel=0.1)
    assert frames_in_work(recipe, 100) == 8 + 3
    assert frames_in_work(recipe.changed({"batch_size": 2}), 5) == 2 * (5 + 3)


def test_an_average_of_the_weights_takes_memory_and_a_place_in_each_checkpoint() -> None:
    recipe = PRESETS["briefing-fast"].recipe
    averaged = recipe.changed({"ema_decay": 0.99})
    assert memory_bytes(averaged, 1000, 4) - memory_bytes(recipe, 1000, 4) == 4 * 1000
    assert run_bytes(averaged, 1000) - run_bytes(recipe, 1000) == MOST_CHECKPOINTS * 4 * 1000
    # Two policies; two checkpoints and the one being written, each with weights and two moments.
    assert run_bytes(recipe, 1000) - run_bytes(recipe, 0) == 4 * 1000 * (2 + 3 * 3)


def test_an_extension_holds_the_policy_it_begins_with_and_loads_two_bases() -> None:
    recipe = PRESETS["top-layers"].recipe.changed({"windows_per_item": 1})
    fresh = estimate(recipe, **LENGTHS, has_cuda=False)
    longer = estimate(recipe, **LENGTHS, has_cuda=False, extends=True)
    assert longer.run_bytes - fresh.run_bytes == 4 * fresh.parameters["total"]
    assert fresh.memory_bytes is not None
    assert longer.memory_bytes is not None
    assert longer.memory_bytes > fresh.memory_bytes
    assert longer.memory_bytes > 2 * 3_329_000_000
    measured = estimate(recipe, **LENGTHS, has_cuda=False, extends=True, warm_up=WARM_UP)
    assert (measured.run_bytes, measured.memory_bytes) == (50 + 4 * fresh.parameters["total"], longer.memory_bytes)


def test_the_formula_knows_what_the_presets_are_about() -> None:
    fast, top, full = (
        estimate(PRESETS[name].recipe, **LENGTHS, has_cuda=False) for name in ("briefing-fast", "top-layers", "full")
    )
    assert top.epoch_seconds < 0.5 * fast.epoch_seconds < 0.5 * full.epoch_seconds / 2
    assert top.start_seconds > fast.start_seconds > full.start_seconds
    frames = 13 * 18
    assert fast.cache_bytes / frames == 64 * 2048 * 2
    assert top.cache_bytes / frames == pytest.approx(0.35e6, rel=0.05), "as the preset says"
    assert full.cache_bytes / frames == 3 * 224 * 224
    four = estimate(PRESETS["top-layers"].recipe.changed({"lora_top_layers": 4}), **LENGTHS, has_cuda=False)
    assert four.epoch_seconds < 0.75 * top.epoch_seconds
    again = estimate(
        PRESETS["briefing-fast"].recipe.changed({"gradient_checkpointing": True}), **LENGTHS, has_cuda=False
    )
    assert fast.epoch_seconds < again.epoch_seconds < 1.6 * fast.epoch_seconds


@pytest.mark.parametrize("changes", [{}, {"lora_top_layers": 1}, {"tuning": "full"}, {"lora_targets": "all"}])
def test_the_cache_is_as_large_as_the_formula_says(root: DataRoot, colours: str, changes: dict[str, object]) -> None:
    recipe = PRESETS["tiny"].recipe.changed({**SHORT, **changes})
    told = forecast(root, colours, recipe).cache_bytes / (7 * 8)
    run_preflight_job(root, new_job_folder(root, "preflight"), config(recipe, colours), SILENT, began=time.time())
    files = list((root.cache / "features").glob("*/*/*.npy"))
    true = [np.load(path).nbytes / 7 for path in files]
    assert told == pytest.approx(max(true), rel=0.15)


def refusal(recipe: Recipe, room: Room) -> str:
    def formula(changed: Recipe):
        return estimate(changed, **LENGTHS, has_cuda=room.gpu_memory_bytes is not None)

    with pytest.raises(RecipeError) as caught:
        check_fit(recipe, formula(recipe), room, formula)
    return str(caught.value)


def test_what_cannot_fit_is_refused_with_the_setting_that_would() -> None:
    recipe = PRESETS["briefing-fast"].recipe
    plenty = 10**13
    told = refusal(recipe, Room(9 * 10**9, plenty))
    assert "needs about 9.8 GB of memory and this machine has 9.0 GB: with --gradient-checkpointing true" in told
    told = refusal(recipe.changed({"gradient_checkpointing": True, "batch_size": 4}), Room(9 * 10**9, plenty))
    assert "with --windows-per-item 4 it would need about" in told
    # A GPU holds CUDA's own memory besides what torch reserves.
    tensors = gpu_memory_bytes(recipe, 33_500_000, 11)
    told = refusal(recipe, Room(plenty, plenty, gpu_memory_bytes=tensors + 10**8))
    assert "of GPU memory" in told
    # Two processes need the main memory twice.
    told = refusal(recipe.changed({"batch_size": 2}), Room(15 * 10**9, plenty, processes=2))
    assert "GB of memory for 2 processes and this machine has 15.0 GB" in told
    told = refusal(recipe, Room(plenty, plenty, gpu_memory_bytes=3 * 10**9))
    assert "of GPU memory" in told
    assert "no smaller setting of this recipe fits; choose the preset 'compact'" in told
    told = refusal(recipe, Room(plenty, 10**8))
    assert "of disk space" in told
    assert "but 0.10 GB are" in told
    compact = Recipe()
    check_fit(compact, estimate(compact, **LENGTHS, has_cuda=False), Room(2 * 10**9, plenty), lambda changed: None)


def test_a_launch_that_cannot_fit_writes_nothing(root: DataRoot, colours: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from mvla_core.training import launch

    here = room_here(root, 0)
    assert here.memory_bytes > 10**8
    assert here.disk_bytes > 10**6
    monkeypatch.setattr(launch, "room_here", lambda root, gpus: Room(10**8, here.disk_bytes))
    with pytest.raises(RecipeError, match="of memory and this machine has 0.1 GB"):
        prepare_run(root, colours, "tiny", SHORT)
    assert not root.runs.exists()


def test_forecast_and_truth_are_put_side_by_side() -> None:
    told = {"start_seconds": 8.0, "epoch_seconds": 0.9, "memory_bytes": 800_000_000, "measured": "now"}
    check = check_forecast(told, 60, 58.0, 840_000_000, None)
    assert check is not None
    assert (check.forecast_seconds, check.seconds) == (62.0, 58.0)
    assert check.sentence() == (
        "Forecast 62 s for 60 epochs, took 58 s (-6%); forecast 800 MB of memory, needed 840 MB (+5%)."
    )
    assert stored_check({"forecast_check": check.to_json()}) == check
    # Stopped early: only the epochs that were trained are compared.
    early = check_forecast(told, 10, 17.0, 1, None)
    assert early is not None
    assert early.time_error == 0
    assert check_forecast({"start_seconds": None, "epoch_seconds": None}, 3, 1.0, 1, 5) is None
    assert stored_check({}) is None
    assert stored_check({"forecast_check": {"epochs": 3}}) is None
    assert ForecastCheck(1, 1.0, 1.0, None, 5, False).memory_error is None
