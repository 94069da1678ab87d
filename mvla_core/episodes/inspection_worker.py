"""The process that reads a file for the first time, with limits. See `mvla_core.episodes.inspection`.

One request a line on stdin, `{"path", "dataset"}`; one answer a line on stdout, `{"info", "inode", "actions"}` (little-endian
float32 in base 64) or `{"fault", "message"}`.
"""

from __future__ import annotations

import base64
import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

from mvla_core.episodes.reader import EpisodeReader
from mvla_core.errors import EpisodeError

MAX_MEMORY_BYTES = 512 << 20
MAX_PROCESSOR_S = 1.5
"""For one file; a sound one takes about 3 ms, and half a second with 100,000 frames."""


def inspected(path: Path, dataset: str) -> dict[str, Any]:
    """Read everything of a file but its pictures."""
    try:
        reader = EpisodeReader(path, dataset)
        try:
            reader.event_types()
            actions = base64.b64encode(reader.actions().astype("<f4").tobytes()).decode()
            return {"info": reader.info.to_json(), "inode": reader.status.st_ino, "actions": actions}
        finally:
            reader.close()
    except EpisodeError as error:
        return {"fault": error.code, "message": str(error)}
    except MemoryError:
        limit = MAX_MEMORY_BYTES >> 20
        return {
            "fault": "unsafe",
            "message": f"{path.name} was refused: reading it takes more than {limit} MiB of memory.",
        }


def serve() -> None:
    """Answer until the owner closes the pipe."""
    resource.setrlimit(resource.RLIMIT_DATA, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Answers go out by a copy of stdout, so that nothing a library prints can pass for one.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        # Processor time, not time on the clock: a slow disk is no fault. Nothing handles the signal, so it ends the
        # process also inside the library.
        signal.setitimer(signal.ITIMER_PROF, MAX_PROCESSOR_S)
        answer = inspected(Path(request["path"]), request["dataset"])
        signal.setitimer(signal.ITIMER_PROF, 0)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    serve()
