"""The queue's file: made once, migrated, refused when too new, and rebuilt from the job folders when damaged."""

from __future__ import annotations

import contextlib
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mvla_core.errors import JobError
from mvla_core.files import read_json, write_json
from mvla_core.jobs import database
from mvla_core.jobs.database import MIGRATIONS, JobDatabase, damaged_files
from mvla_core.jobs.folders import new_job_folder
from mvla_core.jobs.model import Job
from mvla_core.jobs.queue import JobQueue
from mvla_core.jobs.settings import RunnerSettings
from mvla_core.layout import DataRoot

if TYPE_CHECKING:
    from tests.jobs.conftest import Bench


def version_of(root: DataRoot) -> int:
    with contextlib.closing(sqlite3.connect(root.jobs_database)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def damage(root: DataRoot) -> None:
    with open(root.jobs_database, "r+b") as file:
        file.write(b"this is no database " * 500)


@pytest.fixture
def still(root: DataRoot, monkeypatch: pytest.MonkeyPatch) -> JobQueue:
    """A queue that starts no runner, so that rows stay as they are put."""
    monkeypatch.setattr("mvla_core.jobs.reading.ensure_runner", lambda root, settings: None)
    return JobQueue(root, RunnerSettings(program="fake_worker"))


def put(queue: JobQueue, title: str = "") -> Job:
    folder = new_job_folder(queue.root, "report")
    return queue.submit("report", folder, {"lang": "ko", "name": folder.path.name}, title=title)


def test_new_file_has_the_present_schema_and_a_write_ahead_log(still: JobQueue) -> None:
    put(still)
    assert version_of(still.root) == len(MIGRATIONS)
    with contextlib.closing(sqlite3.connect(still.root.jobs_database)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert still.notices() == []


def test_reading_a_root_that_does_not_exist_makes_nothing(root: DataRoot) -> None:
    queue = JobQueue(root)
    assert (queue.list(), queue.active(), queue.notices(), queue.runs()) == ([], [], [], [])
    assert not root.path.exists()


def test_threads_that_make_the_file_together(still: JobQueue) -> None:
    with ThreadPoolExecutor(12) as pool:
        jobs = list(pool.map(lambda _: put(still), range(12)))
    assert sorted(job.id for job in jobs) == list(range(1, 13))


def test_older_file_is_migrated_and_keeps_its_jobs(still: JobQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    job = put(still, "old")
    added = ("CREATE TABLE later (value TEXT)",)
    monkeypatch.setattr(database, "MIGRATIONS", (*MIGRATIONS, added))
    assert still.get(job.id).title == "old"
    assert version_of(still.root) == len(MIGRATIONS) + 1
    assert JobDatabase(still.root).read(lambda connection: connection.execute("SELECT * FROM later").fetchall()) == []


def test_file_of_the_first_version_is_migrated(still: JobQueue) -> None:
    """As the first released program left it: other columns, no order but that of the numbers, and a job in every state."""
    put(still, "from now")  # makes the folders; its file is thrown away below
    folders = [new_job_folder(still.root, "report") for _ in range(3)]
    for suffix in ("-wal", "-shm", ""):
        still.root.path.joinpath("jobs.sqlite" + suffix).unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(still.root.jobs_database, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        for statement in MIGRATIONS[0]:
            connection.execute(statement)
        for number, (folder, status) in enumerate(zip(folders, ("succeeded", "queued", "queued"), strict=True)):
            connection.execute(
                "INSERT INTO job (kind, folder, title, device, priority, config_sha256, status, created) VALUES"
                " ('report', ?, ?, 'cpu', 0, 'x', ?, 1.0)",
                (f"jobs/{folder.path.name}", f"old {number}", status),
            )
        connection.execute("PRAGMA user_version=1")
    jobs = still.list()
    assert version_of(still.root) == len(MIGRATIONS) > 1
    assert [(job.title, job.status, job.attempt, job.position) for job in jobs] == [
        ("old 2", "queued", 1, 3.0),
        ("old 1", "queued", 1, 2.0),
        ("old 0", "succeeded", 1, 1.0),
    ]
    assert [job.id for job in still.move(3, "first")] == [3, 2]
    assert still.notices() == []


def test_failed_migration_changes_nothing(still: JobQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    put(still)
    broken = ("CREATE TABLE later (value TEXT)", "CREATE NONSENSE")
    with monkeypatch.context() as patched:
        patched.setattr(database, "MIGRATIONS", (*MIGRATIONS, broken))
        with pytest.raises(JobError, match="cannot be used"):
            still.list()
    assert version_of(still.root) == len(MIGRATIONS)
    assert len(still.list()) == 1


def test_newer_file_is_refused(still: JobQueue) -> None:
    put(still)
    with contextlib.closing(sqlite3.connect(still.root.jobs_database)) as connection:
        connection.execute("PRAGMA user_version=99")
    with pytest.raises(JobError, match=r"newer version.*schema 99"):
        still.list()


def test_damaged_file_is_set_aside_and_rebuilt_from_the_folders(bench: Bench) -> None:
    """Ended, running and waiting jobs are all there again, and the runner goes on with them as if nothing had been."""
    ended = bench.finished(bench.submit("succeed"))
    running = bench.working(bench.submit("wait"))
    waiting = bench.submit("succeed")
    stopped = bench.queue.request_stop(bench.submit("succeed").id)
    damage(bench.root)
    states = {job.id: (job.status, job.pid) for job in bench.queue.list()}
    assert states == {
        ended.id: ("succeeded", ended.pid),
        running.id: ("running", running.pid),
        waiting.id: ("queued", None),
        stopped.id: ("stopped", None),
    }
    ((_, notice),) = bench.queue.notices()
    assert "was damaged" in notice
    assert "4 jobs were restored" in notice
    (aside,) = damaged_files(bench.root)
    assert aside.name in notice
    assert b"this is no database" in aside.read_bytes()
    (running.folder.path / "go").touch()
    assert bench.finished(running).status == "succeeded"
    assert bench.finished(waiting).status == "succeeded"
    assert bench.submit("succeed").id == stopped.id + 1


def test_damage_inside_the_file_is_found_too(still: JobQueue) -> None:
    for _ in range(40):
        put(still, "x" * 150)
    with contextlib.closing(sqlite3.connect(still.root.jobs_database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with open(still.root.jobs_database, "r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (still.root.jobs_database.stat().st_size - 4096))
    assert len(still.list()) == 40
    assert len(damaged_files(still.root)) == 1


@pytest.mark.parametrize("how", ["deleted", "emptied"])
def test_missing_file_is_rebuilt(still: JobQueue, how: str) -> None:
    job = put(still, "kept")
    for suffix in ("-wal", "-shm"):
        still.root.path.joinpath("jobs.sqlite" + suffix).unlink(missing_ok=True)
    if how == "deleted":
        still.root.jobs_database.unlink()
    else:
        still.root.jobs_database.write_bytes(b"")
    assert [found.title for found in still.list()] == ["kept"]
    assert still.list()[0].config_sha256 == job.config_sha256
    assert "missing or empty" in still.notices()[0][1]


def test_folders_that_tell_nonsense_are_named_and_passed_over(still: JobQueue) -> None:
    kept, kind, number, garbage, result = (put(still) for _ in range(5))
    write_json(kind.folder.record, {**read_json(kind.folder.record), "kind": "rm -rf"})
    write_json(number.folder.record, {**read_json(number.folder.record), "job_id": kept.id})
    garbage.folder.record.write_text("{")
    result.folder.result.write_text("[]")
    damage(still.root)
    assert [job.id for job in still.list()] == [kept.id]
    ((_, notice),) = still.notices()
    for folder in (kind.folder, number.folder, garbage.folder, result.folder):
        assert folder.path.name in notice


def test_folder_that_cannot_hold_a_queue_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JobError, match="cannot hold a job queue"):
        JobQueue(DataRoot(tmp_path / "file" / "below")).get(1)
