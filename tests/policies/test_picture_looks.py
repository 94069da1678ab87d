"""The job that looks at every frame: real eyes, kept work, and what it does with a file that cannot be read."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from mvla_core.episodes.annotations import change
from mvla_core.episodes.catalogue import scan
from mvla_core.episodes.curation import scan_curated
from mvla_core.episodes.dataset import named_dataset
from mvla_core.episodes.frame_features import frame_features
from mvla_core.episodes.looks import load_looks, look_vectors, without_looks
from mvla_core.episodes.notes import Change
from mvla_core.episodes.writer import write_episode
from mvla_core.errors import EpisodeError, Stopped
from mvla_core.layout import DataRoot
from mvla_core.policies.compact import EfficientNetEncoder
from mvla_core.policies.picture_looks import look_at_pictures
from mvla_core.progress import Progress
from mvla_core.schema import ActionSpace, Frame


class Counting(EfficientNetEncoder):
    """The real encoder, counting the frames it is given."""

    frames = 0

    def encode(self, frames: np.ndarray) -> np.ndarray:
        self.frames += len(frames)
        return super().encode(frames)


@pytest.fixture
def root(tmp_path: Path, frames: Frame) -> DataRoot:
    root = DataRoot(tmp_path)
    root.dataset("walk").mkdir(parents=True)
    for number, name in enumerate(("a", "b", "c")):
        moved = np.roll(frames, number, axis=0)
        write_episode(root.dataset("walk") / f"{name}.h5", moved, np.ones((7, 2)), action_space=ActionSpace.default(2))
    return root


def damage(path: Path, frame: int) -> None:
    """Overwrite the compressed bytes of one frame."""
    with h5py.File(path) as file:
        where = file["images"].id.get_chunk_info(frame)
    content = bytearray(path.read_bytes())
    content[where.byte_offset : where.byte_offset + where.size] = b"\0" * where.size
    path.write_bytes(content)


def test_every_frame_is_encoded_once_and_training_finds_its_features(root: DataRoot) -> None:
    eyes = Counting()
    first = look_at_pictures(root, "walk", encoder=eyes)
    assert (first["looked_at"], first["frames"], first["failed"]) == (3, 21, [])
    assert eyes.frames == 21
    again = look_at_pictures(root, "walk", encoder=eyes)
    assert (again["looked_at"], again["frames"], eyes.frames) == (0, 0, 21)

    episodes = scan(root, named_dataset(root, "walk")).episodes
    looks = load_looks(root, episodes)
    assert looks.keys() == {"a", "b", "c"}
    cached = frame_features(root, eyes, episodes[0])
    assert eyes.frames == 21, "training reads what the job has computed"
    assert np.array_equal(looks["a"].vectors, look_vectors(cached))
    # The episodes show the same frames one after another: frame 1 of "b" is frame 0 of "a".
    assert np.array_equal(looks["b"].hashes[1:], looks["a"].hashes[:-1])


def test_only_what_is_new_is_looked_at(root: DataRoot, frames: Frame) -> None:
    eyes = Counting()
    look_at_pictures(root, "walk", encoder=eyes)
    write_episode(root.dataset("walk") / "d.h5", frames, np.ones((7, 2)), action_space=ActionSpace.default(2))
    (root.dataset("walk") / "a.h5").unlink()
    assert look_at_pictures(root, "walk", encoder=eyes)["looked_at"] == 1
    assert eyes.frames == 28


def test_exchanged_colours_are_looked_at_anew(root: DataRoot) -> None:
    look_at_pictures(root, "walk")
    change(root, named_dataset(root, "walk"), {}, "Treat the data set as bgr", color_order="bgr")
    episodes = scan_curated(root, named_dataset(root, "walk")).episodes
    assert len(without_looks(root, episodes)) == 3
    assert look_at_pictures(root, "walk")["looked_at"] == 3
    assert without_looks(root, scan_curated(root, named_dataset(root, "walk")).episodes) == []


def test_a_damaged_frame_is_told_and_the_others_are_looked_at(root: DataRoot) -> None:
    damage(root.dataset("walk") / "b.h5", 3)
    notes: list[str] = []

    class Noting(Progress):
        def emit(self, event: str, **values: object) -> None:
            if event == "note":
                notes.append(str(values["message"]))

    result = look_at_pictures(root, "walk", Noting())
    assert (result["looked_at"], result["failed"]) == (2, ["b"])
    assert any("b.h5" in note for note in notes)


def test_a_damaged_frame_that_is_trimmed_off_harms_nobody(root: DataRoot) -> None:
    damage(root.dataset("walk") / "b.h5", 6)
    look_at_pictures(root, "walk")
    ref = named_dataset(root, "walk")
    change(root, ref, {"b": Change(trim=(0, 5))}, "Trim the damaged end")
    assert look_at_pictures(root, "walk")["looked_at"] == 1
    eyes = Counting()
    info = scan_curated(root, ref).by_id("b")
    looks = load_looks(root, [info])["b"]
    assert len(looks) == 6
    assert np.array_equal(look_vectors(frame_features(root, eyes, info)), looks.vectors)
    assert eyes.frames == 0, "the kept frames are in the cache"
    whole = scan(root, ref).by_id("b")
    assert load_looks(root, [whole]) == {}
    with pytest.raises(EpisodeError):
        frame_features(root, eyes, whole)


def test_what_was_looked_at_before_a_stop_is_kept(root: DataRoot) -> None:
    class StopAfterTwo(Progress):
        stage_name, done = "", 0.0

        def emit(self, event: str, **values: object) -> None:
            if event == "stage":
                self.stage_name = str(values["name"])
            elif event == "progress" and self.stage_name.startswith("Looking at the pictures"):
                self.done = float(str(values["done"]))

        @property
        def stop_requested(self) -> bool:
            return self.done >= 2

    with pytest.raises(Stopped):
        look_at_pictures(root, "walk", StopAfterTwo())
    assert len(without_looks(root, scan(root, named_dataset(root, "walk")).episodes)) == 1
