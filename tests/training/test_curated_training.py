"""A training on curated data: what is excluded never trains, and a run keeps to the curation that it was made with."""

from __future__ import annotations

from typing import Any

import pytest

from mvla_core.datasets.split import PARTS, Split
from mvla_core.episodes.annotations import change, frozen, undo
from mvla_core.episodes.dataset import named_dataset
from mvla_core.episodes.notes import Change
from mvla_core.episodes.snapshots import list_snapshots, take_snapshot
from mvla_core.errors import DatasetError
from mvla_core.files import read_json
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.progress import Progress
from mvla_core.training.launch import forecast, prepare_run
from mvla_core.training.recipe import PRESETS
from mvla_core.training.train import train_run

SMALL = {"window_size": 2, "chunk_size": 2, "epochs": 1, "batch_size": 4}


class Totals(Progress):
    """Notes how many frames were prepared."""

    frames = 0.0

    def emit(self, event: str, **values: Any) -> None:
        if event == "progress" and values["message"].startswith("frames"):
            self.frames = values["done"]


def dealt(run: RunFolder) -> set[str]:
    split = Split.from_json(read_json(run.split))
    return {name for part in PARTS for name in getattr(split, part)}


def test_excluded_episodes_are_not_dealt_out(root: DataRoot, colours: str) -> None:
    ref = named_dataset(root, colours)
    everyone = dealt(prepare_run(root, colours, "tiny", SMALL))
    change(root, ref, {"episode_03": Change(excluded_reason="dark")}, "exclude")
    run = prepare_run(root, colours, "tiny", SMALL)
    assert dealt(run) == everyone - {"episode_03"}
    provenance = read_json(run.provenance)
    assert "episode_03" not in {row["episode_id"] for row in provenance["episodes"]}
    assert provenance["data"]["excluded"] == {"episode_03": "dark"}
    change(root, ref, {f"episode_{number:02}": Change(excluded_reason="dark") for number in range(8)}, "exclude")
    with pytest.raises(DatasetError, match="cannot be split"):
        prepare_run(root, colours, "tiny", SMALL)


def test_a_launch_records_the_version_of_its_data_and_makes_one_where_the_state_is_new(
    root: DataRoot, colours: str
) -> None:
    ref = named_dataset(root, colours)
    first = prepare_run(root, colours, "tiny", SMALL)
    second = prepare_run(root, colours, "tiny", SMALL)
    versions = list_snapshots(root, ref)
    assert [version.title for version in versions] == [f"Used by the run {first.run_id}"]
    data = [read_json(run.provenance)["data"] for run in (first, second)]
    assert data[0] == data[1]
    assert (data[0]["sha256"], data[0]["snapshot"]) == (versions[0].sha256, 1)

    change(root, ref, {"episode_00": Change(trim=(1, 5))}, "trim")
    named = take_snapshot(root, ref, "trimmed")
    assert read_json(prepare_run(root, colours, "tiny", SMALL).provenance)["data"]["snapshot"] == named.number == 2
    undo(root, ref)
    assert read_json(prepare_run(root, colours, "tiny", SMALL).provenance)["data"]["snapshot"] == 1
    assert len(list_snapshots(root, ref)) == 2


def test_the_forecast_counts_what_is_kept(root: DataRoot, colours: str) -> None:
    recipe = PRESETS["tiny"].recipe.changed(SMALL)
    before = forecast(root, colours, recipe)
    cut = {f"episode_{number:02}": Change(trim=(2, 5)) for number in range(10)}
    change(root, named_dataset(root, colours), cut, "trim")
    after = forecast(root, colours, recipe)
    assert (before.train_windows, after.train_windows) == (6 * 6, 6 * 3)


def test_what_is_curated_after_the_launch_does_not_move_the_run(root: DataRoot, colours: str) -> None:
    """A trim or an exclusion while the job waits must not make the split and the data disagree."""
    ref = named_dataset(root, colours)
    change(root, ref, {f"episode_{number:02}": Change(trim=(1, 5)) for number in range(10)}, "trim")
    run = prepare_run(root, colours, "tiny", SMALL)
    train = Split.from_json(read_json(run.split)).train
    change(root, ref, {train[0]: Change(excluded_reason="dark"), train[1]: Change(trim=(0, 0))}, "curate on")
    progress = Totals()
    result = train_run(root, run, progress)
    assert result["epochs_done"] == 1
    assert frozen(run.path).of(train[1]).trim == (1, 5)
    assert progress.frames == (6 + 2) * 5, "of the training and the validation part, five frames each"
