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

    return run_worker(options.kind, JobFolder(options.folder), DataRoot(options.data_root), FUNCTIONS)


def _train(folder: JobFolder, config: dict[str, Any], root: DataRoot, progress: Progress) -> dict[str, Any]:
    from mvla_core.training.train import train_run

    return train_run(root, root.run(folder.path.name), progress)


def _evaluate(folder: JobFolder, config: dict[str, Any], root: DataRoot, progress: Progress) -> dict[str, Any]:
    from mvla_core.evaluation.evaluate import evaluate_run

    results = evaluate_run(root, config["run_id"], progress)
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


FUNCTIONS = {
    "train": _train,
    "evaluate": _evaluate,
    "simulate": _simulate,
    "import": _import,
    "report": _report,
    "scan": _scan,
    "pictures": _pictures,
    "features": _features,
}
