"""What a runner is told when it starts. Tests shorten the times and name a program of their own."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class RunnerSettings:
    """All times in seconds."""

    program: str = "mvla_core"
    """The module that is started as `python -m PROGRAM work KIND --folder FOLDER --data-root ROOT`."""
    poll_s: float = 0.2
    """How often the runner looks at the queue and at its workers."""
    idle_exit_s: float = 30.0
    """How long a runner without work stays, so that the next job need not wait for a new one."""
    terminate_grace_s: float = 5.0
    """Between telling the whole process tree to end and killing it."""
    linger_s: float = 10.0
    """How long a worker may live on after it has written its result."""

    unmeasured_wait_s: float = 10.0
    """How long after the former job the next one starts on a GPU whose memory cannot be measured."""

    def to_argument(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_argument(cls, text: str) -> RunnerSettings:
        return cls(**json.loads(text))
