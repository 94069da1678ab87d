"""The form of a simulation: which worlds, how hard, what the camera and the keys are. It returns settings, checked by the core."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import streamlit as st

from app.annotated import annotations_of
from app.catalogues import known_dataset
from app.errors import explain
from app.session import KEPT, data_root
from app.text import plain
from mvla_core.episodes.dataset import list_datasets
from mvla_core.errors import MvlaError, UserInputError
from mvla_core.layout import DataRoot
from mvla_core.simulation.config import ACTION_KINDS, RENDERERS
from mvla_core.simulation.levels import LEVELS
from mvla_core.simulation.match import Match, match_dataset
from mvla_core.simulation.scenarios import ALL_SCENARIOS, Distance, parse_scenario
from mvla_core.simulation.scene import Goal

NOTHING = "nothing: the simulator's own robot"
ANY_DISTANCE = "any"
MOST_EPISODES = 100_000
_USUAL_SCENARIOS = tuple(name for name in ALL_SCENARIOS if name.startswith("1box"))
_SLIDERS: tuple[tuple[str, str, float, float, float, str], ...] = (
    ("placement", "Positions", 0.0, 1.0, 0.05, "How far start, boxes and goal may stand from their middle places."),
    ("light", "Light", 0.0, 1.0, 0.05, "How far the lamps and the camera's exposure may differ."),
    ("colours", "Colours", 0.0, 1.0, 0.05, "How far the colours of things may differ."),
    (
        "textures",
        "Floors",
        0.0,
        1.0,
        0.05,
        "The share of rooms with a floor pattern of their own; the others have planks.",
    ),
    ("camera_shift", "Camera pose", 0.0, 1.0, 0.05, "How far the camera's pose and field of view may differ."),
    ("image_noise", "Image noise", 0.0, 40.0, 0.5, "Standard deviation of the sensor noise in grey levels."),
    ("slip", "Wheel slip", 0.0, 0.5, 0.01, "What is driven differs from the command by this share; labels stay clean."),
    (
        "dart",
        "Noise while driving",
        0.0,
        1.0,
        0.05,
        "Disturbs what is executed, not the labels, so that recovery is seen (DART).",
    ),
    (
        "shoves",
        "Shoves",
        0.0,
        1.0,
        0.05,
        "The share of episodes with one shove aside and the recovery from it; they are tagged.",
    ),
)


def choose_worlds() -> dict[str, Any]:
    """The scenario matrix and the number of episodes.

    Raises:
        UserInputError: Nothing would be recorded.
    """
    chosen = st.pills(
        "Scenarios",
        ALL_SCENARIOS,
        selection_mode="multi",
        default=_USUAL_SCENARIOS,
        format_func=lambda name: name.replace("_", " "),
        key="sim_scenarios",
        persist_state=KEPT,
        help="vert: a box's long side points along the way, two boxes stand one behind the other; hori: across, side by side. "
        "Left, right and straight are what the instruction says.",
    )
    with st.container(horizontal=True):
        distance = st.segmented_control(
            "Distance of the boxes",
            (ANY_DISTANCE, *get_args(Distance)),
            default=ANY_DISTANCE,
            required=True,
            key="sim_distance",
            persist_state=KEPT,
        )
        goal = st.segmented_control(
            "Goal", get_args(Goal), default="basket", required=True, key="sim_goal", persist_state=KEPT
        )
    count = int(st.number_input("Episodes", 1, MOST_EPISODES, 24, key="sim_count", persist_state=KEPT))
    own = st.toggle(
        "A number for each scenario",
        key="sim_own",
        persist_state=KEPT,
        help="Otherwise the episodes are shared out evenly.",
    )
    names = [_name(name, str(goal), str(distance)) for name in ALL_SCENARIOS if name in chosen]
    if not names:
        st.warning("No scenario is chosen: one box is recorded, in any layout, left and right in turn.")
        return {"count": count, "scenarios": []}
    shared = {name: count // len(names) + (number < count % len(names)) for number, name in enumerate(names)}
    if own:
        with st.grid(3, min_column_width=150):
            shared = {
                name: int(
                    st.number_input(
                        name.replace("_", " "),
                        0,
                        MOST_EPISODES,
                        max(1, count // len(names)),
                        key=f"sim_number_{name}",
                        persist_state=KEPT,
                    )
                )
                for name in names
            }
        st.caption(f"{sum(shared.values()):,} episodes in all.")
    if not any(shared.values()):
        raise UserInputError(
            "Every scenario has the number 0, so that nothing would be recorded; give one of them at least 1."
        )
    matrix = [[name, number] for name, number in shared.items() if number]
    return {"count": sum(shared.values()), "scenarios": matrix}


def _name(name: str, goal: str, distance: str) -> str:
    parts = "_".join([name, *([distance] if distance != ANY_DISTANCE else [])])
    return parse_scenario(f"{goal}_{parts}").name


def choose_level() -> str:
    """How hard the worlds are to begin with."""
    return str(
        st.segmented_control(
            "Level",
            list(LEVELS),
            default="medium",
            required=True,
            key="sim_level",
            persist_state=KEPT,
            help="For a curriculum: record a data set of each, or begin with one and change it below.",
        )
    )


def choose_match() -> Match | None:
    """A data set to resemble; None for the simulator's own robot."""
    names = [ref.name for ref in list_datasets(data_root())]
    chosen = st.selectbox(
        "Matched to",
        [NOTHING, *names],
        key="sim_match",
        persist_state=KEPT,
        help="A real data set that the frames shall resemble.",
    )
    if chosen == NOTHING:
        return None
    root = data_root()
    try:
        match = _match(str(root.path), chosen, known_dataset(root, chosen).state, annotations_of(chosen).version)
    except MvlaError as error:
        explain(error)
        return None
    return match


def choose_matched_scenarios(match: Match) -> dict[str, Any]:
    """The data set's own scenarios in place of those chosen above, if the user wants them."""
    if "scenarios" not in match.settings:
        return {}
    wanted = st.toggle(
        "Scenarios in the shares of the data set",
        key="sim_matched_scenarios",
        persist_state=KEPT,
        help="In place of the scenarios above; the number of episodes stays.",
    )
    return {"scenarios": match.settings["scenarios"]} if wanted else {}


def tell_match(match: Match) -> None:
    """What was taken over from the data set, and what could not be."""
    with st.expander(
        f"{len(match.matched)} things matched, {len(match.unmatched)} not", icon=":material/compare_arrows:"
    ):
        for line in match.matched:
            st.markdown(f":green[:material/check:] {plain(line)}")
        for line in match.unmatched:
            st.markdown(f":orange[:material/close:] Not matched. {plain(line)}")


@st.cache_data(max_entries=8, show_spinner="Measuring the data set")
def _match(root: str, dataset: str, state: str, curation: int) -> Match:
    return match_dataset(DataRoot(Path(root)), dataset)


def choose_difficulty(level: str) -> dict[str, Any]:
    """Sliders that begin where the level has them."""
    usual = LEVELS[level].settings
    values: dict[str, Any] = {}
    with st.grid(3, min_column_width=200):
        for name, label, low, high, step, told in _SLIDERS:
            values[name] = st.slider(
                label, low, high, float(usual[name]), step, key=f"sim_{level}_{name}", persist_state=KEPT, help=told
            )
        for name, label, told in (
            ("clutter", "Clutter", "At most this many small things beside the way."),
            ("furniture", "Furniture", "At most this many pieces along the walls."),
        ):
            values[name] = st.slider(
                label, 0, 12, int(usual[name]), key=f"sim_{level}_{name}", persist_state=KEPT, help=told
            )
    return values


def choose_camera_and_actions(match: Match | None) -> dict[str, Any]:
    """Camera, frames and actions; what the match sets is not asked for again."""
    matched = set(match.settings) if match is not None else set()
    values: dict[str, Any] = {}
    with st.expander("Camera, frames and actions", icon=":material/tune:"):
        with st.grid(4, min_column_width=150):
            if "image_size" not in matched:
                values["image_size"] = int(
                    st.number_input("Frame height [px]", 16, 1024, 224, key="sim_height", persist_state=KEPT)
                )
                width = int(st.number_input("Frame width [px]", 16, 2048, 224, key="sim_width", persist_state=KEPT))
                values["image_width"] = None if width == values["image_size"] else width
            for name, label, low, high, usual, step in (
                ("camera_height_m", "Camera height [m]", 0.15, 1.0, 0.34, 0.01),
                ("camera_forward_m", "Camera forward [m]", -0.2, 0.3, 0.1, 0.01),
                ("camera_pitch_deg", "Camera pitch, up [°]", -45.0, 30.0, -2.3, 0.1),
                ("camera_yaw_deg", "Camera yaw, left [°]", -60.0, 60.0, 0.0, 0.5),
                ("field_of_view_deg", "Vertical view [°]", 30.0, 120.0, 76.0, 1.0),
            ):
                value = st.number_input(label, low, high, usual, step, key=f"sim_{name}", persist_state=KEPT)
                values[name] = None if value == usual else value
            if "actions" not in matched:
                values["actions"] = st.selectbox(
                    "Actions",
                    ACTION_KINDS,
                    key="sim_actions",
                    persist_state=KEPT,
                    help="keyboard: one of eight keys at a time, as on the real robot; continuous: any velocity.",
                )
            values["renderer"] = st.selectbox(
                "Renderer",
                RENDERERS,
                key="sim_renderer",
                persist_state=KEPT,
                help="gl is OpenGL; it needs a GL library and PyOpenGL.",
            )
        values["keep_failures"] = st.toggle(
            "Keep the expert's failures",
            key="sim_failures",
            persist_state=KEPT,
            help="In a data set of their own, whose episodes are left out of training with the failure as reason.",
        )
    return values
