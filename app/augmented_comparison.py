"""The same episode before and after augmentation, for the page Compare: two panes on one scrubber, with the ways they lead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from app.augmentation_choice import NAME_KEY, studio_link
from app.augmentation_words import AugmentationWords
from app.augmented import as_trained, drawn, labels_of
from app.augmented_frames import MAX_SEED, augmented_url
from app.components.compare.compare import show_panes
from app.components.player.player import player_data
from app.figure_style import PLOT_CONFIG, compact
from app.language import PageText
from app.session import FRAME_KEY, data_root, whole_number
from app.text import plain
from mvla_core.datasets.augmentation.copies import EpisodeCopy
from mvla_core.datasets.augmentation.recipe import AugmentationRecipe
from mvla_core.datasets.augmentation.store import list_augmentations
from mvla_core.errors import MvlaError
from mvla_core.schema import EpisodeInfo

BEFORE_KEY = "before"
"""The episode in the URL, `dataset/episode`; where it is there, the page compares it with its augmented copy."""
COPY_KEY = "copy"
SEED_KEY = "seed"
_MODE = "compare_mode"


@dataclass(frozen=True, eq=False)
class AugmentedPair:
    """An episode and one augmented copy.

    Attributes:
        panes: What the comparison draws, before and after: see `player_data`, with `name` and `instruction`.
        link: Parameters of the page's address that open it again.
        drawn: What was drawn, in words.
    """

    panes: tuple[dict[str, Any], dict[str, Any]]
    link: dict[str, str]
    drawn: str


def pair_of(info: EpisodeInfo, recipe: AugmentationRecipe, copy: int, seed: int, text: PageText) -> AugmentedPair:
    """Put an episode beside its copy.

    Args:
        info: As training sees it (`as_trained`).
        recipe: A stored recipe.
        copy: 1 to `recipe.copies`.
        seed: Of the training.
        text: In the language.

    Raises:
        UserInputError: There is no such copy.
        EpisodeError: The episode's file was removed or broken.
    """
    before, made = labels_of(data_root(), info), drawn(info, recipe, copy, seed)
    after = text.say("augmentation.compare.after", copy=copy, recipe=recipe.name)
    link = {
        BEFORE_KEY: f"{info.dataset}/{info.episode_id}",
        NAME_KEY: recipe.name,
        COPY_KEY: str(copy),
        SEED_KEY: str(seed),
    }
    panes = (
        {
            **player_data(info, before.actions),
            "url": augmented_url(info, recipe, 0, 0),
            "name": text.say("augmentation.compare.before"),
            "instruction": before.instruction,
        },
        {
            **player_data(info, made.labels.actions),
            "url": augmented_url(info, recipe, copy, seed),
            "name": after,
            "instruction": made.labels.instruction,
        },
    )
    return AugmentedPair(panes, link, _told(made, recipe, text))


def _told(made: EpisodeCopy, recipe: AugmentationRecipe, text: PageText) -> str:
    applied = AugmentationWords(text.language).drawn(made, recipe)
    return " · ".join(applied.values()) or text.say("augmentation.nothing_drawn", copy=made.number)


def show_augmented(known: Mapping[str, EpisodeInfo], text: PageText) -> bool:
    """Let the user choose what is compared; draw an episode beside its augmented copy where that was chosen.

    Args:
        known: Episodes by `dataset/episode`; at least one.
        text: In the language.

    Returns:
        Whether that was chosen; otherwise the page compares episodes.
    """
    chosen = BEFORE_KEY in st.query_params
    st.session_state[_MODE] = "copies" if chosen else "episodes"

    def choose() -> None:
        if st.session_state[_MODE] == "copies":
            names = [name for name in st.query_params.get("ids", "").split(",") if name in known]
            st.query_params[BEFORE_KEY] = (names or list(known))[0]
        else:
            gone = (BEFORE_KEY, NAME_KEY, COPY_KEY, SEED_KEY)
            kept = {name: value for name, value in st.query_params.items() if name not in gone}
            st.query_params.from_dict(kept)

    st.segmented_control(
        text.say("augmentation.compare.mode"),
        ["episodes", "copies"],
        format_func=lambda mode: text.say(f"augmentation.compare.{mode}"),
        key=_MODE,
        required=True,
        on_change=choose,
        label_visibility="collapsed",
    )
    if not chosen:
        return False
    try:
        pair = choose_pair(known, text)
    except MvlaError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return True
    if pair is not None:
        start = whole_number(st.query_params.get(FRAME_KEY), 0)
        show_panes(pair.panes, align="frame", start=start, link=pair.link, key="augmented_comparison")
        show_ways(pair, text)
    return True


def choose_pair(known: Mapping[str, EpisodeInfo], text: PageText) -> AugmentedPair | None:
    """Let the user choose episode, recipe, copy and training seed; the choice lives in the URL.

    Args:
        known: Episodes by `dataset/episode`; at least one.
        text: In the language.

    Returns:
        The pair, or None where there is no recipe yet.

    Raises:
        MvlaError: The episode cannot be used any more.
    """
    recipes = {each.name: each.recipe for each in list_augmentations(data_root()) if each.recipe is not None}
    given = st.query_params
    if not recipes:
        st.info(text.say("augmentation.compare.no_recipe"), icon=":material/tune:")
        dataset = given.get(BEFORE_KEY, next(iter(known))).split("/")[0]
        studio_link(dataset, None, text)
        return None
    wanted = given.get(NAME_KEY)
    if wanted is not None and wanted not in recipes:
        st.warning(text.say("augmentation.compare.unknown", name=plain(wanted[:80])))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = _box("episode", BEFORE_KEY, list(known), 340, text)
        recipe = recipes[_box("recipe", NAME_KEY, list(recipes), 220, text)]
        copy = _number("copy", COPY_KEY, 1, recipe.copies, text)
        seed = _number("training_seed", SEED_KEY, 0, MAX_SEED, text)
    info = known[name]
    return pair_of(as_trained(data_root(), info.dataset, info.episode_id), recipe, copy, seed, text)


def _box(label: str, parameter: str, options: Sequence[str], width: int, text: PageText) -> str:
    key = f"augmented_{parameter}"
    wanted = st.query_params.get(parameter)
    st.session_state[key] = wanted if wanted in options else options[0]
    chosen: str = st.selectbox(
        text.say(f"augmentation.{label}"), options, key=key, on_change=_choose, args=(parameter,), width=width
    )
    return chosen


def _number(label: str, parameter: str, low: int, high: int, text: PageText) -> int:
    key = f"augmented_{parameter}"
    st.session_state[key] = min(max(whole_number(st.query_params.get(parameter), low), low), high)
    return int(
        st.number_input(
            text.say(f"augmentation.{label}"), low, high, key=key, on_change=_choose, args=(parameter,), width=150
        )
    )


def _choose(parameter: str) -> None:
    """The choice goes into the address. Another episode begins at its first frame; the copies of one are compared at the same."""
    kept = {name: value for name, value in st.query_params.items() if parameter != BEFORE_KEY or name != FRAME_KEY}
    st.query_params.from_dict({**kept, parameter: str(st.session_state[f"augmented_{parameter}"])})


def show_ways(pair: AugmentedPair, text: PageText) -> None:
    """What was drawn, and where the commands of both lead, seen from above."""
    st.markdown(f":material/casino: {plain(pair.drawn)}")
    title = text.say("augmentation.compare.path")
    st.markdown(f"**{title}**")
    st.plotly_chart(ways_figure(pair, text), key="augmented_ways", config=PLOT_CONFIG, alt=title)


def ways_figure(pair: AugmentedPair, text: PageText) -> go.Figure:
    """Both ways over the floor, in the colours of the panes; forward is up and left is left, in the same scale."""
    unit = pair.panes[0]["path"]["unit"] or "–"
    traces = [
        {
            "x": pane["path"]["y"],
            "y": pane["path"]["x"],
            "name": name,
            "mode": "lines",
            "line": {"width": 2.2, "dash": dash},
        }
        for pane, name, dash in zip(
            pair.panes,
            (text.say("augmentation.compare.before"), text.say("augmentation.figure_after")),
            ("dot", "solid"),
            strict=True,
        )
    ]
    figure = compact(go.Figure(traces), 340)
    figure.update_xaxes(title_text=text.say("augmentation.compare.path_left", unit=unit), autorange="reversed")
    forward = text.say("augmentation.compare.path_forward", unit=unit)
    figure.update_yaxes(title_text=forward, scaleanchor="x", scaleratio=1)
    return figure.update_layout(showlegend=True, legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0})
