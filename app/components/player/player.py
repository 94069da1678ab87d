"""The episode player: frames with their velocities, drawn in the browser, driven by keys, buttons or a drag."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import streamlit as st

from app.routes import frame_url
from mvla_core.schema import Actions, EpisodeInfo

_FOLDER = Path(__file__).parent
_MOUNT = st.components.v2.component(
    "mvla_player",
    html=(_FOLDER / "player.html").read_text(encoding="utf-8"),
    css=(_FOLDER / "player.css").read_text(encoding="utf-8"),
    js=(_FOLDER / "player.js").read_text(encoding="utf-8"),
)
ASSUMED_FRAME_RATE_HZ = 5.0
"""Playback speed of an episode whose file does not say how fast it was recorded."""


def player_data(
    info: EpisodeInfo,
    actions: Actions,
    *,
    start: int = 0,
    predicted: npt.NDArray[np.float32] | None = None,
    predicted_label: str = "predicted",
    link: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """What the browser needs of one episode; the frames themselves come through `frame_url`.

    Args:
        info: The episode.
        actions: float32 (num_frames, num_dims), in the units of `info.action_space`.
        start: Index of the frame shown first; brought into range.
        predicted: float32 (num_frames, num_dims), same units, NaN where nothing was predicted; drawn dashed.
        predicted_label: What the dashed lines are, for the legend.
        link: Parameters of the page's address beside which the frame is kept there; None leaves the address alone.
    """
    dims = [
        {
            "name": dim.name,
            "unit": dim.unit,
            "positive": dim.positive,
            "values": _numbers(actions[:, column]),
            "predicted": None if predicted is None else _numbers(predicted[:, column]),
        }
        for column, dim in enumerate(info.action_space.dims)
    ]
    return {
        "episode": f"{info.dataset}/{info.episode_id}",
        "frames": info.num_frames,
        "width": info.width,
        "height": info.height,
        "url": frame_url(info),
        "fps": info.frame_rate_hz or ASSUMED_FRAME_RATE_HZ,
        "fpsKnown": info.frame_rate_hz is not None,
        "start": min(max(start, 0), max(info.num_frames - 1, 0)),
        "dims": dims,
        "predictedLabel": predicted_label,
        "link": None if link is None else dict(link),
    }


def show_player(data: dict[str, Any], *, key: str) -> None:
    """Mount the player with data from `player_data` under a key of its own."""
    _MOUNT(key=key, data=data)


def _numbers(values: npt.NDArray[np.float32]) -> list[float | None]:
    """Numbers for JSON, rounded to what a screen can show; None for NaN."""
    return [round(float(value), 4) if np.isfinite(value) else None for value in values]
