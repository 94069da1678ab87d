"""The options of `train`: their declaration, what contradicts, and the recipe and the place they ask for."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mvla_core.errors import UserInputError
from mvla_core.training.combinations import refuse_void
from mvla_core.training.machine import cores, cuda_devices
from mvla_core.training.recipe import PRESETS, recipe_fields
from mvla_core.training.recipe_file import read_recipe_file
from mvla_core.training.slurm import HERE, Cluster, check_submitit

_PRESET = "compact"
_HOURS = 24.0


@dataclass(frozen=True)
class Asked:
    """A recipe as it is asked for.

    Attributes:
        preset: Where it begins.
        overrides: Settings that replace the preset's: the file's, and over them those of the command line.
    """

    preset: str
    overrides: dict[str, Any]


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare every option of `train` but those that all commands have."""
    parser.add_argument(
        "dataset", metavar="DATASET", nargs="?", help="a name under the data root, or a folder of HDF5 files"
    )
    parser.add_argument("--preset", choices=list(PRESETS), help=f"the recipe (default: {_PRESET}, or that of --recipe)")
    parser.add_argument(
        "--recipe",
        metavar="FILE",
        type=Path,
        help="a JSON file of settings, or the config.json of a run; they replace the preset's, and the options below replace them",
    )
    parser.add_argument("--seed", type=int, help="seed of the split and of the training")
    parser.add_argument(
        "--seeds", type=int, metavar="N", help="train N runs that differ in their seed alone, on one split, as a group"
    )
    parser.add_argument(
        "--extend", metavar="RUN", help="train a finished run on for --epochs more, as a run of its own"
    )
    parser.add_argument(
        "--check", action="store_true", help="warm up and say what the training will take; train nothing"
    )
    parser.add_argument("--skip-check", action="store_true", help="train without a warm-up before")
    parser.add_argument("--detach", action="store_true", help="queue the job and return at once")
    several = parser.add_argument_group("several devices", "outside this machine's queue; see docs/training.md")
    several.add_argument(
        "--prepare", action="store_true", help="write the run's folder and print the torchrun command that trains it"
    )
    several.add_argument("--slurm", metavar="PARTITION", help='submit to a Slurm partition; "local" tries it out here')
    several.add_argument("--processes", type=int, default=1, metavar="N", help="that train together (default: 1)")
    several.add_argument("--gpus", type=int, metavar="N", help="GPUs to ask Slurm for, one a process (default: 0)")
    several.add_argument("--hours", type=float, help=f"Slurm's time limit (default: {_HOURS:g})")
    group = parser.add_argument_group("recipe", "each overrides the preset's value")
    for field in recipe_fields():
        if field.name == "seed":
            continue
        group.add_argument(
            f"--{field.name.replace('_', '-')}",
            metavar="VALUE",
            dest=f"recipe_{field.name}",
            help=field.described().replace("%", "%%"),
        )


def given_settings(options: argparse.Namespace) -> dict[str, Any]:
    """Return the settings of the command line by name, as texts."""
    given = {field.name: getattr(options, f"recipe_{field.name}", None) for field in recipe_fields()}
    return {name: value for name, value in given.items() if value is not None}


def asked_recipe(options: argparse.Namespace) -> Asked:
    """Join preset, file and settings of the command line.

    Raises:
        RecipeError: The file cannot be used, or an option changes a setting that does nothing beside the others.
    """
    given = given_settings(options)
    if options.recipe is None:
        return Asked(options.preset or _PRESET, given)
    file = read_recipe_file(options.recipe, options.preset)
    base = PRESETS[file.preset].recipe.changed(file.settings)
    refuse_void(base.changed(given), [base])
    return Asked(file.preset, file.settings | given)


def cluster_of(options: argparse.Namespace) -> Cluster | None:
    """Return where the training runs outside this machine's queue; None for the queue.

    Raises:
        JobError: Slurm is asked for and the package that talks to it is missing.
        UserInputError: More processes are asked for than this machine has GPUs.
    """
    if options.slurm:
        check_submitit()
        hours = _HOURS if options.hours is None else options.hours
        return Cluster(options.slurm, options.processes, options.gpus or 0, hours=hours)
    if options.prepare:
        gpus = len(cuda_devices())
        if gpus and options.processes > gpus:
            raise UserInputError(
                f"{options.processes} processes cannot share the {gpus} GPUs of this machine: each needs one of its own; give "
                f"--processes {gpus}, or hide the GPUs with CUDA_VISIBLE_DEVICES= (empty) to train on the CPU."
            )
        cpus = max(1, cores() // options.processes)
        return Cluster(HERE, options.processes, options.processes if gpus else 0, cpus)
    return None


def refuse_contradictions(options: argparse.Namespace) -> None:
    """Refuse options that exclude each other, or of which one would silently do nothing.

    Raises:
        UserInputError: There are such options.
    """
    pairs = (
        (options.extend and (options.dataset or options.seeds is not None or options.check), _EXTEND),
        (options.extend and (options.preset or options.recipe), _EXTEND_RECIPE),
        (
            options.extend and options.recipe_epochs is None,
            f"Say how many more epochs: --extend {options.extend} --epochs N",
        ),
        (not (options.extend or options.dataset), _NO_DATASET),
        (options.seeds is not None and options.seeds < 2, f"--seeds must be 2 or more; found {options.seeds}."),
        (options.prepare and options.slurm, _BOTH),
        (options.check and (options.seeds is not None or options.detach), _CHECK),
        (options.check and (options.prepare or options.slurm), _CHECK_HERE),
        (options.check and options.skip_check, "--check warms up and --skip-check does not: choose one of them."),
        (options.detach and (options.prepare or options.slurm), _DETACH),
        (not options.slurm and (options.gpus is not None or options.hours is not None), _SLURM_ALONE),
        (options.processes < 1 or (options.gpus or 0) < 0, "--processes must be 1 or more and --gpus 0 or more."),
        (options.hours is not None and not options.hours > 0, f"--hours must be above 0; found {options.hours}."),
        (options.processes > 1 and not (options.prepare or options.slurm), _SEVERAL),
    )
    for contradicts, sentence in pairs:
        if contradicts:
            raise UserInputError(sentence)


_EXTEND = "--extend trains a run on, on the run's own data: leave out the data set, --seeds and --check."
_EXTEND_RECIPE = "--extend trains a run on with its own recipe: leave out --preset and --recipe."
_NO_DATASET = "Say which data set to train on, or --extend RUN; list them: python -m mvla_core doctor"
_BOTH = "--prepare leaves the start to you and --slurm to the cluster: choose one of them."
_CHECK = "--check trains nothing, and what one seed takes every seed takes: leave out --seeds and --detach."
_CHECK_HERE = "--check measures one process on this machine: leave out --prepare and --slurm."
_DETACH = "--prepare and --slurm return at once, outside this machine's queue: leave out --detach."
_SLURM_ALONE = (
    "--gpus and --hours are what Slurm is asked for: add --slurm PARTITION; on this machine CUDA_VISIBLE_DEVICES says which GPUs "
    "are used."
)
_SEVERAL = (
    "Several processes are started by torchrun, outside the queue: add --prepare, which prints its command, or --slurm."
)
