"""`train`: fine-tune a policy on a data set, in a background job, and wait for it; check it, repeat it, train a run on."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from typing import Any

from mvla_core.commands.options import add_common, data_root, print_result
from mvla_core.errors import UserInputError
from mvla_core.files import read_json
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.training.recipe import PRESETS, recipe_fields


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "dataset", metavar="DATASET", nargs="?", help="a name under the data root, or a folder of HDF5 files"
    )
    parser.add_argument("--preset", choices=list(PRESETS), default="compact", help="the recipe (default: %(default)s)")
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
    several.add_argument("--gpus", type=int, default=0, metavar="N", help="GPUs to ask Slurm for (default: 0)")
    several.add_argument("--hours", type=float, default=24.0, help="Slurm's time limit (default: 24)")
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
    add_common(parser, run)


def run(options: argparse.Namespace) -> int:
    root = data_root(options)
    given = {field.name: getattr(options, f"recipe_{field.name}", None) for field in recipe_fields()}
    overrides = {name: value for name, value in given.items() if value is not None}
    _refuse_contradictions(options, overrides)
    if options.extend:
        return _extend(options, root, overrides)
    if not options.dataset:
        raise UserInputError("Say which data set to train on, or --extend RUN; list them: python -m mvla_core doctor")
    if options.check:
        return _check(options, root, overrides)
    if not (options.skip_check or options.prepare or options.slurm):
        _warm_up(options, root, overrides, again=False)
    from mvla_core.training.groups import prepare_group
    from mvla_core.training.launch import prepare_run

    if options.seeds:
        runs = prepare_group(root, options.dataset, options.preset, overrides, options.seeds, options.seed)
    else:
        runs = [prepare_run(root, options.dataset, options.preset, overrides, options.seed)]
    return _start(options, root, runs)


def _refuse_contradictions(options: argparse.Namespace, overrides: dict[str, Any]) -> None:
    if options.extend and (options.dataset or options.seeds or options.check):
        raise UserInputError(
            "--extend trains a run on, on the run's own data: leave out the data set, --seeds and --check."
        )
    if options.extend and "epochs" not in overrides:
        raise UserInputError(f"Say how many more epochs: --extend {options.extend} --epochs N")
    if options.prepare and options.slurm:
        raise UserInputError("--prepare leaves the start to you and --slurm to the cluster: choose one of them.")
    if options.processes < 1 or options.gpus < 0 or options.hours <= 0:
        raise UserInputError("--processes must be 1 or more, --gpus 0 or more and --hours above 0.")
    if options.processes > 1 and not (options.prepare or options.slurm):
        raise UserInputError(
            "Several processes are started by torchrun, outside the queue: add --prepare, which prints its command, or --slurm."
        )


def _extend(options: argparse.Namespace, root: DataRoot, overrides: dict[str, Any]) -> int:
    from mvla_core.training.extend import prepare_extension

    epochs = overrides.pop("epochs")
    if options.seed is not None:
        overrides["seed"] = options.seed
    if not str(epochs).isdigit():
        raise UserInputError(f"--epochs must be a whole number of 1 or more; found {epochs!r}.")
    return _start(options, root, [prepare_extension(root, options.extend, int(epochs), overrides)])


def _check(options: argparse.Namespace, root: DataRoot, overrides: dict[str, Any]) -> int:
    result = _warm_up(options, root, overrides, again=True)
    forecast = result["forecast"]
    parts = ", ".join(f"{part} {count:,}" for part, count in forecast["parameters"].items())
    gpu = forecast["gpu_memory_bytes"]
    lines = [
        f"time      {forecast['seconds']:.0f} s at most: {forecast['start_seconds']:.0f} s to start, then "
        f"{forecast['epoch_seconds']:.2f} s an epoch",
        f"memory    {forecast['memory_bytes'] / 1e6:,.0f} MB" + (f", GPU {gpu / 1e6:,.0f} MB" if gpu else ""),
        f"disk      {forecast['disk_bytes'] / 1e6:,.0f} MB: {forecast['cache_bytes'] / 1e6:,.0f} for picture features, "
        f"{forecast['run_bytes'] / 1e6:,.0f} for the run",
        f"trains    {parts}",
        forecast["basis"],
    ]
    print_result(options, {"forecast": forecast, "warm_up": result["warm_up"]}, "\n".join(lines))
    return 0


def _warm_up(options: argparse.Namespace, root: DataRoot, overrides: dict[str, Any], *, again: bool) -> dict[str, Any]:
    """Run the warm-up as a job and return its result; {} where one is known already, or the device is at work."""
    from mvla_core.commands.follow import run_to_end
    from mvla_core.jobs.devices import slot_for
    from mvla_core.jobs.folders import new_job_folder
    from mvla_core.jobs.queue import JobQueue
    from mvla_core.training.launch import plan_training

    plan = plan_training(root, options.dataset, options.preset, overrides, options.seed)
    plan.check_fit()
    if not again:
        if plan.forecast().measured:
            return {}
        active = JobQueue(root).active()
        slot = slot_for("preflight", len(plan.gpus), active)
        if any(job.device == slot for job in active):
            print(f"Not warmed up: {slot} is at work. The forecast is a formula's.", file=sys.stderr)
            return {}
    config = {"dataset": options.dataset, "preset": options.preset, "recipe": plan.recipe.to_json()}
    title = f"check of {options.preset} on {plan.ref.name}"
    return run_to_end(root, "preflight", new_job_folder(root, "preflight"), config, title=title)


def _start(options: argparse.Namespace, root: DataRoot, runs: Sequence[RunFolder]) -> int:
    if options.prepare or options.slurm:
        return _hand_over(options, root, runs)
    from mvla_core.commands.follow import run_to_end
    from mvla_core.jobs.devices import slot_for
    from mvla_core.jobs.queue import JobQueue
    from mvla_core.training.machine import cuda_devices

    queue = JobQueue(root)
    slot = slot_for("train", len(cuda_devices()), queue.active())
    values = []
    for run_folder in runs:
        config = read_json(run_folder.config)
        title = f"{config['preset']} on {config['dataset']}" + (f", seed {config['seed']}" if len(runs) > 1 else "")
        if options.detach:
            # One slot for all of a group: they are trained one after another.
            job = queue.submit("train", run_folder, config, title=title, device=slot)
            values.append({"run_id": run_folder.run_id, "status": job.status, "job_id": job.id})
        else:
            result = run_to_end(root, "train", run_folder, config, title=title, device=slot)
            keys = ("status", "best_epoch", "train_loss", "val_loss", "val_rmse", "forecast_check")
            values.append({"run_id": run_folder.run_id, **{key: result.get(key) for key in keys}})
    text = "\n".join(_told(value, options.detach) for value in values)
    if len(runs) > 1:
        group = _group(root, runs)
        text += "\n" + "\n".join(group.pop("told"))
        print_result(options, {**group, "runs": values}, text)
    else:
        print_result(options, values[0], text)
    return 0


def _group(root: DataRoot, runs: Sequence[RunFolder]) -> dict[str, Any]:
    from mvla_core.runs.listing import read_run
    from mvla_core.runs.table import run_record
    from mvla_core.training.groups import run_groups

    records = [run_record(root, read_run(root, each.run_id)) for each in runs]
    (group,) = run_groups(root, records)
    return {**group.to_json(), "told": [f"Group {group.group_id}, one split: {line}" for line in group.sentences()]}


def _told(value: dict[str, Any], detached: bool) -> str:
    if detached:
        return (
            f"Job {value['job_id']} trains the run {value['run_id']}; `python -m mvla_core jobs` shows how far it is."
        )
    from mvla_core.training.forecast_check import stored_check

    check = stored_check(value)
    lines = [
        f"Run {value['run_id']}: best epoch {value['best_epoch']}, validation loss {value['val_loss']:.4f} "
        f"(train {value['train_loss']:.4f}).",
        *([check.sentence()] if check else []),
        f"A low loss alone proves nothing. Next: python -m mvla_core evaluate {value['run_id']}",
    ]
    return "\n".join(lines)


def _hand_over(options: argparse.Namespace, root: DataRoot, runs: Sequence[RunFolder]) -> int:
    from mvla_core.training.slurm import Cluster, submit, torchrun_command

    values: list[dict[str, Any]] = []
    lines = []
    for run_folder in runs:
        command = torchrun_command(root, run_folder, options.processes)
        value: dict[str, Any] = {"run_id": run_folder.run_id, "folder": str(run_folder.path), "command": command}
        if options.slurm:
            cluster = Cluster(options.slurm, options.processes, options.gpus, hours=options.hours)
            value["slurm_job"] = submit(root, run_folder, cluster).job_id
            lines.append(
                f"Slurm job {value['slurm_job']} trains the run {run_folder.run_id}; its logs: {run_folder.path}/slurm"
            )
        else:
            lines.append(shlex.join(command))
        values.append(value)
    print_result(options, {"runs": values}, "\n".join(lines))
    return 0
