"""The worker that answers "what if it were told something else", with a real tiny policy; and who asks it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from mvla_core.datasets.normalise import ActionNormaliser
from mvla_core.errors import JobError, RunError, UserInputError
from mvla_core.evaluation.ask import Desk, answer_questions, load_on_cpu
from mvla_core.evaluation.questions import (
    Answer,
    Question,
    Waiting,
    ask,
    closed_marker,
    known_instructions,
    look,
    put,
    questions_folder,
)
from mvla_core.files import read_json, write_json, write_text
from mvla_core.jobs.devices import ASK_SLOT, slot_for
from mvla_core.jobs.launch import take_runner_lock
from mvla_core.jobs.queue import JobQueue
from mvla_core.layout import DataRoot, JobFolder, RunFolder
from mvla_core.policies.adapter import LoadedPolicy, save_policy
from mvla_core.policies.build import build_policy
from mvla_core.policies.spec import PolicySpec

EPISODE = "episode_20251106_100003"


@pytest.fixture
def trained(root: DataRoot, worlds: ModuleType) -> RunFolder:
    """A run with a real, tiny policy."""
    worlds.record(root, "world", worlds.varied_keys, 12)
    run: RunFolder = worlds.prepare(root, "world")
    normaliser = ActionNormaliser.fit("mean_std", worlds.train_sequences(root, run, "world"))
    spec = PolicySpec("tiny", worlds.SPACE, normaliser, window_size=4, chunk_size=10, lora_rank=2, head_hidden=16)
    save_policy(build_policy(spec, seed=0), run.adapter, {"run_id": run.run_id})
    return run


@pytest.fixture
def held(root: DataRoot) -> Iterator[DataRoot]:
    """A root in which jobs can be queued but never start."""
    lock = take_runner_lock(root)
    assert lock is not None
    yield root
    os.close(lock)


def test_the_desk_answers_what_the_policy_predicts(root: DataRoot, trained: RunFolder) -> None:
    loads: list[Path] = []

    def load(adapter: Path) -> LoadedPolicy:
        loads.append(adapter)
        policy = load_on_cpu(adapter)
        assert isinstance(policy, LoadedPolicy)
        return policy

    desk = Desk(root, load)
    other = desk.answer(Question(trained.run_id, EPISODE, 7, "Turn round."))
    from mvla_core.episodes.catalogue import scan
    from mvla_core.episodes.dataset import resolve_dataset

    info = scan(root, resolve_dataset(root, "world")).by_id(EPISODE)
    policy = load_on_cpu(trained.adapter)
    assert isinstance(policy, LoadedPolicy)
    for text, found in ((info.instruction, other.original), ("Turn round.", other.changed)):
        expected = policy.predict_episode(root, info, np.array([7]), text)[0]
        np.testing.assert_allclose(found, expected, atol=2e-3)
    assert (other.told, other.asked, other.spread) == (info.instruction, "Turn round.", None)
    again = desk.answer(Question(trained.run_id, EPISODE, 8, "Turn round."))
    assert again.original.shape == (10, 2)
    assert loads == [trained.adapter], "the policy is loaded once"
    assert "changes linear_x by" in other.sentence()
    same = desk.answer(Question(trained.run_id, EPISODE, 8, info.instruction))
    assert (same.original == same.changed).all()
    assert same.sentence().startswith("This is the instruction of the recording itself")


def test_the_worker_answers_until_nobody_asks(root: DataRoot, trained: RunFolder) -> None:
    folder = JobFolder(root.jobs / "ask-test")
    asked = {
        "1": {"run_id": trained.run_id, "episode_id": EPISODE, "frame": 5, "instruction": "Go left."},
        "2": {"run_id": trained.run_id, "episode_id": EPISODE, "frame": 2, "instruction": "Go left."},
        "3": {"run_id": trained.run_id, "episode_id": "gone", "frame": 5, "instruction": "Go left."},
        "4": {"run_id": "nobody", "episode_id": EPISODE, "frame": 5, "instruction": "Go left."},
        "5": {"run_id": trained.run_id},
    }
    for name, question in asked.items():
        write_json(questions_folder(folder) / f"{name}.json", question)
    result = answer_questions(root, folder, idle_s=0.3)
    answers = {name: read_json(folder.path / "answers" / f"{name}.json") for name in asked}
    assert result["answered"] == 5
    assert Answer.from_json(answers["1"]).original.shape == (10, 2)
    assert answers["2"]["error"] == "The policy sees 4 frames at a time: it can be asked at frames 4 to 18, not at 3."
    assert "holds no usable episode 'gone'" in answers["3"]["error"]
    assert "has no adapter any more" in answers["4"]["error"]
    assert "cannot be read" in answers["5"]["error"]
    assert closed_marker(folder).exists()
    assert list(questions_folder(folder).iterdir()) == []


def test_one_job_serves_every_run_and_has_a_slot_of_its_own(held: DataRoot, trained: RunFolder) -> None:
    question = Question(trained.run_id, EPISODE, 5, "Go left.")
    first, second = put(held, question), put(held, question)
    (job,) = JobQueue(held).active()
    assert (job.kind, job.device, first.job_id, second.job_id) == ("ask", ASK_SLOT, job.id, job.id)
    assert first.name != second.name
    assert slot_for("ask", 2, []) == ASK_SLOT
    assert look(held, first) == Waiting("Waits for its start")
    write_json(job.folder.path / "answers" / f"{first.name}.json", {"error": "It was never taught this."})
    with pytest.raises(UserInputError, match="never taught this"):
        look(held, first)
    JobQueue(held).request_stop(job.id)
    with pytest.raises(JobError, match="ended .stopped."):
        look(held, second)
    assert put(held, question).job_id != job.id


def test_who_cannot_be_asked_is_told(root: DataRoot, trained: RunFolder) -> None:
    with pytest.raises(RunError, match="There is no run 'nobody'"):
        put(root, Question("nobody", EPISODE, 5, ""))
    root.run("fresh").path.mkdir()
    with pytest.raises(RunError, match="has no adapter yet"):
        put(root, Question("fresh", EPISODE, 5, ""))
    with pytest.raises(UserInputError, match="run name"):
        Question("../x", EPISODE, 5, "")
    with pytest.raises(UserInputError, match="at most 500"):
        Question("a", EPISODE, 5, "x" * 501)
    with pytest.raises(UserInputError, match="counted from 0"):
        Question("a", EPISODE, -1, "x")
    write_text(trained.adapter / "policy.json", "{}")
    folder = JobFolder(root.jobs / "ask-test")
    question = {"run_id": trained.run_id, "episode_id": EPISODE, "frame": 5, "instruction": "Go left."}
    write_json(questions_folder(folder) / "1.json", question)
    answer_questions(root, folder, idle_s=0.05)
    assert "error" in read_json(folder.path / "answers" / "1.json")


def test_change_is_counted_in_the_drivers_deviations() -> None:
    original = np.zeros((4, 2), np.float32)
    changed = np.tile(np.array([0.3, -0.4], np.float32), (4, 1))
    answer = Answer(("x", "y"), ("m/s", "m/s"), "a", "b", original, changed, np.array([0.3, 0.2]), 0.01)
    assert answer.change_per_axis == {"x": pytest.approx(0.3), "y": pytest.approx(0.4)}
    assert answer.change == pytest.approx(((1.0**2 + 2.0**2) / 2) ** 0.5)
    assert "the policy follows the words" in answer.sentence()
    again = Answer.from_json(answer.to_json())
    assert again.sentence() == answer.sentence()
    # An axis that the driver never moves counts for nothing.
    still = replace(answer, spread=np.array([0.3, np.nan]))
    assert still.change == pytest.approx(1.0)
    assert Answer.from_json(json.loads(json.dumps(still.to_json(), allow_nan=False))).change == pytest.approx(1.0)


def test_known_instructions_leave_the_own_one_out() -> None:
    assert known_instructions(["b", "a", "", "c", "a"], "c") == ["a", "b"]


def test_a_real_worker_answers(root: DataRoot, trained: RunFolder) -> None:
    """The whole way: queue, runner, worker process, file back; then the worker is stopped."""
    queue = JobQueue(root)
    try:
        answer = ask(root, Question(trained.run_id, EPISODE, 5, "Go right."), timeout_s=120)
        assert answer.original.shape == (10, 2)
        again = ask(root, Question(trained.run_id, EPISODE, 5, "Go left."), timeout_s=20)
        assert (again.original == answer.original).all()
        (job,) = queue.active()
        assert (job.kind, job.status) == ("ask", "running")
    finally:
        for job in queue.active():
            queue.request_stop(job.id)
            queue.wait(job.id, timeout_s=30)
