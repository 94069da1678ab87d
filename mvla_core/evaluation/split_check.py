"""Whether the held-out episodes are really new to the policy. Checked on the files, not believed from the split."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from mvla_core.datasets.split import Split
from mvla_core.episodes.reader import open_known
from mvla_core.files import sha256_file
from mvla_core.schema import EpisodeInfo

ALIKE_LEVELS = 1.0
"""Pictures whose 16 x 16 mean colours differ by less than this, of 255, on average are the same picture: packing anew and
the noise of one sensor change a mean over hundreds of pixels by less, another drive by more."""
_BLOCKS = 16
_LOOKS = (0.0, 0.5, 1.0)
"""Where in an episode two recordings are compared, as a share of its length: a copy is alike at all of them."""

Blocks = npt.NDArray[np.float64]


def check_split(split: Split, episodes: Sequence[EpisodeInfo], reach: int) -> dict[str, Any]:
    """Look for held-out episodes that the training or the choice of the checkpoint has seen.

    A held-out episode leaks if its name, its bytes (a copy under another name), its content (a copy that was packed anew: the
    same actions and, at the beginning, the middle and the end, the same picture), or its frames (the same continuous
    recording, nearer than one window and chunk) are also in the training or validation part.

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
    content = _Content()
    leaks = []
    for name in split.test:
        named_twice = name in {*split.train, *split.validation}
        reason = "named in two parts" if named_twice else _leak(by_id[name], seen, reach, content)
        if reason is not None:
            leaks.append({"episode_id": name, "reason": reason})
    return {
        **split.to_json(),
        "usable_episodes": len(split.train) + len(split.validation) + len(split.test) + len(split.gap),
        "clean": not leaks,
        "leaked": len(leaks),
        "leaks": leaks,
    }


class _Content:
    """What episodes hold, read when it is first asked for: actions of all, pictures only of those that drive alike."""

    def __init__(self) -> None:
        self.actions = cache(_actions)
        self.blocks = cache(_blocks)

    def same(self, one: EpisodeInfo, other: EpisodeInfo) -> bool:
        if one.num_frames != other.num_frames or one.action_space != other.action_space:
            return False
        if not np.array_equal(self.actions(one), self.actions(other)):
            return False
        return bool((np.abs(self.blocks(one) - self.blocks(other)).mean(axis=(1, 2, 3)) < ALIKE_LEVELS).all())


def _actions(info: EpisodeInfo) -> npt.NDArray[np.float32]:
    with open_known(info) as reader:
        return np.asarray(reader.actions(), dtype=np.float32)


def _blocks(info: EpisodeInfo) -> Blocks:
    """float64 (looks, 16, 16, 3): mean colours of the compared pictures; smaller pictures are taken as they are."""
    places = sorted({round(share * (info.num_frames - 1)) for share in _LOOKS})
    with open_known(info) as reader:
        return np.stack([_mean_colours(reader.frame(place)) for place in places])


def _mean_colours(frame: npt.NDArray[np.uint8]) -> Blocks:
    rows, columns = (np.linspace(0, size, _BLOCKS + 1).astype(int) for size in frame.shape[:2])
    seen = frame.astype(np.float64)
    if min(frame.shape[:2]) < _BLOCKS:
        return seen
    sums = np.add.reduceat(np.add.reduceat(seen, rows[:-1], axis=0), columns[:-1], axis=1)
    return np.asarray(sums / np.diff(rows)[:, None, None] / np.diff(columns)[None, :, None])


def _leak(held_out: EpisodeInfo, seen: Sequence[EpisodeInfo], reach: int, content: _Content) -> str | None:
    for other in seen:
        if _near(held_out, other, reach):
            return f"closer than {reach} frames to {other.episode_id} in the same recording"
        if held_out.file_size == other.file_size and sha256_file(held_out.path) == sha256_file(other.path):
            return f"the same file as {other.episode_id}"
        if content.same(held_out, other):
            return f"the same actions and pictures as {other.episode_id}, in another file"
    return None


def _near(one: EpisodeInfo, other: EpisodeInfo, reach: int) -> bool:
    if one.recording_id is None or one.recording_id != other.recording_id:
        return False
    if one.recording_start is None or other.recording_start is None:
        return False
    first, second = sorted((one, other), key=lambda info: info.recording_start or 0)
    return (second.recording_start or 0) - ((first.recording_start or 0) + first.num_frames) < reach
