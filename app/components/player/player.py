"""The episode player: frames with their velocities, drawn in the browser, driven by keys, buttons or a drag."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from app.components.player.scrubber import scrubber_component
from app.driven_path import ASSUMED_FRAME_RATE_HZ, driven_path, told_path
from app.routes import frame_url
from mvla_core.schema import Actions, EpisodeInfo

_EVENT_KINDS = {"start_action": "start", "stop_action": "stop"}
_MOUNT = scrubber_component(
    "mvla_player", Path(__file__).parent, ["curation.js", "readings.js", "player.js"], frames=True
)


def player_data(
    info: EpisodeInfo,
    actions: Actions,
    *,
    start: int = 0,
    event_types: Sequence[str] | None = None,
    flagged: Sequence[int] = (),
    curation: Mapping[str, Any] | None = None,
    link: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """What the browser needs of one episode; the frames themselves come through `frame_url`.

    Args:
        info: The episode.
        actions: float32 (num_frames, num_dims), in the units of `info.action_space`.
        start: Index of the frame shown first; brought into range.
        event_types: What the recorder noted at each frame, None where it did not.
        flagged: Frames whose picture has a finding.
        curation: What curation.js lists; None where nothing may be changed.
        link: Parameters of the page's address beside which the frame is kept there; None leaves the address alone.
    """
    dims = [
        {
            "name": dim.name,
            "unit": dim.unit,
            "positive": dim.positive,
            "values": _numbers(actions[:, column]),
        }
        for column, dim in enumerate(info.action_space.dims)
    ]
    path = driven_path(actions, info.action_space, info.frame_rate_hz, ASSUMED_FRAME_RATE_HZ)
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
        "events": [*_events(event_types or ()), *([frame, "flag"] for frame in flagged)],
        "path": {
            "x": _numbers(path.x),
            "y": _numbers(path.y),
            "heading": _numbers(path.heading),
            "unit": path.unit,
            "told": told_path(path),
        },
        "curation": None if curation is None else dict(curation),
        "link": None if link is None else dict(link),
    }


def show_player(data: dict[str, Any], *, key: str, on_act: Callable[[], None] | None = None) -> None:
    """Mount the player with data from `player_data` under a key of its own.

    Args:
        data: From `player_data`.
        key: The element's key; what a key press asks for is then `st.session_state[key]["act"]`.
        on_act: Called when a key press asks for a change.
    """
    _MOUNT(key=key, data=data, on_act_change=on_act or (lambda: None))


def _events(event_types: Sequence[str]) -> list[list[Any]]:
    """The frames where the driver started or stopped; a run of the same event is one mark, at its first frame."""
    return [
        [frame, _EVENT_KINDS[kind]]
        for frame, kind in enumerate(event_types)
        if kind in _EVENT_KINDS and (frame == 0 or event_types[frame - 1] != kind)
    ]


def _numbers(values: npt.NDArray[Any]) -> list[float | None]:
    """Numbers for JSON, rounded to what a screen can show; None for NaN."""
    return [round(float(value), 4) if np.isfinite(value) else None for value in values]
