"""Which trainings a data-scaling curve takes, and about how long. Torch-free: the page asks before it starts one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mvla_core.datasets.split import Split
from mvla_core.episodes.annotations import frozen
from mvla_core.episodes.curation import scan_curated
from mvla_core.episodes.dataset import resolve_dataset
from mvla_core.errors import DatasetError, UserInputError
from mvla_core.files import read_json
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.training.forecast import estimate
from mvla_core.training.machine import cores, cuda_devices
from mvla_core.training.recipe import Recipe

DEFAULT_SHARES = (0.25, 0.5, 0.75)
DEFAULT_SEEDS = 2
MAX_SEEDS = 10
REPEATED_UP_TO = 0.5
"""Parts of at most this share are trained with every seed: they are cheap, and luck weighs most where data is scarce."""


@dataclass(frozen=True)
class Training:
    """One training of the curve: so many episodes, drawn and trained with a seed."""

    share: float
    episodes: int
    seed: int


def plan_trainings(train_episodes: int, shares: Sequence[float], seeds: int, first_seed: int) -> list[Training]:
    """Return the trainings besides the run itself, smallest first.

    Raises:
        UserInputError: A share is not between 0 and 1, the seeds are not 1 to 10, or two shares give the same episodes.
    """
    if not 1 <= seeds <= MAX_SEEDS:
        raise UserInputError(f"{seeds} seeds cannot be used: expected 1 to {MAX_SEEDS}.")
    if len(set(shares)) < 2 or not all(0 < share < 1 for share in shares):
        raise UserInputError(
            f"The shares {', '.join(f'{share:g}' for share in shares)} cannot be used: expected at least two different ones "
            "between 0 and 1, such as 0.25 0.5 0.75; the whole is the run itself."
        )
    numbers = {share: round(share * train_episodes) for share in sorted(set(shares))}
    if min(numbers.values()) < 1 or len({*numbers.values(), train_episodes}) <= len(numbers):
        raise UserInputError(
            f"{train_episodes} training episodes are too few for the shares {', '.join(f'{share:g}' for share in numbers)}: two of "
            "them would train on the same episodes; record more, or choose shares further apart."
        )
    return [
        Training(share, number, first_seed + repeat)
        for share, number in numbers.items()
        for repeat in range(seeds if share <= REPEATED_UP_TO else 1)
    ]


def expected_seconds(root: DataRoot, run: RunFolder, shares: Sequence[float], seeds: int) -> float | None:
    """Return about how long the trainings take, early stopping left out; None where no comparable machine was measured.

    Raises:
        UserInputError: As of `plan_trainings`.
        DatasetError: The data set holds none of the run's training episodes any more.
    """
    config, split = read_json(run.config), Split.from_json(read_json(run.split))
    recipe = Recipe.from_json(config["recipe"])
    data = scan_curated(root, resolve_dataset(root, config["dataset_folder"]), annotations=frozen(run.path))
    frames = {info.episode_id: info.num_frames for info in data.episodes}
    train = [frames[name] for name in split.train if name in frames]
    if not train:
        raise DatasetError(
            f"The data set {config['dataset']} in {config['dataset_folder']} holds none of the {len(split.train)} training "
            f"episodes of the run {run.run_id!r} any more; restore them, or train a new run."
        )
    total = 0.0
    for training in plan_trainings(len(split.train), shares, seeds, recipe.seed):
        forecast = estimate(
            recipe,
            train_frames=train[: training.episodes],
            validation_frames=[frames[name] for name in split.validation if name in frames],
            action_dims=len(data.episodes[0].action_space),
            cores=cores(),
            has_cuda=bool(cuda_devices()),
        )
        if forecast.seconds is None:
            return None
        total += forecast.seconds
    return total
