"""Episodes: every recording of a data set, its frames and velocities, and the files that cannot be used."""

from __future__ import annotations

import streamlit as st

from app.cached import actions_of
from app.catalogues import find_episode, known_dataset
from app.choice_table import choose_row
from app.components.player.player import player_data, show_player
from app.episode_table import COLUMNS, episode_rows
from app.page_parts import empty_state, heading, next_step, show_findings
from app.pickers import pick_dataset
from app.places import DATASET, EPISODES, OVERVIEW
from app.session import DATASET_KEY, EPISODE_KEY, FRAME_KEY, data_root, whole_number
from app.text import count, plain

heading(EPISODES)
dataset = pick_dataset()
if dataset is None:
    empty_state(
        "No recordings yet",
        "Import a folder or an archive of recordings, or let the simulator make some to try everything out.",
        OVERVIEW,
        "Get episodes",
    )
    st.stop()

catalogue = known_dataset(data_root(), dataset).catalogue
faults = [finding for finding in catalogue.findings if finding.level in ("error", "warning")]
if faults:
    with st.expander(
        f"{count(len(faults), 'file')} with a finding", icon=":material/report:", expanded=not catalogue.episodes
    ):
        show_findings(faults)
if not catalogue.episodes:
    empty_state(
        "No usable episode",
        "No file of this data set can be read; the findings above say why.",
        OVERVIEW,
        "Get episodes",
    )
    st.stop()

chosen = choose_row(
    episode_rows(catalogue),
    EPISODE_KEY,
    column_config=COLUMNS,
    depending=(FRAME_KEY,),
    alt="Episodes of the data set; choose one to play it",
)
episode = find_episode(data_root(), dataset, chosen)
st.subheader(plain(episode.episode_id), anchor=False)
facts = [
    episode.instruction or "no instruction",
    episode.scenario.label(),
    f"{episode.width} x {episode.height} pixels",
]
st.caption(" · ".join(plain(fact) for fact in facts if fact))
start = whole_number(st.query_params.get(FRAME_KEY), 0)
link = {DATASET_KEY: dataset, EPISODE_KEY: chosen}
show_player(player_data(episode, actions_of(episode), start=start, link=link), key="episode_player")
next_step("Find out whether this data is worth training on.", DATASET, "Audit the data set", dataset=dataset)
