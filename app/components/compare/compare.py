"""Up to four episodes side by side in the browser, on one scrubber."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from app.components.player.player import player_data
from app.components.player.scrubber import scrubber_component
from mvla_core.schema import Actions, EpisodeInfo

Alignment = Literal["frame", "share"]
_MOUNT = scrubber_component("mvla_compare", Path(__file__).parent, ["compare_pane.js", "compare.js"], frames=False)


def show_comparison(
    episodes: Sequence[tuple[EpisodeInfo, Actions, str]],
    *,
    align: Alignment,
    start: int,
    link: Mapping[str, str],
    key: str = "comparison",
) -> None:
    """Mount the comparison.

    Args:
        episodes: One to four, each with its actions, float32 (num_frames, num_dims), units of its action space, and its
            instruction.
        align: The same frame of each, or the same share of each one's length.
        start: The step shown first, a frame of the longest episode.
        link: Parameters of the page's address beside which step and alignment are kept there.
        key: The element's key.
    """
    panes = [
        player_data(info, actions) | {"name": f"{info.dataset}/{info.episode_id}", "instruction": instruction}
        for info, actions, instruction in episodes
    ]
    show_panes(panes, align=align, start=start, link=link, key=key)


def show_panes(
    panes: Sequence[Mapping[str, Any]], *, align: Alignment, start: int, link: Mapping[str, str], key: str
) -> None:
    """Mount a comparison of anything that has frames and velocities.

    Args:
        panes: One to four: what `player_data` gives, with `name` and `instruction` beside.
        align: As in `show_comparison`, like all that follows.
        start: The step shown first.
        link: Parameters of the page's address.
        key: The element's key.
    """
    shown = [dict(pane) for pane in panes]
    _MOUNT(key=key, data={"episodes": shown, "align": align, "start": max(0, start), "link": dict(link)})
