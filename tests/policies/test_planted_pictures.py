"""Each planted fault of the pictures is found by real eyes on rendered rooms, and none of them in the clean rooms."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from mvla_core.audit.audit import audit_dataset
from mvla_core.audit.result import AuditResult
from mvla_core.episodes.catalogue import scan
from mvla_core.episodes.dataset import named_dataset
from mvla_core.episodes.importers import import_recordings
from mvla_core.episodes.measured_pictures import measure_pictures
from mvla_core.episodes.reader import open_episode
from mvla_core.episodes.writer import write_episode
from mvla_core.layout import DataRoot
from mvla_core.policies.picture_looks import look_at_pictures
from mvla_core.schema import Actions, EpisodeInfo, Frame
from mvla_core.simulation.record import simulate_episodes

PLANTED = {
    "conflicting_views",
    "views_told_apart",
    "leaked_episodes",
    "dark_frames",
    "frozen_frames",
    "corrupt_frames",
    "likely_bgr",
    "mixed_color_order",
    "vision_not_shown",
    "vision_nothing_left",
    "clock_suffices",
}
EPISODES = 16
Changed = Callable[[int, Frame, Actions], Iterator[tuple[str, Frame, Actions]]]


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    """Rendered drives of the default simulation, looked at and measured."""
    root = DataRoot(tmp_path_factory.mktemp("rooms"))
    simulate_episodes(root, "lab", count=EPISODES, seed=3, image_size=96, workers=1)
    look(root)
    return root


def look(root: DataRoot) -> None:
    look_at_pictures(root, "lab")
    measure_pictures(root, "lab")


def planted(clean: DataRoot, root: DataRoot, change: Changed, words: str | None = None) -> AuditResult:
    """Write the clean episodes anew with a change, look at them, and audit them."""
    root.dataset("lab").mkdir(parents=True)
    for number, info in enumerate(scan(clean, named_dataset(clean, "lab")).episodes):
        with open_episode(info.path, "lab") as episode:
            frames, actions = episode.frames(range(info.num_frames)), episode.actions()
        for suffix, shown, driven in change(number, frames, actions):
            _write(root, info, suffix, shown, driven, info.instruction if words is None else words)
    look(root)
    return audit_dataset(root, "lab")


def _write(root: DataRoot, info: EpisodeInfo, suffix: str, frames: Frame, actions: Actions, words: str) -> None:
    path = root.dataset("lab") / f"{info.episode_id}{suffix}.h5"
    write_episode(path, frames, actions, action_space=info.action_space, instruction=words)


def codes(result: AuditResult) -> set[str]:
    return {finding.code for finding in result.findings} & PLANTED


def noisy(frames: Frame) -> Frame:
    noise = np.random.default_rng(0).normal(0, 2, frames.shape)
    return np.clip(frames + noise, 0, 255).astype(np.uint8)


def test_clean_rooms_raise_none_of_them(clean: DataRoot) -> None:
    result = audit_dataset(clean, "lab")
    assert codes(result) == set()
    assert "vision_needed" in {finding.code for finding in result.findings}


def test_the_same_views_driven_the_other_way(clean: DataRoot, root: DataRoot) -> None:
    def change(number: int, frames: Frame, actions: Actions) -> Iterator[tuple[str, Frame, Actions]]:
        yield "", frames, actions
        if number < 6:
            yield "b", noisy(frames), (actions * np.array([1, -1])).astype(np.float32)

    result = planted(clean, root, change, "Go to the basket.")
    assert "conflicting_views" in codes(result)
    assert result.pictures is not None
    assert result.pictures.conflicts is not None
    twins = [
        {pair.left.episode_id.rstrip("b"), pair.right.episode_id.rstrip("b")}
        for pair in result.pictures.conflicts.pairs
    ]
    assert sum(len(names) == 1 for names in twins) >= 0.9 * len(twins), "a view meets its own copy"


def test_copies_on_both_sides_of_the_split(clean: DataRoot, root: DataRoot) -> None:
    def change(number: int, frames: Frame, actions: Actions) -> Iterator[tuple[str, Frame, Actions]]:
        yield "", frames, actions
        yield "b", noisy(frames), actions

    result = planted(clean, root, change)
    assert "leaked_episodes" in codes(result)
    assert result.pictures is not None
    assert result.pictures.leaks is not None
    assert result.pictures.leaks.twins
    assert all(t.train_episode.rstrip("b") == t.episode_id.rstrip("b") for t in result.pictures.leaks.twins)


def test_pictures_that_belong_to_other_episodes(clean: DataRoot, root: DataRoot) -> None:
    def change(number: int, frames: Frame, actions: Actions) -> Iterator[tuple[str, Frame, Actions]]:
        # Frames in a random order: what is seen says nothing of what to do.
        yield "", frames[np.random.default_rng(number).permutation(len(frames))], actions

    assert "vision_not_shown" in codes(planted(clean, root, change))


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("dark_frames", lambda frames: (frames * 0.12).astype(np.uint8)),
        ("frozen_frames", lambda frames: np.repeat(frames[:1], len(frames), axis=0)),
        ("corrupt_frames", lambda frames: np.full_like(frames, 128)),
    ],
)
def test_bad_frames(clean: DataRoot, root: DataRoot, code: str, change: Callable[[Frame], Frame]) -> None:
    root.dataset("lab").mkdir(parents=True)
    for number, path in enumerate(sorted(clean.dataset("lab").glob("*.h5"))):
        shutil.copy2(path, root.dataset("lab") / path.name)
        if number < 3:
            with open_episode(path, "lab") as episode:
                info, frames, actions = episode.info, episode.frames(range(episode.info.num_frames)), episode.actions()
            (root.dataset("lab") / path.name).unlink()
            _write(root, info, "", change(frames), actions, info.instruction)
    measure_pictures(root, "lab")
    found = codes(audit_dataset(root, "lab"))
    assert code in found
    assert found <= {code, "corrupt_frames", "frozen_frames"} | ({"dark_frames"} if code == "dark_frames" else set())


@pytest.mark.shared
def test_the_donkeycar_tub_needs_vision(shared_data: Path, root: DataRoot) -> None:
    import_recordings(shared_data / "donkeycar_tub.tar.gz", root, "tub")
    look_at_pictures(root, "tub")
    result = audit_dataset(root, "tub")
    assert result.pictures is not None
    assert result.pictures.vision is not None
    assert result.pictures.vision.verdict == "needed"
    assert result.pictures.vision.headroom.low > 0.3
    assert codes(result) == set()
    assert "clock_fails" in {finding.code for finding in result.findings}
