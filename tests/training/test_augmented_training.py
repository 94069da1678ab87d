"""Augmented copies in a training: of training episodes only, checked, frozen, counted, and never mixed up with plain frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from mvla_core.datasets.augmentation.copies import augment_episode
from mvla_core.datasets.augmentation.motion_transforms import Mirror, SpeedScale, TimeWarp
from mvla_core.datasets.augmentation.picture_transforms import Light, Noise
from mvla_core.datasets.augmentation.recipe import AugmentationRecipe, Step
from mvla_core.datasets.augmentation.store import delete_augmentation, read_augmentation, save_augmentation
from mvla_core.datasets.augmentation.transform import ActionLimits
from mvla_core.datasets.normalise import ActionNormaliser
from mvla_core.episodes.annotations import change
from mvla_core.episodes.catalogue import load_sequences
from mvla_core.episodes.curation import scan_curated
from mvla_core.episodes.dataset import named_dataset
from mvla_core.episodes.frame_features import frame_features
from mvla_core.episodes.notes import Change
from mvla_core.episodes.reader import open_known
from mvla_core.errors import RecipeError, Stopped, UserInputError
from mvla_core.files import read_json
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.policies.adapter import load_policy
from mvla_core.progress import SILENT, Progress
from mvla_core.schema import ActionSequence, EpisodeInfo
from mvla_core.training.augmented import AugmentedCopy, augmented_features, draw_copies
from mvla_core.training.launch import forecast, prepare_run
from mvla_core.training.recipe import PRESETS
from mvla_core.training.train import RECEIPT, train_run

SMALL: dict[str, Any] = {"window_size": 3, "chunk_size": 4, "epochs": 2, "batch_size": 2}
SEED = 2
AUGMENTATION = AugmentationRecipe(
    "twice", (Step(Mirror()), Step(Light()), Step(Noise()), Step(TimeWarp())), copies=2, limits=ActionLimits(9, 9)
)


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


class Averages:
    """An encoder whose features are the mean colour, so that a test can compute them too."""

    key = "averages"
    shape = (3,)
    dtype = np.dtype(np.float32)

    def __init__(self) -> None:
        self.encoded = 0

    def encode(self, frames: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        self.encoded += len(frames)
        return frames.mean(axis=(1, 2)).astype(np.float32)

    def to(self, device: Any) -> None: ...


def prepared(root: DataRoot, dataset: str, preset: str = "tiny", **overrides: Any) -> RunFolder:
    return prepare_run(root, dataset, preset, {**SMALL, **overrides}, seed=SEED)


def episode_of(root: DataRoot, dataset: str, number: int = 0) -> tuple[EpisodeInfo, ActionSequence]:
    info = scan_curated(root, named_dataset(root, dataset)).episodes[number]
    return info, load_sequences([info])[0]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(folder / "adapter_model.safetensors")


@pytest.mark.parametrize("preset", ["tiny", "compact"])
def test_copies_of_the_training_episodes_teach(root: DataRoot, colours: str, preset: str) -> None:
    save_augmentation(root, AUGMENTATION)
    run = prepared(root, colours, preset, augmentation="twice")
    assert read_augmentation(run.augmentation) == AUGMENTATION
    recorder = Recorder()
    result = train_run(root, run, recorder)
    split = read_json(run.split)
    taught = 6 * 3  # 6 training episodes, each with 2 copies
    assert len(recorder.named("step")) == taught // 2 * SMALL["epochs"]
    assert set(result["val_rmse_by_episode"]) == set(split["validation"])
    receipt = read_json(run.path / RECEIPT)
    assert receipt["augmentation"] == {
        "name": "twice",
        "digest": AUGMENTATION.digest,
        "copies": 2,
        "augmented_episodes": 12,
    }
    told = read_json(run.config)["forecast"]
    assert (told["train_episodes"], told["train_windows"], told["steps"]) == (6, taught * 5, taught)
    assert "itself and 2 augmented" in told["basis"]
    stages = [event["name"] for event in recorder.named("stage")]
    assert stages.index("Compute picture features of the augmented copies") == stages.index("Train") - 1
    done = [event for event in recorder.named("progress") if event["message"].startswith("augmented frames")]
    assert [event["done"] for event in done] == [7 * count for count in range(1, 13)]
    assert done[-1]["total"] == 12 * 7
    made = {path.name.partition("-copy")[0] for path in (root.cache / "features").glob("*/*/*-copy*.npy")}
    assert made == set(split["train"])


def test_the_labels_of_the_copies_are_the_changed_ones(root: DataRoot, colours: str) -> None:
    info, sequence = episode_of(root, colours)
    for copy in draw_copies(replace(AUGMENTATION, steps=(Step(Mirror()),)), [info], [sequence], SEED):
        assert np.array_equal(copy.sequence.actions, sequence.actions * (1, -1))
        assert {sequence.instruction, copy.sequence.instruction} == {"Go to the left.", "Go to the right."}
    names = [copy.sequence.episode_id for copy in draw_copies(AUGMENTATION, [info], [sequence], SEED)]
    assert names == ["episode_00 copy 1", "episode_00 copy 2"]


def test_the_normaliser_is_fitted_on_all_that_teaches(root: DataRoot, colours: str) -> None:
    save_augmentation(root, AUGMENTATION)
    run = prepared(root, colours, augmentation="twice", epochs=1)
    train_run(root, run, SILENT)
    catalogue = scan_curated(root, named_dataset(root, colours))
    infos = [catalogue.by_id(name) for name in read_json(run.split)["train"]]
    sequences = load_sequences(infos)
    taught = sequences + [copy.sequence for copy in draw_copies(AUGMENTATION, infos, sequences, SEED)]
    assert load_policy(run.adapter, "cpu").spec.normaliser == ActionNormaliser.fit("mean_std", taught)


def copies_of_first(
    root: DataRoot, dataset: str, augmentation: AugmentationRecipe = AUGMENTATION, seed: int = SEED
) -> list[AugmentedCopy]:
    info, sequence = episode_of(root, dataset)
    return draw_copies(augmentation, [info], [sequence], seed)


def test_features_are_those_of_the_augmented_frames(root: DataRoot, colours: str) -> None:
    info, sequence = episode_of(root, colours)
    encoder = Averages()
    with open_known(info) as episode:
        frames = list(episode.frames())
    for copy in copies_of_first(root, colours):
        made = augment_episode(
            frames,
            sequence.actions,
            sequence.instruction,
            info.action_space,
            AUGMENTATION,
            copy.drawn.number,
            SEED,
            episode_id=info.episode_id,
        )
        expected = encoder.encode(np.stack(list(made.frames)))
        found = augmented_features(root, encoder, AUGMENTATION, copy, SEED, SILENT)
        assert np.array_equal(found, expected)
        assert not np.array_equal(found, frame_features(root, encoder, info))


def test_a_plain_feature_never_stands_in_for_an_augmented_one(root: DataRoot, colours: str) -> None:
    info, _ = episode_of(root, colours)
    encoder = Averages()
    first, second = copies_of_first(root, colours)
    right = [np.array(augmented_features(root, encoder, AUGMENTATION, copy, SEED, SILENT)) for copy in (first, second)]
    assert not np.array_equal(*right)
    assert encoder.encoded == 14
    for path in (root.cache / "features").rglob("*.npy"):
        path.unlink()
    # Everything that lies in the cache now, under any name that a plain episode may have, is wrong.
    frame_features(root, encoder, info)
    plain = list((root.cache / "features").rglob("*.npy"))
    assert len(plain) == 1
    np.save(plain[0], np.full((7, 3), -1, dtype=np.float32))
    encoder.encoded = 0
    again = [augmented_features(root, encoder, AUGMENTATION, copy, SEED, SILENT) for copy in (first, second)]
    assert all(np.array_equal(one, two) for one, two in zip(right, again, strict=True))
    assert encoder.encoded == 14
    augmented_features(root, encoder, AUGMENTATION, first, SEED, SILENT)
    assert encoder.encoded == 14  # kept


@pytest.mark.parametrize(
    "changed",
    [
        lambda recipe: replace(recipe, steps=(Step(Mirror()), Step(Light(brightness_percent=5)))),
        lambda recipe: replace(recipe, seed=9),
    ],
    ids=["steps", "seed"],
)
def test_another_recipe_is_computed_anew(
    root: DataRoot, colours: str, changed: Callable[[AugmentationRecipe], AugmentationRecipe]
) -> None:
    encoder, other = Averages(), changed(AUGMENTATION)
    augmented_features(root, encoder, AUGMENTATION, copies_of_first(root, colours)[0], SEED, SILENT)
    augmented_features(root, encoder, other, copies_of_first(root, colours, other)[0], SEED, SILENT)
    augmented_features(root, encoder, other, copies_of_first(root, colours, other, 5)[0], 5, SILENT)
    assert encoder.encoded == 21
    # The name alone changes nothing.
    renamed = replace(other, name="renamed")
    augmented_features(root, encoder, renamed, copies_of_first(root, colours, renamed)[0], SEED, SILENT)
    assert encoder.encoded == 21


def test_a_trimmed_episode_is_augmented_within_its_trim(root: DataRoot, colours: str) -> None:
    encoder = Averages()
    before = copies_of_first(root, colours)[0]
    augmented_features(root, encoder, AUGMENTATION, before, SEED, SILENT)
    change(root, named_dataset(root, colours), {"episode_00": Change(trim=(2, 4))}, "trim")
    after = copies_of_first(root, colours)[0]
    assert len(after.sequence.actions) == 3
    found = np.array(augmented_features(root, encoder, AUGMENTATION, after, SEED, SILENT))
    assert found.shape == (3, 3)
    # As many frames, but other ones.
    change(root, named_dataset(root, colours), {"episode_00": Change(trim=(0, 2))}, "trim")
    moved = copies_of_first(root, colours)[0]
    assert not np.array_equal(augmented_features(root, encoder, AUGMENTATION, moved, SEED, SILENT), found)


def test_resume_goes_on_with_the_frozen_augmentation(root: DataRoot, colours: str) -> None:
    save_augmentation(root, AUGMENTATION)
    whole = prepared(root, colours, augmentation="twice", head_dropout=0.2)
    expected = train_run(root, whole, SILENT)
    run = prepared(root, colours, augmentation="twice", head_dropout=0.2)
    with pytest.raises(Stopped):
        train_run(root, run, Recorder(stop_after_steps=4))
    delete_augmentation(root, "twice")
    save_augmentation(root, replace(AUGMENTATION, steps=(Step(SpeedScale()),), copies=5))
    result = train_run(root, run, SILENT)
    assert result["val_loss"] == pytest.approx(expected["val_loss"], abs=1e-6)
    there, here = weights(whole.adapter_last), weights(run.adapter_last)
    assert all(torch.allclose(there[name], here[name], atol=1e-6) for name in there)


def test_a_wrong_label_is_refused_before_anything_is_written(root: DataRoot, colours: str) -> None:
    with pytest.raises(UserInputError, match="no augmentation 'twice'"):
        prepared(root, colours, augmentation="twice")
    save_augmentation(root, replace(AUGMENTATION, name="fast", steps=(Step(SpeedScale(percent=50)),)))
    assert forecast(root, colours, PRESETS["tiny"].recipe.changed({**SMALL, "augmentation": "fast"})).steps == 18
    save_augmentation(
        root, replace(AUGMENTATION, name="tight", steps=(Step(SpeedScale(percent=50)),), limits=ActionLimits(1, 1))
    )
    with pytest.raises(RecipeError, match="augmentation tight cannot be used .* more than the robot can do"):
        prepared(root, colours, augmentation="tight")
    note = {f"episode_{number:02}": Change(instruction="Go around it clockwise.") for number in range(10)}
    change(root, named_dataset(root, colours), note, "reword")
    save_augmentation(root, AUGMENTATION)
    with pytest.raises(RecipeError, match="cannot be exchanged: 'clockwise'"):
        prepared(root, colours, augmentation="twice")
    assert not root.runs.exists()


def test_what_the_check_cannot_tell_is_noted_in_the_run(root: DataRoot, colours: str) -> None:
    save_augmentation(root, replace(AUGMENTATION, steps=(Step(SpeedScale()),), limits=ActionLimits()))
    notes = read_json(prepared(root, colours, augmentation="twice").config)["notes"]
    assert any("without the robot's limits nobody can tell" in note for note in notes)


def test_a_run_without_augmentation_holds_none(root: DataRoot, colours: str) -> None:
    run = prepared(root, colours, epochs=1)
    recorder = Recorder()
    train_run(root, run, recorder)
    assert not run.augmentation.exists()
    assert read_json(run.path / RECEIPT)["augmentation"] == {"augmented_episodes": 0}
    assert not any("augmented" in event["name"] for event in recorder.named("stage"))
    assert "augmented" not in read_json(run.config)["forecast"]["basis"]
