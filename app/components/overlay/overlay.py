"""Predicted over true in the browser: a held-out episode with what one or several runs predicted for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from app.components.player.player import player_data
from app.components.player.scrubber import scrubber_component
from app.overlay_routes import ANSWERS_URL, ASK_URL
from mvla_core.schema import Actions, EpisodeInfo

_MOUNT = scrubber_component(
    "mvla_evaluated",
    Path(__file__).parent,
    ["overlay_runs.js", "overlay_paths.js", "overlay_ask.js", "overlay.js"],
    frames=True,
)


@dataclass(frozen=True)
class OverlaidRun:
    """A run on the overlay.

    Attributes:
        id: Its name.
        label: What the legend calls it.
        short: What the head of a narrow column calls it.
        url: Where its predictions are; see `overlay_routes.evaluated_url`.
    """

    id: str
    label: str
    short: str
    url: str


@dataclass(frozen=True)
class Askable:
    """What the panel "would it listen" needs.

    Attributes:
        run: The run that is asked.
        episode: The episode.
        label: What the run is called in the panel.
        told: The recording's instruction.
        known: Other instructions of the data, to choose from.
    """

    run: str
    episode: str
    label: str
    told: str
    known: Sequence[str]


def show_overlay(
    info: EpisodeInfo,
    actions: Actions,
    runs: Sequence[OverlaidRun],
    *,
    start: int,
    link: Mapping[str, str],
    ask: Askable | None = None,
    event_types: Sequence[str] | None = None,
    key: str = "overlay_player",
) -> None:
    """Mount the overlay.

    Args:
        info: The episode as it is stored.
        actions: float32 (num_frames, num_dims), units of its action space.
        runs: One or more; the first is the page's own, whose worst moments are listed.
        start: Index of the frame shown first.
        link: Parameters of the page's address beside which the frame is kept there.
        ask: Who can be asked under another instruction; None leaves the panel out.
        event_types: What the recorder noted at each frame, None where it did not.
        key: The element's key.
    """
    asked = None
    if ask is not None:
        asked = {**asdict(ask), "known": list(ask.known), "url": ASK_URL, "answers": ANSWERS_URL}
    data = player_data(info, actions, start=start, event_types=event_types, link=link)
    _MOUNT(key=key, data={**data, "runs": [asdict(run) for run in runs], "ask": asked})
