"""`work`: what the job runner starts. Not for people: they use the other verbs, which queue jobs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mvla_core.layout import DataRoot, JobFolder
from mvla_core.progress import Progress


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", choices=sorted(FUNCTIONS))
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--data-root", type=Path, required=True)
    parser.set_defaults(function=run)


def run(options: argparse.Namespace) -> int:
    from mvla_core.jobs.worker import run_worker
    from mvla_core.training.ranks import process_rank

    if process_rank() > 0:
        return _follow(options)
    folder, root = JobFolder(options.folder), DataRoot(options.data_root)
    return run_worker(options.kind, folder, root, FUNCTIONS, goes_on=options.kind == "train")


def _follow(options: argparse.Namespace) -> int:
    """Train beside the first process that torchrun started, which alone writes and tells; see `training.distributed`."""
    import signal

    from mvla_core.errors import Stopped, UserInputError
    from mvla_core.progress import StoppableProgress
    from mvla_core.training.train import train_run

    if options.kind != "train":
        raise UserInputError(
            f"Only a training can use several processes; start the job {options.kind!r} without torchrun."
        )
    progress = StoppableProgress()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: progress.request_stop())
    root = DataRoot(options.data_root)
    try:
        train_run(root, root.run(options.folder.name), progress)
    except Stopped as stopped:
        return stopped.exit_code
    return 0


def _train(folder: JobFolder, config: dict[str, Any], root: DataRoot, progress: Progress) -> dict[str, Any]:
    import time

    import psutil

    from mvla_core.training.checkpoints import newest_checkpoint
    from mvla_core.training.forecast_check import check_forecast
    from mvla_core.training.train import train_run

    run = root.run(folder.path.name)
    from_the_start = newest_checkpoint(run) is None
    result = train_run(root, run, progress)
    if not from_the_start:  # what the attempts before it took is not part of this process
        return result
    seconds = time.time() - psutil.Process().create_time()
    gpu = result.get("peak_gpu_memory_bytes")
    found = check_forecast(config["forecast"], result["epochs_done"], seconds, result["peak_memory_bytes"], gpu)
    return result if found is None else {**result, "forecast_check": found.to_json()}


def _preflight(folder: JobFolder, config: dict[str, Any], root: DataRoot, progress: Progress) -> dict[str, Any]:
    import psutil

    from mvla_core.training.warm_up import run_preflight_job

    return run_preflight_job(root, folder, config, progress, began=psutil.Process().create_time())


def _evaluate(folder: JobFolder, config: dict[str, Any], root: DataRoot, progress: Progress) -> dict[str, Any]:
    if config.get("suite") == "full":
        from mvla_core.experiments.full_evaluation import evaluate_fully

        results = evaluate_fully(root, config["run_id"], progress, other_dataset=config.get("other_dataset"))
    else:
        from mvla_core.evaluation.evaluate import evaluate_run
        from mvla_core.experiments.blind import kept_blind_policies

        kept = kept_blind_policies(root.run(config["run_id"]))
        results = evaluate_run(root, config["run_id"], progress, learned=kept)
    return {"run_id": results["run_id"], "verdict": results["verdict"]}


def _simulate(folder: JobFolder, config: dict[str, Any], root: DataRoot, progress: Progress) -> dict[str, Any]:
    from mvla_core.simulation.record import simulate_episodes

    settings = {key: value for key, value in config.items() if key != "dataset"}
    return simulate_episodes(root, config["dataset"], progress=progress, **settings).to_json()


def _import(folder: JobFolder, config: dict[str, Any], root: DataRoot, progress: Progress) -> dict[str, Any]:
    from mvla_core.episodes.importers import import_recordings

    return import_recordings(
        Path(config["source"]), root, config["dataset"], episode_length=config["episode_length"], progress=progress
    ).to_json()


def _report(folder: JobFolder, config: dict[str, Any], root: DataRoot, progress: Progress) -> dict[str, Any]:
    from mvla_core.reports.write import run_report_job

    return run_report_job(root, config, progress)


def _scan(folder: JobFolder, config: dict[str, Any], root: DataRoot, progress: Progress) -> dict[str, Any]:
    from mvla_core.episodes.catalogue import scan
    from mvla_core.episodes.dataset import resolve_dataset

    progress.stage(f"Looking at the files of {config['dataset']}")
    catalogue = scan(root, resolve_dataset(root, config["dataset"]), progress)
    return {"dataset": catalogue.dataset, "episodes": len(catalogue.episodes), "set_aside": len(catalogue.findings)}


def _pictures(folder: JobFolder, config: dict[str, Any], root: DataRoot, progress: Progress) -> dict[str, Any]:
    from mvla_core.episodes.measured_pictures import measure_pictures

    return measure_pictures(root, config["dataset"], progress)


def _features(folder: JobFolder, config: dict[str, Any], root: DataRoot, progress: Progress) -> dict[str, Any]:
    from mvla_core.policies.picture_looks import look_at_pictures

    return look_at_pictures(root, config["dataset"], progress)


def _ask(folder: JobFolder, config: dict[str, Any], root: DataRoot, progress: Progress) -> dict[str, Any]:
    from mvla_core.evaluation.ask import answer_questions

    return answer_questions(root, folder, progress)


def _experiment(folder: JobFolder, config: dict[str, Any], root: DataRoot, progress: Progress) -> dict[str, Any]:
    from mvla_core.experiments.job import run_experiment

    return run_experiment(root, config, progress)


def _drive(folder: JobFolder, config: dict[str, Any], root: DataRoot, progress: Progress) -> dict[str, Any]:
    from mvla_core.driving.drive import drive_run
    from mvla_core.driving.settings import DriveSettings

    settings = DriveSettings.from_json({key: value for key, value in config.items() if key != "run_id"})
    results = drive_run(root, config["run_id"], settings, progress)
    return {"run_id": results["run_id"], "closed_loop": results["closed_loop"]}


FUNCTIONS = {
    "train": _train,
    "preflight": _preflight,
    "evaluate": _evaluate,
    "simulate": _simulate,
    "import": _import,
    "report": _report,
    "scan": _scan,
    "pictures": _pictures,
    "features": _features,
    "drive": _drive,
    "ask": _ask,
    "experiment": _experiment,
}
