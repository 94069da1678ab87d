"""`demo`: the whole way without a browser, on simulated episodes, in about two minutes."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from mvla_core.commands.options import add_common, data_root, print_result
from mvla_core.evaluation.wording import Language
from mvla_core.layout import DataRoot
from mvla_core.progress import ConsoleProgress


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", default="demo", metavar="NAME", help="the data set to make (default: %(default)s)")
    parser.add_argument(
        "--count", type=int, default=24, metavar="N", help="episodes to simulate (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of episodes, split and training (default: %(default)s)"
    )
    parser.add_argument("--epochs", type=int, metavar="N", help="train for N epochs instead of the preset's")
    parser.add_argument(
        "--lang", choices=("en", "ko"), default="en", help="language of the report (default: %(default)s)"
    )
    add_common(parser, run)


def run(options: argparse.Namespace) -> int:
    root = data_root(options)
    began = time.monotonic()
    value = run_demo(
        root, options.dataset, count=options.count, seed=options.seed, epochs=options.epochs, lang=options.lang
    )
    value["seconds"] = round(time.monotonic() - began, 1)
    page = next(file for file in value["files"] if file.endswith(".html"))
    text = f"\n{value['verdict']['sentence']}\nThe report is {page}\n({value['seconds']:.0f} s)"
    print_result(options, value, text)
    return 0


def run_demo(
    root: DataRoot, dataset: str, *, count: int, seed: int, epochs: int | None, lang: Language
) -> dict[str, Any]:
    """Simulate, audit, train, evaluate and report; each step is the same function that its own verb calls."""
    from mvla_core.audit.audit import audit_dataset
    from mvla_core.commands.audit_command import describe
    from mvla_core.commands.follow import run_to_end
    from mvla_core.evaluation.results import load_results
    from mvla_core.files import read_json
    from mvla_core.jobs.folders import new_job_folder
    from mvla_core.reports.write import write_report
    from mvla_core.simulation.record import simulate_episodes
    from mvla_core.training.launch import prepare_run

    progress = ConsoleProgress()
    progress.stage(f"1/5 Simulate {count} episodes: a robot drives around a box to a basket, left or right as told")
    simulate_episodes(root, dataset, count=count, seed=seed, progress=progress)
    progress.stage("2/5 Audit: can this data teach anything, or would a clock do?")
    for line in describe(audit_dataset(root, dataset, seed=seed).to_json()).splitlines():
        progress.stage("  " + line)
    progress.stage("3/5 Train the compact policy")
    overrides = {} if epochs is None else {"epochs": epochs}
    run_folder = prepare_run(root, dataset, "compact", overrides, seed)
    run_to_end(root, "train", run_folder, read_json(run_folder.config), title=f"demo on {dataset}", progress=progress)
    progress.stage("4/5 Evaluate on held-out episodes, beside predictors that never look")
    run_to_end(
        root,
        "evaluate",
        new_job_folder(root, "evaluate"),
        {"run_id": run_folder.run_id},
        title=f"evaluate {run_folder.run_id}",
        progress=progress,
    )
    progress.stage("5/5 Write the report")
    files = write_report(root, run_folder.run_id, lang=lang, out=Path(run_folder.report) / lang)
    results = load_results(run_folder)
    return {"run_id": run_folder.run_id, "files": [str(file) for file in files], "verdict": results["verdict"]}
