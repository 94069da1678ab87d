"""Questions to a trained policy while it stays loaded: "what would you do on this frame if you were told something else?"

Free of torch: the server and the command put questions, one worker answers (`mvla_core.evaluation.ask`). All lie in the folder of
the job "ask", which serves every run of the data root:

questions/<id>.json    written by who asks: run_id, episode_id, frame, instruction
answers/<id>.json      written by the worker: see `Answer`, or {"error": one sentence}
closed                 written by the worker when it takes no more: what comes later goes to a new job

The job has a slot of its own, so that it neither waits for a training nor keeps one waiting, and computes on the CPU.
"""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from mvla_core.errors import JobError, RunError, UserInputError
from mvla_core.files import check_identifier, read_json, read_json_lines, write_json
from mvla_core.jobs.devices import ASK_SLOT
from mvla_core.jobs.folders import new_job_folder
from mvla_core.jobs.model import Job
from mvla_core.jobs.queue import JobQueue
from mvla_core.layout import DataRoot, JobFolder

MAX_INSTRUCTION = 500
"""Characters of an instruction."""
CLEAR_CHANGE = 0.5
SLIGHT_CHANGE = 0.1
"""Changes in deviations of the driver: from the first on the policy clearly follows, below the second it does not listen."""
_TITLE = "Answer what-if questions"
_HANDOVER_S = 20.0
_POLL_S = 0.01


@dataclass(frozen=True)
class Question:
    """What a run's policy would do on one frame if it were told something else.

    Attributes:
        run_id: The run.
        episode_id: An episode of the run's data set.
        frame: Index of the last seen frame, from 0, counted in the stored episode (also where the run trims it).
        instruction: What the policy is told.
    """

    run_id: str
    episode_id: str
    frame: int
    instruction: str

    def __post_init__(self) -> None:
        check_identifier(self.run_id, "run name")
        if not 0 < len(self.episode_id) <= 200:
            raise UserInputError(f"The episode {self.episode_id[:60]!r} cannot be used: expected 1 to 200 characters.")
        if self.frame < 0:
            raise UserInputError(f"The frame {self.frame} cannot be used: frames are counted from 0.")
        if len(self.instruction) > MAX_INSTRUCTION:
            raise UserInputError(
                f"The instruction has {len(self.instruction)} characters; at most {MAX_INSTRUCTION} are asked."
            )

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        return cls(value["run_id"], value["episode_id"], int(value["frame"]), value["instruction"])


@dataclass(frozen=True, eq=False)
class Answer:
    """What the policy predicts on one frame, told as in the recording and told something else.

    Attributes:
        names: Of the A action dimensions.
        units: Of each.
        told: The recording's own instruction.
        asked: The instruction of the question.
        original: float32 (chunk, A), predicted under `told`.
        changed: float32 (chunk, A), predicted under `asked`.
        spread: float64 (A,), the driver's deviations in the training part, NaN for an axis that never varies there; None where
            the run is not evaluated.
        seconds: That the two predictions took, without loading the policy.
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    told: str
    asked: str
    original: npt.NDArray[np.float32]
    changed: npt.NDArray[np.float32]
    spread: npt.NDArray[np.float64] | None
    seconds: float

    @property
    def change_per_axis(self) -> dict[str, float]:
        """Root mean square change over the chunk of each axis, in its unit."""
        squared = np.square(self.changed.astype(np.float64) - self.original)
        return dict(zip(self.names, np.sqrt(squared.mean(axis=0)).tolist(), strict=True))

    @property
    def change(self) -> float | None:
        """Root mean square change over chunk and varying axes, in the driver's deviations; None where these are not known."""
        if self.spread is None:
            return None
        varies = np.isfinite(self.spread)
        moved = (self.changed.astype(np.float64) - self.original)[:, varies]
        return float(np.sqrt(np.square(moved / self.spread[varies]).mean()))

    def sentence(self) -> str:
        """How much the other instruction changes, in one sentence."""
        if self.asked == self.told:
            return "This is the instruction of the recording itself; ask with another one."
        by_axis = ", ".join(
            f"{name} by {value:.2f} {unit}"
            for (name, value), unit in zip(self.change_per_axis.items(), self.units, strict=True)
        )
        if self.change is None:
            return f"The other instruction changes {by_axis}."
        said = (
            "the policy follows the words"
            if self.change >= CLEAR_CHANGE
            else "the words count a little"
            if self.change >= SLIGHT_CHANGE
            else "as good as nothing, here the policy does not listen"
        )
        return f"The other instruction changes {by_axis}, {self.change:.2f} of the driver's deviations: {said}."

    def to_json(self) -> dict[str, Any]:
        return {
            **{key: list(value) for key, value in (("names", self.names), ("units", self.units))},
            "told": self.told,
            "asked": self.asked,
            "original": _rounded(self.original),
            "changed": _rounded(self.changed),
            "spread": None
            if self.spread is None
            else [one if np.isfinite(one) else None for one in self.spread.tolist()],
            "seconds": round(self.seconds, 4),
            "change": self.change,
            "change_per_axis": self.change_per_axis,
            "sentence": self.sentence(),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        spread = value["spread"]
        return cls(
            tuple(value["names"]),
            tuple(value["units"]),
            value["told"],
            value["asked"],
            np.array(value["original"], dtype=np.float32),
            np.array(value["changed"], dtype=np.float32),
            None if spread is None else np.array(spread, dtype=np.float64),
            float(value["seconds"]),
        )


@dataclass(frozen=True)
class Ticket:
    """A question that was put: by job and name its answer is found."""

    job_id: int
    name: str


@dataclass(frozen=True)
class Waiting:
    """No answer yet.

    Attributes:
        text: What the worker does meanwhile, in words.
        gone: The worker ended without an answer; put the question again.
    """

    text: str
    gone: bool = False


def questions_folder(folder: JobFolder) -> Path:
    return folder.path / "questions"


def answers_folder(folder: JobFolder) -> Path:
    return folder.path / "answers"


def closed_marker(folder: JobFolder) -> Path:
    return folder.path / "closed"


def put(root: DataRoot, question: Question) -> Ticket:
    """Put a question to the worker that serves this data root; one is queued where none does.

    Raises:
        RunError: There is no such run, or it has no adapter.
        JobError: The queue or the job's folder cannot be written.
    """
    run = root.run(question.run_id)
    if not run.path.is_dir():
        raise RunError(f"There is no run {question.run_id!r} in {root.runs}; choose one on the page Runs.")
    if not run.adapter.is_dir():
        raise RunError(f"The run {question.run_id!r} has no adapter yet: its training has not finished an epoch.")
    job = _serving(root)
    name = f"{time.time_ns():020d}-{secrets.token_hex(3)}"
    try:
        write_json(questions_folder(job.folder) / f"{name}.json", asdict(question))
    except OSError as error:
        raise JobError(f"The question cannot be written to {job.folder.path} ({error.strerror}).") from error
    return Ticket(job.id, name)


def look(root: DataRoot, ticket: Ticket, wait_s: float = 0.0) -> Answer | Waiting:
    """Look for an answer, for at most `wait_s` seconds.

    Raises:
        JobError: The worker failed or was stopped.
        UserInputError: What was asked cannot be answered; the sentence is the policy's own.
    """
    queue = JobQueue(root)
    job = queue.get(ticket.job_id)
    path = answers_folder(job.folder) / f"{check_identifier(ticket.name, 'question name')}.json"
    deadline = time.monotonic() + wait_s
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    if not path.exists():
        job = queue.get(ticket.job_id)
        if not path.exists():
            return _no_answer(queue, job)
    value = read_json(path)
    if "error" in value:
        raise UserInputError(value["error"])
    return Answer.from_json(value)


def ask(root: DataRoot, question: Question, timeout_s: float = 300.0) -> Answer:
    """Put a question and wait for its answer; once more where the worker ended in between.

    Raises:
        JobError: No answer came in time, or the worker failed.
    """
    deadline = time.monotonic() + timeout_s
    ticket = put(root, question)
    while time.monotonic() < deadline:
        found = look(root, ticket, wait_s=0.5)
        if isinstance(found, Answer):
            return found
        if found.gone:
            ticket = put(root, question)
    raise JobError(
        f"No answer came within {timeout_s:g} s; look at the job {ticket.job_id}: python -m mvla_core jobs show {ticket.job_id}"
    )


def known_instructions(sentences: Sequence[str], own: str) -> list[str]:
    """The other instructions of a data set, for a list to choose from: sorted, without the episode's own and without empty ones."""
    return sorted({text for text in sentences if text.strip() and text != own})


def _serving(root: DataRoot) -> Job:
    """The job that takes questions, queued now where none does."""
    queue = JobQueue(root)
    deadline = time.monotonic() + _HANDOVER_S
    while True:
        active = [job for job in queue.active() if job.kind == "ask"]
        open_ones = [job for job in active if job.status != "stopping" and not closed_marker(job.folder).exists()]
        if open_ones:
            queue.attend()
            return open_ones[0]
        if not active:
            folder = new_job_folder(root, "ask")
            try:
                return queue.submit("ask", folder, {}, title=_TITLE, device=ASK_SLOT)
            except JobError:
                # Another tab was quicker: its job has the same configuration and serves us as well.
                shutil.rmtree(folder.path, ignore_errors=True)
                if not any(job.kind == "ask" for job in queue.active()):
                    raise
        elif time.monotonic() > deadline:
            raise JobError(f"The job {active[0].id} takes no more questions and does not end; stop it and ask again.")
        time.sleep(_POLL_S * 5)


def _no_answer(queue: JobQueue, job: Job) -> Waiting:
    if job.active:
        if job.status == "queued":
            queue.attend()
            return Waiting("Waits for its start")
        if job.status == "paused":
            return Waiting("Its job is paused; let it continue on the page Runs")
        rows, _ = read_json_lines(job.folder.progress)
        stages = [str(row.get("name", "")) for row in rows if row.get("event") == "stage"]
        return Waiting(stages[-1] if stages else "Starting")
    if job.status == "succeeded":
        return Waiting("The policy is loaded again", gone=True)
    raise JobError(f"The job that answers questions ended ({job.status}): {job.message or 'its log says more'}")


def _rounded(chunk: npt.NDArray[np.float32]) -> list[list[float]]:
    """Numbers to a tenth of a millimetre a second: enough for any robot, and short in a file."""
    return [[round(float(value), 6) for value in row] for row in chunk]
