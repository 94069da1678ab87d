"""What a report needs beyond the evaluation, gathered once and stored beside it: `evaluation/background.json`.

A report reads this file and the evaluation's own; it computes nothing. So the page, the files and the JSON hold the same figures.
The file is gathered when a report is ordered (`gather_background`), because the collection plan goes by the data of that day.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mvla_core.audit.audit import audit_dataset
from mvla_core.audit.comparison import DatasetFigures, model_settings, references
from mvla_core.audit.plan import Plan, PlanItem, Statement, make_plan
from mvla_core.audit.plan_evidence import plan_evidence
from mvla_core.audit.targets import load_targets
from mvla_core.datasets.windows import WindowSpec
from mvla_core.episodes.dataset import resolve_dataset
from mvla_core.errors import DatasetError, EpisodeError, UserInputError
from mvla_core.evaluation.facts import Facts
from mvla_core.evaluation.results import load_audit, load_results
from mvla_core.files import read_json, write_json
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.progress import SILENT, Progress
from mvla_core.readiness.assess import assess
from mvla_core.reports.advice import recommend
from mvla_core.reports.claims import check_published, check_run
from mvla_core.reports.efficiency import training_efficiency
from mvla_core.reports.figures import decision_figures
from mvla_core.reports.gains import read_gains
from mvla_core.reports.gates import readiness_json
from mvla_core.reports.grading import check_all, grade_all
from mvla_core.reports.risks import rank_risks
from mvla_core.training.recipe import Recipe

FORMAT = 1


def background_path(run: RunFolder) -> Path:
    """Where the gathered figures of a run lie."""
    return run.evaluation / "background.json"


def load_background(run: RunFolder) -> dict[str, Any] | None:
    """What was gathered last; None where nothing was, or before the run was evaluated again."""
    path = background_path(run)
    if not path.is_file():
        return None
    value: dict[str, Any] = read_json(path)
    current = value.get("format") == FORMAT and value.get("evaluated") == load_results(run)["evaluated"]
    return value if current else None


def gather_background(root: DataRoot, run_id: str, progress: Progress = SILENT) -> dict[str, Any]:
    """Gather and store what the report of a run needs beyond its evaluation.

    Args:
        root: The data root.
        run_id: An evaluated run.
        progress: Told of each stage.

    Returns:
        What the file holds.

    Raises:
        RunError: There is no such run, or it is not evaluated.
    """
    run = root.run(run_id)
    results, audit, config = load_results(run), load_audit(run), read_json(run.config)
    ending = read_json(run.result) if run.result.is_file() else {}
    windows = audit["windows"]["parts"].get("train")
    dims = len(results["actions"]["names"])
    facts = Facts(results)
    efficiency = training_efficiency(config, ending, results["losses"], dims, windows)
    trained = efficiency["parameters"]["trained"]
    readiness = readiness_json(assess(root, run_id))
    figures = decision_figures(results, audit, readiness)
    value = {
        "format": FORMAT,
        "evaluated": results["evaluated"],
        "gathered": datetime.now(UTC).isoformat(timespec="seconds"),
        "efficiency": efficiency,
        "comparison": {
            "settings": model_settings(Recipe.from_json(config["recipe"]).to_json(), trained),
            "references": [reference.to_json() for reference in references()],
        },
        "figures": figures,
        "grades": grade_all(figures),
        "checklist": check_all(figures),
        "claims": {
            "published": [claim.to_json() for claim in check_published()],
            "run": [claim.to_json() for claim in check_run(results, audit, trained)],
        },
        "risks": rank_risks(results, audit),
        "readiness": readiness,
        "needed_episodes": None if facts.beats_all else facts.needed_episodes,
        "recommend": recommend(results, audit, efficiency["settings"]),
        "gains": read_gains(run),
        "data": _data_of_today(root, config, results, audit, progress),
    }
    write_json(background_path(run), value)
    return value


def _data_of_today(
    root: DataRoot, config: dict[str, Any], results: dict[str, Any], audit: dict[str, Any], progress: Progress
) -> dict[str, Any]:
    """The data set as it is now: its figures for the comparison, and the collection plan."""
    window = WindowSpec(results["window"]["window_size"], results["window"]["chunk_size"])
    try:
        ref = resolve_dataset(root, config["dataset_folder"])
        audited = audit_dataset(root, str(ref.folder), window=window, seed=results["split"]["seed"], progress=progress)
        plan = make_plan(audited, load_targets(root, ref), plan_evidence(audited))
    except (UserInputError, DatasetError, EpisodeError) as error:
        return {"measured": False, "reason": str(error)}
    figures = DatasetFigures.of(audited).to_json()
    return {
        "measured": True,
        "changed": figures["frames"] != audit["frames"] or figures["episodes"] != audit["episodes"],
        "figures": {**figures, "dataset": results["dataset"]},
        "plan": _plan_json(plan),
    }


def _plan_json(plan: Plan) -> dict[str, Any]:
    """The plan without texts, so that either language can say it."""
    return {
        "reached": plan.reached,
        "wanted": plan.wanted,
        "progress": plan.progress,
        "episodes": plan.episodes,
        "items": [_item_json(item) for item in plan.items],
        "advice": [_statement_json(statement) for statement in plan.advice],
    }


def _item_json(item: PlanItem) -> dict[str, Any]:
    return {
        "rank": item.rank,
        "cell": None if item.cell is None else item.cell.to_json(),
        "focus": item.focus,
        "episodes": item.episodes,
        "weight": item.weight,
        "reasons": [_statement_json(reason) for reason in item.reasons],
        "how": list(item.how),
    }


def _statement_json(statement: Statement) -> dict[str, Any]:
    values = {name: list(value) if isinstance(value, tuple) else value for name, value in statement.values.items()}
    return {"code": statement.code, "values": values}
