"""What changed since the user last looked: a small file a data set in the cache, `cache/visits/<dataset>.json`.

It holds two states: what the last visit saw, and what this one sees. A visit ends when nobody looked for half an hour, so that
reloading the page does not lose the news.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mvla_core.errors import MvlaError
from mvla_core.files import check_identifier, read_json, write_json
from mvla_core.layout import DataRoot
from mvla_core.runs.listing import RunSummary

VISIT_S = 1800.0
_WRITE_EVERY_S = 60.0


@dataclass(frozen=True)
class News:
    """What is new.

    Attributes:
        since: When the last visit ended, seconds since the epoch.
        episodes: How many more episodes there are; negative where there are fewer.
        ended: Runs that have ended since, with how.
        evaluated: Runs that were evaluated since.
    """

    since: float
    episodes: int
    ended: tuple[tuple[str, str], ...]
    evaluated: tuple[str, ...]

    @property
    def any(self) -> bool:
        return bool(self.episodes or self.ended or self.evaluated)


def news(
    root: DataRoot, dataset: str, episodes: int, runs: Sequence[RunSummary], now: float | None = None
) -> News | None:
    """Say what changed since the last visit, and note this one. None at the first visit.

    Args:
        root: The data root.
        dataset: Its name.
        episodes: How many it holds.
        runs: The runs on it.
        now: Seconds since the epoch; None takes the clock.
    """
    moment = time.time() if now is None else now
    path = root.cache / "visits" / f"{check_identifier(dataset, 'data set name')}.json"
    seen = {
        "episodes": episodes,
        "ended": sorted(run.run_id for run in runs if run.ended),
        "evaluated": sorted(run.run_id for run in runs if run.has_evaluation),
    }
    try:
        held = read_json(path)
        before, current = _state(held.get("before")), _state(held.get("current"))
    except (MvlaError, AttributeError):
        # Missing or damaged: what is seen now is the first that is known.
        before, current = None, None
    # Also where the machine's clock was set back.
    if current is not None and abs(moment - current["time"]) > VISIT_S:
        before = current
    as_it_is = {key: None if current is None else current[key] for key in seen}
    if current is None or as_it_is != seen or abs(moment - current["time"]) > _WRITE_EVERY_S:
        write_json(path, {"before": before, "current": {**seen, "time": moment}})
    if before is None:
        return None
    known_ended, known_evaluated = set(before["ended"]), set(before["evaluated"])
    return News(
        before["time"],
        episodes - before["episodes"],
        tuple((run.run_id, run.status) for run in runs if run.ended and run.run_id not in known_ended),
        tuple(run.run_id for run in runs if run.has_evaluation and run.run_id not in known_evaluated),
    )


def _state(value: Any) -> dict[str, Any] | None:
    """One of the two states; None where it is not there or not what this program writes."""
    if not isinstance(value, dict) or not isinstance(value.get("time"), int | float):
        return None
    lists = (value.get("ended"), value.get("evaluated"))
    if not isinstance(value.get("episodes"), int) or not all(isinstance(names, list) for names in lists):
        return None
    return value
