"""The store of small files: bounded, and never giving out half a file."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from mvla_core.episodes.bounded_store import BoundedStore


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_what_was_put_is_got_by_its_key_alone(tmp_path: Path) -> None:
    store = BoundedStore(tmp_path, 1000)
    assert store.get("a", 1) is None
    store.put(b"one", "a", 1)
    store.put(b"two", "a", 2)
    store.put(b"new", "a", 2)
    assert (store.get("a", 1), store.get("a", 2), store.get("a", "1")) == (b"one", b"new", None)
    assert BoundedStore(tmp_path, 1000).get("a", 1) == b"one"


def test_the_longest_unused_are_given_up(tmp_path: Path) -> None:
    store = BoundedStore(tmp_path, 100)
    for number in range(10):
        store.put(bytes(10), number)
    for path in files(tmp_path):
        os.utime(path, ns=(0, 0))
    assert store.get(3) is not None
    store.put(bytes(10), "more")
    assert len(files(tmp_path)) == 9
    assert store.get(3) is not None
    assert store.get("more") is not None


def test_what_is_there_already_counts(tmp_path: Path) -> None:
    for number in range(10):
        BoundedStore(tmp_path, 1000).put(bytes(50), number)
    BoundedStore(tmp_path, 200).put(bytes(10), "more")
    assert sum(path.stat().st_size for path in files(tmp_path)) <= 180


def test_half_a_file_is_not_given_out(tmp_path: Path) -> None:
    store = BoundedStore(tmp_path, 1000, b"end")
    store.put(b"content end", "a")
    assert store.get("a") == b"content end"
    (path,) = files(tmp_path)
    path.write_bytes(b"content e")
    assert store.get("a") is None


def test_a_folder_that_cannot_be_written_raises_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file where a folder belongs")
    store = BoundedStore(tmp_path / "store", 1000)
    assert store.get("a") is None
    with pytest.raises(OSError, match="Not a directory"):
        store.put(b"one", "a")


def test_threads_share_a_store(tmp_path: Path) -> None:
    store = BoundedStore(tmp_path, 500)
    wrong: list[bytes | None] = []

    def work(seed: int) -> None:
        for number in range(100):
            content = bytes([number % 7]) * 20
            store.put(content, number % 7)
            found = store.get(number % 7)
            if found not in (None, content):
                wrong.append(found)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(files(tmp_path)) <= 7
