"""Between two jobs on one GPU: the next one starts when the memory of the one before is measured free again.

Processes that have ended may leave the driver busy for a moment, and what something else left on the device would end the next
job for want of memory. Measuring happens in a thread of its own, so that a driver that hangs keeps no other job waiting.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from mvla_core.jobs.devices import DeviceUse, Unmeasured, gpu_of, measure

FREE_SHARE = 0.1
"""A device counts as free again when no more of its memory is in use than before the former job, plus this share of it all."""


class Measuring:
    """One measurement of one device, going on or done."""

    def __init__(self, device: str, measured: Callable[[str], DeviceUse | Unmeasured] = measure) -> None:
        self.began = time.monotonic()
        self.found: DeviceUse | Unmeasured | None = None
        self._measured = measured
        threading.Thread(target=self._run, args=(device,), name=f"measure-{device}", daemon=True).start()

    def _run(self, device: str) -> None:
        self.found = self._measured(device)


class MemoryGate:
    """Says whether the next job on a device may start.

    Args:
        unmeasured_wait_s: How long after the former job the next one starts where the memory cannot be measured.
        interval_s: Between two measurements of a device.
    """

    def __init__(self, unmeasured_wait_s: float, interval_s: float = 0.5) -> None:
        self._unmeasured_wait_s = unmeasured_wait_s
        self._interval_s = interval_s
        self._closed: dict[str, tuple[float, float | None]] = {}
        self._measuring: dict[str, Measuring] = {}
        self.notes: dict[str, str] = {}
        """Device -> what the job that is started next on it should say."""

    def close(self, device: str, before_mib: float | None) -> None:
        """A job on a GPU has ended: the next one waits for its memory.

        Args:
            device: The slot.
            before_mib: What was in use when that job was started; None where it is not known.
        """
        if gpu_of(device) is not None:
            self._closed[device] = (time.monotonic(), before_mib)
            self._measuring.pop(device, None)

    def waits(self, device: str) -> str:
        """Return why the next job on a device has to wait, or "" where it may start."""
        if device not in self._closed:
            return ""
        since, before_mib = self._closed[device]
        measuring = self._measuring.get(device)
        if measuring is None:
            self._measuring[device] = Measuring(device)
            return f"Waits until the memory of {device} was measured."
        found = measuring.found
        if found is None:
            return f"Waits until the memory of {device} was measured."
        if isinstance(found, Unmeasured):
            return self._without_measurement(device, since, found)
        limit_mib = (before_mib or 0.0) + FREE_SHARE * found.total_mib
        if found.used_mib <= limit_mib:
            self._open(device, "")
            return ""
        if time.monotonic() - measuring.began > self._interval_s:
            self._measuring[device] = Measuring(device)
        return (
            f"Waits for the memory of {device}: {found.used_mib:,.0f} of {found.total_mib:,.0f} MiB are in use by other programs; "
            f"it starts when no more than {limit_mib:,.0f} are."
        )

    def _without_measurement(self, device: str, since: float, found: Unmeasured) -> str:
        if time.monotonic() - since < self._unmeasured_wait_s:
            return (
                f"The memory of {device} cannot be measured ({found.reason}); it starts {self._unmeasured_wait_s:g} s after the "
                "job before it."
            )
        self._open(
            device,
            f"The memory of {device} could not be measured ({found.reason}); it was started {self._unmeasured_wait_s:g} s after "
            "the job before it.",
        )
        return ""

    def _open(self, device: str, note: str) -> None:
        del self._closed[device]
        self._measuring.pop(device, None)
        if note:
            self.notes[device] = note
