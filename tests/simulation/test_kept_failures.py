"""What a recording says of its own episodes: shoves and failures, however it ends, and never over what the user has said."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import Any

import pytest

from mvla_core.episodes.annotations import change, load_annotations
from mvla_core.episodes.curation import scan_curated
from mvla_core.episodes.dataset import named_dataset
from mvla_core.episodes.notes import Annotations, Change
from mvla_core.errors import SimulationError, Stopped, UserInputError
from mvla_core.layout import DataRoot
from mvla_core.progress import Progress
from mvla_core.simulation import failures, record
from mvla_core.simulation.record import Rehearsal, simulate_episodes

SMALL: dict[str, Any] = {"workers": 1, "image_size": 16, "seed": 5, "frames": (8, 60)}
KEPT = {**SMALL, "keep_failures": True}


class StopsAfter(Progress):
    """Asks to stop after some episodes."""

    def __init__(self, episodes: int) -> None:
        self._episodes, self._done = episodes, 0

    def emit(self, event: str, **values: Any) -> None:
        self._done = int(values.get("done", self._done))

    @property
    def stop_requested(self) -> bool:
        return self._done >= self._episodes


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    """The expert hardly ever fails, so that here each first draw counts as a failure."""
    honest = record.rehearse

    def rehearse(config: Any, index: int, attempt: int = 0, world: Any = None) -> Rehearsal:
        tried = honest(config, index, attempt, world)
        return replace(tried, refused="collided") if attempt == 0 else tried

    monkeypatch.setattr(record, "rehearse", rehearse)


def said(root: DataRoot, dataset: str) -> Annotations:
    return load_annotations(root, named_dataset(root, dataset))


def shoved(root: DataRoot) -> list[str]:
    return [
        info.episode_id for info in scan_curated(root, named_dataset(root, "pushed")).episodes if "shoved" in info.tags
    ]


def test_shoved_episodes_are_tagged_also_where_a_recording_stops(root: DataRoot) -> None:
    with pytest.raises(Stopped):
        simulate_episodes(root, "pushed", count=4, shoves=1.0, progress=StopsAfter(2), **SMALL)
    assert 1 <= len(shoved(root)) <= 2
    summary = simulate_episodes(root, "pushed", count=4, shoves=1.0, **SMALL)
    assert summary.shoved >= 3
    assert len(shoved(root)) == summary.shoved


def test_going_on_leaves_the_users_words_alone(root: DataRoot) -> None:
    simulate_episodes(root, "pushed", count=2, shoves=1.0, **SMALL)
    untagged, *rest = shoved(root)
    change(root, named_dataset(root, "pushed"), {untagged: Change(remove_tags=("shoved",))}, "Mine")
    before = said(root, "pushed")
    simulate_episodes(root, "pushed", count=2, shoves=1.0, **SMALL)
    assert said(root, "pushed") == before
    simulate_episodes(root, "pushed", count=3, shoves=1.0, **SMALL)
    assert untagged not in shoved(root)
    assert set(rest) < set(shoved(root))


@pytest.mark.usefixtures("strict")
def test_failures_are_kept_apart_and_left_out(root: DataRoot) -> None:
    summary = simulate_episodes(root, "mine", count=2, **KEPT)
    assert summary.failures == "mine_failures"
    assert summary.redrawn == {"collided": 2}
    curated = scan_curated(root, named_dataset(root, "mine_failures"))
    assert curated.episodes == ()
    assert [one.reason for one in curated.excluded] == ["The expert failed: collided."] * 2
    assert len(list(root.dataset("mine").glob("*.h5"))) == 2


def test_no_failure_makes_no_data_set(root: DataRoot) -> None:
    assert simulate_episodes(root, "plain", count=1, **KEPT).failures == ""
    assert not root.dataset("plain_failures").exists()


@pytest.mark.usefixtures("strict")
def test_a_stopped_recording_leaves_no_failure_that_could_be_trained_on(root: DataRoot) -> None:
    with pytest.raises(Stopped):
        simulate_episodes(root, "mine", count=3, progress=StopsAfter(1), **KEPT)
    curated = scan_curated(root, named_dataset(root, "mine_failures"))
    assert (len(curated.episodes), len(curated.excluded)) == (0, 1)


@pytest.mark.usefixtures("strict")
def test_a_failure_is_excluded_before_it_exists(root: DataRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recording that is killed right after a failure was written has no moment left to say so."""
    written = failures.write_drive

    def killed(path: Any, *rest: Any) -> None:
        written(path, *rest)
        raise SimulationError("as if killed")

    monkeypatch.setattr(failures, "write_drive", killed)
    with pytest.raises(SimulationError, match="as if killed"):
        simulate_episodes(root, "mine", count=1, **KEPT)
    curated = scan_curated(root, named_dataset(root, "mine_failures"))
    assert (len(curated.episodes), len(curated.excluded)) == (0, 1)


@pytest.mark.usefixtures("strict")
def test_a_failure_that_the_user_takes_in_stays_in(root: DataRoot) -> None:
    simulate_episodes(root, "mine", count=1, **KEPT)
    (name,) = said(root, "mine_failures").notes
    change(root, named_dataset(root, "mine_failures"), {name: Change(excluded_reason=None)}, "Mine")
    simulate_episodes(root, "mine", count=2, **KEPT)
    assert [info.episode_id for info in scan_curated(root, named_dataset(root, "mine_failures")).episodes] == [name]


@pytest.mark.usefixtures("strict")
def test_failures_go_into_no_foreign_data_set(root: DataRoot) -> None:
    simulate_episodes(root, "mine_failures", count=1, **SMALL)
    before = sorted(root.dataset("mine_failures").iterdir())
    with pytest.raises(
        UserInputError, match="'mine_failures', where the failures of 'mine' .* already holds something else"
    ):
        simulate_episodes(root, "mine", count=1, **KEPT)
    assert not root.dataset("mine").exists()
    assert sorted(root.dataset("mine_failures").iterdir()) == before


@pytest.mark.usefixtures("strict")
def test_failures_of_other_settings_are_not_mixed(root: DataRoot) -> None:
    simulate_episodes(root, "mine", count=1, **KEPT)
    shutil.rmtree(root.dataset("mine"))
    with pytest.raises(
        UserInputError, match="'mine_failures' holds failures .* other settings \\(seed 5 instead of 6\\)"
    ):
        simulate_episodes(root, "mine", count=1, **{**KEPT, "seed": 6})
    root.dataset("mine_failures").rename(root.dataset("yours_failures"))
    with pytest.raises(UserInputError, match="as failures of 'mine'"):
        simulate_episodes(root, "yours", count=1, **KEPT)
    with pytest.raises(UserInputError, match="already holds recordings"):
        simulate_episodes(root, "yours_failures", count=1, **KEPT)


@pytest.mark.usefixtures("strict")
def test_failures_of_an_earlier_release_are_taken_over_and_left_out(root: DataRoot) -> None:
    """It kept no journal of them, and excluded them at its end alone."""
    simulate_episodes(root, "mine", count=2, **KEPT)
    (root.dataset("mine_failures") / failures.FILE_NAME).unlink()
    shutil.rmtree(root.path / "annotations")
    assert len(scan_curated(root, named_dataset(root, "mine_failures")).episodes) == 2
    simulate_episodes(root, "mine", count=3, **KEPT)
    curated = scan_curated(root, named_dataset(root, "mine_failures"))
    assert (len(curated.episodes), len(curated.excluded)) == (0, 3)
    (root.dataset("mine_failures") / failures.FILE_NAME).unlink()
    with pytest.raises(UserInputError, match="already holds something else"):
        shutil.rmtree(root.dataset("mine"))
        simulate_episodes(root, "mine", count=1, **KEPT)
