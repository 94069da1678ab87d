"""Names for the folders of background jobs. Identifiers are made by the program, never by a client."""

from __future__ import annotations

import secrets
import time

from mvla_core.layout import DataRoot, JobFolder


def new_job_folder(root: DataRoot, kind: str) -> JobFolder:
    """Make an empty folder for a job that is not a training, for example `evaluate-20260102-030405-9f2c`."""
    folder = root.job(f"{kind}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}")
    folder.path.mkdir(parents=True)
    return folder
