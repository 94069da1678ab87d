"""Several seeds as a group, a finished run trained on, and what bad inputs are told. Real trainings of the miniature."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from mvla_core.datasets.augmentation.motion_transforms import SpeedScale
from mvla_core.datasets.augmentation.picture_transforms import Light
from mvla_core.datasets.augmentation.recipe import AugmentationRecipe, Step
from mvla_core.datasets.augmentation.store import delete_augmentation, read_augmentation, save_augmentation
from mvla_core.episodes.writer import write_episode
from mvla_core.errors import DatasetError, PolicyError, RecipeError, RunError, Stopped, UserInputError
from mvla_core.files import read_json, write_json
from mvla_core.jobs.folders import copy_inputs
from mvla_core.layout import DataRoot, JobFolder, RunFolder
from mvla_core.policies.build import build_policy
from mvla_core.progress import SILENT, Progress
from mvla_core.runs.listing import read_run
from mvla_core.runs.table import Spread, run_record
from mvla_core.schema import ActionSpace
from mvla_core.training import groups
from mvla_core.training.continuation import begin_with
from mvla_core.training.extend import prepare_extension
from mvla_core.training.fit import Room
from mvla_core.training.groups import group_of, prepare_group, run_groups
from mvla_core.training.launch import Plan, forecast, prepare_run, write_plan
from mvla_core.training.recipe import PRESETS
from mvla_core.training.train import train_run

SHORT = {"window_size": 3, "chunk_size": 4, "batch_size": 2, "epochs": 2}


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "adapter_model.safetensors")


def finish(root: DataRoot, run: RunFolder, progress: Progress = SILENT) -> RunFolder:
    """Train and record the ending, as the worker does."""
    result = train_run(root, run, progress)
    write_json(run.result, {**result, "status": "succeeded", "message": "", "diagnosis": ""})
    return run


def fingerprints(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


class Recorder(Progress):
    """Keeps every event, and asks to stop after so many steps."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.events: list[dict[str, object]] = []
        self._stop_after = stop_after

    def emit(self, event: str, **values: object) -> None:
        self.events.append({"event": event, **values})

    def values(self, event: str, key: str) -> list[object]:
        return [entry[key] for entry in self.events if entry["event"] == event]

    @property
    def stop_requested(self) -> bool:
        return self._stop_after is not None and len(self.values("step", "step")) >= self._stop_after


# --- seeds --------------------------------------------------------------------------------------------------------------


def test_runs_of_a_group_differ_in_their_seed_alone(root: DataRoot, colours: str) -> None:
    runs = prepare_group(root, colours, "tiny", SHORT, 3, seed=5)
    configs = [read_json(run.config) for run in runs]
    assert [config["seed"] for config in configs] == [5, 6, 7]
    assert [config["recipe"]["seed"] for config in configs] == [5, 6, 7]
    assert len({json.dumps({**config["recipe"], "seed": 0}) for config in configs}) == 1
    assert len({json.dumps(read_json(run.split)) for run in runs}) == 1, "one split"
    assert read_json(runs[0].split)["seed"] == 5
    assert len({config["group"]["id"] for config in configs}) == 1
    assert configs[0]["group"] == {**configs[0]["group"], "seeds": [5, 6, 7], "split_seed": 5}


def test_the_spread_is_that_of_the_figures_there_are(root: DataRoot, colours: str) -> None:
    runs = prepare_group(root, colours, "tiny", SHORT, 3)
    alone = prepare_run(root, colours, "tiny", SHORT)
    for run, rmse in zip(runs[:2], (0.2, 0.4), strict=True):
        write_json(run.result, {"status": "succeeded", "val_rmse": rmse})
    records = [run_record(root, read_run(root, run.run_id)) for run in (alone, *reversed(runs))]
    (group,) = run_groups(root, records)
    assert [record.run_id for record in group.records] == [run.run_id for run in runs]
    spread = group.val_rmse
    assert spread is not None
    assert (spread.count, spread.low, spread.high) == (2, 0.2, 0.4)
    assert (spread.mean, spread.deviation) == pytest.approx((0.3, 0.1414), abs=1e-4)
    assert group.skill is None
    assert group.sentences() == ["val. RMSE 0.3000 ± 0.1414 (0.2000 to 0.4000) over 2 of 3 seeds"]
    assert json.dumps(group.to_json())
    assert Spread.of([0.5]) == Spread(1, 0.5, None, 0.5, 0.5)
    assert group_of(root, alone.run_id) is None
    assert group_of(root, "20260101-000000-nothing-tiny-000000") is None


def test_a_seed_that_was_trained_again_counts_once(root: DataRoot, colours: str) -> None:
    runs = prepare_group(root, colours, "tiny", SHORT, 3)
    for run, rmse in zip(runs, (0.2, 0.4, 0.6), strict=True):
        write_json(run.result, {"status": "succeeded", "val_rmse": rmse})
    again = copy_inputs(root, "train", runs[1])

    def group() -> groups.RunGroup:
        (found,) = run_groups(
            root, [run_record(root, read_run(root, path.name)) for path in sorted(root.runs.iterdir())]
        )
        return found

    assert group().sentences() == ["val. RMSE 0.4000 ± 0.2000 (0.2000 to 0.6000) over 3 of 3 seeds"], (
        "what has no result yet stands for nothing"
    )
    write_json(read_and_touch(again, runs[1]), {"status": "succeeded", "val_rmse": 0.5})
    assert [record.run_id for record in group().records] == [runs[0].run_id, again.path.name, runs[2].run_id]
    assert group().sentences()[0].endswith("(0.2000 to 0.6000) over 3 of 3 seeds")


def read_and_touch(again: JobFolder, former: JobFolder) -> Path:
    """Make a repeated run a second newer than the run it repeats, and return where its result lies."""
    created = datetime.fromisoformat(read_json(former.config)["created"]) + timedelta(seconds=1)
    write_json(again.config, {**read_json(again.config), "created": created.isoformat()})
    return again.result


def test_a_group_is_written_whole_or_not_at_all(root: DataRoot, colours: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write = write_plan
    written: list[RunFolder] = []

    def third_fails(plan: Plan, more: dict[str, object]) -> RunFolder:
        if len(written) == 2:
            raise OSError(28, "No space left on device")
        written.append(write(plan, more))
        return written[-1]

    monkeypatch.setattr(groups, "write_plan", third_fails)
    with pytest.raises(OSError, match="No space"):
        prepare_group(root, colours, "tiny", SHORT, 3)
    assert len(written) == 2
    assert list(root.runs.iterdir()) == []


def test_a_group_needs_the_disk_of_all_its_runs(root: DataRoot, colours: str, monkeypatch: pytest.MonkeyPatch) -> None:
    one = forecast(root, colours, PRESETS["tiny"].recipe.changed(SHORT))
    # Room for one and a half runs beside what must stay free.
    room = Room(None, 500_000_000 + one.cache_bytes + one.run_bytes * 3 // 2)
    monkeypatch.setattr(groups, "room_here", lambda root, gpus: room)
    with pytest.raises(RecipeError, match="2 seeds do not fit this disk together; train fewer"):
        prepare_group(root, colours, "tiny", SHORT, 2)
    assert not root.runs.exists()
    monkeypatch.setattr(
        groups, "room_here", lambda root, gpus: replace(room, disk_bytes=room.disk_bytes + one.run_bytes)
    )
    assert len(prepare_group(root, colours, "tiny", SHORT, 2)) == 2


@pytest.mark.parametrize("count", [1, 0, 21])
def test_a_group_needs_two_seeds_or_more(root: DataRoot, colours: str, count: int) -> None:
    with pytest.raises(UserInputError, match=f"A group of {count} seeds cannot be trained: give 2 to 20"):
        prepare_group(root, colours, "tiny", SHORT, count)
    assert not root.runs.exists()


# --- extensions ---------------------------------------------------------------------------------------------------------


def test_an_extension_begins_with_the_parents_last_state_bit_for_bit(root: DataRoot, colours: str) -> None:
    parent = finish(root, prepare_run(root, colours, "tiny", {**SHORT, "patience": 0}, seed=2))
    before = fingerprints(parent.path)
    run = prepare_extension(
        root, parent.run_id, 3, {"learning_rate": 1e-7, "weight_decay": 0.0, "schedule": "constant"}
    )
    config = read_json(run.config)
    assert config["extends"]["run_id"] == parent.run_id
    assert config["extends"]["epochs"] == 2
    assert (
        read_json(run.provenance)["extends"]["sha256"] == fingerprints(parent.adapter_last)["adapter_model.safetensors"]
    )
    assert config["notes"][0].startswith(f"Extends {parent.run_id} from its last state by at most 3 epochs.")
    assert "AdamW's moments begin anew" in config["notes"][0]
    assert read_json(run.split) == read_json(parent.split)

    from mvla_core.policies.adapter import read_description
    from mvla_core.policies.spec import PolicySpec

    spec = PolicySpec.from_json(read_description(parent.adapter_last)["spec"])
    policy = build_policy(spec, seed=99)
    begin_with(policy, run.start)
    stored = weights(parent.adapter_last)
    policy.network.save_pretrained(str(root.path / "begun"))
    begun = weights(root.path / "begun")
    assert begun.keys() == stored.keys()
    assert all(torch.equal(begun[name], stored[name]) for name in stored)

    # With next to no learning rate the new run ends where the parent ended: it was this state that it trained on.
    finish(root, run)
    ended = weights(run.adapter_last)
    assert max(float((ended[name] - stored[name]).abs().max()) for name in stored) < 2e-6
    assert read_json(run.result)["epochs_done"] == 3
    assert fingerprints(parent.path) == before, "the parent stays as it is"


def test_an_extension_goes_on_learning_with_its_own_schedule(root: DataRoot, colours: str) -> None:
    parent = finish(root, prepare_run(root, colours, "tiny", SHORT, seed=2))
    run = prepare_extension(root, parent.run_id, 2, {})
    recorder = Recorder()
    train_run(root, run, recorder)
    rates = recorder.values("step", "learning_rate")
    assert rates[0] == pytest.approx(1e-3, rel=0.2), "it begins high again"
    assert rates[-1] < 0.2 * rates[0]
    ended, stored = weights(run.adapter_last), weights(parent.adapter_last)
    assert any(not torch.equal(ended[name], stored[name]) for name in stored)
    copied = copy_inputs(root, "train", run)
    assert isinstance(copied, RunFolder)
    assert weights(copied.start).keys() == stored.keys(), "started again, it begins with the same state"
    assert read_json(copied.path / "curation.json") == read_json(run.path / "curation.json")


def test_what_cannot_be_extended_is_told(root: DataRoot, colours: str) -> None:
    parent = prepare_run(root, colours, "tiny", SHORT, seed=2)
    with pytest.raises(RunError, match="not finished, so that it cannot be extended; resume it first"):
        prepare_extension(root, parent.run_id, 3, {})
    finish(root, parent)
    with pytest.raises(UserInputError, match="keeps its run's head_hidden, window_size: only epochs, patience"):
        prepare_extension(root, parent.run_id, 3, {"window_size": 4, "head_hidden": 8})
    with pytest.raises(RecipeError, match="epochs cannot be 0"):
        prepare_extension(root, parent.run_id, 0, {})
    gone = read_json(parent.split)["train"][0]
    (root.dataset(colours) / f"{gone}.h5").unlink()
    with pytest.raises(RunError, match=f"1 of its episodes are not in the data set any more, for example {gone}"):
        prepare_extension(root, parent.run_id, 3, {})


def test_an_extension_keeps_the_parents_augmentation(root: DataRoot, colours: str) -> None:
    lit = AugmentationRecipe("lit", (Step(Light()),), copies=2)
    save_augmentation(root, lit)
    parent = finish(root, prepare_run(root, colours, "tiny", {**SHORT, "augmentation": "lit"}, seed=2))
    # Today's augmentation of that name is another one, and then there is none.
    save_augmentation(root, AugmentationRecipe("lit", (Step(SpeedScale(percent=50)),), copies=5))
    run = prepare_extension(root, parent.run_id, 1, {})
    assert read_augmentation(run.augmentation) == lit
    assert "itself and 2 augmented" in read_json(run.config)["forecast"]["basis"]
    delete_augmentation(root, "lit")
    run = prepare_extension(root, parent.run_id, 1, {})
    assert read_augmentation(run.augmentation) == lit
    train_run(root, run, SILENT)
    assert read_json(run.path / "receipt.json")["augmentation"]["digest"] == lit.digest
    with pytest.raises(
        UserInputError, match="which its seed 2 drew: with the seed 5 an extension would teach other ones"
    ):
        prepare_extension(root, parent.run_id, 1, {"seed": 5})


def test_an_extension_is_judged_by_its_parents_split(root: DataRoot) -> None:
    """Of a group, and with another seed: what a freshly drawn split would say is not what is trained."""
    dataset = record(root, "mixed", [9] * 8 + [3, 3])
    runs = prepare_group(root, dataset, "tiny", {**SHORT, "chunk_ends": "drop"}, 2, seed=5)
    member = finish(root, runs[1])
    split = read_json(member.split)
    # The only axis that changes in the training part is the first one.
    for name in split["train"]:
        (root.dataset(dataset) / f"{name}.h5").unlink()
        actions = np.stack([np.linspace(-1, 1, 9), np.zeros(9)], axis=1)
        frames = np.zeros((9, 16, 16, 3), dtype=np.uint8)
        path = root.dataset(dataset) / f"{name}.h5"
        write_episode(path, frames, actions, action_space=ActionSpace.default(2), instruction="go")
    run = prepare_extension(root, member.run_id, 2, {"seed": 11})
    config = read_json(run.config)
    assert read_json(run.split) == split
    assert any("The axis linear_y is 0 m/s in every training action" in note for note in config["notes"])
    assert config["forecast"]["train_episodes"] == len(split["train"])
    assert config["recipe"]["seed"] == 11


def test_an_extension_of_an_older_recipe_is_no_new_launch(root: DataRoot, colours: str) -> None:
    parent = finish(root, prepare_run(root, colours, "tiny", SHORT, seed=2))
    config = read_json(parent.config)
    # A value that does nothing was accepted once; the run is still there to be extended.
    write_json(parent.config, config | {"recipe": config["recipe"] | {"curriculum_epochs": 9}})
    run = prepare_extension(root, parent.run_id, 1, {})
    assert read_json(run.config)["recipe"]["curriculum_epochs"] == 9
    assert read_json(run.config)["forecast"]["run_bytes"] > config["forecast"]["run_bytes"], "with the copied start"
    with pytest.raises(RecipeError, match="warmup_steps 50 is not less than the 3 steps of all 1 epochs; choose fewer"):
        prepare_extension(root, parent.run_id, 1, {"warmup_steps": 50})


def test_a_policy_of_other_actions_is_no_beginning(root: DataRoot, colours: str) -> None:
    parent = finish(root, prepare_run(root, colours, "tiny", SHORT, seed=2))
    from mvla_core.policies.adapter import read_description
    from mvla_core.policies.spec import PolicySpec

    spec = PolicySpec.from_json(read_description(parent.adapter_last)["spec"])
    turned = ActionSpace.from_names(("linear_x", "angular_z"))
    with pytest.raises(
        PolicyError, match="gives linear_x, linear_y in m/s, m/s but the data set has linear_x, angular_z"
    ):
        begin_with(build_policy(replace(spec, action_space=turned), 0), parent.adapter_last)
    with pytest.raises(PolicyError, match="differs in chunk_size from what would be trained"):
        begin_with(build_policy(replace(spec, chunk_size=5), 0), parent.adapter_last)


# --- resume -------------------------------------------------------------------------------------------------------------


def test_time_left_and_learning_rate_go_on_after_a_resume(root: DataRoot, colours: str) -> None:
    settings = {**SHORT, "epochs": 4}
    whole = Recorder()
    train_run(root, prepare_run(root, colours, "tiny", settings, seed=2), whole)
    run = prepare_run(root, colours, "tiny", settings, seed=2)
    first = Recorder(stop_after=6)
    with pytest.raises(Stopped):
        train_run(root, run, first)
    second = Recorder()
    train_run(root, run, second)
    rates = first.values("step", "learning_rate") + second.values("step", "learning_rate")
    assert rates == pytest.approx(whole.values("step", "learning_rate"), rel=1e-9)
    left = second.values("epoch", "eta_seconds")
    assert left[0] is not None
    assert 0 < left[0] < 60, "the first epoch after a resume knows the time left, and counts only what is left"
    assert left[-1] == 0


# --- receipt and bad inputs ---------------------------------------------------------------------------------------------


def record(root: DataRoot, dataset: str, lengths: list[int]) -> str:
    root.dataset(dataset).mkdir(parents=True)
    for number, length in enumerate(lengths):
        frames = np.full((length, 16, 16, 3), number, dtype=np.uint8)
        actions = np.random.default_rng(number).normal(size=(length, 2))
        path = root.dataset(dataset) / f"e{number}.h5"
        write_episode(path, frames, actions, action_space=ActionSpace.default(2), instruction="go")
    return dataset


@pytest.mark.parametrize(
    ("lengths", "told"),
    [([], "0 of 0 episodes"), ([9], "1 of 1 episodes"), ([3, 3, 3, 3], "0 of 4 episodes have at least 7 frames")],
)
def test_too_little_data_is_told_in_one_sentence(root: DataRoot, lengths: list[int], told: str) -> None:
    dataset = record(root, "few", lengths)
    with pytest.raises(DatasetError) as caught:
        prepare_run(root, dataset, "tiny", {**SHORT, "chunk_ends": "drop"})
    assert told in str(caught.value)
    assert "record more episodes" in str(caught.value)
    with pytest.raises(DatasetError):
        forecast(root, dataset, PRESETS["tiny"].recipe)
    assert not root.runs.exists()


def test_episodes_shorter_than_an_item_are_counted_and_named(root: DataRoot) -> None:
    dataset = record(root, "mixed", [9, 9, 9, 9, 3, 6])
    notes = read_json(prepare_run(root, dataset, "tiny", {**SHORT, "chunk_ends": "drop"}).config)["notes"]
    assert (
        "2 of 6 episodes have fewer than the 7 frames of one item and take no part; short_episodes 'pad' would use them: "
        "e4, e5." in notes
    )
    # With masked chunk ends an episode of three frames still gives a window of three, whose chunk is cut.
    (cut,) = read_json(prepare_run(root, dataset, "tiny", SHORT).config)["notes"]
    assert cut.startswith("2 of 6 episodes are shorter than a window and a chunk together (7 frames)")
    assert cut.endswith("left out of the loss: e4, e5.")


def test_short_episodes_are_padded_only_where_asked(root: DataRoot) -> None:
    dataset = record(root, "mixed", [9, 9, 9, 9, 1, 2, 6])
    asked = {**SHORT, "chunk_ends": "drop", "short_episodes": "pad"}
    folder = prepare_run(root, dataset, "tiny", asked)
    assert (
        "3 of 7 episodes have fewer than the 7 frames of one item and are padded, as short_episodes says: e4, e5, e6."
        in read_json(folder.config)["notes"]
    )
    assert read_json(folder.split)["excluded"] == []
    recorder = Recorder()
    finish(root, folder, recorder)
    losses = [float(str(event["train_loss"])) for event in recorder.events if event["event"] == "step"]
    assert losses
    assert all(0 < loss < 10 for loss in losses)


def test_missing_weights_are_told_with_the_command_before_anything_is_queued(
    root: DataRoot, colours: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(PolicyError, match=r'hf download microsoft/kosmos-2-patch14-224 --exclude "\*\.bin"'):
        prepare_run(root, colours, "briefing-fast", {})
    assert not root.runs.exists()
