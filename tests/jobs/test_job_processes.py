"""Identity of processes, on real ones; and what is read off logs and exceptions."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvla_core.errors import DatasetError, JobError
from mvla_core.jobs import diagnosis, processes
from mvla_core.jobs.diagnosis import diagnose_exception, diagnose_text, is_full, last_lines
from mvla_core.jobs.endings import describe_exit
from mvla_core.jobs.processes import NONCE_VARIABLE, find_worker, identify, is_alive, members, out_of_memory_kills, send

NONCE = "abcdef0123456789" * 2


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, NONCE_VARIABLE: NONCE}
    process = subprocess.Popen(["sleep", "60"], env=environment, start_new_session=True)
    yield process
    process.kill()
    process.wait()


def test_identity_holds_while_the_process_lives(sleeper: subprocess.Popen[bytes]) -> None:
    identity = identify(sleeper.pid, NONCE)
    assert identity is not None
    assert is_alive(identity)
    assert find_worker(NONCE) == identity
    assert members(NONCE) == [sleeper.pid]
    send([sleeper.pid], signal.SIGSTOP)
    assert is_alive(identity)
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert not is_alive(identity)  # a zombie
    assert identify(sleeper.pid, NONCE) is None
    sleeper.wait()
    assert not is_alive(identity)
    send([sleeper.pid], signal.SIGTERM)  # passed over


@pytest.mark.parametrize(
    "change", [{"start_ticks": 1}, {"boot_id": "another"}, {"nonce": "0" * 32}, {"pid": 2**22 + 1}]
)
def test_each_part_of_the_identity_counts(sleeper: subprocess.Popen[bytes], change: dict[str, object]) -> None:
    identity = identify(sleeper.pid, NONCE)
    assert identity is not None
    assert not is_alive(replace(identity, **change))


def test_name_with_brackets_does_not_confuse(tmp_path: Path) -> None:
    program = tmp_path / "a) R 1 (b"
    program.symlink_to("/bin/sleep")
    process = subprocess.Popen([str(program), "60"])
    try:
        identity = identify(process.pid)
        assert identity is not None
        assert is_alive(identity)
    finally:
        process.kill()
        process.wait()


def test_other_systems_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(processes, "BOOT_ID", tmp_path / "missing")
    with pytest.raises(JobError, match="need Linux"):
        processes.current_boot_id()
    monkeypatch.setattr(processes, "PROC", tmp_path)
    assert out_of_memory_kills() is None


def test_log_is_read_as_people_see_it(tmp_path: Path) -> None:
    log = tmp_path / "stdout.log"
    assert last_lines(log) == []
    log.write_bytes(b"x" * 40_000 + b"\n10%\r50%\r100%\n\n\x1b[31mred\x1b[0m \xff\n<b>last</b>\n")
    assert last_lines(log, 3) == ["100%", "[31mred[0m \ufffd", "<b>last</b>"]


@given(content=st.binary(max_size=400), count=st.integers(1, 5))
def test_any_log_gives_printable_lines(tmp_path_factory: pytest.TempPathFactory, content: bytes, count: int) -> None:
    log = tmp_path_factory.mktemp("log") / "stdout.log"
    log.write_bytes(content)
    lines = last_lines(log, count)
    assert len(lines) <= count
    assert all(line.replace("\t", "").isprintable() for line in lines)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("torch.OutOfMemoryError: CUDA out of memory. Tried", "out_of_memory"),
        ("RuntimeError: DefaultCPUAllocator: can't allocate memory: you tried", "out_of_memory"),
        ("OSError: [Errno 28] No space left on device", "disk_full"),
        ("RunError: The disk that holds /data/runs/r is full, so that", "disk_full"),
        ("RuntimeError: basic_ios::clear: iostream error", ""),
        ("OSError: We couldn't connect to 'https://huggingface.co' to load", "missing_weights"),
        ("OSError: x is not a local folder and is not a valid model identifier", "missing_weights"),
        ("mvla_core.errors.EpisodeError: bad", "bad_data"),
        ("ZeroDivisionError: division by zero", ""),
    ],
)
def test_texts_are_diagnosed(text: str, expected: str) -> None:
    assert diagnose_text(text) == expected


def test_exceptions_are_diagnosed_by_what_caused_them() -> None:
    saving = RuntimeError("saving failed")
    saving.__cause__ = OSError(errno.EDQUOT, "quota")
    assert diagnose_exception(saving) == "disk_full"
    assert diagnose_exception(DatasetError("no episodes")) == "bad_data"
    loop = ValueError("a")
    loop.__context__ = loop.__cause__ = ValueError("b")
    loop.__cause__.__cause__ = loop
    assert diagnose_exception(loop) == ""


def test_torch_that_cannot_write_is_asked_about_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = "RuntimeError: [enforce fail at inline_container.cc:672] . unexpected pos 704 vs 598"
    assert diagnose_text(words, tmp_path) == "", "there is space"
    assert not is_full(tmp_path / "gone")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(diagnosis, "is_full", lambda folder: folder == tmp_path)
    assert diagnose_text(words, tmp_path) == "disk_full"
    assert diagnose_text(f"PytorchStreamReader: {words}", tmp_path) == ""


def test_exit_codes_in_words() -> None:
    assert describe_exit(3) == "exit code 3"
    assert describe_exit(-11) == "signal SIGSEGV (exit code -11)"
    assert describe_exit(-63) == "signal 63 (exit code -63)"


def test_supervisor_loads_little() -> None:
    """A runner lives as long as jobs do: it must not carry NumPy, let alone torch."""
    code = "import sys, mvla_core.jobs.runner; print([n for n in ('numpy', 'torch', 'streamlit', 'h5py') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.stdout.strip() == "[]", done.stderr
