"""Golden reports: what a report of fixed results says in both languages, kept as Markdown so that every change of a word is seen.

    python -m tests.golden.report_regenerate          write report_en.md and report_ko.md from report_run/
    python -m tests.golden.report_regenerate --run    make the fixed results anew first

Regenerate only after looking at the difference: `git diff tests/golden` shows what changed for a reader.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import sys
import tempfile
from pathlib import Path

from mvla_core.datasets.windows import WindowSpec
from mvla_core.evaluation.assess import assess
from mvla_core.files import read_json, write_json
from mvla_core.layout import DataRoot
from mvla_core.reports.background import background_path, gather_background
from mvla_core.reports.choice import ReportChoice
from mvla_core.reports.write import read_document, render_markdown
from mvla_core.wording import LANGUAGES, Language

HERE = Path(__file__).parent
RUN = "report_run"
EPISODES = 20
MOMENT = "2025-11-12T09:30:00+00:00"
"""In place of the time of making, so that the reports stay the same."""
FOREWORD = "For the weekly meeting.\n\nQuestion: may the robot drive in the corridor?"


def report(root: DataRoot, lang: Language) -> str:
    """The golden report in a language, of the results below a root."""
    return render_markdown(read_document(root, RUN, lang, ReportChoice(foreword=FOREWORD)))


def place(root: DataRoot) -> DataRoot:
    """Copy the fixed results into a data root."""
    shutil.copytree(HERE / RUN, root.run(RUN).path)
    return root


def make_run() -> None:
    """Record a small world, evaluate a policy that looks, and keep what its report reads."""
    path = HERE.parent / "evaluation" / "planted_worlds.py"
    spec = importlib.util.spec_from_file_location("planted_worlds_of_goldens", path)
    assert spec is not None
    assert spec.loader is not None
    worlds = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = worlds
    spec.loader.exec_module(worlds)
    with tempfile.TemporaryDirectory() as folder:
        root = DataRoot(Path(folder))
        worlds.record(root, "corridor", worlds.varied_keys, EPISODES)
        run = worlds.prepare(root, "corridor", RUN)
        ending = {
            "seconds": 96.4,
            "epochs_done": 12,
            "peak_memory_bytes": 912_000_000,
            "trainable_parameters": {"total": 1_069_716},
        }
        write_json(run.result, {**read_json(run.result), **ending})
        assess(root, run, worlds.sighted(), worlds.SPACE, WindowSpec())
        results = read_json(run.evaluation_results)
        latency = {**results["latency"], "p50_ms": 41.5, "p99_ms": 63.2}
        write_json(run.evaluation_results, {**results, "evaluated": MOMENT, "latency": latency})
        gather_background(root, RUN)
        write_json(background_path(run), {**read_json(background_path(run)), "gathered": MOMENT})
        write_json(run.config, {**read_json(run.config), "dataset_folder": "episodes/corridor"})
        run.progress.unlink()
        shutil.rmtree(HERE / RUN, ignore_errors=True)
        shutil.copytree(run.path, HERE / RUN)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", action="store_true", help="make the fixed results anew first")
    if parser.parse_args().run:
        make_run()
    with tempfile.TemporaryDirectory() as folder:
        root = place(DataRoot(Path(folder)))
        for lang in LANGUAGES:
            (HERE / f"report_{lang}.md").write_text(report(root, lang), encoding="utf-8")


if __name__ == "__main__":
    main()
