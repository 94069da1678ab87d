"""Where everything lies on the disk: one object owns every path below a data root.

episodes/<dataset>/*.h5        never modified, never deleted by the program
annotations/<dataset>.json     curation, beside the data
augmentations/<name>.json      augmentation recipes; deleted ones lie in augmentations/.bin
cache/                         safe to delete at any time
runs/<run_id>/                 one training run: see `RunFolder`
jobs/<job_id>/                 one background job that is not a training: see `JobFolder`
jobs.sqlite, runner.lock, runner.log
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from mvla_core.errors import UserInputError
from mvla_core.files import check_identifier

ENVIRONMENT_VARIABLE = "MVLA_DATA_ROOT"


@dataclass(frozen=True)
class JobFolder:
    """The files of one background job.

    `config.json` is frozen before the start; `job.json` is the queue's own record, from which a lost queue is rebuilt;
    `progress.jsonl` grows (see `mvla_core.progress`); `stdout.log` holds both output streams; `result.json` is written
    last, by the worker, or by the runner for a worker that died without one: its `status` says how the job ended.
    """

    path: Path

    @property
    def config(self) -> Path:
        return self.path / "config.json"

    @property
    def record(self) -> Path:
        return self.path / "job.json"

    @property
    def progress(self) -> Path:
        return self.path / "progress.jsonl"

    @property
    def log(self) -> Path:
        return self.path / "stdout.log"

    @property
    def result(self) -> Path:
        return self.path / "result.json"


@dataclass(frozen=True)
class RunFolder(JobFolder):
    """A training job's folder, with what a run leaves behind."""

    @property
    def run_id(self) -> str:
        return self.path.name

    @property
    def split(self) -> Path:
        return self.path / "split.json"

    @property
    def augmentation(self) -> Path:
        """The augmentation recipe as it was at the launch; missing where the run has none."""
        return self.path / "augmentation.json"

    @property
    def provenance(self) -> Path:
        return self.path / "provenance.json"

    @property
    def start(self) -> Path:
        """The PEFT folder whose parameters an extending run begins with; missing where a run begins with fresh ones."""
        return self.path / "start"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def adapter(self) -> Path:
        """The PEFT folder of the best epoch."""
        return self.path / "adapter"

    @property
    def adapter_last(self) -> Path:
        """The PEFT folder of the last epoch."""
        return self.path / "adapter_last"

    @property
    def evaluation(self) -> Path:
        return self.path / "evaluation"

    @property
    def evaluation_results(self) -> Path:
        return self.evaluation / "results.json"

    @property
    def predictions(self) -> Path:
        return self.evaluation / "predictions.npz"

    @property
    def report(self) -> Path:
        return self.path / "report"


@dataclass(frozen=True)
class DataRoot:
    """All paths below one data root."""

    path: Path

    @classmethod
    def resolve(cls, given: str | Path | None = None) -> DataRoot:
        """The root that was given, else MVLA_DATA_ROOT, else `data/` in the current folder."""
        chosen = given or os.environ.get(ENVIRONMENT_VARIABLE) or "data"
        return cls(Path(chosen).expanduser().resolve())

    @property
    def episodes(self) -> Path:
        return self.path / "episodes"

    @property
    def cache(self) -> Path:
        return self.path / "cache"

    @property
    def runs(self) -> Path:
        return self.path / "runs"

    @property
    def jobs(self) -> Path:
        return self.path / "jobs"

    @property
    def jobs_database(self) -> Path:
        return self.path / "jobs.sqlite"

    @property
    def jobs_lock(self) -> Path:
        """Held while the database is opened, set aside or rebuilt."""
        return self.path / "jobs.sqlite.lock"

    @property
    def runner_lock(self) -> Path:
        return self.path / "runner.lock"

    @property
    def runner_log(self) -> Path:
        return self.path / "runner.log"

    def dataset(self, name: str) -> Path:
        return self.episodes / check_identifier(name, "data set name")

    def annotations(self, dataset: str) -> Path:
        return self.path / "annotations" / f"{check_identifier(dataset, 'data set name')}.json"

    @property
    def augmentations(self) -> Path:
        return self.path / "augmentations"

    @property
    def augmentations_bin(self) -> Path:
        """Deleted augmentation recipes, each with the time in its name."""
        return self.augmentations / ".bin"

    def augmentation(self, name: str) -> Path:
        return self.augmentations / f"{check_identifier(name, 'augmentation name')}.json"

    def run(self, run_id: str) -> RunFolder:
        """The folder of a run, whether or not it exists.

        Raises:
            UserInputError: The name is no identifier, or a link lies there: what is behind it is nobody's run.
        """
        folder = self.runs / check_identifier(run_id, "run name")
        if folder.is_symlink():
            raise UserInputError(
                f"The run {run_id!r} is a link and is not followed; move the folder itself to {self.runs}."
            )
        return RunFolder(folder)

    def job(self, job_id: str) -> JobFolder:
        return JobFolder(self.jobs / check_identifier(job_id, "job name"))
