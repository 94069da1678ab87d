"""What a submission refuses: nothing that a client sends becomes a command, a path or a second job in a used folder."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvla_core.errors import JobError, MvlaError, UserInputError
from mvla_core.files import read_json, write_json
from mvla_core.jobs.folders import new_job_folder
from mvla_core.jobs.queue import JobQueue
from mvla_core.jobs.settings import RunnerSettings
from mvla_core.jobs.watch import worker_command
from mvla_core.layout import DataRoot, JobFolder, RunFolder


@pytest.fixture
def queue(root: DataRoot, monkeypatch: pytest.MonkeyPatch) -> JobQueue:
    """A queue that starts no runner."""
    monkeypatch.setattr("mvla_core.jobs.reading.ensure_runner", lambda root, settings: None)
    return JobQueue(root)


def made(root: DataRoot, run_id: str = "20260102-030405-x-compact-abcdef") -> RunFolder:
    run = root.run(run_id)
    write_json(run.config, {"run_id": run_id, "dataset": "x", "preset": "compact", "created": "2026-01-02T03:04:05"})
    write_json(run.split, {"train": ["a"]})
    return run


def test_command_is_an_argument_list_of_the_programs_own_words(queue: JobQueue) -> None:
    job = queue.submit("train", made(queue.root), title="; rm -rf / $(reboot) `id`")
    assert worker_command("mvla_core", job, queue.root) == [
        *(sys.executable, "-m", "mvla_core", "work", "train"),
        *("--folder", str(job.folder.path.resolve()), "--data-root", str(queue.root.path.resolve())),
    ]


@pytest.mark.parametrize("kind", ["", "shell", "train;ls", "--help", "../train", "Train"])
def test_kinds_are_an_allow_list(queue: JobQueue, kind: str) -> None:
    with pytest.raises(JobError, match="unknown"):
        queue.submit(kind, made(queue.root))


def test_near_miss_is_suggested(queue: JobQueue) -> None:
    with pytest.raises(JobError, match="Did you mean 'train'"):
        queue.submit("trian", made(queue.root))


@pytest.mark.parametrize(
    "path", ["../elsewhere", "runs/../../x", "x", "runs", "runs/a/b", "runs/.hidden", "runs/a b", "/tmp/x"]
)
def test_folders_elsewhere_are_refused(queue: JobQueue, path: str) -> None:
    folder = JobFolder(queue.root.path / path)
    with pytest.raises(MvlaError):
        queue.submit("train", folder, {})
    assert not folder.config.exists()


def test_linked_folder_is_refused(queue: JobQueue, tmp_path: Path) -> None:
    (tmp_path / "target").mkdir()
    queue.root.runs.mkdir(parents=True)
    (queue.root.runs / "link").symlink_to(tmp_path / "target")
    with pytest.raises(UserInputError, match="is a link and is not followed"):
        queue.root.run("link")
    with pytest.raises(JobError, match="is a link"):
        queue.submit("train", RunFolder(queue.root.runs / "link"), {})


@pytest.mark.parametrize("device", ["", "gpu", "cuda", "cuda:", "cuda:0; ls", "cpu ", "CUDA:0", "cuda:٣"])
def test_devices_are_known_words(queue: JobQueue, device: str) -> None:
    with pytest.raises(JobError, match="device"):
        queue.submit("train", made(queue.root), device=device)


@given(title=st.text(max_size=220))
def test_title_is_one_printable_line_or_refused(title: str) -> None:
    queue = JobQueue(DataRoot(Path("/nonexistent")))
    folder = queue.root.run("a")
    if len(title) <= 200 and title.isprintable():
        queue._check("train", folder, title, "cpu", 0)
    else:
        with pytest.raises(JobError, match="title"):
            queue._check("train", folder, title, "cpu", 0)


def test_used_folder_is_refused(queue: JobQueue) -> None:
    run = made(queue.root)
    job = queue.submit("train", run)
    with pytest.raises(JobError, match=rf"belongs to job {job.id} \(queued\)"):
        queue.submit("train", run)
    other = new_job_folder(queue.root, "report")
    write_json(other.result, {"status": "succeeded"})
    with pytest.raises(JobError, match=r"holds another job's result\.json"):
        queue.submit("report", other, {})
    assert len(queue.list()) == 1


def test_configuration_is_written_once_and_must_agree(queue: JobQueue) -> None:
    run = made(queue.root)
    with pytest.raises(JobError, match="differs"):
        queue.submit("train", run, {"run_id": "another"})
    assert queue.submit("train", run, read_json(run.config)).status == "queued"
    folder = new_job_folder(queue.root, "report")
    queue.submit("report", folder, {"lang": "ko", "parts": (1, 2)})
    assert read_json(folder.config) == {"lang": "ko", "parts": [1, 2]}
    with pytest.raises(JobError, match=r"no config\.json"):
        queue.submit("report", new_job_folder(queue.root, "report"))


def test_priority_moves_only_what_waits(queue: JobQueue) -> None:
    first = queue.submit("report", new_job_folder(queue.root, "report"), {})
    second = queue.submit("report", new_job_folder(queue.root, "report"), {"lang": "ko"})
    queue.set_priority(second.id, 1)
    assert [job.id for job in queue.active()] == [second.id, first.id]
    assert [job.id for job in queue.list()] == [second.id, first.id]
    with pytest.raises(JobError, match="out of range"):
        queue.set_priority(second.id, 1000)
    queue.request_stop(first.id)
    with pytest.raises(JobError, match="no longer waits"):
        queue.set_priority(first.id, 2)


def test_retry_of_a_run_takes_its_split_and_a_new_name(queue: JobQueue) -> None:
    run = made(queue.root)
    job = queue.submit("train", run, title="compact on x")
    with pytest.raises(JobError, match="wait for its end"):
        queue.retry(job.id)
    queue.request_stop(job.id)
    again = queue.retry(job.id)
    assert isinstance(again.folder, RunFolder)
    assert again.folder.run_id == f"{run.run_id}-retry2"
    config = read_json(again.folder.config)
    assert config["run_id"] == again.folder.run_id
    assert config["created"] > "2026-01-02T03:04:05"
    assert read_json(again.folder.split) == {"train": ["a"]}
    assert not again.folder.result.exists()
    queue.request_stop(again.id)
    assert queue.retry(again.id).folder.path.name == f"{run.run_id}-retry3"


def test_lookups(queue: JobQueue) -> None:
    run = made(queue.root)
    assert queue.for_folder(run) is None
    job = queue.submit("train", run)
    assert queue.for_folder(run) == job
    assert [(found.run_id, found.status) for found in queue.runs()] == [(run.run_id, "queued")]
    with pytest.raises(JobError, match="no job 77"):
        queue.get(77)
    with pytest.raises(JobError, match="still queued after 0 s"):
        queue.wait(job.id, timeout_s=0, poll_s=0.01)
    value = job.to_json()
    assert value["folder"] == str(run.path)
    assert not {"nonce", "pid"} & set(value)


def test_settings_survive_the_command_line() -> None:
    settings = RunnerSettings(program="fake_worker", poll_s=0.01, idle_exit_s=1.5)
    assert RunnerSettings.from_argument(settings.to_argument()) == settings
