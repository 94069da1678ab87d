"""Every way to train on the miniature: top layers with kept states, full, a choice of directions, averaged weights, curriculum."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from mvla_core.datasets.augmentation.motion_transforms import Mirror
from mvla_core.datasets.augmentation.picture_transforms import Noise
from mvla_core.datasets.augmentation.recipe import AugmentationRecipe, Step
from mvla_core.datasets.augmentation.store import save_augmentation
from mvla_core.datasets.augmentation.transform import ActionLimits
from mvla_core.datasets.normalise import ActionNormaliser
from mvla_core.episodes.frame_features import cache_folder
from mvla_core.episodes.writer import write_episode
from mvla_core.errors import RunError, Stopped
from mvla_core.files import read_json
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.policies.adapter import load_policy
from mvla_core.policies.build import BuiltPolicy
from mvla_core.progress import Progress
from mvla_core.schema import ActionSequence, ActionSpace
from mvla_core.training.average import AVERAGE_FILE, AveragedWeights
from mvla_core.training.checkpoints import newest_checkpoint, write_mark
from mvla_core.training.curriculum import CurriculumSampler
from mvla_core.training.launch import prepare_run
from mvla_core.training.recipe import Recipe
from mvla_core.training.segments import PreparedEpisode, cut_segments
from mvla_core.training.train import RECEIPT, train_run

SHORT: dict[str, Any] = {"window_size": 3, "chunk_size": 4, "epochs": 3, "batch_size": 2}
FULL = {"tuning": "full", "head_dropout": 0.2, "ema_decay": 0.9}
AVERAGED = {"ema_decay": 0.9, "head_dropout": 0.2, "curriculum": "simple_first", "curriculum_epochs": 3, "epochs": 4}
DIRECTIONS = {"action_head": "directions", "lora_top_layers": 1, "head_dropout": 0.2}


class Recorder(Progress):
    def __init__(self, stop_after_steps: int | None = None) -> None:
        self.events: list[dict[str, Any]] = []
        self._stop_after = stop_after_steps

    def emit(self, event: str, **values: Any) -> None:
        self.events.append({"event": event, **values})

    def named(self, event: str) -> list[dict[str, Any]]:
        return [entry for entry in self.events if entry["event"] == event]

    @property
    def stop_requested(self) -> bool:
        return self._stop_after is not None and len(self.named("step")) >= self._stop_after


def prepared(root: DataRoot, dataset: str, **overrides: Any) -> RunFolder:
    return prepare_run(root, dataset, "tiny", {**SHORT, **overrides}, seed=2)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return {
        f"{path.name} {name}": each for path in folder.rglob("*.safetensors") for name, each in load_file(path).items()
    }


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.allclose(one[name], other[name], atol=1e-6) for name in one)


@pytest.mark.parametrize("settings", [FULL, AVERAGED, DIRECTIONS], ids=["full", "averaged", "directions"])
@pytest.mark.parametrize("steps", [4, 5], ids=["within an epoch", "at its last step"])
def test_stop_then_resume_ends_where_the_uninterrupted_run_ends(
    root: DataRoot, colours: str, settings: dict[str, Any], steps: int
) -> None:
    whole, run = prepared(root, colours, **settings), prepared(root, colours, **settings)
    expected = train_run(root, whole, Recorder())
    with pytest.raises(Stopped):
        train_run(root, run, Recorder(stop_after_steps=steps))
    # What a kill leaves is a checkpoint that was begun: the newest complete one is taken.
    (run.checkpoints / "checkpoint-999").mkdir()
    result = train_run(root, run, Recorder())
    for key in ("best_epoch", "val_loss", "train_loss", "val_rmse"):
        assert result[key] == pytest.approx(expected[key], abs=1e-6), key
    assert same(weights(whole.adapter), weights(run.adapter))
    assert same(weights(whole.adapter_last), weights(run.adapter_last))


def test_kept_lower_layers_train_the_same_weights(
    root: DataRoot, colours: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two instructions of different lengths in a batch; the first run keeps states, the second computes every layer."""
    kept = prepared(root, colours, lora_top_layers=1, batch_size=6)
    train_run(root, kept, Recorder())
    files = list(cache_folder(root).glob("*-lower1-*/*/*.npy"))
    assert len(files) == 8  # of the training and the validation part
    assert len({path.parent.parent.name for path in files}) == 2  # instructions
    assert {np.load(path).shape for path in files} == {(7, 83, 64), (7, 84, 64)}
    monkeypatch.setattr(BuiltPolicy, "training_encoder", lambda policy, instruction: policy.encoder)
    computed = prepared(root, colours, lora_top_layers=1, batch_size=6)
    train_run(root, computed, Recorder())
    assert same(weights(kept.adapter_last), weights(computed.adapter_last))
    shutil.rmtree(cache_folder(root))
    monkeypatch.undo()
    again = prepared(root, colours, lora_top_layers=1, batch_size=6)
    train_run(root, again, Recorder())
    assert same(weights(kept.adapter_last), weights(again.adapter_last))


def test_sixteen_bit_states_pass_through_batches_of_different_lengths(
    root: DataRoot, colours: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kept bits of bfloat16 are joined and padded; products of 16 bits agree to their own precision only."""
    losses = []
    for _ in range(2):
        run = prepared(root, colours, lora_top_layers=1, batch_size=6, epochs=1, precision="bf16")
        losses.append(train_run(root, run, Recorder())["train_loss"])
        monkeypatch.setattr(BuiltPolicy, "training_encoder", lambda policy, instruction: policy.encoder)
    assert {np.load(path).dtype for path in cache_folder(root).glob("*-lower1-*/*/*.npy")} == {np.dtype(np.uint16)}
    assert losses[0] == pytest.approx(losses[1], abs=0.01)


def test_kept_states_of_augmented_copies_are_those_of_the_copies(
    root: DataRoot, colours: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mirrored copy has other pictures and another instruction; with what is computed anew the training is the same."""
    save_augmentation(
        root, AugmentationRecipe("copied", (Step(Mirror()), Step(Noise())), copies=1, limits=ActionLimits(9, 9))
    )
    kept = prepared(root, colours, lora_top_layers=1, augmentation="copied", epochs=1)
    train_run(root, kept, Recorder())
    copies = list(cache_folder(root).glob("*-lower1-*/*/*-copy1-*.npy"))
    assert len(copies) == 6
    monkeypatch.setattr(BuiltPolicy, "training_encoder", lambda policy, instruction: policy.encoder)
    computed = prepared(root, colours, lora_top_layers=1, augmentation="copied", epochs=1)
    train_run(root, computed, Recorder())
    assert same(weights(kept.adapter_last), weights(computed.adapter_last))


def test_both_heads_report_the_same_metrics_in_physical_units(root: DataRoot, colours: str) -> None:
    records = {}
    for head in ("regression", "directions"):
        run, recorder = prepared(root, colours, action_head=head), Recorder()
        result = train_run(root, run, recorder)
        epoch = recorder.named("epoch")[-1]
        assert epoch["val_rmse_axes"].keys() == {"linear_x [m/s]", "linear_y [m/s]"}
        assert list(epoch["val_rmse_axes"].values()) == epoch["val_rmse_per_axis"]
        spec = load_policy(run.adapter, "cpu").spec
        assert spec.action_head == head
        unit = spec.normaliser.apply(np.ones((1, 2))) - spec.normaliser.apply(np.zeros((1, 2)))
        assert list(epoch["val_rmse_normalised_axes"]) == ["linear_x", "linear_y"]
        normalised = np.array(list(epoch["val_rmse_normalised_axes"].values()))
        assert np.allclose(normalised, np.array(epoch["val_rmse_per_axis"]) * unit[0], rtol=1e-5)
        records[head] = (set(result), set(epoch), read_json(run.path / RECEIPT)["labels"], epoch)
    assert records["regression"][:2] == records["directions"][:2]
    assert records["regression"][2]["loss"] == "Huber"
    assert records["directions"][2]["loss"] == "cross-entropy"
    assert records["regression"][3]["val_huber"] == pytest.approx(records["regression"][3]["val_loss"])
    assert records["directions"][3]["val_huber"] != pytest.approx(records["directions"][3]["val_loss"])
    assert records["directions"][2]["classes"] == len(load_policy(run.adapter, "cpu").spec.action_classes) > 1


def test_the_best_adapter_holds_averaged_weights_and_the_last_one_the_weights(root: DataRoot, colours: str) -> None:
    """With one epoch the average after three steps is known from the weights of each step."""
    run = prepared(root, colours, ema_decay=0.5, epochs=1, learning_rate=1e-2)
    train_run(root, run, Recorder())
    average = load_file(run.checkpoints / "checkpoint-3" / AVERAGE_FILE)
    best, last = weights(run.adapter), weights(run.adapter_last)
    assert not same(best, last)
    for name, value in average.items():
        plain = name.replace(".default", "").replace("modules_to_save.", "")
        assert any(torch.equal(value, each) for key, each in best.items() if key.endswith(plain)), plain


def test_the_average_by_hand(tmp_path: Path) -> None:
    layer = torch.nn.Linear(1, 1, bias=False)
    layer.weight.data.fill_(0.0)
    average = AveragedWeights(layer, 0.3)
    expected = 0.0
    for step, value in enumerate((1.0, 3.0, 2.0), start=1):
        layer.weight.data.fill_(value)
        average.update()
        kept = min(0.3, (1 + step) / (10 + step))
        expected = kept * expected + (1 - kept) * value
    with average.applied():
        assert layer.weight.item() == pytest.approx(expected)
    assert layer.weight.item() == 2.0
    average.save(tmp_path)
    other = AveragedWeights(layer, 0.3)
    other.load(tmp_path)
    for each in (average, other):
        each.update()
    with average.applied():
        value = layer.weight.item()
    with other.applied():
        assert layer.weight.item() == value
    with pytest.raises(RunError, match="its moving average of the weights is missing"):
        other.load(tmp_path / "empty")


def test_a_curriculum_starts_with_the_simplest_and_writes_down_what_it_did(root: DataRoot, colours: str) -> None:
    run = prepared(root, colours, **AVERAGED)
    recorder = Recorder()
    train_run(root, run, recorder)
    receipt = read_json(run.path / RECEIPT)["curriculum"]
    assert receipt["episodes_per_epoch"] == [2, 4, 6]
    assert {entry["episode_id"] for entry in receipt["order"]} == set(read_json(run.split)["train"])
    hardness = [(entry["turns"], entry["distinct_actions"], entry["frames"]) for entry in receipt["order"]]
    assert hardness == sorted(hardness)
    assert [event["step"] for event in recorder.named("epoch")] == [3, 6, 9, 12]


def test_the_sampler_draws_from_the_simplest_with_as_many_items_in_every_epoch() -> None:
    generator = np.random.default_rng(0)
    sequences = [
        ActionSequence(f"e{turns}", np.array([[1, 0]] * 12 + [[(-1) ** n, 0] for n in range(turns)], dtype=np.float32))
        for turns in (6, 0, 3)
    ]
    episodes = [PreparedEpisode(each, generator.random((each.num_frames, 2))) for each in sequences]
    recipe = Recipe()
    segments = cut_segments(episodes, recipe.window, 4, ActionNormaliser.fit("mean_std", sequences))
    sampler = CurriculumSampler(segments, sequences, 3, seed=1)
    drawn = {}
    for epoch in (0, 1, 2, 3, 1):
        sampler.set_epoch(epoch)
        items = list(sampler)
        assert len(items) == len(sampler) == len(segments)
        assert drawn.get(epoch, items) == items  # a resumed epoch is the same
        drawn[epoch] = items
    names = {epoch: {segments[item].episode.sequence.episode_id for item in items} for epoch, items in drawn.items()}
    assert names == {0: {"e0"}, 1: {"e0", "e3"}, 2: {"e0", "e3", "e6"}, 3: {"e0", "e3", "e6"}}
    assert sorted(drawn[2]) == sorted(drawn[3]) == list(range(len(segments)))
    assert drawn[2] != drawn[3]


def test_the_clipped_share_is_in_the_receipt_and_on_the_run(root: DataRoot) -> None:
    folder = root.dataset("fast")
    folder.mkdir(parents=True)
    frames = np.zeros((8, 32, 32, 3), dtype=np.uint8)
    actions = np.array([[1.15, 0.5]] * 2 + [[0.5, -1.15]] * 2 + [[0.5, 0.5]] * 4, dtype=np.float32)
    for number in range(6):
        write_episode(folder / f"e{number}.h5", frames, actions, action_space=ActionSpace.default(2), instruction="Go.")
    run = prepared(root, "fast", normaliser="clamp", epochs=1)
    result = train_run(root, run, Recorder())
    labels = read_json(run.path / RECEIPT)["labels"]
    assert result["clipped_share"] == labels["clipped_share"] == 0.5
    assert labels["clipped_share_per_axis"] == {"linear_x": 0.25, "linear_y": 0.25}


def test_a_checkpoint_without_its_average_is_not_continued(root: DataRoot, colours: str) -> None:
    run = prepared(root, colours, ema_decay=0.9)
    with pytest.raises(Stopped):
        train_run(root, run, Recorder(stop_after_steps=4))
    checkpoint = newest_checkpoint(run)
    assert checkpoint is not None
    (checkpoint / AVERAGE_FILE).unlink()
    write_mark(checkpoint, 1)  # as one of a training that kept none
    with pytest.raises(RunError, match="its moving average of the weights is missing"):
        train_run(root, run, Recorder())
