"""Atomic writing, growing files, and names that are safe as one path part."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvla_core.errors import MvlaError, UserInputError
from mvla_core.files import (
    append_json_line,
    check_identifier,
    read_json,
    read_json_lines,
    read_object,
    replacing,
    write_json,
)


def test_a_failed_write_leaves_the_old_content_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "value.json"
    write_json(path, {"a": 1})
    with pytest.raises(ZeroDivisionError), replacing(path) as temporary:
        temporary.write_text("half of it")
        raise ZeroDivisionError
    assert read_json(path) == {"a": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["value.json"]


def test_nan_is_refused_before_the_old_file_is_touched(tmp_path: Path) -> None:
    path = tmp_path / "value.json"
    write_json(path, [1.0])
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, [float("nan")])
    assert read_json(path) == [1.0]


def test_a_broken_json_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_text("{")
    with pytest.raises(MvlaError, match="broken.json"):
        read_json(path)
    with pytest.raises(MvlaError, match="missing"):
        read_json(tmp_path / "none.json")


def test_growing_lines_are_read_once_each_and_never_half(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    assert read_json_lines(path) == ([], 0)
    append_json_line(path, {"n": 1})
    with open(path, "ab") as file:
        file.write(b'{"n": 2')
    rows, offset = read_json_lines(path)
    assert rows == [{"n": 1}]
    with open(path, "ab") as file:
        file.write(b"}\n")
    rows, offset = read_json_lines(path, offset)
    assert rows == [{"n": 2}]
    assert read_json_lines(path, offset) == ([], offset)


def test_a_truncated_file_is_read_again_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    for number in range(5):
        append_json_line(path, {"n": number})
    _, offset = read_json_lines(path)
    path.write_text('{"n": 9}\n')
    assert read_json_lines(path, offset)[0] == [{"n": 9}]


@given(
    st.lists(st.dictionaries(st.text(max_size=8), st.integers() | st.text(max_size=20), max_size=3), max_size=12),
    st.data(),
)
def test_any_chunking_gives_the_same_lines(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("lines") / "lines.jsonl"
    for row in rows:
        append_json_line(path, row)
    longest = max((len(line) + 1 for line in path.read_bytes().splitlines()), default=1) if rows else 1
    limit = data.draw(st.integers(longest, longest + 200))
    seen, offset = [], 0
    while True:
        found, offset = read_json_lines(path, offset, limit)
        if not found:
            break
        seen += found
    assert seen == rows


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "../a", "a..b", "-a", "a\x00b", "a\n", "a b", "é", "x" * 121, "%2e%2e"]
)
def test_unsafe_names_are_refused(name: str) -> None:
    with pytest.raises(UserInputError, match="data set name"):
        check_identifier(name, "data set name")


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,119}", fullmatch=True))
def test_plain_names_pass(name: str) -> None:
    assert check_identifier(name, "run name") == name


def test_an_object_tells_what_it_lacks_and_where(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    write_json(path, {"dataset": "lab"})
    held = read_object(path)
    assert held["dataset"] == "lab"
    assert held.get("recipe") is None
    assert json.loads(json.dumps(held)) == pickle.loads(pickle.dumps(held)) == {"dataset": "lab"}
    with pytest.raises(MvlaError, match=f"{path} does not say 'recipe'"):
        held["recipe"]
    for other in ([], 3, None, "text"):
        write_json(path, other)
        with pytest.raises(MvlaError, match="does not hold a JSON object"):
            read_object(path)
