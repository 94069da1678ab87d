"""Cutting a donkeycar tub into episodes: contiguous, none lost, and never one frame in two episodes."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvla_core.episodes.catalogue import scan
from mvla_core.episodes.dataset import resolve_dataset
from mvla_core.episodes.importers import import_recordings
from mvla_core.episodes.reader import open_episode
from mvla_core.episodes.tub import Tub, TubRecord
from mvla_core.errors import UserInputError
from mvla_core.layout import DataRoot
from mvla_core.schema import EpisodeInfo


def colour_of(index: int) -> tuple[int, int, int]:
    """An RGB colour for each frame, far enough from the next to survive JPEG."""
    return 20 + index * 9 % 200, 60, 240 - index * 9 % 200


def make_tub(
    folder: Path,
    count: int = 12,
    *,
    deleted: tuple[int, ...] = (),
    changes: dict[int, dict[str, Any]] | None = None,
    catalogs: int = 1,
    manifest: list[str] | None = None,
    suffix: str = "jpg",
) -> Path:
    """Write a tub. `changes` update single records; a key with None is left out."""
    (folder / "images").mkdir(parents=True)
    names = [f"catalog_{n}.catalog" for n in range(catalogs)]
    lines: list[list[str]] = [[] for _ in names]
    for index in range(count):
        picture = np.full((24, 32, 3), colour_of(index), np.uint8)
        cv2.imwrite(str(folder / "images" / f"{index}_cam.{suffix}"), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        record = {
            "_index": index,
            "_timestamp_ms": 1602421393803 + index,
            "cam/image_array": f"{index}_cam.{suffix}",
            "user/angle": index / 20,
            "user/mode": "user",
            "user/throttle": 0.5,
            **(changes or {}).get(index, {}),
        }
        kept = {key: value for key, value in record.items() if value is not None}
        lines[index * catalogs // count].append(json.dumps(kept))
    for name, rows in zip(names, lines, strict=True):
        (folder / name).write_text("\n".join(rows) + "\n")
        (folder / f"._{name}").write_bytes(b"\0\5\26\7 what macOS leaves")
    catalog = {"paths": names, "current_index": count, "max_len": 1000, "deleted_indexes": list(deleted)}
    parts = ["[]", "[]", "{}", '{"created_at": 1602421393.77}', json.dumps(catalog)]
    (folder / "manifest.json").write_text("\n".join(manifest or parts) + "\n")
    return folder


def episodes_of(root: DataRoot, dataset: str = "tub") -> list[EpisodeInfo]:
    catalogue = scan(root, resolve_dataset(root, dataset))
    assert not catalogue.findings
    return sorted(catalogue.episodes, key=lambda info: info.recording_start or 0)


def ranges(root: DataRoot) -> list[tuple[int | None, int]]:
    return [(info.recording_start, info.num_frames) for info in episodes_of(root)]


def test_episodes_are_contiguous_and_keep_the_rest(root: DataRoot, tmp_path: Path) -> None:
    summary = import_recordings(make_tub(tmp_path / "track 1", 12), root, "tub", episode_length=5)
    assert summary.to_json() == {"dataset": "tub", "episodes": 3, "frames": 12, "skipped": []}
    assert ranges(root) == [(0, 5), (5, 5), (10, 2)]
    info = episodes_of(root)[1]
    assert info.episode_id == "track_1_000005"
    assert (info.height, info.width, info.frame_rate_hz) == (24, 32, 20.0)
    assert info.action_space.to_json() == {"names": ["linear_x", "angular_z"], "units": ["normalised", "normalised"]}
    assert {episode.recording_id for episode in episodes_of(root)} == {"tub_20201011T130313"}
    assert (info.recorded_at, info.scenario.time_of_day) == ("2020-10-11T13:03:13+00:00", None)
    assert (info.instruction, info.instruction_source) == ("", "none")
    with open_episode(info.path, "tub") as reader:
        # The car's angle is right positive, ours left positive.
        expected = [[0.5, -index / 20] for index in range(5, 10)]
        np.testing.assert_allclose(reader.actions(), expected, rtol=1e-6)
        for index in range(5):
            assert np.abs(reader.frame(index).astype(int) - colour_of(5 + index)).max() <= 6


@pytest.mark.parametrize(
    ("options", "expected", "skipped"),
    [
        ({"deleted": (3, 4, 99)}, [(0, 3), (5, 5), (10, 2)], ["frames are marked as deleted"]),
        ({"changes": {3: {"_index": 77}}}, [(0, 3), (4, 5), (9, 3), (77, 1)], []),
        ({"changes": {i: {"_session_id": "b"} for i in range(7, 12)}}, [(0, 5), (5, 2), (7, 5)], []),
        ({"changes": {3: {"cam/image_array": "none.jpg"}}}, [(0, 3), (4, 5), (9, 3)], ["No such file"]),
        ({"changes": {3: {"user/angle": None}}}, [(0, 3), (4, 5), (9, 3)], ["'user/angle'"]),
        ({"changes": {3: {"user/throttle": "fast"}}}, [(0, 3), (4, 5), (9, 3)], ["could not convert"]),
        ({"changes": {3: {"user/angle": float("nan")}}}, [(0, 3), (4, 5), (9, 3)], ["finite"]),
        ({"changes": {3: {"cam/image_array": "../../x.jpg"}}}, [(0, 3), (4, 5), (9, 3)], ["outside the tub"]),
        ({"changes": {3: {"_index": 2}}}, [(0, 3), (4, 5), (9, 3)], ["twice"]),
        ({"changes": {3: {"_index": -1}}}, [(0, 3), (4, 5), (9, 3)], ["the index is -1"]),
        ({"catalogs": 3}, [(0, 5), (5, 5), (10, 2)], []),
        ({"suffix": "png"}, [(0, 5), (5, 5), (10, 2)], []),
    ],
)
def test_holes_end_an_episode(
    root: DataRoot,
    tmp_path: Path,
    options: dict[str, Any],
    expected: list[tuple[int, int]],
    skipped: list[str],
) -> None:
    summary = import_recordings(make_tub(tmp_path / "tub", **options), root, "tub", episode_length=5)
    assert ranges(root) == expected
    assert len(summary.skipped) == len(skipped)
    for file, reason in zip(summary.skipped, skipped, strict=True):
        assert reason in file.reason


def test_a_change_of_picture_size_ends_an_episode(root: DataRoot, tmp_path: Path) -> None:
    tub = make_tub(tmp_path / "tub")
    for index in range(6, 12):
        cv2.imwrite(str(tub / "images" / f"{index}_cam.jpg"), np.zeros((48, 64, 3), np.uint8))
    import_recordings(tub, root, "tub", episode_length=10)
    assert ranges(root) == [(0, 6), (6, 6)]


def test_damaged_pictures_are_told(root: DataRoot, tmp_path: Path) -> None:
    tub = make_tub(tmp_path / "tub")
    whole = (tub / "images" / "3_cam.jpg").read_bytes()
    (tub / "images" / "3_cam.jpg").write_bytes(whole[: len(whole) // 2])
    (tub / "images" / "4_cam.jpg").write_bytes(b"")
    # A header that claims 65,500 x 65,500 pixels.
    size = whole.index(b"\xff\xc0") + 5
    (tub / "images" / "5_cam.jpg").write_bytes(whole[:size] + b"\xff\xdc\xff\xdc" + whole[size + 4 :])
    summary = import_recordings(tub, root, "tub", episode_length=10)
    assert ranges(root) == [(0, 3), (6, 6)]
    assert [file.file for file in summary.skipped] == [f"tub/catalog_0.catalog:{line}" for line in (4, 5, 6)]


def test_lines_that_are_no_records_are_told(root: DataRoot, tmp_path: Path) -> None:
    tub = make_tub(tmp_path / "tub", 3)
    with open(tub / "catalog_0.catalog", "a") as file:
        file.write('{"_index": 3, "user/an\n\n[1]\n')
    summary = import_recordings(tub, root, "tub")
    assert (summary.frames, [file.file for file in summary.skipped]) == (
        3,
        ["tub/catalog_0.catalog:4", "tub/catalog_0.catalog:6"],
    )


def test_no_frame_is_imported_twice(root: DataRoot, tmp_path: Path) -> None:
    tub = make_tub(tmp_path / "tub", 12)
    import_recordings(tub, root, "tub", episode_length=5)
    (root.dataset("tub") / "tub_000005.h5").unlink()
    moved = tub.rename(tmp_path / "renamed")
    again = import_recordings(moved, root, "tub", episode_length=4)
    assert (again.episodes, again.frames) == (0, 0)
    assert all("are in the data set already" in file.reason for file in again.skipped)
    repaired = import_recordings(moved, root, "tub", episode_length=5)
    assert (repaired.episodes, len(repaired.skipped)) == (1, 2)
    assert ranges(root) == [(0, 5), (5, 5), (10, 2)]


def test_two_tubs_of_one_name_are_two_recordings(root: DataRoot, tmp_path: Path) -> None:
    later = {
        "manifest": [
            "[]",
            "[]",
            "{}",
            '{"created_at": 1602500000}',
            '{"paths": ["catalog_0.catalog"], "deleted_indexes": []}',
        ]
    }
    make_tub(tmp_path / "a" / "tub", 3)
    make_tub(tmp_path / "b" / "tub", 3, **later)
    summary = import_recordings(tmp_path, root, "tub")
    assert (summary.episodes, summary.frames, summary.skipped) == (2, 6, ())
    assert len({info.recording_id for info in episodes_of(root)}) == 2


@pytest.mark.parametrize(
    "manifest",
    [["{}"], ["[]"] * 5, ["1", "2", "3", "{}", '{"paths": ["../x.catalog"], "deleted_indexes": []}'], ["not json"]],
)
def test_a_manifest_of_another_kind_is_told(root: DataRoot, tmp_path: Path, manifest: list[str]) -> None:
    summary = import_recordings(make_tub(tmp_path / "tub", 2, manifest=manifest), root, "tub")
    assert summary.episodes == 0
    assert "not the manifest of a donkeycar tub" in summary.skipped[0].reason


def test_a_catalogue_that_is_missing_is_told(root: DataRoot, tmp_path: Path) -> None:
    tub = make_tub(tmp_path / "tub", 12, catalogs=2)
    (tub / "catalog_1.catalog").unlink()
    summary = import_recordings(tub, root, "tub")
    assert summary.frames == 6
    assert "missing" in summary.skipped[0].reason


def test_a_folder_without_catalogues_is_no_tub(root: DataRoot, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(UserInputError, match="holds no recordings"):
        import_recordings(tmp_path, root, "tub")


@given(
    holes=st.sets(st.integers(0, 40)),
    sessions=st.integers(0, 40),
    length=st.integers(1, 50),
)
def test_stretches_hold_every_record_once(holes: set[int], sessions: int, length: int) -> None:
    records = tuple(
        TubRecord(index, "a" if index < sessions else "b", Path("x"), (4, 4), 0.0, 0.0, None)
        for index in range(41)
        if index not in holes
    )
    stretches = list(Tub("t", "t", records, ()).stretches(length))
    assert tuple(record for stretch in stretches for record in stretch) == records
    for stretch in stretches:
        assert 1 <= len(stretch) <= length
        assert [record.index for record in stretch] == list(range(stretch[0].index, stretch[0].index + len(stretch)))
        assert len({record.session for record in stretch}) == 1
    for one, following in itertools.pairwise(stretches):
        hole = following[0].index > one[-1].index + 1 or following[0].session != one[-1].session
        assert len(one) == length or hole


@pytest.mark.shared
def test_the_real_tub(root: DataRoot, shared_data: Path) -> None:
    summary = import_recordings(shared_data / "donkeycar_tub.tar.gz", root, "tub")
    assert summary.to_json() == {"dataset": "tub", "episodes": 20, "frames": 1000, "skipped": []}
    episodes = episodes_of(root)
    assert [(info.recording_start, info.num_frames) for info in episodes] == [
        (start, 50) for start in range(0, 1000, 50)
    ]
    with open_episode(episodes[0].path, "tub") as reader:
        assert (reader.info.height, reader.info.width) == (120, 160)
        np.testing.assert_allclose(reader.actions()[4], [0.5434268902720207, -0.4824829459899258], rtol=1e-6)
        assert reader.frames().std() > 20
    assert [path for path in root.cache.iterdir() if path.name != "catalogue"] == []
