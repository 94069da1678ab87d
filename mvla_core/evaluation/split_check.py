"""Whether the held-out episodes are really new to the policy. Checked on the files, not believed from the split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mvla_core.datasets.split import Split
from mvla_core.files import sha256_file
from mvla_core.schema import EpisodeInfo


def check_split(split: Split, episodes: Sequence[EpisodeInfo], reach: int) -> dict[str, Any]:
    """Look for held-out episodes that the training or the choice of the checkpoint has seen.

    A held-out episode leaks if its name, its bytes (a copy under another name), or its frames (the same continuous recording,
    nearer than one window and chunk) are also in the training or validation part.

    Args:
        split: The run's split.
        episodes: All episodes of the split that still exist.
        reach: Frames of a window and its chunk together.

    Returns:
        The split's parts, and `leaked` (number of leaking test episodes), `leaks` (each with its reason), `clean`, and
        `usable_episodes` (all that are long enough).
    """
    by_id = {info.episode_id: info for info in episodes}
    seen = [by_id[name] for name in (*split.train, *split.validation) if name in by_id]
    leaks = []
    for name in split.test:
        reason = "named in two parts" if name in {*split.train, *split.validation} else _leak(by_id[name], seen, reach)
        if reason is not None:
            leaks.append({"episode_id": name, "reason": reason})
    return {
        **split.to_json(),
        "usable_episodes": len(split.train) + len(split.validation) + len(split.test) + len(split.gap),
        "clean": not leaks,
        "leaked": len(leaks),
        "leaks": leaks,
    }


def _leak(held_out: EpisodeInfo, seen: Sequence[EpisodeInfo], reach: int) -> str | None:
    for other in seen:
        if _near(held_out, other, reach):
            return f"closer than {reach} frames to {other.episode_id} in the same recording"
        if held_out.file_size == other.file_size and sha256_file(held_out.path) == sha256_file(other.path):
            return f"the same file as {other.episode_id}"
    return None


def _near(one: EpisodeInfo, other: EpisodeInfo, reach: int) -> bool:
    if one.recording_id is None or one.recording_id != other.recording_id:
        return False
    if one.recording_start is None or other.recording_start is None:
        return False
    first, second = sorted((one, other), key=lambda info: info.recording_start or 0)
    return (second.recording_start or 0) - ((first.recording_start or 0) + first.num_frames) < reach
