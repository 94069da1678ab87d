"""What provenance says of the program: a patch that applies, and names and hashes of all that it does not hold."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from mvla_core.training import program
from mvla_core.training.machine import provenance
from mvla_core.training.program import program_state


def git(checkout: Path, *arguments: str, text: str | None = None) -> str:
    done = subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(checkout), *arguments],
        input=text,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"},
    )
    return done.stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "program"
    folder.mkdir()
    git(folder, "init", "-q")
    for name in ("a.py", "b.py", "c.py", "gone.py"):
        (folder / name).write_text(f"# {name}\n" * 20)
    (folder / ".gitignore").write_text("data/\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "one")
    return folder


def test_an_unchanged_checkout_is_complete(checkout: Path) -> None:
    state = program_state(checkout)
    assert state is not None
    assert state.commit == git(checkout, "rev-parse", "HEAD").strip()
    assert state.patch == ""
    assert state.to_json() == {
        "complete": True,
        "changed_files": 0,
        "patch_sha256": None,
        "left_out": [],
        "untracked": [],
        "untracked_count": 0,
    }


def test_commit_and_patch_give_the_program_back(checkout: Path, tmp_path: Path) -> None:
    (checkout / "a.py").write_text("changed\n")
    (checkout / "b.py").write_bytes(bytes(range(256)))
    (checkout / "gone.py").unlink()
    (checkout / "ä new.py").write_text("staged\n")
    git(checkout, "add", "ä new.py")
    state = program_state(checkout)
    assert state is not None
    assert state.to_json()["complete"]
    assert state.changed == 4
    copy = tmp_path / "copy"
    git(tmp_path, "clone", "-q", str(checkout), str(copy))
    git(copy, "apply", "-", text=state.patch)
    for name in ("a.py", "b.py", "c.py", "ä new.py"):
        assert (copy / name).read_bytes() == (checkout / name).read_bytes()
    assert not (copy / "gone.py").exists()


def test_what_has_no_space_in_the_patch_or_is_no_text_is_named_and_the_rest_applies(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "MOST_CHANGES", 2_000)
    (checkout / "a.py").write_text("changed\n")
    (checkout / "b.py").write_text("much\n" * 1_000)
    (checkout / "c.py").write_text("changed too\ndiff --git a/b.py b/b.py\n")
    (checkout / "gone.py").write_bytes("Größe\n".encode("latin-1"))
    state = program_state(checkout)
    assert state is not None
    assert not state.to_json()["complete"]
    assert [file.path for file in state.left_out] == ["b.py", "gone.py"]
    assert state.left_out[0].sha256 == hashlib.sha256(b"much\n" * 1_000).hexdigest()
    assert len(state.patch.encode()) <= 2_000
    copy = tmp_path / "copy"
    git(tmp_path, "clone", "-q", str(checkout), str(copy))
    git(copy, "apply", "-", text=state.patch)
    assert (copy / "c.py").read_text() == "changed too\ndiff --git a/b.py b/b.py\n"


def test_files_that_git_does_not_track_are_listed_with_hashes(checkout: Path) -> None:
    (checkout / "new.py").write_text("x")
    (checkout / "data").mkdir()
    (checkout / "data" / "ignored").write_text("y")
    state = program_state(checkout)
    assert state is not None
    assert [vars(file) for file in state.untracked] == [
        {"path": "new.py", "size_bytes": 1, "sha256": hashlib.sha256(b"x").hexdigest()}
    ]
    assert not state.to_json()["complete"]


def test_where_there_is_no_checkout_nothing_is_claimed(tmp_path: Path) -> None:
    assert program_state(tmp_path) is None


def test_provenance_says_it(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mvla_core.training.machine.program_state", lambda: program_state(checkout))
    (checkout / "new.py").write_text("x")
    told = provenance([])
    assert told["program_commit"] == git(checkout, "rev-parse", "HEAD").strip()
    assert told["program_changes"]["untracked_count"] == 1
    assert not told["program_changes"]["complete"]
