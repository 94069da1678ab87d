"""The lower half of the page Episodes: the player with its curation, for one episode."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from app.annotated import annotations_of, as_shown
from app.cached import driven
from app.catalogues import find_episode
from app.components.player.player import player_data, show_player
from app.curation import curation_state, do_acts
from app.curation_panel import show_panel
from app.episode_choice import Choice
from app.page_parts import go_button
from app.picture_parts import facts_of, flagged_frames, show_facts
from app.places import COMPARE
from app.session import FRAME_KEY, data_root, whole_number
from app.text import plain

PLAYER_KEY = "episode_player"
MAX_COMPARED = 4


def show_episode(choice: Choice, episode_id: str, all_tags: Sequence[str]) -> None:
    """Play the chosen episode and let the user say what is to be said of it."""
    root = data_root()
    info = as_shown(root, find_episode(root, choice.dataset, episode_id))
    annotations = annotations_of(choice.dataset)
    recorded = driven(info)
    state = curation_state(info, annotations, recorded.actions)
    facts = facts_of(info)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.subheader(plain(info.episode_id), anchor=False, width="content")
        others = [name for name in choice.targets if name != (choice.dataset, episode_id)]
        beside = [(choice.dataset, episode_id), *others[: MAX_COMPARED - 1]]
        query = {"ids": ",".join(f"{dataset}/{name}" for dataset, name in beside)}
        go_button(COMPARE, "Compare with the next ones", key="compare_these", primary=False, query=query)
    known = [state["instruction"] or "no instruction", info.scenario.label(), f"{info.width} x {info.height} pixels"]
    st.caption(" · ".join(plain(part) for part in known if part))

    def act() -> None:
        do_acts(st.session_state[PLAYER_KEY]["act"], choice.names, choice.parameter)

    left, right = st.columns([5, 2])
    with left:
        data = player_data(
            info,
            recorded.actions,
            start=whole_number(st.query_params.get(FRAME_KEY), 0),
            event_types=recorded.event_types,
            flagged=[] if facts is None else flagged_frames(facts),
            curation=state,
            link=choice.link,
        )
        show_player(data, key=PLAYER_KEY, on_act=act)
        show_facts(info, facts)
    with right:
        show_panel(info, annotations, state, list(all_tags))
