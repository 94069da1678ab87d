"""What an evaluation leaves in the run folder, and how it is read back. Free of torch: pages and reports use it.

evaluation/results.json       every figure, with its interval: see `docs/metrics.md`
evaluation/predictions.npz    the predicted and true chunks of each held-out episode, and the baselines' (no pickle)
evaluation/audit.json         the audit of the run's data set, as it was when the run was evaluated
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mvla_core.errors import RunError
from mvla_core.files import read_object, replacing
from mvla_core.layout import RunFolder
from mvla_core.policies.digest import DESCRIPTION, policy_digest

FORMAT = 1
"""Version of `results.json`. Keys are added, never renamed."""

Chunks = npt.NDArray[np.float32]
"""float32 (N, chunk, A), units of the action space: N windows, each with a chunk of actions."""


@dataclass(frozen=True, eq=False)
class EpisodePredictions:
    """One held-out episode: what was predicted, what the driver did, and what the trivial predictors said.

    Attributes:
        episode_id: The episode.
        last_frames: int64 (N,), the last observed frame t of each window, ascending.
        predicted: float32 (N, chunk, A), physical units; step k is the action at frame t + k.
        target: float32 (N, chunk, A), what the driver did; 0 where the episode has ended.
        mask: bool (N, chunk), True where the target exists.
        baselines: By name of the trivial predictor, float32 (N, chunk, A).
        instruction: What the policy was told; "" where the episode has none.
    """

    episode_id: str
    last_frames: npt.NDArray[np.int64]
    predicted: Chunks
    target: Chunks
    mask: npt.NDArray[np.bool_]
    baselines: Mapping[str, Chunks] = field(default_factory=dict)
    instruction: str = ""

    @property
    def num_windows(self) -> int:
        return len(self.last_frames)


def audit_path(run: RunFolder) -> Path:
    """Where an evaluation keeps the audit of the data that the run was trained on."""
    return run.evaluation / "audit.json"


def save_predictions(path: Path, episodes: Sequence[EpisodePredictions]) -> None:
    """Write predictions atomically as a compressed npz file that needs no pickle."""
    arrays: dict[str, npt.NDArray[Any]] = {
        "episode_ids": np.array([episode.episode_id for episode in episodes]),
        "instructions": np.array([episode.instruction for episode in episodes]),
    }
    for index, episode in enumerate(episodes):
        arrays[f"{index}/last_frames"] = episode.last_frames
        arrays[f"{index}/predicted"] = episode.predicted
        arrays[f"{index}/target"] = episode.target
        arrays[f"{index}/mask"] = episode.mask
        for name, chunks in episode.baselines.items():
            arrays[f"{index}/baseline/{name}"] = chunks
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def load_predictions(run: RunFolder) -> list[EpisodePredictions]:
    """Read the predictions of an evaluated run, in the order of `results.json`.

    Raises:
        RunError: The run is not evaluated, or the file is damaged.
    """
    _require(run, run.predictions)
    episodes = []
    try:
        with np.load(run.predictions, allow_pickle=False) as stored:
            instructions = stored["instructions"].tolist()
            # Every episode has the same baselines; going through all keys for each would be quadratic.
            baselines = [key.split("/", 2)[2] for key in stored.files if key.startswith("0/baseline/")]
            for index, episode_id in enumerate(stored["episode_ids"].tolist()):
                episodes.append(
                    EpisodePredictions(
                        episode_id,
                        stored[f"{index}/last_frames"],
                        stored[f"{index}/predicted"],
                        stored[f"{index}/target"],
                        stored[f"{index}/mask"],
                        {name: stored[f"{index}/baseline/{name}"] for name in baselines},
                        instructions[index],
                    )
                )
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise RunError(
            f"The predictions {run.predictions} cannot be read ({error}); "
            f"evaluate again: python -m mvla_core evaluate {run.run_id}"
        ) from error
    return episodes


def load_results(run: RunFolder) -> dict[str, Any]:
    """Read `results.json` of an evaluated run.

    Raises:
        RunError: The run is missing, not evaluated, or was evaluated by another version of the program.
    """
    _require(run, run.evaluation_results)
    results = read_object(run.evaluation_results)
    if results.get("format") != FORMAT:
        raise RunError(
            f"The results {run.evaluation_results} have the format {results.get('format')!r}, expected {FORMAT}; "
            f"evaluate again: python -m mvla_core evaluate {run.run_id}"
        )
    return results


def is_outdated(run: RunFolder, results: Mapping[str, Any]) -> bool:
    """Whether the run has another policy now than the one these results tell of; False where they do not say which it was.

    Raises:
        MvlaError: The policy's description is damaged.
    """
    measured = results.get("policy")
    if measured is None or not (run.adapter / DESCRIPTION).is_file():
        return False
    return bool(policy_digest(run.adapter) != measured)


def load_audit(run: RunFolder) -> dict[str, Any]:
    """Read the audit that was stored with the evaluation.

    Raises:
        RunError: The run is missing or not evaluated.
    """
    _require(run, audit_path(run))
    return read_object(audit_path(run))


def _require(run: RunFolder, path: Path) -> None:
    if not run.path.is_dir():
        raise RunError(f"There is no run {run.run_id!r} in {run.path.parent}; list the runs: python -m mvla_core jobs")
    if not path.is_file():
        raise RunError(
            f"The run {run.run_id!r} is not evaluated; evaluate it: python -m mvla_core evaluate {run.run_id}"
        )
