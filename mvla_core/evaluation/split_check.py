"""Whether the held-out episodes are really new to the policy. Checked on the files, not believed from the split."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from mvla_core.audit.leaks import leak_evidence
from mvla_core.datasets.split import Split
from mvla_core.episodes.looks import Looks
from mvla_core.episodes.reader import open_known
from mvla_core.evaluation.coarse_picture import Squares, mean_colours
from mvla_core.files import sha256_file
from mvla_core.schema import EpisodeInfo

ALIKE_LEVELS = 1.0
"""Pictures whose 16 x 16 mean colours differ by less than this, of 255, on average are the same picture: packing anew and
the noise of one sensor change a mean over hundreds of pixels by less, another drive by more."""
_LOOKS = (0.0, 0.5, 1.0)
"""Where two recordings are compared, as a share of what they have in common: a copy is alike at all of them."""
_KEPT_PICTURES = 20_000
"""Of 3 kB each."""

Part = Literal["training", "validation"]


@dataclass(frozen=True)
class Shared:
    """The same drive in two episodes: its first frame in the one and in the other, and how many frames it has."""

    begin: int
    at: int
    frames: int


def check_split(
    split: Split,
    episodes: Sequence[EpisodeInfo],
    reach: int,
    *,
    tested: Collection[str] | None = None,
    looks: Mapping[str, Looks] | None = None,
    same_view: float | None = None,
) -> dict[str, Any]:
    """Look for held-out episodes that the training or the choice of the checkpoint has seen.

    A held-out episode leaks if its name, its bytes (a copy under another name), its content (a copy that was packed anew, or
    cut: more than half of its frames with the same actions and, at the beginning, the middle and the end, the same picture),
    its pictures (at least half of them are near-duplicates of one episode's, in whatever order; asked where looks are there),
    or its frames (the same continuous recording, nearer than one window and chunk) are also in the training or validation part.

    Args:
        split: The run's split.
        episodes: All episodes of the split that still exist.
        reach: Frames of a window and its chunk together.
        tested: The test episodes that were measured; None for all. One that was left out leaks into nothing.
        looks: Episode id -> looks, of those that have been looked at.
        same_view: Cosine from which on two frames show the same view; see `audit/likeness.py`.

    Returns:
        The split's parts, and `leaked` (number of leaking test episodes), `leaks` (each `{"episode_id", "reason", "part"}`, the
        part that knows it), `leaked_training` and `leaked_validation`, `clean`, `pictures_checked` (whether all pictures were
        compared), `pictures_unseen` (episodes whose pictures nobody has looked at) and `usable_episodes` (long enough ones).
    """
    looks = {} if looks is None else looks
    by_id = {info.episode_id: info for info in episodes}
    asked = [name for name in split.test if tested is None or name in tested]
    parts: tuple[tuple[Part, Sequence[str]], ...] = (("training", split.train), ("validation", split.validation))
    content = _Content()
    twins = {part: _twins(split, episodes, names, asked, looks, same_view) for part, names in parts}
    leaks = []
    for name in asked:
        for part, names in parts:
            seen = [by_id[other] for other in names if other in by_id]
            reason = "named in two parts" if name in names else _leak(by_id[name], seen, reach, content)
            reason = reason or twins[part].get(name)
            if reason is not None:
                leaks.append({"episode_id": name, "reason": reason, "part": part})
                break
    unseen = [name for name in (*split.train, *split.validation, *asked) if name in by_id and name not in looks]
    return {
        **split.to_json(),
        "usable_episodes": len(split.train) + len(split.validation) + len(split.test) + len(split.gap),
        "clean": not leaks,
        "leaked": len(leaks),
        **{f"leaked_{part}": sum(leak["part"] == part for leak in leaks) for part, _ in parts},
        "leaks": leaks,
        "pictures_checked": not unseen,
        "pictures_unseen": len(unseen),
    }


def _twins(
    split: Split,
    episodes: Sequence[EpisodeInfo],
    seen: Sequence[str],
    asked: Sequence[str],
    looks: Mapping[str, Looks],
    same_view: float | None,
) -> dict[str, str]:
    """Held-out episodes whose pictures an episode of a part shows too, each with the reason, as far as there are looks."""
    others = replace(split, train=tuple(seen), validation=(), test=tuple(asked))
    named = {*seen, *asked}
    found = leak_evidence([info for info in episodes if info.episode_id in named], others, looks, same_view)
    twins = () if found is None else found.twins
    return {
        twin.episode_id: f"{round(100 * twin.share)} % of its pictures are also in {twin.train_episode}"
        for twin in twins
    }


class _Content:
    """What episodes hold, read when it is first asked for: actions of all, pictures only of those that drive alike."""

    def __init__(self) -> None:
        self.actions = cache(_actions)
        self.colours = lru_cache(_KEPT_PICTURES)(_colours)

    def shared(self, one: EpisodeInfo, other: EpisodeInfo) -> Shared | None:
        """Return where both hold the same drive; None if nowhere. More than half of `one` has to be there."""
        if one.action_space != other.action_space or not one.num_frames:
            return None
        mine, theirs = self.actions(one), self.actions(other)
        # Whatever is longer than half of an episode holds its middle frame.
        middle = len(mine) // 2
        for place in np.flatnonzero((theirs == mine[middle]).all(axis=1)):
            shift = int(place) - middle
            begin = max(0, -shift)
            frames = min(len(mine), len(theirs) - shift) - begin
            found = Shared(begin, begin + shift, frames)
            same = 2 * frames > len(mine) and np.array_equal(mine[begin:][:frames], theirs[found.at :][:frames])
            if same and self._same_pictures(one, other, found):
                return found
        return None

    def _same_pictures(self, one: EpisodeInfo, other: EpisodeInfo, shared: Shared) -> bool:
        steps = sorted({round(share * (shared.frames - 1)) for share in _LOOKS})
        return all(
            float(np.abs(self.colours(one, shared.begin + step) - self.colours(other, shared.at + step)).mean())
            < ALIKE_LEVELS
            for step in steps
        )


def _actions(info: EpisodeInfo) -> npt.NDArray[np.float32]:
    with open_known(info) as reader:
        return np.asarray(reader.actions(), dtype=np.float32)


def _colours(info: EpisodeInfo, frame: int) -> Squares:
    with open_known(info) as reader:
        return mean_colours(reader.frame(frame))


def _leak(held_out: EpisodeInfo, seen: Sequence[EpisodeInfo], reach: int, content: _Content) -> str | None:
    for other in seen:
        if _near(held_out, other, reach):
            return f"closer than {reach} frames to {other.episode_id} in the same recording"
        if held_out.file_size == other.file_size and sha256_file(held_out.path) == sha256_file(other.path):
            return f"the same file as {other.episode_id}"
        shared = content.shared(held_out, other)
        if shared is not None and shared.frames == held_out.num_frames == other.num_frames:
            return f"the same actions and pictures as {other.episode_id}, in another file"
        if shared is not None:
            return (
                f"the same actions and pictures as {other.episode_id} in {shared.frames} of its {held_out.num_frames} "
                f"frames, from frame {shared.at + 1} of that one on"
            )
    return None


def _near(one: EpisodeInfo, other: EpisodeInfo, reach: int) -> bool:
    if one.recording_id is None or one.recording_id != other.recording_id:
        return False
    if one.recording_start is None or other.recording_start is None:
        return False
    first, second = sorted((one, other), key=lambda info: info.recording_start or 0)
    return (second.recording_start or 0) - ((first.recording_start or 0) + first.num_frames) < reach
