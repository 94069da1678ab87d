"""Where a data set stands on the way from recordings to a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from app.places import DATASET, EPISODES, EVALUATE, REPORT, RUNS, TRAIN, Place
from app.session import RUN_KEY
from app.text import count
from mvla_core.episodes.catalogue import Catalogue
from mvla_core.errors import MvlaError
from mvla_core.evaluation.results import load_results
from mvla_core.evaluation.wording import lookup
from mvla_core.layout import DataRoot
from mvla_core.runs import RunSummary
from mvla_core.schema import Finding


@dataclass(frozen=True)
class Step:
    """One stop on the way.

    Attributes:
        place: The page where it is done.
        title: What the stop is.
        done: Whether it has been passed.
        sentence: What is known, or what has to be done.
        action: Label of the button that leads there.
        query: What the page shall show.
        warning: What was found should make the user pause.
    """

    place: Place
    title: str
    done: bool
    sentence: str
    action: str
    query: dict[str, str] = field(default_factory=dict)
    warning: bool = False


def way_of(
    root: DataRoot, catalogue: Catalogue, findings: Sequence[Finding] | None, runs: Sequence[RunSummary]
) -> list[Step]:
    """The five stops of a data set, in order.

    Args:
        root: The data root, where the verdict of an evaluation is read.
        catalogue: The data set.
        findings: Of its audit; None where it was not audited because it is large.
        runs: The runs on this data set, newest first.
    """
    query = {"dataset": catalogue.dataset}
    trained = next((run for run in runs if run.has_adapter and run.ended), None)
    evaluated = next((run for run in runs if run.has_evaluation), None)
    return [
        _recordings(catalogue, query),
        _audit(findings, query),
        _training(runs, trained, query),
        _evaluation(root, evaluated or trained),
        _report(evaluated),
    ]


def next_stop(steps: Sequence[Step]) -> Step:
    """The first stop that is not passed yet; the last one where all are."""
    return next((step for step in steps if not step.done), steps[-1])


def _recordings(catalogue: Catalogue, query: dict[str, str]) -> Step:
    frames = sum(info.num_frames for info in catalogue.episodes)
    broken = sum(finding.level == "error" for finding in catalogue.findings)
    sentence = f"{count(len(catalogue.episodes), 'episode')} with {count(frames, 'frame')}"
    sentence += f"; {count(broken, 'file')} cannot be used." if broken else "."
    return Step(EPISODES, "Recordings", bool(catalogue.episodes), sentence, "Look at them", query, broken > 0)


def _audit(findings: Sequence[Finding] | None, query: dict[str, str]) -> Step:
    if findings is None:
        sentence = "Is this data worth training on, or would a clock drive as well?"
        return Step(DATASET, "Audit", False, sentence, "Audit it", query)
    serious = [finding for finding in findings if finding.level in ("error", "warning")]
    clock = next((finding for finding in serious if finding.code == "clock_suffices"), None)
    if clock is not None:
        sentence = clock.message
    elif serious:
        sentence = f"{count(len(serious), 'finding')} to look at before training."
    else:
        sentence = "Nothing speaks against training on it."
    return Step(DATASET, "Audit", True, sentence, "Read the audit", query, bool(serious))


def _training(runs: Sequence[RunSummary], trained: RunSummary | None, query: dict[str, str]) -> Step:
    active = next((run for run in runs if run.status in ("queued", "running", "stopping")), None)
    if active is not None:
        sentence = f"Run {active.run_id} is {active.status}."
        return Step(RUNS, "Training", trained is not None, sentence, "Watch it", {RUN_KEY: active.run_id})
    if trained is not None:
        sentence = f"{count(len(runs), 'run')}, newest policy {trained.run_id}."
        return Step(RUNS, "Training", True, sentence, "See the runs", {RUN_KEY: trained.run_id})
    sentence = "Choose a recipe and launch it in the background."
    return Step(TRAIN, "Training", False, sentence, "Train a policy", query)


def _evaluation(root: DataRoot, run: RunSummary | None) -> Step:
    if run is None:
        sentence = "After training: does the policy look, or does it recite?"
        return Step(EVALUATE, "Evaluation", False, sentence, "Evaluate")
    query = {RUN_KEY: run.run_id}
    if not run.has_evaluation:
        sentence = f"Put the run {run.run_id} to the test on held-out episodes."
        return Step(EVALUATE, "Evaluation", False, sentence, "Evaluate it", query)
    try:
        label = load_results(root.run(run.run_id))["verdict"]["label"]
    except MvlaError as error:
        return Step(EVALUATE, "Evaluation", False, str(error), "Evaluate again", query, warning=True)
    sentence = f"{lookup('en', f'labels.{label}')}: run {run.run_id}."
    return Step(EVALUATE, "Evaluation", True, sentence, "See why", query, warning=label != "learned")


def _report(run: RunSummary | None) -> Step:
    if run is not None and run.has_report:
        return Step(REPORT, "Report", True, "Written; read it or hand it on.", "Read it", {RUN_KEY: run.run_id})
    query = {} if run is None else {RUN_KEY: run.run_id}
    return Step(REPORT, "Report", False, "Write down what was found, in English or Korean.", "Write it", query)
