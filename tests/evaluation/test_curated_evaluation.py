"""An evaluation keeps to the curation that its run was made with: same test episodes, same frames, whatever came later."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from mvla_core.datasets.windows import WindowSpec
from mvla_core.episodes.annotations import change, freeze
from mvla_core.episodes.catalogue import scan
from mvla_core.episodes.dataset import named_dataset
from mvla_core.episodes.notes import Change
from mvla_core.episodes.reader import open_episode, open_known
from mvla_core.evaluation.assess import assess
from mvla_core.evaluation.results import load_predictions
from mvla_core.files import read_json
from mvla_core.layout import DataRoot
from mvla_core.schema import EpisodeInfo

TRIM = (2, 14)


@dataclass(frozen=True)
class Curated:
    """A planted policy that sees stored episodes as they are curated."""

    planted: Any

    def predict_episode(
        self, root: DataRoot, info: EpisodeInfo, last_frames: Any, instruction: str | None = None
    ) -> Any:
        with open_known(info) as reader:
            frames = reader.frames()
        return self.predict_frames(frames, info.instruction if instruction is None else instruction, last_frames)

    def predict_frames(self, frames: Any, instruction: str, last_frames: Any) -> Any:
        return self.planted.predict_frames(frames, instruction, last_frames)


def test_what_is_curated_later_does_not_move_the_test_part(root: DataRoot, worlds: ModuleType) -> None:
    worlds.record(root, "world", worlds.varied_keys, 24)
    run = worlds.prepare(root, "world")
    test = read_json(run.split)["test"]
    ref = named_dataset(root, "world")
    freeze(change(root, ref, {name: Change(trim=TRIM, instruction="Go left.") for name in test}, "curate"), run.path)
    change(root, ref, {test[0]: Change(excluded_reason="dark"), test[1]: Change(trim=(0, 6))}, "curate on")

    results = assess(root, run, Curated(worlds.sighted()), worlds.SPACE, WindowSpec())
    assert results["instructions"] == sorted({"Go left.", *worlds.INSTRUCTIONS.values()})
    assert results["split"]["clean"]
    stored = load_predictions(run)
    assert [episode.episode_id for episode in stored] == test
    for episode in stored:
        with open_episode(scan(root, ref).by_id(episode.episode_id).path, "world") as whole:
            actions = whole.actions()[TRIM[0] : TRIM[1] + 1]
        assert list(episode.last_frames) == list(range(3, len(actions)))
        assert np.array_equal(episode.target[0, :4], actions[3:7])
    assert [row["frames"] for row in results["per_episode"]] == [13] * len(test)
