"""A folder is replaced as one: whoever looks meets the old one or the new one, and what a kill leaves is mended."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from mvla_core.policies import folder_exchange
from mvla_core.policies.folder_exchange import place, sweep


def written(folder: Path, content: str, number: int = 0) -> Path:
    made = folder.with_name(f".{folder.name}.{number}.part")
    (made / "inner").mkdir(parents=True)
    (made / "inner" / "file").write_text(content)
    return made


def content(folder: Path) -> str:
    return (folder / "inner" / "file").read_text()


@pytest.mark.parametrize("atomic", [True, False], ids=["exchanged", "moved twice"])
def test_the_new_folder_takes_the_place_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, atomic: bool
) -> None:
    if not atomic:
        monkeypatch.setattr(folder_exchange, "_exchange", lambda one, other: False)
    folder = tmp_path / "adapter"
    for number in range(3):
        place(written(folder, f"{number}", number), folder)
        assert content(folder) == f"{number}"
        assert os.listdir(tmp_path) == ["adapter"]


def test_a_reader_never_misses_the_folder_while_it_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "adapter"
    place(written(folder, "old"), folder)
    done = threading.Event()
    missing = []

    def read() -> None:
        while not done.is_set():
            if not folder.exists():
                missing.append(True)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in range(200):
            place(written(folder, "new", number), folder)
    finally:
        done.set()
        reader.join()
    assert missing == []


def test_every_file_is_on_the_disk_before_the_place_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[tuple[str, bool]] = []
    folder = tmp_path / "adapter"
    real = os.fsync

    def note(descriptor: int) -> None:
        flushed.append((Path(os.readlink(f"/proc/self/fd/{descriptor}")).name, folder.exists()))
        real(descriptor)

    monkeypatch.setattr(folder_exchange.os, "fsync", note)
    place(written(folder, "x"), folder)
    assert sorted(flushed[:3]) == [(".adapter.0.part", False), ("file", False), ("inner", False)]
    assert flushed[3:] == [(tmp_path.name, True)]


def test_a_failed_exchange_is_told_and_keeps_the_old_folder(tmp_path: Path) -> None:
    folder = tmp_path / "adapter"
    place(written(folder, "old"), folder)
    with pytest.raises(FileNotFoundError):
        folder_exchange._exchange(tmp_path / "not there", folder)
    assert content(folder) == "old"


def test_what_a_kill_left_is_removed_and_a_missing_folder_is_brought_back(tmp_path: Path) -> None:
    folder = tmp_path / "adapter"
    other = tmp_path / "adapter_last"
    place(written(other, "other"), other)
    for number in range(2):  # killed between the two moves, and once while it deleted what was replaced
        written(folder, f"old {number}", number).rename(tmp_path / f".adapter.{number}.old")
        os.utime(tmp_path / f".adapter.{number}.old", (number, number))
    written(folder, "half", 7)
    written(other, "half", 8)
    sweep(folder)
    assert content(folder) == "old 1"
    assert sorted(os.listdir(tmp_path)) == [".adapter_last.8.part", "adapter", "adapter_last"]
    sweep(other)
    assert sorted(os.listdir(tmp_path)) == ["adapter", "adapter_last"]
    assert content(other) == "other"
    sweep(tmp_path / "never written")
