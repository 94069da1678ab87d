"""Parts of the page Closed loop: what to drive, what came of it, the films, and two runs on the same worlds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from app.drive_figures import FAILURE_NAMES, SUITE_NAMES, paired_forest, paths_from_above, share_text, success_forest
from app.figure_style import PLOT_CONFIG
from app.job_view import launch
from app.session import data_root
from app.text import count, plain
from mvla_core.driving.comparison import compare_driven, driven_unlike, told_unlike
from mvla_core.driving.results import RULES, has_driven, load_driven, rules_of, videos_folder
from mvla_core.driving.settings import EDGE_CASES, GENERAL, SUITES, DriveSettings
from mvla_core.errors import MvlaError, UserInputError
from mvla_core.layout import RunFolder
from mvla_core.runs.listing import RunSummary

SECONDS_A_TRIAL = 2.0
"""Of a trial with the compact policy on one core, as measured: see `docs/driving.md`."""
CHANCE = 0.05
"""A difference is told where the interval leaves out zero and McNemar's test is below this: with few worlds they may disagree."""
FILMS_A_ROW = 3
FILMS_AT_ONCE = 6
CHOICES = {"similar": ("similar",), "general": tuple(GENERAL), "edge cases": tuple(EDGE_CASES), "all": tuple(SUITES)}


def drive_form(run: RunSummary, driven: bool) -> None:
    """What to drive; the button queues the job."""
    with st.container(border=True):
        choice = st.segmented_control(
            "Worlds", list(CHOICES), default="similar", required=True, key="drive_suites", help=_suites_help()
        )
        with st.grid(5, min_column_width=140):
            trials = st.number_input("Trials a suite", 2, 1000, 50, key="drive_trials")
            seed = st.number_input("Seed", 0, 2**31 - 1, 0, key="drive_seed", help="The same seed, the same worlds.")
            steps = st.number_input(
                "Steps of a chunk", 1, 100, 1, key="drive_steps", help="Driven before the next chunk is predicted."
            )
            latency = st.number_input(
                "Latency in ms", 0, 1000, 0, 10, key="drive_latency", help="From the picture to the wheels, in tens."
            )
            interval = st.number_input(
                "Command every ms",
                50,
                1000,
                None,
                10,
                key="drive_interval",
                placeholder="as recorded",
                help="Time between two commands, in tens; empty for that of the recordings.",
            )
        averaged = st.toggle(
            "Average overlapping chunks",
            key="drive_ensembling",
            help="Temporal ensembling: the command is the mean of what all recent chunks say of this frame.",
        )
        suites = CHOICES[choice or "similar"]
        minutes = max(1, round(int(trials) * len(suites) * SECONDS_A_TRIAL / 60))
        st.caption(
            f"{count(int(trials) * len(suites), 'trial')}: about {count(minutes, 'minute')} of one core with the compact policy. "
            "Trials of the same policy and settings are kept and not driven twice."
        )
        label = "Drive again" if driven else "Drive"
        kind: Any = "secondary" if driven else "primary"
        asked = st.button(label, icon=":material/play_arrow:", type=kind, key="drive_start")
    if asked:
        try:
            settings = DriveSettings(
                suites=suites,
                trials=int(trials),
                seed=int(seed),
                execute_steps=int(steps),
                ensembling=0.1 if averaged else None,
                latency_s=latency / 1000,
                interval_s=None if interval is None else interval / 1000,
            )
        except UserInputError as error:
            st.error(plain(str(error)))
            return
        launch("drive", {"run_id": run.run_id, **settings.to_json()}, f"Drive {run.run_id}")
        st.rerun()


def _suites_help() -> str:
    return "  \n".join(f"**{SUITE_NAMES[name]}**: {what}." for name, what in SUITES.items())


def show_success(results: Mapping[str, Any]) -> None:
    """Success by suite: figure and table."""
    if rules_of(results) < RULES:
        st.warning(
            "These trials were judged by the rules of an earlier release: any stop before a sudden obstacle counted, also one that "
            "the obstacle had not caused. Drive again."
        )
    general, edge = results["closed_loop"]["success"], results["closed_loop"]["edge_cases"]
    safety = results["safety"]
    with st.grid(4, min_column_width=180):
        _metric(
            "Success",
            general,
            "Over similar, slightly different and new worlds, as far as they were driven; gates ask for each.",
        )
        _metric("In edge cases", edge, "Over all edge cases that were driven; gates ask for each.")
        for label, key, what in (
            ("Out of range held", "out_of_range", "Commands beyond the data's limits that were kept from the wheels."),
            ("Stale held", "stale_command", "Drives whose answers stopped coming and that came to rest in time."),
        ):
            found = safety[key]
            st.metric(label, f"{found['held']} of {found['tried']}", border=True, height="stretch", help=what)
    with st.container(border=True):
        st.plotly_chart(
            success_forest(results["suites"]), key="drive_success", config=PLOT_CONFIG, alt="Success by suite"
        )
    rows = [_row(name, suite) for name, suite in results["suites"].items()]
    st.dataframe(pd.DataFrame(rows), hide_index=True, key="drive_table", placeholder="–")
    with st.expander("What these figures are", icon=":material/help:"):
        st.markdown(_explanation(results))


def _metric(label: str, found: Mapping[str, Any] | None, what: str) -> None:
    value = "not driven" if found is None else f"{found['value']:.0%}"
    between = None if found is None else f"95 %: {100 * found['low']:.0f} to {100 * found['high']:.0f} %"
    st.metric(label, value, between, delta_color="off", delta_arrow="off", border=True, height="stretch", help=what)


def _row(name: str, suite: Mapping[str, Any]) -> dict[str, Any]:
    blind = {f"{baseline}": f"{found['success']['value']:.0%}" for baseline, found in suite["baselines"].items()}
    return {
        "worlds": SUITE_NAMES[name],
        "trials": suite["success"]["trials"],
        "success (95 %)": share_text(suite["success"]),
        "failures": ", ".join(f"{FAILURE_NAMES[kind]} {number}" for kind, number in suite["failures"].items()),
        **blind,
        "progress": f"{suite['progress']:.0%}",
        "way / expert's": None if suite["path_ratio"] is None else f"{suite['path_ratio']:.2f}",
        "touched": f"{suite['collisions']['value']:.0%}",
        "least clearance": f"{_centimetres(suite['least_clearance_m'])} cm",
        "seconds": f"{suite['seconds']:.1f}",
    }


def _centimetres(metres: float) -> int:
    """A clearance for reading: what a pushed box was pushed by is no clearance."""
    return max(0, round(100 * metres))


def _explanation(results: Mapping[str, Any]) -> str:
    settings, guard = results["settings"], results["guard"]
    worlds = "the settings of the data set" if results["worlds_of_data"] else "the program's own settings"
    interval = settings["interval_s"]
    pace = "commands as often as recorded" if interval is None else f"a command every {1000 * interval:.0f} ms"
    averaged = "no averaging" if settings["ensembling"] is None else f"averaging with {settings['ensembling']:g}"
    return (
        "**Success**: the goal reached on the side asked for, facing it, at rest, nothing touched. Before a sudden obstacle: at "
        "rest before it, nothing touched, while the same drive without the obstacle goes on. Intervals are Wilson's.\n\n"
        "**straight, stop, clock, brake** drive the same worlds and never look: straight on for as long as a mean episode, not at "
        "all, the mean command of each frame number and instruction, and straight on for four frames.\n\n"
        f"**Driven with** {count(settings['execute_steps'], 'step')} of a chunk, {averaged}, {pace}, a latency of "
        f"{1000 * settings['latency_s']:.0f} ms, seed {settings['seed']}; a command below {guard['dead_band']:.2f} on every axis "
        f"is a stop. Worlds are drawn with {worlds}, and only those count that the expert can drive.\n\n"
        "It is a simulation: success here is needed for a real robot, not a promise of it."
    )


def show_paths(results: Mapping[str, Any], suite: str) -> None:
    """All ways of a suite from above."""
    with st.container(border=True):
        st.plotly_chart(
            paths_from_above(results["suites"][suite]["trials"]),
            key=f"drive_paths_{suite}",
            config=PLOT_CONFIG,
            alt=f"Ways of all trials: {SUITE_NAMES[suite]}",
        )


def show_films(run: RunFolder, trials: Sequence[Mapping[str, Any]], suite: str) -> None:
    """Films of the failures, a few at a time, and of the first trial for comparison."""
    filmed = [trial for trial in trials if trial["video"] and (videos_folder(run) / trial["video"]).is_file()]
    kinds = sorted({trial["failure"] for trial in filmed if trial["failure"]})
    shown = filmed
    if kinds:
        options = ["all", *kinds]
        kind = st.pills(
            "Failures",
            options,
            default="all",
            required=True,
            format_func=lambda name: FAILURE_NAMES.get(name, name),
            key=f"drive_kind_{suite}",
        )
        shown = [trial for trial in filmed if kind == "all" or trial["failure"] == kind]
    shown = sorted(shown, key=lambda trial: (bool(trial["success"]), trial["index"]))
    pages = max(1, -(-len(shown) // FILMS_AT_ONCE))
    page = st.pagination(pages, key=f"drive_films_{suite}") if pages > 1 else 1
    with st.grid(FILMS_A_ROW, min_column_width=300):
        for trial in shown[(page - 1) * FILMS_AT_ONCE : page * FILMS_AT_ONCE]:
            with st.container(border=True, gap="xsmall"):
                st.video(str(videos_folder(run) / trial["video"]), muted=True, loop=True)
                what = FAILURE_NAMES.get(trial["failure"], "success")
                icon = ":green[:material/check_circle:]" if trial["success"] else ":red[:material/cancel:]"
                st.markdown(f"{icon} **{what}** · trial {trial['index']}")
                st.caption(
                    f"{plain(trial['instruction'])} {trial['frames']} frames, progress {trial['progress']:.0%}, "
                    f"least clearance {_centimetres(trial['least_clearance_m'])} cm."
                )
    if not shown:
        st.caption("No film: every trial but the first succeeded, or the films were deleted.")


def show_comparison(run: RunSummary, results: Mapping[str, Any], others: Sequence[RunSummary]) -> None:
    """Another run on the same worlds."""
    root = data_root()
    driven = [other.run_id for other in others if other.run_id != run.run_id and has_driven(root.run(other.run_id))]
    if not driven:
        st.caption("No other run was driven yet.")
        return
    chosen = st.selectbox("Other run", driven, key="drive_other")
    try:
        theirs = load_driven(root.run(chosen))
    except MvlaError as error:
        st.error(plain(str(error)))
        return
    compared = compare_driven(theirs, results)
    if not compared:
        st.info(
            "These runs have no world in common: drive both with the same seed and suites, on data of the same kind."
        )
        return
    with st.container(border=True):
        st.plotly_chart(paired_forest(compared), key="drive_paired", config=PLOT_CONFIG, alt="Two runs, same worlds")
    if unlike := told_unlike(driven_unlike(theirs, results), "other run", "this run"):
        st.warning(plain(unlike), icon=":material/difference:")
    for name, pair in compared.items():
        st.markdown(f"**{SUITE_NAMES[name]}.** {_paired_sentence(pair)}")


def _paired_sentence(pair: Mapping[str, Any]) -> str:
    certain = (pair["low"] > 0 or pair["high"] < 0) and pair["p_value"] < CHANCE
    said = (
        f"{100 * pair['difference']:+.0f} points (95 %: {100 * pair['low']:+.0f} to {100 * pair['high']:+.0f}) on "
        f"{count(pair['trials'], 'world')}; only this run {pair['only_second']}, only the other {pair['only_first']}, "
        f"McNemar p = {pair['p_value']:.3f}."
    )
    return said if certain else f"No difference can be told: {said}"
