"""Slots of GPUs, and the wait for their memory: measured by a real process that stands in for the driver's `nvidia-smi`."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mvla_core.jobs.devices import (
    DeviceUse,
    Unmeasured,
    environment_for,
    gpu_of,
    measure,
    refused_slot,
    slot_for,
    visible_gpus,
)
from mvla_core.jobs.settings import RunnerSettings

if TYPE_CHECKING:
    from tests.jobs.conftest import Bench


class Driver:
    """An `nvidia-smi` on PATH whose answer a test writes; it notes the arguments that it was given."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir()
        self.behave("cat answer")

    def behave(self, script: str) -> None:
        program = self._folder / "new"
        program.write_text(f'#!/bin/sh\ncd "{self._folder}"\necho "$@" >> asked\n{script}\n')
        program.chmod(0o755)
        os.replace(program, self._folder / "nvidia-smi")

    def use(self, used_mib: int, total_mib: int = 16_000) -> None:
        temporary = self._folder / "answer.new"
        temporary.write_text(f"NVIDIA Stand, In, {used_mib}, {total_mib}, 37\n")
        os.replace(temporary, self._folder / "answer")

    @property
    def asked(self) -> list[str]:
        return (self._folder / "asked").read_text().splitlines()


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Driver:
    made = Driver(tmp_path / "driver")
    monkeypatch.setenv("PATH", f"{tmp_path / 'driver'}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return made


@pytest.fixture
def runner_settings(runner_settings: RunnerSettings) -> RunnerSettings:
    return replace(runner_settings, unmeasured_wait_s=0.6)


def test_device_is_measured(driver: Driver) -> None:
    driver.use(1234)
    assert measure("cuda:1") == DeviceUse("NVIDIA Stand, In", 1234.0, 16_000.0, 0.37)
    assert driver.asked[-1].endswith("--id=1")


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("exit 9", "exit code 9"),
        ("echo '[N/A], [N/A], [N/A], [N/A]'", "no figures"),
        ("true", "no figures"),
        ("exec sleep 30", "did not answer within 0.3 s"),
    ],
)
def test_driver_that_does_not_answer_is_told(driver: Driver, script: str, reason: str) -> None:
    driver.behave(script)
    found = measure("cuda:0", timeout_s=0.3)
    assert isinstance(found, Unmeasured)
    assert reason in found.reason


def test_machine_without_a_driver_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert measure("cuda:0") == Unmeasured("nvidia-smi is not on this machine")
    assert isinstance(measure("cpu"), Unmeasured)


@pytest.mark.parametrize(
    ("device", "visible", "expected"),
    [
        ("cpu", None, None),
        ("cuda:1", None, "1"),
        ("cuda:1", "3,5", "5"),
        ("cuda:0", "GPU-8f6c2f1e-aaaa", "GPU-8f6c2f1e-aaaa"),
        ("cuda:2", "3,5", None),
        ("cuda:0", "", None),
        ("cuda:0", "0 --help", None),
    ],
)
def test_slot_is_the_visible_gpu(device: str, visible: str | None, expected: str | None) -> None:
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    assert gpu_of(device, environment) == expected
    assert environment_for(device, environment)["CUDA_VISIBLE_DEVICES"] == (expected or "")


LISTED = [("GPU-8f6c2f1e-aaaa", "A"), ("GPU-8f6c77aa-bbbb", "B"), ("GPU-11112222-cccc", "C")]


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (None, ("A", "B", "C")),
        ("", ()),
        ("-1", ()),
        ("2", ("C",)),
        ("2, 0", ("C", "A")),
        ("0,7,1", ("A",)),
        ("0,-1,1", ("A",)),
        ("1,1", ("B",)),
        ("GPU-1111", ("C",)),
        ("GPU-8f6c", ()),
        ("GPU-8f6c77aa-bbbb,1", ("B",)),
        ("0 --help", ()),
        ("MIG-11112222-3333", ("MIG-11112222-3333",)),
    ],
)
def test_only_visible_gpus_are_counted(visible: str | None, expected: tuple[str, ...]) -> None:
    assert visible_gpus(LISTED, visible) == expected
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    for number in range(len(expected)):
        assert environment_for(f"cuda:{number}", environment)["CUDA_VISIBLE_DEVICES"], "every slot has its GPU"


def test_a_slot_without_a_gpu_is_told() -> None:
    hidden = {"CUDA_VISIBLE_DEVICES": "3"}
    assert "Its slot cuda:1 has no GPU" in refused_slot("cuda:1", hidden)
    assert [refused_slot(device, hidden) for device in ("cuda:0", "cpu", "ask", "mps")] == [""] * 4
    assert refused_slot("cuda:1", {}) == ""


def test_a_job_is_not_started_without_its_gpu(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was queued where two GPUs were visible, and the runner sees one."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    job = bench.finished(bench.submit("succeed", kind="train", device="cuda:1"))
    assert (job.status, job.pid) == ("failed", None)
    assert "Its slot cuda:1 has no GPU: the job runner was started with CUDA_VISIBLE_DEVICES='0'" in job.message


def test_jobs_are_spread_over_the_gpus_there_are(bench: Bench, driver: Driver) -> None:
    """On a simulated list of two devices: one training on each, the third behind the first, CPU jobs in their own slot."""
    driver.use(100)
    jobs: list[int] = []
    for expected in ("cuda:0", "cuda:1", "cuda:0"):
        device = slot_for("train", 2, bench.queue.active())
        assert device == expected
        jobs.append(bench.submit("wait", kind="train", device=device).id)
    assert slot_for("train", 0, bench.queue.active()) == slot_for("scan", 2, []) == "cpu"
    cpu = bench.submit("succeed", device=slot_for("simulate", 2, []))
    assert bench.finished(cpu).status == "succeeded"
    first, second, third = (bench.queue.get(number) for number in jobs)
    bench.working(first), bench.working(second)
    assert bench.queue.get(third.id).status == "queued"
    environments = [Path(f"/proc/{bench.queue.get(number).pid}/environ").read_bytes() for number in jobs[:2]]
    assert [f"CUDA_VISIBLE_DEVICES={number}".encode() in environments[number] for number in (0, 1)] == [True, True]
    for job in (first, second, third):
        (job.folder.path / "go").touch()
    assert {bench.finished(job).status for job in (first, second, third)} == {"succeeded"}


def test_next_job_waits_until_the_memory_is_measured_free(bench: Bench, driver: Driver) -> None:
    driver.use(500)
    first = bench.working(bench.submit("wait", device="cuda:0"))
    bench.until(first, lambda found: found.memory_before_mib == 500)
    driver.use(9_000)
    second, cpu = bench.submit("succeed", device="cuda:0"), bench.submit("succeed")
    (first.folder.path / "go").touch()
    assert bench.finished(first).status == "succeeded"
    waiting = bench.until(second, lambda found: "9,000 of 16,000 MiB" in found.message)
    assert waiting.status == "queued"
    assert bench.finished(cpu).status == "succeeded", "another slot is not kept waiting"
    time.sleep(0.7)
    assert bench.queue.get(second.id).status == "queued"
    driver.use(2_000)  # 500 before, and a tenth of 16,000
    second = bench.finished(second)
    assert (second.status, second.note) == ("succeeded", "")


def test_next_runner_waits_for_the_memory_too(bench: Bench, driver: Driver) -> None:
    driver.use(500)
    first = bench.finished(bench.submit("succeed", device="cuda:0"))
    bench.kill_runner()
    driver.use(9_000)
    second = bench.submit("succeed", device="cuda:0")
    bench.until(second, lambda found: "9,000 of 16,000 MiB" in found.message)
    driver.use(0)
    assert bench.finished(second).started > first.finished


@pytest.mark.parametrize("script", ["exit 9", "exec sleep 30"])
def test_device_that_cannot_be_measured_is_said_and_waited_for(bench: Bench, driver: Driver, script: str) -> None:
    driver.behave(script)
    first = bench.finished(bench.submit("succeed", device="cuda:0"))
    second = bench.finished(bench.submit("succeed", device="cuda:0"))
    assert second.started - first.finished > 0.5
    assert "could not be measured" in second.note
    assert "0.6 s after the job before it" in second.note
