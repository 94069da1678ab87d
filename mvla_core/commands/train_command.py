"""`train`: fine-tune a policy on a data set, in a background job, and wait for it."""

from __future__ import annotations

import argparse

from mvla_core.commands.options import add_common, data_root, print_result
from mvla_core.training.recipe import PRESETS, recipe_fields


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", metavar="DATASET", help="a name under the data root, or a folder of HDF5 files")
    parser.add_argument("--preset", choices=list(PRESETS), default="compact", help="the recipe (default: %(default)s)")
    parser.add_argument("--seed", type=int, help="seed of the split and of the training")
    parser.add_argument("--detach", action="store_true", help="queue the job and return at once")
    group = parser.add_argument_group("recipe", "each overrides the preset's value")
    for field in recipe_fields():
        if field.name == "seed":
            continue
        unit = f" [{field.unit}]" if field.unit else ""
        group.add_argument(
            f"--{field.name.replace('_', '-')}",
            metavar="VALUE",
            dest=f"recipe_{field.name}",
            help=f"{field.help}{unit}",
        )
    add_common(parser, run)


def run(options: argparse.Namespace) -> int:
    from mvla_core.commands.follow import run_to_end
    from mvla_core.files import read_json
    from mvla_core.jobs.devices import slot_for
    from mvla_core.jobs.queue import JobQueue
    from mvla_core.training.launch import prepare_run
    from mvla_core.training.machine import cuda_devices

    given = {field.name: getattr(options, f"recipe_{field.name}", None) for field in recipe_fields()}
    overrides = {name: value for name, value in given.items() if value is not None}
    root = data_root(options)
    run_folder = prepare_run(root, options.dataset, options.preset, overrides, options.seed)
    config = read_json(run_folder.config)
    title = f"{options.preset} on {config['dataset']}"
    if options.detach:
        queue = JobQueue(root)
        slot = slot_for("train", len(cuda_devices()), queue.active())
        job = queue.submit("train", run_folder, config, title=title, device=slot)
        text = f"Job {job.id} trains the run {run_folder.run_id}; `python -m mvla_core jobs` shows how far it is."
        print_result(options, {"run_id": run_folder.run_id, "status": job.status, "job_id": job.id}, text)
        return 0
    result = run_to_end(root, "train", run_folder, config, title=title)
    value = {
        "run_id": run_folder.run_id,
        "status": result["status"],
        "best_epoch": result["best_epoch"],
        "train_loss": result["train_loss"],
        "val_loss": result["val_loss"],
    }
    text = (
        f"Run {run_folder.run_id}: best epoch {value['best_epoch']}, validation loss {value['val_loss']:.4f} "
        f"(train {value['train_loss']:.4f}).\nA low loss alone proves nothing. "
        f"Next: python -m mvla_core evaluate {run_folder.run_id}"
    )
    print_result(options, value, text)
    return 0
