"""Parts of the Overview: what changed, what to do next, the best run by an honest figure, its gates, and the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import streamlit as st

from app.language import PageText
from app.next_actions import Action
from app.page_parts import go_button
from app.places import EVALUATE, READINESS
from app.readiness_parts import show_glance, show_sentence
from app.session import RUN_KEY, data_root
from app.text import moment, plain
from app.visits import News
from app.way import Step, next_stop
from mvla_core.errors import MvlaError
from mvla_core.evaluation.results import load_results
from mvla_core.evaluation.wording import fill, lookup
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.readiness.assess import Readiness
from mvla_core.runs.listing import RunSummary
from mvla_core.runs.table import RunRecord, run_record
from mvla_core.wording import interval, percent

Color = Literal["orange", "green", "blue", "gray"]
_MOST_NEWS = 6


def best_run(runs: Sequence[RunSummary]) -> RunRecord | None:
    """The evaluated run with the highest lower end of its skill over the better clock, never the one with the lowest loss.

    A run of which its verdict "cannot tell" comes after all others; None where none is evaluated.
    """
    found = [_record(run, _evaluated_at(run)) for run in runs if run.has_evaluation]

    def honest(record: RunRecord) -> tuple[bool, float, float]:
        low = float("-inf") if record.skill_low is None else record.skill_low
        return record.verdict not in ("", "cannot_tell", "leaked_split"), low, record.summary.created or 0.0

    return max(found, key=honest, default=None)


@st.cache_data(max_entries=512, show_spinner=False)
def _read_record(root: str, run: RunSummary, evaluated_at: int) -> RunRecord:
    return run_record(DataRoot(Path(root)), run)


def _record(run: RunSummary, evaluated_at: int) -> RunRecord:
    return _read_record(str(data_root().path), run, evaluated_at)


def _evaluated_at(run: RunSummary) -> int:
    try:
        return data_root().run(run.run_id).evaluation_results.stat().st_mtime_ns
    except OSError:
        return 0


def show_news(news: News | None, text: PageText) -> None:
    """What changed since the last visit; nothing where nothing did."""
    if news is None or not news.any:
        return
    lines = []
    if news.episodes > 0:
        lines.append(text.say_count("overview.new_episodes", news.episodes))
    elif news.episodes < 0:
        lines.append(text.say_count("overview.gone_episodes", -news.episodes))
    for run_id, status in news.ended:
        key = "overview.ended_and_evaluated" if run_id in news.evaluated else "overview.ended"
        lines.append(text.say(key, run=run_id, status=text.say(f"overview.ending.{status}")))
    ended = {run_id for run_id, _ in news.ended}
    lines += [text.say("overview.evaluated", run=run_id) for run_id in news.evaluated if run_id not in ended]
    if len(lines) > _MOST_NEWS:
        lines = [*lines[: _MOST_NEWS - 1], text.say("overview.more", number=len(lines) - _MOST_NEWS + 1)]
    body = "\n".join(f"- {plain(line)}" for line in lines)
    st.info(body, title=text.say("overview.changed", when=moment(news.since)), icon=":material/update:")


def show_actions(actions: Sequence[Action], text: PageText) -> None:
    """What to do next, the most urgent first."""
    if not actions:
        return
    st.subheader(text.say("overview.next"), anchor=False)
    with st.grid(len(actions), min_column_width=260):
        for number, action in enumerate(actions, start=1):
            with st.container(border=True, height="stretch", vertical_alignment="distribute"):
                with st.container(gap="xsmall"):
                    st.markdown(f"**{number}. {plain(action.sentence)}**")
                    st.caption(plain(text.say("overview.because", reason=action.reason)))
                go_button(
                    action.place,
                    text.say("overview.open", page=_page_name(action, text)),
                    key=f"action_{number}",
                    primary=number == 1,
                    query=action.query,
                )


def _page_name(action: Action, text: PageText) -> str:
    return text.say("readiness.title") if action.place is READINESS else text.say(f"overview.page.{action.place.name}")


def stored_results(run_id: str) -> Mapping[str, Any]:
    """What the evaluation of a run has stored; empty where it cannot be read, which its own page explains."""
    run = data_root().run(run_id)
    try:
        return _results(str(run.path), run.evaluation_results.stat().st_mtime_ns)
    except (OSError, MvlaError):
        return {}


@st.cache_data(max_entries=16, show_spinner=False)
def _results(run: str, evaluated_at: int) -> Mapping[str, Any]:
    return load_results(RunFolder(Path(run)))


def _interval(results: Mapping[str, Any], record: RunRecord, text: PageText) -> str:
    clock = results["clock"]["baseline"] if results else ""
    high = results["baselines"][clock]["skill_high"] if clock else None
    return interval(text.language, record.skill_low, high)


def show_best(
    record: RunRecord | None, results: Mapping[str, Any], readiness: Readiness | None, text: PageText
) -> None:
    """The best run and its gates, side by side."""
    left, right = st.columns(2)
    with left.container(border=True, height="stretch"):
        st.markdown(f"**{text.say('overview.best')}**")
        if record is None:
            st.write(text.say("overview.no_best"))
        else:
            skill = record.skill
            st.metric(
                text.say("overview.skill"),
                text.say("overview.skill_unknown") if skill is None else percent(text.language, skill),
                _interval(results, record, text),
                delta_color="off",
                delta_arrow="off",
                help=text.say("overview.skill_help"),
            )
            st.caption(plain(record.run_id))
            if results:
                verdict = results["verdict"]
                sentence = fill(text.language, f"verdict.{verdict['rule']}", verdict["values"])
                label = lookup(text.language, f"labels.{verdict['label']}")
                st.markdown(f"**{plain(label)}.** {plain(sentence)}")
            go_button(
                EVALUATE,
                text.say("overview.see_run"),
                key="best_run",
                primary=False,
                query={RUN_KEY: record.run_id},
            )
    with right.container(border=True, height="stretch"):
        st.markdown(f"**{text.say('overview.glance')}**")
        if record is None or readiness is None:
            st.write(text.say("overview.no_best"))
        else:
            show_sentence(readiness, text)
            show_glance(readiness, text)
            go_button(
                READINESS, text.say("overview.see_gates"), key="gates", primary=False, query={RUN_KEY: record.run_id}
            )


def show_way(steps: Sequence[Step], text: PageText) -> None:
    """The stops from recordings to a report, a line each."""
    st.subheader(text.say("way.title"), anchor=False)
    following = next_stop(steps)
    for number, step in enumerate(steps, start=1):
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            color: Color = "orange" if step.warning else "green" if step.done else "gray"
            if step is following and not step.done and not step.warning:
                color = "blue"
            icon = "warning" if step.warning else "check" if step.done else "radio_button_unchecked"
            st.badge(f"{number} {step.title}", icon=f":material/{icon}:", color=color, width=150)
            st.markdown(plain(step.sentence), width="stretch")
            go_button(step.place, step.action, key=f"way_{number}", primary=False, query=step.query)
