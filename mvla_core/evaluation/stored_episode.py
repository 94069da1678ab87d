"""One episode of stored predictions: what an overlay needs, without reading the others. Free of torch."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from mvla_core.errors import RunError
from mvla_core.evaluation.results import EpisodePredictions
from mvla_core.layout import RunFolder


def stored_episodes(run: RunFolder) -> list[str]:
    """The episodes that a run was evaluated on, in the order of `results.json`.

    Raises:
        RunError: The run is not evaluated, or the file is damaged.
    """
    with _opened(run) as stored:
        names: list[str] = stored["episode_ids"].tolist()
    return names


def stored_episode(run: RunFolder, episode_id: str) -> EpisodePredictions:
    """The predictions for one episode, without those of the baselines.

    Raises:
        RunError: The run is not evaluated, was not evaluated on this episode, or the file is damaged.
    """
    with _opened(run) as stored:
        names = stored["episode_ids"].tolist()
        if episode_id not in names:
            raise RunError(f"The run {run.run_id} was not evaluated on the episode {episode_id}; choose another.")
        index = names.index(episode_id)
        last, predicted, target, mask = (
            stored[f"{index}/{part}"] for part in ("last_frames", "predicted", "target", "mask")
        )
        told = stored["instructions"].tolist()[index]
        return EpisodePredictions(episode_id, last, predicted, target, mask, instruction=told)


@contextmanager
def _opened(run: RunFolder) -> Iterator[Any]:
    if not run.predictions.is_file():
        raise RunError(
            f"The run {run.run_id!r} is not evaluated; evaluate it: python -m mvla_core evaluate {run.run_id}"
        )
    try:
        # The file is opened here: the loader would leave a damaged one open.
        with open(run.predictions, "rb") as file, np.load(file, allow_pickle=False) as stored:
            yield stored
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise RunError(
            f"The predictions {run.predictions} cannot be read ({error}); "
            f"evaluate again: python -m mvla_core evaluate {run.run_id}"
        ) from error
