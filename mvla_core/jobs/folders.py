"""Names for the folders of background jobs. Identifiers are made by the program, never by a client."""

from __future__ import annotations

import re
import secrets
import shutil
import time
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

from mvla_core.errors import JobError, MvlaError
from mvla_core.files import read_json, write_json
from mvla_core.layout import DataRoot, JobFolder, RunFolder

_GIVEN_TO_RUNS = ("split.json", "curation.json", "augmentation.json", "provenance.json", "program.diff")
"""What a run is given besides its configuration, where it has them."""


def new_job_folder(root: DataRoot, kind: str) -> JobFolder:
    """Make an empty folder for a job that is not a training, for example `evaluate-20260102-030405-9f2c41`.

    Raises:
        JobError: It cannot be made, for example because the disk is full.
    """
    folder = root.job(f"{kind}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}")
    try:
        folder.path.mkdir(parents=True)
    except OSError as error:
        raise JobError(
            f"The job's folder {folder.path} cannot be made ({error.strerror}); free disk space or check its permissions."
        ) from error
    return folder


def copy_inputs(root: DataRoot, kind: str, old: JobFolder) -> JobFolder:
    """Make a new folder with what a job was given, and nothing of what it made.

    A run's copy is named after it (`NAME-retry2`) and its configuration names the copy; the split stays the same one.

    Raises:
        JobError: The old folder has no readable configuration any more.
    """
    try:
        config = read_json(old.config)
    except MvlaError as error:
        raise JobError(f"The job cannot be started again. {error}") from error
    if not isinstance(old, RunFolder):
        folder = new_job_folder(root, kind)
        shutil.copyfile(old.config, folder.config)
        return folder
    run = _next_retry(root, old)
    write_json(run.config, _renamed(config, old.run_id, run.run_id))
    for name in _GIVEN_TO_RUNS:
        if (old.path / name).exists():
            shutil.copyfile(old.path / name, run.path / name)
    if old.start.is_dir():
        shutil.copytree(old.start, run.start)
    return run


def _next_retry(root: DataRoot, old: RunFolder) -> RunFolder:
    name = re.sub(r"-retry[0-9]+$", "", old.run_id)
    for number in count(2):
        run = root.run(f"{name}-retry{number}")
        if _make(run.path):
            return run
    raise AssertionError("unreachable")


def _make(path: Path) -> bool:
    try:
        path.mkdir()
    except FileExistsError:
        return False
    return True


def _renamed(config: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    value = dict(config)
    if value.get("run_id") == old:
        value["run_id"] = new
    if isinstance(value.get("created"), str):
        value["created"] = datetime.now().astimezone().isoformat(timespec="seconds")
    elif "created" in value:
        value["created"] = time.time()
    return value
