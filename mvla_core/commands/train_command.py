"""`train`: fine-tune a policy on a data set, in a background job, and wait for it; check it, repeat it, train a run on."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mvla_core.commands import train_options
from mvla_core.commands.options import add_common, data_root, print_result
from mvla_core.commands.train_options import Asked
from mvla_core.errors import JobError, Stopped, UserInputError
from mvla_core.files import read_json
from mvla_core.jobs.model import Job
from mvla_core.layout import DataRoot, RunFolder


def configure(parser: argparse.ArgumentParser) -> None:
    train_options.configure(parser)
    add_common(parser, run)


def run(options: argparse.Namespace) -> int:
    root = data_root(options)
    train_options.refuse_contradictions(options)
    if options.extend:
        return _extend(options, root)
    asked = train_options.asked_recipe(options)
    if options.check:
        return _check(options, root, asked)
    if not (options.skip_check or options.prepare or options.slurm):
        _warm_up(options, root, asked, again=False)
    from mvla_core.training.groups import prepare_group
    from mvla_core.training.launch import prepare_run

    cluster = train_options.cluster_of(options)
    what = (root, options.dataset, asked.preset, asked.overrides)
    if options.seeds:
        runs = prepare_group(*what, options.seeds, options.seed, cluster=cluster)
    else:
        runs = [prepare_run(*what, options.seed, cluster=cluster)]
    return _start(options, root, runs)


def _extend(options: argparse.Namespace, root: DataRoot) -> int:
    from mvla_core.training.extend import prepare_extension

    overrides = train_options.given_settings(options)
    epochs = overrides.pop("epochs")
    if options.seed is not None:
        overrides["seed"] = options.seed
    if not str(epochs).isdigit():
        raise UserInputError(f"--epochs must be a whole number of 1 or more; found {epochs!r}.")
    cluster = train_options.cluster_of(options)
    return _start(options, root, [prepare_extension(root, options.extend, int(epochs), overrides, cluster)])


def _check(options: argparse.Namespace, root: DataRoot, asked: Asked) -> int:
    result = _warm_up(options, root, asked, again=True)
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


def _warm_up(options: argparse.Namespace, root: DataRoot, asked: Asked, *, again: bool) -> dict[str, Any]:
    """Run the warm-up as a job and return its result; {} where one is known already, or the device is at work."""
    from mvla_core.commands.follow import run_to_end
    from mvla_core.jobs.devices import slot_for
    from mvla_core.jobs.folders import new_job_folder
    from mvla_core.jobs.queue import JobQueue
    from mvla_core.training.launch import plan_training

    plan = plan_training(root, options.dataset, asked.preset, asked.overrides, options.seed)
    plan.check_fit()
    if not again:
        if plan.forecast().measured:
            return {}
        active = JobQueue(root).active()
        slot = slot_for("preflight", len(plan.gpus), active)
        if any(job.device == slot for job in active):
            print(f"Not warmed up: {slot} is at work. The forecast is a formula's.", file=sys.stderr)
            return {}
    config = {"dataset": options.dataset, "preset": asked.preset, "recipe": plan.recipe.to_json()}
    title = f"check of {asked.preset} on {plan.ref.name}"
    return run_to_end(root, "preflight", new_job_folder(root, "preflight"), config, title=title)


def _start(options: argparse.Namespace, root: DataRoot, runs: Sequence[RunFolder]) -> int:
    if options.prepare or options.slurm:
        return _hand_over(options, root, runs)
    queued = _queue_all(root, runs)
    values: list[dict[str, Any]]
    if options.detach:
        values = [{"run_id": each.folder.run_id, "status": each.job.status, "job_id": each.job.id} for each in queued]
    else:
        values = _follow_all(root, queued)
    text = "\n".join(_told(value, options.detach) for value in values)
    if len(runs) > 1:
        group = _group(root, runs)
        text += "\n" + "\n".join(group.pop("told"))
        print_result(options, {**group, "runs": values}, text)
    else:
        print_result(options, values[0], text)
    failed = [value["run_id"] for value in values if value["status"] == "failed"]
    if failed:
        raise JobError(f"{len(failed)} of {len(runs)} runs of the group failed: {', '.join(failed)}.")
    return 0


@dataclass(frozen=True)
class _Queued:
    """A run and the job that trains it."""

    folder: RunFolder
    job: Job


def _queue_all(root: DataRoot, runs: Sequence[RunFolder]) -> list[_Queued]:
    """Queue every run before the first is waited for: of a group, none is left behind whatever becomes of the others."""
    from mvla_core.jobs.devices import slot_for
    from mvla_core.jobs.queue import JobQueue
    from mvla_core.training.machine import cuda_devices

    queue = JobQueue(root)
    # One slot for all of a group: they are trained one after another.
    slot = slot_for("train", len(cuda_devices()), queue.active())
    queued = []
    for run_folder in runs:
        config = read_json(run_folder.config)
        title = f"{config['preset']} on {config['dataset']}" + (f", seed {config['seed']}" if len(runs) > 1 else "")
        queued.append(_Queued(run_folder, queue.submit("train", run_folder, config, title=title, device=slot)))
    return queued


def _follow_all(root: DataRoot, queued: Sequence[_Queued]) -> list[dict[str, Any]]:
    """Wait for every run of a group, also after one that failed; a stop ends those that have not begun too."""
    from mvla_core.commands.follow import follow_job
    from mvla_core.jobs.queue import JobQueue

    values: list[dict[str, Any]] = []
    for number, each in enumerate(queued):
        try:
            result = follow_job(root, each.job.id, each.folder)
        except Stopped:
            for later in queued[number + 1 :]:
                JobQueue(root).request_stop(later.job.id)
            raise
        except JobError as error:
            if len(queued) == 1:
                raise
            values.append({"run_id": each.folder.run_id, "status": "failed", "message": str(error)})
            continue
        keys = ("status", "best_epoch", "train_loss", "val_loss", "val_rmse", "forecast_check")
        values.append({"run_id": each.folder.run_id, **{key: result.get(key) for key in keys}})
    return values


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
    if value["status"] == "failed":
        return f"Run {value['run_id']}: failed. {value['message']}"
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
    from mvla_core.training.slurm import submit, torchrun_command

    cluster = train_options.cluster_of(options)
    assert cluster is not None, "--prepare and --slurm ask for one"
    values: list[dict[str, Any]] = []
    lines = []
    for run_folder in runs:
        config = read_json(run_folder.config)
        command = torchrun_command(root, run_folder, options.processes)
        value: dict[str, Any] = {"run_id": run_folder.run_id, "folder": str(run_folder.path), "command": command}
        value["notes"] = config["notes"]
        for note in config["notes"]:
            print(note, file=sys.stderr)
        if options.slurm:
            value["slurm_job"] = submit(root, run_folder, cluster).job_id
            lines.append(
                f"Slurm job {value['slurm_job']} trains the run {run_folder.run_id}; its logs: {run_folder.path}/slurm"
            )
        else:
            lines.append(shlex.join(command))
        values.append(value)
    print_result(options, {"runs": values}, "\n".join(lines))
    return 0
