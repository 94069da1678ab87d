"""The forecast of a run beside what it really took. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True)
class ForecastCheck:
    """Forecast and truth of one run.

    Attributes:
        epochs: That were trained; an early stop makes them fewer than planned.
        forecast_seconds: For these epochs.
        seconds: Wall time of the whole process, from its start to its last file.
        forecast_memory_bytes: On the GPU where there is one, else of the process; None where nobody forecast it.
        memory_bytes: The same, in truth.
        measured: Whether the forecast came from a warm-up, not from the formula alone.
    """

    epochs: int
    forecast_seconds: float
    seconds: float
    forecast_memory_bytes: int | None
    memory_bytes: int
    measured: bool

    @property
    def time_error(self) -> float:
        """(truth - forecast) / forecast."""
        return (self.seconds - self.forecast_seconds) / self.forecast_seconds

    @property
    def memory_error(self) -> float | None:
        """(truth - forecast) / forecast; None where the memory was not forecast."""
        if self.forecast_memory_bytes is None:
            return None
        return (self.memory_bytes - self.forecast_memory_bytes) / self.forecast_memory_bytes

    def sentence(self) -> str:
        """Return forecast and truth in a sentence, for example "Forecast 62 s, took 58 s (-6 %)."."""
        text = f"forecast {self.forecast_seconds:.0f} s for {self.epochs} epochs, took {self.seconds:.0f} s "
        text += f"({self.time_error:+.0%})"
        if self.forecast_memory_bytes is not None and self.memory_error is not None:
            text += (
                f"; forecast {self.forecast_memory_bytes / 1e6:.0f} MB of memory, needed {self.memory_bytes / 1e6:.0f} MB "
                f"({self.memory_error:+.0%})"
            )
        return f"{text[0].upper()}{text[1:]}{'' if self.measured else '; without a warm-up'}."

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"time_error": self.time_error, "memory_error": self.memory_error}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        return cls(
            epochs=int(value["epochs"]),
            forecast_seconds=float(value["forecast_seconds"]),
            seconds=float(value["seconds"]),
            forecast_memory_bytes=value["forecast_memory_bytes"],
            memory_bytes=int(value["memory_bytes"]),
            measured=bool(value["measured"]),
        )


def check_forecast(
    forecast: Mapping[str, Any], epochs: int, seconds: float, memory_bytes: int, gpu_memory_bytes: int | None
) -> ForecastCheck | None:
    """Put a run's forecast beside the truth.

    Args:
        forecast: `Forecast.to_json` as the run's configuration keeps it.
        epochs: That were trained, by one process from its start to its end.
        seconds: Wall time of that process.
        memory_bytes: Its peak memory.
        gpu_memory_bytes: Its peak memory on the GPU; None without one.

    Returns:
        None where the forecast holds no time: on a GPU without a warm-up.
    """
    start, epoch = forecast.get("start_seconds"), forecast.get("epoch_seconds")
    if start is None or epoch is None:
        return None
    on_gpu = gpu_memory_bytes is not None
    return ForecastCheck(
        epochs=epochs,
        forecast_seconds=round(start + epochs * epoch, 1),
        seconds=round(seconds, 1),
        forecast_memory_bytes=forecast.get("gpu_memory_bytes" if on_gpu else "memory_bytes"),
        memory_bytes=gpu_memory_bytes if gpu_memory_bytes is not None else memory_bytes,
        measured=bool(forecast.get("measured")),
    )


def stored_check(result: Mapping[str, Any]) -> ForecastCheck | None:
    """Return what a run's result.json says of its forecast; None where it says nothing, or nothing that can be read."""
    value = result.get("forecast_check")
    if not isinstance(value, Mapping):
        return None
    try:
        return ForecastCheck.from_json(value)
    except (KeyError, TypeError, ValueError):
        return None
