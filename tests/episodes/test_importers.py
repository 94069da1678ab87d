"""Importing HDF5 recordings: from a file, from folders, and from archives that nobody vouches for."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from mvla_core.episodes import archives
from mvla_core.episodes.catalogue import scan
from mvla_core.episodes.dataset import resolve_dataset
from mvla_core.episodes.importers import import_recordings
from mvla_core.episodes.reader import open_episode
from mvla_core.errors import Stopped, UserInputError
from mvla_core.files import read_json
from mvla_core.layout import DataRoot
from mvla_core.progress import Progress

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 26214400\n"


class Stopping(Progress):
    """Asks to stop at the first chance."""

    @property
    def stop_requested(self) -> bool:
        return True


@pytest.fixture
def source(tmp_path: Path, make_episode: Any) -> Path:
    """A folder as users have them: two good recordings, one of them deep inside, and all kinds of others."""
    folder = tmp_path / "robot"
    make_episode(folder / "episode_20251106_145248.h5", 4, seed=1)
    make_episode(folder / "day 2" / "episode_20251106_145248.h5", 5, seed=2)
    make_episode(folder / "day 2" / "stub2.h5", 2, seed=3)
    make_episode(folder / "stub0.h5", images=np.array([]), actions=np.array([]))
    (folder / "pointer.h5").write_bytes(POINTER)
    (folder / "._episode_20251106_145248.h5").write_bytes(b"macOS")
    (folder / "__MACOSX").mkdir()
    (folder / "__MACOSX" / "x.h5").write_bytes(b"macOS")
    (folder / "notes.txt").write_text("seen")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def leftovers(root: DataRoot) -> list[Path]:
    return [path for path in root.path.rglob("*") if path.name.startswith("import-") or path.suffix == ".part"]


def pack_tar(archive: Path, folder: Path, mode: str = "w:gz") -> Path:
    with tarfile.open(archive, mode) as pack:  # type: ignore[call-overload]
        pack.add(folder, folder.name)
    return archive


def pack_zip(archive: Path, folder: Path) -> Path:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as pack:
        for path in sorted(folder.rglob("*")):
            pack.write(path, path.relative_to(folder.parent))
    return archive


def test_a_folder(root: DataRoot, source: Path) -> None:
    before = contents(source)
    summary = import_recordings(source, root, "walk")
    assert summary.to_json() | {"skipped": 0} == {"dataset": "walk", "episodes": 3, "frames": 11, "skipped": 0}
    assert {file.file: file.reason.split(" ", 1)[1] for file in summary.skipped} == {
        "pointer.h5": "is a Git LFS pointer of 133 bytes, not the recording itself.",
        "stub0.h5": "holds no frames.",
    }
    assert contents(source) == before
    stored = contents(root.dataset("walk"))
    assert sorted(stored) == ["episode_20251106_145248-2.h5", "episode_20251106_145248.h5", "stub2.h5"]
    assert sorted(stored.values()) == sorted(content for name, content in before.items() if content in stored.values())
    catalogue = scan(root, resolve_dataset(root, "walk"))
    assert not catalogue.findings
    assert {info.recorded_at for info in catalogue.episodes} == {"2025-11-06T14:52:48", None}
    assert leftovers(root) == []


@pytest.mark.parametrize("kind", ["tar", "tgz", "tar.gz", "zip"])
def test_an_archive_gives_the_same_as_its_folder(root: DataRoot, source: Path, tmp_path: Path, kind: str) -> None:
    archive = tmp_path / f"robot.{kind}"
    pack_zip(archive, source) if kind == "zip" else pack_tar(archive, source, "w" if kind == "tar" else "w:gz")
    summary = import_recordings(archive, root, "walk")
    assert (summary.episodes, summary.frames) == (3, 11)
    assert sorted(file.file for file in summary.skipped) == ["robot/pointer.h5", "robot/stub0.h5"]
    import_recordings(source, root, "again")
    assert contents(root.dataset("walk")) == contents(root.dataset("again"))
    assert leftovers(root) == []


def test_importing_twice_adds_only_what_is_new(root: DataRoot, source: Path, make_episode: Any) -> None:
    import_recordings(source, root, "walk")
    before = contents(root.dataset("walk"))
    make_episode(source / "new.h5", 6, seed=9)
    summary = import_recordings(source, root, "walk")
    assert (summary.episodes, summary.frames) == (1, 6)
    duplicates = [file.file for file in summary.skipped if "duplicate" in file.reason]
    assert duplicates == ["episode_20251106_145248.h5", "day 2/episode_20251106_145248.h5", "day 2/stub2.h5"]
    after = contents(root.dataset("walk"))
    assert after.keys() - before.keys() == {"new.h5"}
    assert before.items() <= after.items()


def test_one_file(root: DataRoot, tmp_path: Path, make_episode: Any) -> None:
    summary = import_recordings(make_episode(tmp_path / "왼쪽 으로 1.HDF5", 4), root, "walk")
    assert (summary.episodes, summary.frames, summary.skipped) == (1, 4, ())
    assert list(contents(root.dataset("walk"))) == ["1.h5"]
    with open_episode(root.dataset("walk") / "1.h5", "walk") as reader:
        assert reader.info.num_frames == 4


def test_one_broken_file_is_told(root: DataRoot, tmp_path: Path) -> None:
    (tmp_path / "a.h5").write_bytes(POINTER)
    summary = import_recordings(tmp_path / "a.h5", root, "walk")
    assert (summary.episodes, len(summary.skipped)) == (0, 1)
    assert not root.dataset("walk").exists()


def test_a_malicious_recording_is_not_imported(root: DataRoot, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_bytes(b"s" * 1000)
    with h5py.File(tmp_path / "evil.h5", "w") as file:
        file.create_dataset("images", (3, 4, 4, 3), np.uint8, external=[(str(tmp_path / "secret.txt"), 0, 144)])
        file["actions"] = np.zeros((3, 2), np.float32)
    summary = import_recordings(tmp_path / "evil.h5", root, "walk")
    assert (summary.episodes, summary.skipped[0].file) == (0, "evil.h5")
    assert "keeps its data in another file" in summary.skipped[0].reason


def test_what_is_no_source(root: DataRoot, tmp_path: Path, make_episode: Any) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "film.mp4").touch()
    with pytest.raises(UserInputError, match="does not exist"):
        import_recordings(tmp_path / "nowhere", root, "walk")
    with pytest.raises(UserInputError, match="holds no recordings"):
        import_recordings(tmp_path / "empty", root, "walk")
    with pytest.raises(UserInputError, match="expected a folder, a file ending in .h5"):
        import_recordings(tmp_path / "film.mp4", root, "walk")
    with pytest.raises(UserInputError, match="data set name"):
        import_recordings(tmp_path / "empty", root, "../walk")
    with pytest.raises(UserInputError, match="expected 1 to 10,000"):
        import_recordings(tmp_path / "empty", root, "walk", episode_length=0)


def test_an_archive_in_a_folder_is_told(root: DataRoot, source: Path) -> None:
    (source / "more.tar.gz").touch()
    skipped = {file.file: file.reason for file in import_recordings(source, root, "walk").skipped}
    assert "import it by itself" in skipped["more.tar.gz"]


def test_stopping_keeps_what_was_imported_and_leaves_nothing_half(root: DataRoot, source: Path, tmp_path: Path) -> None:
    archive = pack_tar(tmp_path / "robot.tar.gz", source)
    with pytest.raises(Stopped):
        import_recordings(archive, root, "walk", progress=Stopping())
    with pytest.raises(Stopped):
        import_recordings(source / "episode_20251106_145248.h5", root, "walk", progress=Stopping())
    assert len(scan(root, resolve_dataset(root, "walk")).episodes) == 1
    assert leftovers(root) == []


def tar_with(archive: Path, *members: tuple[str, bytes, str]) -> Path:
    """An archive with members (name, kind, content or the target of a link)."""
    with tarfile.open(archive, "w") as pack:
        for name, kind, content in members:
            info = tarfile.TarInfo(name)
            info.type = kind
            data = Path(content).read_bytes() if kind == tarfile.REGTYPE else b""
            info.size, info.linkname = len(data), "" if kind == tarfile.REGTYPE else content
            pack.addfile(info, io.BytesIO(data))
    return archive


def test_a_hostile_tar_writes_nothing_outside(root: DataRoot, tmp_path: Path, make_episode: Any) -> None:
    good = str(make_episode(tmp_path / "good.h5"))
    outside = tmp_path / "outside"
    outside.mkdir()
    archive = tar_with(
        tmp_path / "evil.tar",
        ("../../../outside/a.h5", tarfile.REGTYPE, good),
        (str(outside / "b.h5"), tarfile.REGTYPE, good),
        ("way", tarfile.SYMTYPE, str(outside)),
        ("way/c.h5", tarfile.REGTYPE, good),
        ("passwords.h5", tarfile.SYMTYPE, "/etc/passwd"),
        ("hard.h5", tarfile.LNKTYPE, "/etc/passwd"),
        ("device.h5", tarfile.CHRTYPE, ""),
        ("pipe.h5", tarfile.FIFOTYPE, ""),
        ("deep/good.h5", tarfile.REGTYPE, good),
    )
    summary = import_recordings(archive, root, "walk")
    assert list(outside.iterdir()) == []
    assert summary.episodes == 1
    reasons = {file.file: file.reason for file in summary.skipped}
    refused = ["../../../outside/a.h5", str(outside / "b.h5"), "way", "passwords.h5", "hard.h5", "device.h5", "pipe.h5"]
    assert list(reasons) == [*refused, "way/c.h5"]
    assert "a duplicate" in reasons["way/c.h5"]
    assert "leads out of the archive" in reasons["../../../outside/a.h5"]
    assert "a link or a device" in reasons["way"]
    assert leftovers(root) == []


def test_a_hostile_zip_writes_nothing_outside(root: DataRoot, tmp_path: Path, make_episode: Any) -> None:
    good = make_episode(tmp_path / "good.h5").read_bytes()
    link = zipfile.ZipInfo("link.h5")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as pack:
        pack.writestr("../../up.h5", good)
        pack.writestr("..\\..\\up.h5", good)
        pack.writestr(link, "/etc/passwd")
        pack.writestr("good.h5", good)
    summary = import_recordings(tmp_path / "evil.zip", root, "walk")
    assert (summary.episodes, len(summary.skipped)) == (1, 3)
    assert not (tmp_path / "up.h5").exists()
    assert leftovers(root) == []


@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_an_archive_that_grows_too_much_is_refused(
    root: DataRoot, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "_SMALL_BYTES", 1 << 20)
    folder = tmp_path / "bomb"
    folder.mkdir()
    (folder / "a.h5").write_bytes(bytes(20 << 20))
    archive = tmp_path / f"bomb.{kind}"
    pack_zip(archive, folder) if kind == "zip" else pack_tar(archive, folder)
    with pytest.raises(UserInputError, match="more than recordings do"):
        import_recordings(archive, root, "walk")
    assert leftovers(root) == []
    assert not root.dataset("walk").exists()


@pytest.mark.parametrize("kind", ["tar.gz", "tar", "zip"])
def test_a_damaged_archive_is_told(root: DataRoot, source: Path, tmp_path: Path, kind: str) -> None:
    archive = tmp_path / f"robot.{kind}"
    pack_zip(archive, source) if kind == "zip" else pack_tar(archive, source, "w" if kind == "tar" else "w:gz")
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    with pytest.raises(UserInputError, match=r"The archive robot\..* is damaged"):
        import_recordings(archive, root, "walk")
    assert leftovers(root) == []


def test_a_name_that_an_archive_holds_twice(root: DataRoot, tmp_path: Path, make_episode: Any) -> None:
    first, second = (str(make_episode(tmp_path / f"{n}.h5", n)) for n in (2, 5))
    archive = tar_with(tmp_path / "twice.tar", ("a.h5", tarfile.REGTYPE, first), ("./a.h5", tarfile.REGTYPE, second))
    summary = import_recordings(archive, root, "walk")
    assert (summary.episodes, summary.frames) == (1, 2)
    assert "twice" in summary.skipped[0].reason


@pytest.mark.shared
def test_the_briefings_episodes(root: DataRoot, tmp_path: Path, shared_data: Path, make_episode: Any) -> None:
    replica = read_json(shared_data / "briefing_replica.json")
    velocity = read_json(shared_data / "real_robot_trajectories.json")["key_to_velocity_m_s"]
    for number, episode in enumerate(replica["episodes"]):
        actions = np.array([velocity[key] for key in episode["keys"]], np.float32)
        make_episode(tmp_path / "robot" / episode["file"], len(actions), actions=actions, seed=number)
    summary = import_recordings(tmp_path / "robot", root, "briefing")
    assert (summary.episodes, summary.frames, summary.skipped) == (13, 218, ())
