"""Scalars as TensorBoard reads them, written without TensorBoard: `tensorboard --logdir data/runs` shows every run.

An event file is a sequence of records, each framed by its length and two masked CRC-32C sums; a record is an `Event` message of
protocol buffers. Only what scalars need is written here: some 40 bytes of format are no reason for a dependency of 30 packages.

Source: `tensorflow/core/lib/io/record_writer.h` (framing) and `tensorflow/core/util/event.proto`, `summary.proto` (fields).
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mvla_core.files import read_json_lines
from mvla_core.layout import RunFolder

FOLDER = "tensorboard"
TAGS = {
    ("step", "train_loss"): "loss/train_step",
    ("step", "learning_rate"): "optimiser/learning_rate",
    ("step", "grad_norm"): "optimiser/gradient_norm",
    ("step", "windows_per_second"): "speed/windows_per_second",
    ("step", "memory_bytes"): "memory/process_bytes",
    ("step", "gpu_memory_bytes"): "memory/gpu_bytes",
    ("epoch", "train_loss"): "loss/train",
    ("epoch", "val_loss"): "loss/validation",
    ("epoch", "val_rmse"): "error/validation_rmse",
    ("epoch", "val_huber"): "error/validation_huber",
}
"""Event and key of the progress file -> the name under which TensorBoard shows it."""
AXES_TAGS = {
    "val_rmse_axes": "error/validation_rmse of ",
    "val_rmse_normalised_axes": "error/validation_rmse, normalised, of ",
}
"""Key of an epoch -> what stands before the name of each axis, and its unit where it has one."""
_MAX_AXES = 64

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MASK_DELTA = 0xA282EAD8
_CASTAGNOLI = 0x82F63B78


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (_CASTAGNOLI if value & 1 else 0)
        table.append(value)
    return tuple(table)


_TABLE = _crc_table()


def crc32c(data: bytes) -> int:
    """Return the CRC-32C (Castagnoli) of some bytes."""
    table, value = _TABLE, 0xFFFFFFFF
    for byte in data:
        value = table[(value ^ byte) & 0xFF] ^ (value >> 8)
    return value ^ 0xFFFFFFFF


def _masked(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF)


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def _key(field: int, kind: int) -> bytes:
    return _varint(field << 3 | kind)


def _block(field: int, content: bytes) -> bytes:
    return _key(field, _BYTES) + _varint(len(content)) + content


def _record(message: bytes) -> bytes:
    length = struct.pack("<Q", len(message))
    return length + _masked(length) + message + _masked(message)


def _event(wall_time: float, step: int, content: bytes) -> bytes:
    return _key(1, _FIXED64) + struct.pack("<d", wall_time) + _key(2, _VARINT) + _varint(max(0, step)) + content


def scalar_record(wall_time: float, step: int, scalars: Mapping[str, float]) -> bytes:
    """Return one framed record that holds scalars of one step.

    Args:
        wall_time: Seconds since the epoch.
        step: Optimiser steps done, not negative.
        scalars: By tag; NaN and infinities are kept as they are.
    """
    values = b"".join(
        _block(1, _block(1, tag.encode()) + _key(2, _FIXED32) + struct.pack("<f", value))
        for tag, value in scalars.items()
    )
    return _record(_event(wall_time, step, _block(5, values)))


def scalars_of(event: str, values: Mapping[str, Any]) -> dict[str, float]:
    """The scalars of one progress event by their tags; a value that was not finite, null in the file, is NaN."""
    tagged = [(tag, value) for key, value in values.items() if (tag := TAGS.get((event, key))) is not None]
    for key, tag in AXES_TAGS.items() if event == "epoch" else ():
        axes = values.get(key)
        if isinstance(axes, Mapping):
            tagged += [(f"{tag}{name}", value) for name, value in list(axes.items())[:_MAX_AXES]]
    return {
        tag: float("nan") if value is None else float(value)
        for tag, value in tagged
        if value is None or isinstance(value, int | float)
    }


class ScalarEvents:
    """Writes one event file of a run while it trains; a run that goes on later adds another file beside it.

    Args:
        run: Its folder.
        name: Distinguishes files of one second.
    """

    def __init__(self, run: RunFolder, name: str = "") -> None:
        folder = run.path / FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        now = time.time()
        self.path = folder / f"events.out.tfevents.{int(now):010d}.{name or os.getpid()}"
        self._append(_record(_event(now, 0, _block(3, b"brain.Event:2"))))

    def write(self, event: str, values: Mapping[str, Any], wall_time: float | None = None) -> None:
        """Append the scalars of one progress event; an event without any is passed over."""
        scalars = scalars_of(event, values)
        if scalars:
            moment = time.time() if wall_time is None else wall_time
            self._append(scalar_record(moment, int(values.get("step") or 0), scalars))

    def _append(self, record: bytes) -> None:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            os.write(descriptor, record)
        finally:
            os.close(descriptor)


def export_scalars(run: RunFolder) -> Path:
    """Write the event file of a run from its progress file, in place of those it has, and return its path."""
    for old in (run.path / FOLDER).glob("events.out.tfevents.*"):
        old.unlink()
    written = ScalarEvents(run, "export")
    offset = -1
    rows, following = read_json_lines(run.progress, 0)
    while following != offset:
        for row in rows:
            moment = row.get("time")
            if isinstance(row.get("step"), int):
                written.write(str(row.get("event")), row, moment if isinstance(moment, int | float) else None)
        offset = following
        rows, following = read_json_lines(run.progress, offset)
    return written.path
