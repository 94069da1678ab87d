"""What a quick evaluation keeps of a full one before it: the shift ladder, where policy and data are the same as then.

A quick evaluation does not measure the ladder, and writing its results anew would lose one that took minutes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from mvla_core.datasets.windows import WindowSpec
from mvla_core.errors import MvlaError
from mvla_core.evaluation.measure_baselines import LEARNED
from mvla_core.evaluation.results import load_results
from mvla_core.files import sha256_file
from mvla_core.layout import RunFolder
from mvla_core.progress import Progress
from mvla_core.schema import EpisodeInfo


def measured_on(run: RunFolder, episodes: Sequence[EpisodeInfo], window: WindowSpec) -> str | None:
    """Return a digest of the adapter and of the episodes as they were measured; None for a run without an adapter.

    Args:
        run: Its adapter's files, their bytes, and its split count.
        episodes: All episodes of the split, as curated; files count by name, size and time of their last change.
        window: What the policy sees and predicts.
    """
    if not run.adapter.is_dir():
        return None
    files = sorted(path for path in run.adapter.rglob("*") if path.is_file())
    origin = {
        "adapter": [[str(path.relative_to(run.adapter)), sha256_file(path)] for path in files],
        "split": sha256_file(run.split),
        "window": window.to_json(),
        "episodes": [
            [info.episode_id, info.file_size, info.file_mtime_ns, info.trim, info.instruction, info.color_order]
            for info in episodes
        ],
    }
    return hashlib.sha256(json.dumps(origin, sort_keys=True).encode()).hexdigest()


def earlier_results(run: RunFolder) -> dict[str, Any]:
    """The results that lie there; nothing where there are none, or none that this program can read."""
    try:
        return load_results(run)
    except (MvlaError, json.JSONDecodeError):
        return {}


def carried_shift(earlier: dict[str, Any], digest: str | None, progress: Progress) -> dict[str, Any]:
    """Return `{"shift": ...}` of earlier results of the same policy on the same data, marked `carried_from`; else nothing.

    Args:
        earlier: What `earlier_results` found.
        digest: Of the policy and data of now, by `measured_on`.
        progress: Told what was kept or lost.
    """
    shift = earlier.get("shift")
    if shift is None:
        return {}
    if digest is None or earlier.get("measured_on") != digest:
        progress.note("The shift ladder of the earlier full evaluation is left out: policy or data have changed since.")
        return {}
    progress.note("The shift ladder is that of the earlier full evaluation: policy and data are the same.")
    return {"shift": {"carried_from": earlier["evaluated"], **shift}}


def left_behind(earlier: dict[str, Any], measured: Sequence[str]) -> dict[str, str]:
    """Blind versions of the policy that an earlier evaluation measured and this one does not, each with the reason."""
    reason = "It was measured by an earlier full evaluation and is not trained for the policy and data of now; evaluate in full."
    return {name: reason for name in LEARNED if name in earlier.get("baselines", {}) and name not in measured}
