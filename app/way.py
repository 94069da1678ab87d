"""Where a data set stands on the way from recordings to a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from app.language import PageText
from app.places import DATASET, EPISODES, EVALUATE, REPORT, RUNS, TRAIN, Place
from app.session import RUN_KEY
from mvla_core.audit.wording import worded
from mvla_core.episodes.catalogue import Catalogue
from mvla_core.errors import MvlaError
from mvla_core.evaluation.results import load_results
from mvla_core.evaluation.wording import lookup
from mvla_core.layout import DataRoot
from mvla_core.runs.listing import RunSummary
from mvla_core.schema import Finding

_ACTIVE = ("queued", "running", "stopping")


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
    root: DataRoot,
    catalogue: Catalogue,
    findings: Sequence[Finding] | None,
    runs: Sequence[RunSummary],
    text: PageText,
) -> list[Step]:
    """The five stops of a data set, in order.

    Args:
        root: The data root, where the verdict of an evaluation is read.
        catalogue: The data set.
        findings: Of its audit; None where it was not audited because it is large.
        runs: The runs on this data set, newest first.
        text: In which language the stops are told.
    """
    query = {"dataset": catalogue.dataset}
    trained = next((run for run in runs if run.has_adapter and run.ended), None)
    evaluated = next((run for run in runs if run.has_evaluation), None)
    return [
        _recordings(catalogue, query, text),
        _audit(findings, query, text),
        _training(runs, trained, query, text),
        _evaluation(root, evaluated or trained, text),
        _report(evaluated, text),
    ]


def next_stop(steps: Sequence[Step]) -> Step:
    """The first stop that is not passed yet; the last one where all are."""
    return next((step for step in steps if not step.done), steps[-1])


def _recordings(catalogue: Catalogue, query: dict[str, str], text: PageText) -> Step:
    broken = sum(finding.level == "error" for finding in catalogue.findings)
    said = {
        "episodes": text.say_count("way.episodes", len(catalogue.episodes)),
        "frames": text.say_count("way.frames", sum(info.num_frames for info in catalogue.episodes)),
        "broken": text.say_count("way.files", broken),
    }
    sentence = text.say("way.recorded_broken", **said) if broken else text.say("way.recorded", **said)
    title, action = text.say("way.recordings"), text.say("way.look")
    return Step(EPISODES, title, bool(catalogue.episodes), sentence, action, query, broken > 0)


def _audit(findings: Sequence[Finding] | None, query: dict[str, str], text: PageText) -> Step:
    title = text.say("way.audit")
    if findings is None:
        return Step(DATASET, title, False, text.say("way.audit_question"), text.say("way.audit_it"), query)
    serious = [finding for finding in findings if finding.level in ("error", "warning")]
    clock = next((finding for finding in serious if finding.code == "clock_suffices"), None)
    if clock is not None:
        sentence = worded(clock, text.language).message
    elif serious:
        sentence = text.say("way.audit_serious", findings=text.say_count("way.findings", len(serious)))
    else:
        sentence = text.say("way.audit_fine")
    return Step(DATASET, title, True, sentence, text.say("way.read_audit"), query, bool(serious))


def _training(runs: Sequence[RunSummary], trained: RunSummary | None, query: dict[str, str], text: PageText) -> Step:
    title = text.say("way.training")
    active = next((run for run in runs if run.status in _ACTIVE), None)
    if active is not None:
        sentence = text.say("way.active", run=active.run_id, status=text.say(f"way.status.{active.status}"))
        return Step(RUNS, title, trained is not None, sentence, text.say("way.watch"), {RUN_KEY: active.run_id})
    if trained is not None:
        sentence = text.say("way.trained", runs=text.say_count("way.runs", len(runs)), run=trained.run_id)
        return Step(RUNS, title, True, sentence, text.say("way.see_runs"), {RUN_KEY: trained.run_id})
    return Step(TRAIN, title, False, text.say("way.train_question"), text.say("way.train"), query)


def _evaluation(root: DataRoot, run: RunSummary | None, text: PageText) -> Step:
    title = text.say("way.evaluation")
    if run is None:
        return Step(EVALUATE, title, False, text.say("way.evaluate_later"), text.say("way.evaluate"))
    query = {RUN_KEY: run.run_id}
    if not run.has_evaluation:
        sentence = text.say("way.evaluate_run", run=run.run_id)
        return Step(EVALUATE, title, False, sentence, text.say("way.evaluate_it"), query)
    try:
        label = load_results(root.run(run.run_id))["verdict"]["label"]
    except MvlaError as error:
        return Step(EVALUATE, title, False, str(error), text.say("way.evaluate_again"), query, warning=True)
    sentence = text.say("way.verdict", label=lookup(text.language, f"labels.{label}"), run=run.run_id)
    return Step(EVALUATE, title, True, sentence, text.say("way.see_why"), query, warning=label != "learned")


def _report(run: RunSummary | None, text: PageText) -> Step:
    title = text.say("way.report")
    if run is not None and run.has_report:
        return Step(REPORT, title, True, text.say("way.written"), text.say("way.read_report"), {RUN_KEY: run.run_id})
    query = {} if run is None else {RUN_KEY: run.run_id}
    return Step(REPORT, title, False, text.say("way.write_down"), text.say("way.write_it"), query)
