"""Every layout of an episode file that exists gives the same episode."""

from __future__ import annotations

import fcntl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mvla_core.episodes.reader import open_episode
from mvla_core.errors import EpisodeError, UserInputError
from mvla_core.schema import FILE_FAULTS, EpisodeInfo


@dataclass(frozen=True)
class Layout:
    """One way in which a recorder may have stored an episode."""

    num_frames: int
    height: int
    width: int
    image_key: str
    chunks: tuple[int, ...] | None
    compression: str | None
    shuffle: bool
    fletcher32: bool
    action_type: str
    num_dims: int
    packed_actions: bool
    instruction: str
    instruction_form: str
    events_form: str
    color_order: str | None


def text_type(form: str) -> Any:
    return "S200" if form == "fixed" else h5py.string_dtype()


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    num_frames, height, width = draw(st.integers(1, 7)), draw(st.integers(1, 12)), draw(st.integers(1, 12))
    shape = (num_frames, height, width, 3)
    chunks = draw(st.none() | st.just((1, height, width, 3)) | st.tuples(*(st.integers(1, size) for size in shape)))
    packed = chunks is not None
    return Layout(
        num_frames=num_frames,
        height=height,
        width=width,
        image_key=draw(st.sampled_from(["images", "observations/images"])),
        chunks=chunks,
        compression=draw(st.sampled_from([None, "gzip", "lzf"])) if packed else None,
        shuffle=packed and draw(st.booleans()),
        fletcher32=packed and draw(st.booleans()),
        action_type=draw(st.sampled_from(["<f4", ">f4", "<f8", ">f8"])),
        num_dims=draw(st.integers(2, 3)),
        packed_actions=draw(st.booleans()),
        instruction=draw(st.sampled_from(["", "Turn left at the box.", "왼쪽으로 상자를 지나가세요"])),
        instruction_form=draw(st.sampled_from(["fixed", "variable", "scalar"])),
        events_form=draw(st.sampled_from(["none", "fixed", "variable"])),
        color_order=draw(st.sampled_from([None, "rgb", "bgr"])),
    )


def store(path: Path, layout: Layout, images: Any, actions: Any, events: list[str]) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset(
            layout.image_key,
            data=images,
            chunks=layout.chunks,
            compression=layout.compression,
            shuffle=layout.shuffle or None,
            fletcher32=layout.fletcher32 or None,
        )
        packing = {"compression": "gzip", "shuffle": True, "fletcher32": True} if layout.packed_actions else {}
        file.create_dataset("actions", data=actions.astype(layout.action_type), **packing)
        if layout.instruction and layout.instruction_form == "scalar":
            file["language_instruction"] = layout.instruction
        elif layout.instruction:
            kind = text_type(layout.instruction_form)
            file.create_dataset("language_instruction", data=[layout.instruction.encode()], dtype=kind)
        if layout.events_form != "none":
            file.create_dataset("action_event_types", data=events, dtype=text_type(layout.events_form))
        if layout.color_order:
            file.attrs["color_order"] = layout.color_order


@given(layout=layouts(), seed=st.integers(0, 1000))
@settings(max_examples=150, deadline=None)
def test_every_layout_reads_the_same(tmp_path_factory: pytest.TempPathFactory, layout: Layout, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rgb = rng.integers(0, 256, (layout.num_frames, layout.height, layout.width, 3), dtype=np.uint8)
    actions = rng.normal(size=(layout.num_frames, layout.num_dims)).astype(np.float32)
    events = (["episode_start"] + ["start_action", "stop_action"] * layout.num_frames)[: layout.num_frames]
    path = tmp_path_factory.mktemp("layout") / "episode.h5"
    store(path, layout, rgb[..., ::-1] if layout.color_order == "bgr" else rgb, actions, events)

    with open_episode(path, "layouts") as reader:
        info = reader.info
        np.testing.assert_array_equal(reader.frames(), rgb)
        np.testing.assert_array_equal(reader.frame(layout.num_frames - 1), rgb[-1])
        np.testing.assert_array_equal(reader.frames([0, layout.num_frames - 1, 0]), rgb[[0, -1, 0]])
        np.testing.assert_array_equal(reader.actions(), actions)
        assert reader.actions().dtype == np.float32
        assert reader.event_types() == (None if layout.events_form == "none" else events)
    assert (info.num_frames, info.height, info.width) == rgb.shape[:3]
    assert info.action_space.names == ("linear_x", "linear_y", "angular_z")[: layout.num_dims]
    assert info.instruction == layout.instruction
    assert info.instruction_source == ("file" if layout.instruction else "none")
    assert info.image_key == layout.image_key
    assert EpisodeInfo.from_json(info.to_json()) == info


def test_a_frame_is_a_new_writable_array(tmp_path: Path, make_episode: Any) -> None:
    path = make_episode(tmp_path / "a.h5", chunks=(3, 8, 10, 3), compression="gzip")
    with open_episode(path, "d") as reader:
        reader.frame(0)[:] = 0
        assert reader.frame(0).any()


def test_frames_that_share_a_large_chunk_are_not_kept_together(
    tmp_path: Path, make_episode: Any, frames_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mvla_core.episodes.reader._KEPT_BYTES", 100)
    path = make_episode(tmp_path / "a.h5", 5, chunks=(3, 8, 7, 3), compression="gzip")
    with open_episode(path, "d") as reader:
        np.testing.assert_array_equal(reader.frames(), frames_of(5))


def test_attributes_are_read(tmp_path: Path, make_episode: Any) -> None:
    attributes = {
        "action_names": ["linear_x", "angular_z"],
        "action_units": ["normalised", "normalised"],
        "frame_rate_hz": 20.0,
        "recording_id": "tub_1",
        "recording_start": 150,
        "simulated": True,
        "collection_datetime": "2025-11-06T05:10:00",
        "scenario": "2box_vert_right",
        "pattern": "core",
        "distance": "far",
        "num_frames": 3,
        "goal": "basket",
    }
    path = make_episode(tmp_path / "anything.h5", attributes=attributes)
    with open_episode(path, "d") as reader:
        info = reader.info
    assert info.action_space.to_json() == {"names": ["linear_x", "angular_z"], "units": ["normalised", "normalised"]}
    assert (info.frame_rate_hz, info.recording_id, info.recording_start, info.simulated) == (20.0, "tub_1", 150, True)
    assert info.recorded_at == "2025-11-06T05:10:00"
    assert info.scenario.label() == "basket_2box_vert_right_core_far"
    assert info.scenario.time_of_day == "dawn"


def test_attributes_come_before_the_file_name(tmp_path: Path, make_episode: Any) -> None:
    name = "episode_20251106_145248_1box_hori_left_core_medium.h5"
    attributes = {"collection_datetime": "2025-11-07T20:00:00.25", "distance": "far", "time_period": "night"}
    with open_episode(make_episode(tmp_path / name, attributes=attributes), "d") as reader:
        info = reader.info
    assert info.scenario.label() == "1box_hori_left_core_far"
    assert (info.recorded_at, info.scenario.time_of_day) == ("2025-11-07T20:00:00", "night")
    assert (info.instruction, info.instruction_source) == ("Drive past the box on the left.", "file_name")


def test_a_written_instruction_comes_before_the_file_name(tmp_path: Path, make_episode: Any) -> None:
    path = make_episode(tmp_path / "episode_20251106_145248_1box_hori_left_core_medium.h5", instruction="왼쪽")
    with open_episode(path, "d") as reader:
        assert (reader.info.instruction, reader.info.instruction_source) == ("왼쪽", "file")


def test_a_frame_that_does_not_exist_is_named(tmp_path: Path, make_episode: Any) -> None:
    with open_episode(make_episode(tmp_path / "a.h5"), "d") as reader:
        for index in (-1, 3):
            with pytest.raises(UserInputError, match=f"Frame {index} of a does not exist: expected 0 to 2"):
                reader.frame(index)


def empty_recording(path: Path, make: Any) -> None:
    make(path, images=np.array([]), actions=np.array([]))


def no_images(path: Path, make: Any) -> None:
    with h5py.File(path, "w") as file:
        file["actions"] = np.zeros((3, 2), np.float32)


def no_actions(path: Path, make: Any) -> None:
    with h5py.File(path, "w") as file:
        file["images"] = np.zeros((3, 4, 4, 3), np.uint8)


def a_file(content: bytes) -> Any:
    return lambda path, make: path.write_bytes(content)


def cut_short(path: Path, make: Any) -> None:
    content = make(path, compression="gzip").read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])


def never_written(path: Path, make: Any) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("images", (3, 8, 8, 3), np.uint8, chunks=(1, 8, 8, 3), compression="gzip")[0] = 1
        file["actions"] = np.zeros((3, 2), np.float32)


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 26214400\n"
FAULTS: dict[str, tuple[str, Any]] = {
    "pointer file": ("pointer_file", a_file(POINTER)),
    "empty file": ("truncated", a_file(b"")),
    "text": ("not_hdf5", a_file(b"hello, this is not a recording")),
    "cut short": ("truncated", cut_short),
    "frames never written": ("truncated", never_written),
    "no frames": ("stub", empty_recording),
    "null frames": ("stub", lambda p, make: make(p, images=h5py.Empty("u1"))),
    "zero frames": ("stub", lambda p, make: make(p, images=np.zeros((0, 4, 4, 3), np.uint8), actions=np.zeros((0, 2)))),
    "no images": ("missing_key", no_images),
    "no actions": ("missing_key", no_actions),
    "fewer actions": ("shape_mismatch", lambda p, make: make(p, actions=np.zeros((2, 2)))),
    "one column": ("shape_mismatch", lambda p, make: make(p, actions=np.zeros((3, 1)))),
    "seven columns": ("shape_mismatch", lambda p, make: make(p, actions=np.zeros((3, 7)))),
    "flat actions": ("shape_mismatch", lambda p, make: make(p, actions=np.zeros(3))),
    "whole numbers": ("shape_mismatch", lambda p, make: make(p, actions=np.zeros((3, 2), int))),
    "grey frames": ("shape_mismatch", lambda p, make: make(p, images=np.zeros((3, 4, 4), np.uint8))),
    "float frames": ("shape_mismatch", lambda p, make: make(p, images=np.zeros((3, 4, 4, 3), np.float32))),
    "NaN": ("not_finite", lambda p, make: make(p, actions=np.array([[0, 0], [np.nan, 0], [0, 0]]))),
    "infinity": ("not_finite", lambda p, make: make(p, actions=np.full((3, 2), 1e300))),
    "names do not fit": ("shape_mismatch", lambda p, make: make(p, attributes={"action_names": ["linear_x"] * 3})),
    "unknown name": ("shape_mismatch", lambda p, make: make(p, attributes={"action_names": ["linear_x", "speed"]})),
    "colour order": ("shape_mismatch", lambda p, make: make(p, attributes={"color_order": "grb"})),
    "frame rate": ("shape_mismatch", lambda p, make: make(p, attributes={"frame_rate_hz": float("nan")})),
    "recording start": ("shape_mismatch", lambda p, make: make(p, attributes={"recording_start": -1})),
    "a folder": ("unreadable", lambda p, make: p.mkdir()),
    "missing": ("unreadable", lambda p, make: None),
    "dangling link": ("unreadable", lambda p, make: p.symlink_to("nowhere.h5")),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_file_is_told_apart(tmp_path: Path, make_episode: Any, fault: str) -> None:
    code, break_it = FAULTS[fault]
    path = tmp_path / "broken.h5"
    break_it(path, make_episode)
    with pytest.raises(EpisodeError, match=r"broken\.h5 .*\.$") as raised, open_episode(path, "d"):
        pass
    assert raised.value.code == code
    assert code in FILE_FAULTS


def test_two_frames_are_an_episode(tmp_path: Path, make_episode: Any) -> None:
    with open_episode(make_episode(tmp_path / "a.h5", 2), "d") as reader:
        assert reader.info.num_frames == 2


def test_a_damaged_frame_leaves_the_others_usable(tmp_path: Path, make_episode: Any, frames_of: Any) -> None:
    path = make_episode(tmp_path / "a.h5", compression="gzip", chunks=(1, 8, 10, 3))
    with h5py.File(path) as file:
        place = file["images"].id.get_chunk_info_by_coord((1, 0, 0, 0))
    content = bytearray(path.read_bytes())
    content[place.byte_offset : place.byte_offset + place.size] = b"\xaa" * place.size
    path.write_bytes(content)
    with open_episode(path, "d") as reader:
        with pytest.raises(EpisodeError, match=r"the chunk at \(1, 0, 0, 0\) of images cannot be unpacked") as raised:
            reader.frame(1)
        assert raised.value.code == "truncated"
        np.testing.assert_array_equal(reader.frames([0, 2]), frames_of(3)[[0, 2]])


def test_a_wrong_checksum_is_noticed(tmp_path: Path, make_episode: Any) -> None:
    path = make_episode(tmp_path / "a.h5", fletcher32=True, chunks=(1, 8, 10, 3))
    content = bytearray(path.read_bytes())
    with h5py.File(path) as file:
        content[file["images"].id.get_chunk_info_by_coord((1, 0, 0, 0)).byte_offset + 7] ^= 1
    path.write_bytes(content)
    with open_episode(path, "d") as reader, pytest.raises(EpisodeError, match="checksum"):
        reader.frame(1)


def test_reading_does_not_lock_the_recorder_out(tmp_path: Path, make_episode: Any) -> None:
    path = make_episode(tmp_path / "a.h5")
    with open_episode(path, "d"), open(path, "rb") as recorder:
        fcntl.flock(recorder, fcntl.LOCK_EX | fcntl.LOCK_NB)
