"""Headroom, conflicts and leaks on planted worlds whose truth is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from mvla_core.audit.conflicts import conflict_evidence
from mvla_core.audit.leaks import leak_evidence
from mvla_core.audit.likeness import same_view_likeness
from mvla_core.audit.picture_store import PictureStore, picture_digest
from mvla_core.audit.pictures import PictureAudit, audit_pictures, picture_audit_findings
from mvla_core.audit.split_strategies import compare_splits
from mvla_core.audit.thresholds import default_thresholds
from mvla_core.audit.vision import vision_evidence
from mvla_core.datasets.split import make_split
from mvla_core.datasets.windows import WindowSpec
from mvla_core.episodes.looks import VECTOR_SIZE, Looks
from mvla_core.metrics.nearest_picture import NearestPicture
from mvla_core.schema import ActionSequence, ActionSpace, EpisodeInfo

Maker = Callable[..., EpisodeInfo]
SPACE = ActionSpace.default(2)
FRAMES = 24
EYES = np.random.default_rng(11).normal(size=(3, VECTOR_SIZE))


class World:
    """Episodes in which a robot keeps to the middle of a lane; what it sees is where it stands.

    Args:
        make_info: Makes the episodes.
        count: How many.
        blind: The pictures show something else than where it stands.
        script: Every episode follows the same path.
        torn: From a view of the middle the robot is driven left in even episodes and right in odd ones, under the same words.
        words: The instruction of each episode.
    """

    def __init__(
        self,
        make_info: Maker,
        count: int = 16,
        *,
        blind: bool = False,
        script: bool = False,
        torn: bool = False,
        words: Callable[[int], str] = lambda number: "go on",
    ) -> None:
        self.infos, self.sequences, self.looks = [], [], {}
        for number in range(count):
            generator = np.random.default_rng(0 if script else 100 + number)
            place, shown, rows = generator.uniform(-1, 1), [], []
            side = 1.0 if number % 2 else -1.0
            for _ in range(FRAMES):
                lateral = side if torn else -np.clip(2 * place, -1, 1)
                shown.append((place, place**2, 1.0))
                rows.append((1.0, lateral))
                place += generator.normal(0, 0.05) + (0 if torn else 0.1 * lateral)
                place = float(np.clip(place, -1, 1))
            own = np.random.default_rng(500 + number)
            what = own.normal(size=(FRAMES, 3)) if blind else np.array(shown)
            vectors = what @ EYES + own.normal(0, 0.02, (FRAMES, VECTOR_SIZE))
            name = f"e{number:03d}"
            self.infos.append(make_info(name, num_frames=FRAMES, instruction=words(number)))
            self.sequences.append(ActionSequence(name, np.array(rows, np.float32), words(number)))
            self.looks[name] = Looks(vectors.astype(np.float16), own.integers(0, 2**64, FRAMES, dtype=np.uint64))

    @property
    def vectors(self) -> Mapping[str, np.ndarray]:
        return {name: looks.vectors for name, looks in self.looks.items()}

    def audit(self) -> PictureAudit:
        split = make_split(self.infos)
        return audit_pictures(self.infos, self.sequences, self.looks, split, WindowSpec(4, 4), SPACE)

    def codes(self) -> set[str]:
        return {finding.code for finding in picture_audit_findings("lane", self.audit(), default_thresholds())}


def test_where_pictures_tell_what_to_do_vision_is_needed(make_info: Maker) -> None:
    world = World(make_info)
    vision = world.audit().vision
    assert vision is not None
    assert vision.verdict == "needed"
    assert 0.3 < vision.headroom.low < vision.headroom.value < vision.headroom.high < 1
    assert vision.headroom_by_axis["linear_y"].low > 0
    assert world.codes() == {"vision_needed"}


def test_pictures_of_something_else_show_no_headroom(make_info: Maker) -> None:
    world = World(make_info, blind=True)
    assert world.audit().vision.verdict == "not_shown"  # type: ignore[union-attr]
    assert world.codes() == {"vision_not_shown"}
    assert same_view_likeness(world.sequences, world.vectors) is None, "these pictures do not follow from each other"


def test_a_script_leaves_nothing_to_explain(make_info: Maker) -> None:
    world = World(make_info, script=True)
    vision = world.audit().vision
    assert vision is not None
    assert vision.explained["frame_index"].value > 0.999
    assert "vision_nothing_left" in world.codes()


def test_few_episodes_decide_nothing(make_info: Maker) -> None:
    world = World(make_info, 4)
    assert world.audit().vision.verdict == "undecided"  # type: ignore[union-attr]
    assert vision_evidence(world.infos[:2], world.sequences[:2], world.vectors, WindowSpec(), SPACE) is None


def test_the_headroom_is_what_few_lines_compute(make_info: Maker) -> None:
    """Leave one episode out, nearest single frame against the mean of each frame index; ten episodes make ten folds."""
    world = World(make_info, 10)
    evidence = vision_evidence(world.infos, world.sequences, world.vectors, WindowSpec(1, 1), SPACE)
    assert evidence is not None
    clock_error = constant_error = 0.0
    for held in range(10):
        others = np.stack([world.sequences[k].actions for k in range(10) if k != held]).astype(np.float64)
        true = world.sequences[held].actions
        clock_error += np.square(others.mean(axis=0) - true).sum()
        constant_error += np.square(others.mean(axis=(0, 1)) - true).sum()
    assert evidence.explained["frame_index"].value == pytest.approx(1 - clock_error / constant_error, abs=1e-6)
    squared = {name: 1 - interval.value for name, interval in evidence.explained.items()}
    best = min(squared["frame_index"], squared["instruction_clock"])
    assert evidence.headroom.value == pytest.approx(1 - squared["nearest_picture"] / best, abs=1e-6)


def test_opposite_commands_from_one_view_are_found(make_info: Maker) -> None:
    world = World(make_info, torn=True)
    conflicts = conflict_evidence(world.infos, world.sequences, world.vectors, SPACE, 4, 0.95)
    assert conflicts is not None
    assert conflicts.turning_frames == 16 * FRAMES
    assert conflicts.torn_share > 0.5
    assert conflicts.told_apart_share == 0
    for pair in conflicts.pairs:
        assert pair.left.lateral > 0 > pair.right.lateral
        assert pair.left.episode_id != pair.right.episode_id
        assert pair.likeness >= conflicts.likeness_needed
    ends = [(end.episode_id, end.frame) for pair in conflicts.pairs for end in (pair.left, pair.right)]
    assert len(ends) == len(set(ends))
    assert "conflicting_views" in world.codes()
    assert "views_told_apart" not in world.codes()


def test_words_that_tell_opposite_ways_apart_are_no_conflict(make_info: Maker) -> None:
    world = World(make_info, torn=True, words=lambda number: "left" if number % 2 else "right")
    assert {"views_told_apart", "vision_needed"} & world.codes() == {"views_told_apart"}
    assert "conflicting_views" not in world.codes()


def test_neighbours_in_one_recording_are_no_twins(make_info: Maker) -> None:
    world = World(make_info, 2, torn=True)
    apart = conflict_evidence(world.infos, world.sequences, world.vectors, SPACE, 4, 0.95)
    joined = [
        replace(info, recording_id="one", recording_start=number * FRAMES) for number, info in enumerate(world.infos)
    ]
    beside = conflict_evidence(joined, world.sequences, world.vectors, SPACE, 4, 0.95)
    assert apart is not None
    assert beside is not None
    assert apart.torn_frames > 0 == beside.torn_frames


def test_an_episode_that_training_shows_too_is_a_leak(make_info: Maker) -> None:
    world = World(make_info)
    split = make_split(world.infos)
    clean = leak_evidence(world.infos, split, world.looks, 0.5)
    assert clean is not None
    assert clean.twins == ()
    copied, source = split.test[0], split.train[3]
    looks = dict(world.looks)
    noise = np.random.default_rng(1).normal(0, 0.01, (FRAMES, VECTOR_SIZE))
    flipped = looks[source].hashes ^ np.uint64(0b101)
    looks[copied] = Looks((looks[source].vectors.astype(float) + noise).astype(np.float16), flipped)
    leaked = leak_evidence(world.infos, split, looks, 0.5)
    assert leaked is not None
    assert [(twin.episode_id, twin.part, twin.train_episode) for twin in leaked.twins] == [(copied, "test", source)]
    assert leaked.twins[0].share == 1.0
    assert leaked.twins[0].frame == leaked.twins[0].train_frame

    # One view that comes up in every episode is no leak, nor are like hashes of pictures that look different.
    start = dict(world.looks)
    for name, own in world.looks.items():
        vectors, hashes = own.vectors.copy(), own.hashes.copy()
        vectors[0], hashes[0] = world.looks["e000"].vectors[0], world.looks["e000"].hashes[0]
        start[name] = Looks(vectors, hashes)
    seen = leak_evidence(world.infos, split, start, 0.5)
    assert seen is not None
    assert seen.twins == ()
    assert seen.seen_frames == pytest.approx(1 / FRAMES)
    looks[copied] = Looks(-looks[source].vectors, flipped)
    assert leak_evidence(world.infos, split, looks, 0.5).twins == ()  # type: ignore[union-attr]


def test_what_has_not_been_looked_at_is_said(make_info: Maker) -> None:
    world = World(make_info)
    half = {name: looks for name, looks in world.looks.items() if name < "e008"}
    audit = audit_pictures(world.infos, world.sequences, half, make_split(world.infos), WindowSpec(4, 4), SPACE)
    assert (audit.looked_at, audit.episodes) == (8, 16)
    [unseen] = [f for f in picture_audit_findings("lane", audit, default_thresholds()) if f.code == "pictures_unseen"]
    assert unseen.details == {"missing": 8, "episodes": 16}
    nothing = audit_pictures(world.infos, world.sequences, {}, make_split(world.infos), WindowSpec(4, 4), SPACE)
    assert (nothing.vision, nothing.conflicts, nothing.leaks) == (None, None, None)


def test_the_order_of_episodes_changes_no_conflict_and_no_leak(make_info: Maker) -> None:
    world = World(make_info, torn=True)
    there = conflict_evidence(world.infos, world.sequences, world.vectors, SPACE, 4, 0.95)
    back = conflict_evidence(world.infos[::-1], world.sequences[::-1], world.vectors, SPACE, 4, 0.95)
    assert there is not None
    assert back is not None
    assert (there.torn_frames, there.torn_by_episode) == (back.torn_frames, back.torn_by_episode)


def test_splits_side_by_side(make_info: Maker) -> None:
    world = World(make_info, 20, words=lambda number: "left" if number < 14 else "right")
    begun = datetime(2025, 11, 12, 9)
    infos = [
        replace(info, recorded_at=(begun + timedelta(hours=6 * (k // 5), minutes=k)).isoformat())
        for k, info in enumerate(world.infos)
    ]
    options = compare_splits(infos, world.sequences, WindowSpec(4, 4), SPACE, looks=world.looks, likeness_needed=0.5)
    by = {option.by: option for option in options}
    assert list(by) == ["episode", "session", "scenario", "time"]
    assert by["scenario"].split is None
    assert "scenario of 20 of 20 episodes is not known" in by["scenario"].impossible
    assert by["episode"].missing_instructions == ()
    assert by["time"].missing_instructions == ("left",), "the newest episodes all go right"
    assert by["session"].shared_sessions == 0
    assert by["episode"].shared_sessions == sum(by["episode"].episodes[part] for part in ("validation", "test"))
    assert all(option.leaked == 0 for option in options if option.split)
    simulated = [replace(info, simulated=True) for info in infos]
    assert compare_splits(simulated, world.sequences, WindowSpec(4, 4), SPACE)[0].shared_sessions is None
    for option in options:
        assert option.to_json()["possible"] is (option.split is not None)


def test_what_pictures_say_is_kept_until_something_changes(make_info: Maker, tmp_path: Path) -> None:
    store, world, calls = PictureStore(tmp_path), World(make_info, torn=True), []
    split = make_split(world.infos)

    def measured(seed: int = 0) -> PictureAudit:
        digest = picture_digest(world.infos, world.sequences, world.looks, split, WindowSpec(4, 4), seed)

        def measure() -> PictureAudit:
            calls.append(seed)
            return world.audit()

        return store.audit(digest, measure)

    first = measured()
    assert measured() == first
    assert first.conflicts is not None
    assert first.conflicts.pairs
    assert calls == [0]
    measured(seed=1)
    world.sequences[3].actions[2, 1] += 0.1
    measured()
    world.looks["e001"].hashes[0] ^= np.uint64(1)
    measured()
    assert len(calls) == 4
    for file in tmp_path.glob("*.json"):
        file.write_text("{damaged", encoding="utf-8")
    assert measured().vision == world.audit().vision
    assert len(calls) == 5


def test_nearest_pictures_on_the_test_part_of_the_split(make_info: Maker) -> None:
    world = World(make_info)
    audit = world.audit()
    assert audit.baselines["nearest_picture"].explained.value > 0.5
    split = make_split(world.infos)
    by_id = {sequence.episode_id: sequence for sequence in world.sequences}
    window = WindowSpec(4, 4)
    remembered = NearestPicture.fit([by_id[name] for name in split.train], world.vectors, 4, axis_weights=np.ones(2))
    squared, count = 0.0, 0
    for name in split.test:
        last = np.arange(3, FRAMES)
        predicted = remembered.predict(by_id[name], world.vectors[name], last, 4)
        for row, t in enumerate(last):
            true = by_id[name].actions[t : t + 4]
            squared += float(np.square(predicted[row, : len(true)].astype(float) - true).sum())
            count += true.size
    assert audit.baselines["nearest_picture"].rmse == pytest.approx(np.sqrt(squared / count), rel=1e-6)
    half = {name: looks for name, looks in world.looks.items() if name < "e008"}
    partly = audit_pictures(world.infos, world.sequences, half, split, window, SPACE)
    assert partly.baselines == {}
