"""Does simulation help? The run's recipe on its real episodes and a stated share of simulated ones, judged on real held-out ones.

The run itself is the training without simulation. A mix holds all of its real training episodes; simulated ones are added until
they are the stated share. Validation and test stay the run's own, real ones. Recordings are linked, not copied, into a folder of
the experiment, so that training needs to know nothing of mixes.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mvla_core.datasets.split import Split
from mvla_core.episodes.annotations import frozen, load_annotations
from mvla_core.episodes.curation import scan_curated
from mvla_core.episodes.dataset import DatasetRef, resolve_dataset
from mvla_core.episodes.notes import Annotations, EpisodeNote
from mvla_core.errors import DatasetError, UserInputError
from mvla_core.experiments.luck import gain_with_luck, how_sure, known_luck, verdict_on
from mvla_core.experiments.store import store_gain, variants_folder, write_result
from mvla_core.experiments.subject import Errors, Subject, load_subject, skill_gain
from mvla_core.experiments.variants import train_variant
from mvla_core.files import check_identifier
from mvla_core.layout import DataRoot
from mvla_core.policies.adapter import load_policy
from mvla_core.progress import Progress
from mvla_core.schema import ActionSpace, EpisodeInfo
from mvla_core.simulation.journal import FILE_NAME as JOURNAL

DEFAULT_SHARES = (0.5,)
SIMULATED_SPACES = (ActionSpace.default(2), ActionSpace.default(3))
"""What the simulator writes; which of the two, its setting `action_dims` says."""


@dataclass(frozen=True)
class Mix:
    """A folder with the run's real episodes and simulated ones.

    Attributes:
        ref: The folder as a data set.
        annotations: Of the real episodes as frozen for the run, of the simulated ones as they are now.
        simulated: Names of the simulated episodes in the folder, in the order in which shares take them.
    """

    ref: DatasetRef
    annotations: Annotations
    simulated: tuple[str, ...]


def run_mixing(root: DataRoot, config: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Train the mixes and write `evaluation/mixing.json` and the gain.

    Args:
        root: The data root.
        config: `run_id`, `simulation` (a data set); at will `shares` of simulated episodes among the training episodes, each
            between 0 and 1.
        progress: The job's; after a stop, finished trainings are kept.

    Returns:
        What `mixing.json` holds. Where several shares were tried, the gain is that of the one with the lowest error on the real
        validation episodes: choosing by the test would flatter it. It has an interval where the luck of training is known
        (`luck.py`).

    Raises:
        RunError: The run cannot be used.
        UserInputError: A share cannot be used, or there is no such data set.
        DatasetError: The data sets have different action spaces, or too few simulated episodes.
        Stopped: The user asked.
    """
    shares = sorted({float(share) for share in config.get("shares") or DEFAULT_SHARES})
    if not all(0 < share < 1 for share in shares):
        raise UserInputError(
            f"The shares {', '.join(f'{share:g}' for share in shares)} cannot be used: expected shares of simulated episodes "
            "between 0 and 1, such as 0.25 0.5; without simulation is the run itself."
        )
    subject = load_subject(root, config["run_id"])
    progress.stage("Put real and simulated episodes together")
    mix = make_mix(root, subject, config["simulation"])
    wanted = {share: round(share / (1 - share) * len(subject.train)) for share in shares}
    most = max(wanted.values())
    if min(wanted.values()) < 1 or most > len(mix.simulated):
        raise DatasetError(
            f"The data set {config['simulation']} has {len(mix.simulated)} usable episodes, but a share of {shares[-1]:g} beside "
            f"{len(subject.train)} real ones takes {most}; simulate more, or choose a smaller share."
        )
    clock_name, clock = subject.clock()
    progress.stage("Measure the run itself")
    real = subject.errors(root, load_policy(subject.run.adapter), progress)
    luck = known_luck(subject.run)
    rows, gains = [], []
    for done, (share, count) in enumerate(wanted.items()):
        chosen = mix.simulated[:count]
        policy, told = train_variant(
            root,
            subject,
            variants_folder(subject.run, "mixing") / f"{config['simulation']}-{100 * share:03.0f}",
            f"Training {done + 1} of {len(wanted)}: {len(subject.train)} real and {count} simulated episodes",
            progress,
            split=_with(subject.split, chosen, mix.simulated),
            data=(mix.ref, mix.annotations),
        )
        mixed = subject.errors(root, policy, progress)
        rows.append(
            {"share": share, "simulated": count, "real": len(subject.train), **_compared(real, mixed, clock, told)}
        )
        gains.append((gain_with_luck(real, mixed, clock, luck), skill_gain(real, mixed, clock)))
    chosen_row = min(range(len(rows)), key=lambda place: float(rows[place]["val_rmse"]))
    best, (gain, held_out) = rows[chosen_row], gains[chosen_row]
    result = {
        "run_id": subject.run.run_id,
        "simulation": config["simulation"],
        "unit": subject.unit,
        "held_out": len(real.squared),
        "clock": {"baseline": clock_name, "rmse": clock.rmse},
        "without": real.interval().to_json(),
        "mixes": rows,
        "chosen_share": best["share"],
        "gain": gain.to_json(),
        "gain_held_out": held_out.to_json(),
        "answer": verdict_on(gain, held_out, f"{best['simulated']} simulated episodes beside {best['real']} real ones"),
    }
    write_result(subject.run, "mixing", result)
    store_gain(
        subject.run,
        "simulation",
        gain,
        f"skill over the clock on real held-out episodes, with {best['simulated']} simulated episodes beside {best['real']} real "
        f"ones instead of the real ones alone; {how_sure(luck)}",
    )
    progress.note(result["answer"]["text"])
    return result


def make_mix(root: DataRoot, subject: Subject, simulation: str) -> Mix:
    """Link the run's training and validation episodes and all simulated ones into one folder.

    Raises:
        UserInputError: There is no such data set, or it is the run's own.
        DatasetError: It was not simulated, or its action space or its colour order is another one.
    """
    check_identifier(simulation, "data set name")
    ref = resolve_dataset(root, simulation)
    if ref.folder.resolve() == Path(subject.config["dataset_folder"]).resolve():
        raise UserInputError(f"The run was trained on {simulation} itself; name a data set of simulated episodes.")
    annotations = load_annotations(root, ref)
    simulated = scan_curated(root, ref, annotations=annotations).episodes
    own = frozen(subject.run.path)
    _check_simulated(ref, simulated)
    _check(subject, simulation, simulated, own, annotations)
    folder = variants_folder(subject.run, "mixing") / "episodes" / f"mix-{subject.config['dataset']}-{simulation}"
    known = scan_curated(root, resolve_dataset(root, subject.config["dataset_folder"]), annotations=own)
    notes: dict[str, EpisodeNote] = {}
    for name in (*subject.split.train, *subject.split.validation):
        _link(known.by_id(name).path, folder)
        notes[name] = own.of(name)
    taken = set(notes)
    names = []
    for info in sorted(simulated, key=lambda info: info.episode_id):
        if info.num_frames < subject.recipe.window.minimum_frames:
            continue
        name = f"simulated-{info.episode_id}" if info.episode_id in taken else info.episode_id
        _link(info.path, folder, name)
        notes[name] = annotations.of(info.episode_id)
        names.append(name)
    order = np.random.default_rng(subject.recipe.seed).permutation(len(names))
    said = {name: note for name, note in notes.items() if note != EpisodeNote()}
    mixed = DatasetRef(folder.name, folder)
    return Mix(mixed, Annotations(said, own.dataset_settings), tuple(names[place] for place in order))


def _check(
    subject: Subject, simulation: str, simulated: Sequence[EpisodeInfo], own: Annotations, other: Annotations
) -> None:
    space = subject.scale.space
    misfit = next((info for info in simulated if info.action_space != space), None)
    if misfit is not None:
        there = misfit.action_space
        if space in SIMULATED_SPACES:
            advice = f"simulate with the settings matched to {subject.config['dataset']}, so that both mean the same."
        else:
            advice = "no simulation can be mixed with it, as a simulated robot is told linear_x and linear_y in m/s, and at will "
            advice += "angular_z in rad/s, in this order."
        raise DatasetError(
            f"The data set {simulation} holds {', '.join(there.names)} ({', '.join(there.units)}), but the run "
            f"{subject.run.run_id!r} predicts {', '.join(space.names)} ({', '.join(space.units)}); {advice}"
        )
    # A correction holds for a data set as a whole, and a mix is one.
    wanted, said = own.dataset_settings.color_order, other.dataset_settings.color_order
    if said not in (None, wanted) or (wanted is not None and any(info.color_order != wanted for info in simulated)):
        raise DatasetError(
            f"The colour order of {subject.config['dataset']} is {wanted or 'what its files tell'} and that of {simulation} "
            f"{said or 'what its files tell'}, but a mix can have only one correction; import the corrected one again with the "
            "right order."
        )


def _check_simulated(ref: DatasetRef, episodes: Sequence[EpisodeInfo]) -> None:
    """Only what was simulated may be added: real recordings would make the answer one on more data."""
    if (ref.folder / JOURNAL).is_file():
        return
    real = [info.episode_id for info in episodes if not info.simulated]
    if real or not episodes:
        raise DatasetError(
            f"The data set {ref.name} in {ref.folder} was not simulated: expected its {JOURNAL}, or episodes that say so "
            f"themselves; found {len(real)} recordings that do not{f', first {real[0]!r}' if real else ''}; name a data set that "
            "python -m mvla_core simulate has made."
        )


def _link(source: Path, folder: Path, name: str | None = None) -> None:
    """Put a recording into a folder, in place of an older one, without copying its bytes where the disk allows it."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{name or source.stem}{source.suffix}"
    if target.exists():
        there, here = target.stat(), source.stat()
        if (there.st_size, there.st_mtime_ns) == (here.st_size, here.st_mtime_ns):
            return
        target.unlink()
    try:
        os.link(source, target)
    except OSError:
        # Another disk, or a file system without hard links; the times are kept.
        shutil.copy2(source, target)


def _with(split: Split, chosen: Sequence[str], simulated: Sequence[str]) -> Split:
    """The run's split with simulated episodes in its training part; those that the share leaves over are excluded."""
    return replace(
        split,
        train=tuple(sorted((*split.train, *chosen))),
        test=(),
        gap=(),
        excluded=tuple(sorted(set(simulated) - set(chosen))),
    )


def _compared(before: Errors, after: Errors, clock: Errors, told: dict[str, Any]) -> dict[str, Any]:
    return {
        "rmse": after.interval().to_json(),
        "difference": before.difference(after).to_json(),
        "gain": skill_gain(before, after, clock).to_json(),
        "val_rmse": told["val_rmse"],
        "seconds": told["seconds"],
    }
