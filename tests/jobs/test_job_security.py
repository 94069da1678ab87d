"""Attacks on jobs, replayed on real processes: what a client writes into any field never becomes a command, an option or a path."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mvla_core.errors import MvlaError
from mvla_core.jobs.bin import binned
from mvla_core.jobs.model import KINDS
from mvla_core.jobs.watch import worker_command
from mvla_core.layout import DataRoot, JobFolder

if TYPE_CHECKING:
    from tests.jobs.conftest import Bench

SHELL = ["; touch {}", "$(touch {})", "`touch {}`", "| touch {}", "&& touch {}", "' ; touch {} ; '", "${{IFS}}touch {}"]
TRAVERSAL = [
    "..",
    "../x",
    "..%2fx",
    "%2e%2e%2fx",
    "%252e%252e%252fx",
    "/etc",
    "\\..\\x",
    "a/../../x",
    "~",
    "x\0y",
    "．．/x",
]


@pytest.mark.parametrize("attack", SHELL)
def test_shell_strings_in_every_field_do_nothing(bench: Bench, tmp_path: Path, attack: str) -> None:
    """Title, configuration and output file names of a job that really runs."""
    struck = tmp_path / "struck"
    text = attack.format(struck)
    folder = bench.root.job("simulate-1")
    folder.path.mkdir(parents=True)
    job = bench.queue.submit("simulate", folder, {"do": "succeed", "dataset": text, text: text}, title=text)
    for wrong in ({"kind": text}, {"device": text}, {"folder": bench.root.jobs / text}):
        with pytest.raises(MvlaError):
            bench.queue.submit(
                str(wrong.get("kind", "simulate")),
                JobFolder(Path(wrong.get("folder", folder.path))),
                {},
                device=str(wrong.get("device", "cpu")),
            )
    assert bench.finished(job).status == "succeeded"
    assert not struck.exists()


@pytest.mark.parametrize("name", TRAVERSAL)
def test_traversal_in_every_identifier_is_refused(root: DataRoot, name: str) -> None:
    for make in (root.run, root.job, root.dataset):
        with pytest.raises(MvlaError):
            make(name)


def test_links_are_no_job_folders_and_the_bin_moves_the_link_alone(bench: Bench, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "keep").touch()
    bench.root.runs.mkdir(parents=True)
    (bench.root.runs / "link").symlink_to(outside)
    with pytest.raises(MvlaError, match="is a link"):
        bench.queue.submit("train", bench.root.run("link"), {})
    assert list(outside.iterdir()) == [outside / "keep"]
    job = bench.finished(bench.submit("succeed"))
    for path in job.folder.path.iterdir():
        path.unlink()
    job.folder.path.rmdir()
    job.folder.path.symlink_to(outside)
    bench.queue.discard(job.id)
    assert binned(job.folder).path.is_symlink()
    assert (outside / "keep").exists()


@given(
    title=st.text(max_size=60),
    name=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True),
    kind=st.sampled_from(KINDS),
)
def test_no_text_becomes_an_argument(title: str, name: str, kind: str) -> None:
    """The worker's command line has nine words, whatever the job is called; none of them can be an option of a client's."""
    job = type("Job", (), {"kind": kind, "title": title, "folder": JobFolder(Path("/data/jobs") / name)})()
    command = worker_command("mvla_core", job, DataRoot(Path("/data")))
    assert len(command) == 9
    assert [word for word in command[1:] if word.startswith("-")] == ["-m", "--folder", "--data-root"]
    assert command[6] == f"/data/jobs/{name}"


@pytest.mark.parametrize("name", ["-rf", "--help", "--data-root=x", "-", "--"])
def test_names_that_look_like_options_are_refused(root: DataRoot, name: str) -> None:
    for make in (root.run, root.job, root.dataset):
        with pytest.raises(MvlaError):
            make(name)


def test_record_that_was_tampered_with_names_no_other_command(bench: Bench) -> None:
    """A row whose kind, device or folder was changed behind the program's back starts nothing of the attacker's."""
    blocker = bench.working(bench.submit("wait"))
    job = bench.submit("succeed")
    bench.change_row(job, kind="succeed; reboot")
    (blocker.folder.path / "go").touch()
    ended = bench.finished(job)
    assert ended.status == "failed"
    assert "No worker knows the job kind" in ended.message
    fields = {field.name for field in dataclasses.fields(ended)}
    assert not fields & {"command", "arguments", "environment"}
