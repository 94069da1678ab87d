"""Which process is which. A PID alone says nothing: it is given out again.

A worker is known by four things together: its PID, its start time in clock ticks since the boot (which no change of the clock
moves), the machine's boot id, and a random nonce in its environment. The nonce is inherited by everything that the worker
starts, so that the whole tree is found even where a child has left the group or lost its parent.

All of it is read from Linux's /proc.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mvla_core.errors import JobError

NONCE_VARIABLE = "MVLA_JOB_NONCE"
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
PROC = Path("/proc")


@dataclass(frozen=True)
class ProcessIdentity:
    """One process of one boot of this machine, never mistaken for another."""

    pid: int
    start_ticks: int
    boot_id: str
    nonce: str
    """"" for a process that carries none."""


@dataclass(frozen=True)
class _Stat:
    state: str
    session: int
    start_ticks: int

    @property
    def alive(self) -> bool:
        """A zombie has ended; only its exit code is left."""
        return self.state not in "ZXx"


def current_boot_id() -> str:
    """Return the id that the kernel drew at this boot.

    Raises:
        JobError: This is not Linux.
    """
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except OSError as error:
        raise JobError(f"Background jobs need Linux: {BOOT_ID} cannot be read ({error.strerror}).") from error


def _stat(pid: int) -> _Stat | None:
    try:
        text = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # the name before may itself hold blanks and brackets
    return _Stat(state=fields[0], session=int(fields[3]), start_ticks=int(fields[19]))


def _environment(pid: int) -> list[bytes] | None:
    """Return the environment that a process was started with; None where it ended, cleared it, or is somebody else's."""
    try:
        return (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return None


def _carries(pid: int, nonce: str, *, if_unknown: bool = False) -> bool:
    environment = _environment(pid)
    return f"{NONCE_VARIABLE}={nonce}".encode() in environment if environment else if_unknown


def identify(pid: int, nonce: str = "") -> ProcessIdentity | None:
    """Return the identity of a live process, or None where no such process lives."""
    stat = _stat(pid)
    return ProcessIdentity(pid, stat.start_ticks, current_boot_id(), nonce) if stat and stat.alive else None


def is_alive(identity: ProcessIdentity) -> bool:
    """Say whether exactly this process still lives; a paused one does, a zombie or a successor in its PID does not."""
    if identity.boot_id != current_boot_id():
        return False
    stat = _stat(identity.pid)
    if stat is None or not stat.alive or stat.start_ticks != identity.start_ticks:
        return False
    return not identity.nonce or _carries(identity.pid, identity.nonce, if_unknown=True)


def is_paused(pid: int) -> bool:
    """Say whether a process was halted by a signal (SIGSTOP) and not continued since."""
    stat = _stat(pid)
    return stat is not None and stat.state == "T"


def members(nonce: str, session: int | None = None) -> list[int]:
    """Return the PIDs of all live processes of a job.

    Args:
        nonce: Found in the environment of the worker and of everything it started.
        session: The worker's PID, which is also the number of its session: finds children whose environment was cleared.
            Give it only while the worker lives or is an unreaped zombie, because the number is free for others afterwards.
    """
    found = []
    for entry in os.listdir(PROC):
        if entry.isdigit() and (stat := _stat(int(entry))) and stat.alive:
            pid = int(entry)
            if (session is not None and stat.session == session) or _carries(pid, nonce):
                found.append(pid)
    return found


def find_worker(nonce: str) -> ProcessIdentity | None:
    """Find a worker by its nonce alone: for a runner that died before it could write the PID down."""
    leaders = [pid for pid in members(nonce) if (stat := _stat(pid)) and stat.session == pid]
    return identify(leaders[0], nonce) if leaders else None


def send(pids: Iterable[int], number: signal.Signals) -> None:
    """Send a signal to each; those that have ended meanwhile are passed over."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def out_of_memory_kills() -> int | None:
    """Return how many processes the kernel has killed for memory since the boot, or None where it does not count them."""
    with contextlib.suppress(OSError):
        for line in (PROC / "vmstat").read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(" ")
            if name == "oom_kill":
                return int(value)
    return None


@dataclass(frozen=True)
class Usage:
    """What the processes of a job use together."""

    processes: int
    memory_bytes: int
    """Resident memory; what several of them share is counted in each."""
    cpu_s: float
    """Time on any core since each of them was started."""


def usage(pids: Iterable[int]) -> Usage:
    """Return what processes use; those that have ended meanwhile count nothing."""
    page, tick = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")
    count, pages, ticks = 0, 0, 0
    for pid in pids:
        with contextlib.suppress(OSError):
            text = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
            fields = text.rpartition(")")[2].split()
            count, ticks, pages = count + 1, ticks + int(fields[11]) + int(fields[12]), pages + int(fields[21])
    return Usage(count, pages * page, ticks / tick)


def machine_memory() -> tuple[int, int] | None:
    """Return the memory that is free for use and all there is, in bytes; None where the kernel does not tell."""
    with contextlib.suppress(OSError, KeyError, ValueError):
        lines = (PROC / "meminfo").read_text(encoding="ascii").splitlines()
        kilobytes = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
        return kilobytes["MemAvailable"] * 1024, kilobytes["MemTotal"] * 1024
    return None
