"""Episodes: every recording, its frames and velocities, what is said of it, and the files that cannot be used."""

from __future__ import annotations

import streamlit as st

from app.bulk_parts import color_choice, show_bulk
from app.catalogues import known_dataset, unseen_files
from app.curation import show_told
from app.episode_choice import all_rows, all_wanted, choose_episode, pick_all, watch_toggle
from app.episode_table import episode_rows
from app.episode_view import show_episode
from app.page_parts import empty_state, heading, next_step, show_findings
from app.pickers import pick_dataset
from app.picture_parts import scanning, show_picture_findings
from app.places import DATASET, EPISODES, OVERVIEW
from app.session import data_root
from app.text import count
from app.version_parts import show_versions
from mvla_core.episodes.catalogue import MANY_NEW_FILES
from mvla_core.episodes.dataset import list_datasets

heading(EPISODES)
show_told()
datasets = [ref.name for ref in list_datasets(data_root())]
if not datasets:
    empty_state(
        "No recordings yet",
        "Import a folder or an archive of recordings, or let the simulator make some to try everything out.",
        OVERVIEW,
        "Get episodes",
    )
    st.stop()

with st.container(horizontal=True, vertical_alignment="bottom"):
    dataset = None if all_wanted() else pick_dataset()
    if len(datasets) > 1 or dataset is None:
        pick_all()
    watch_toggle(dataset)

for name in datasets if dataset is None else [dataset]:
    if (unseen := unseen_files(data_root(), name)) > MANY_NEW_FILES:
        scanning(name, unseen)
        st.stop()
catalogues = [known_dataset(data_root(), name).catalogue for name in (datasets if dataset is None else [dataset])]
faults = [found for catalogue in catalogues for found in catalogue.findings if found.level in ("error", "warning")]
rows = all_rows() if dataset is None else episode_rows(dataset)
if faults:
    with st.expander(f"{count(len(faults), 'file')} with a finding", icon=":material/report:", expanded=not len(rows)):
        show_findings(faults)
if not len(rows):
    empty_state(
        "No usable episode",
        "No file of this data set can be read; the findings above say why.",
        OVERVIEW,
        "Get episodes",
    )
    st.stop()

choice = choose_episode(rows, dataset)
if choice.episode_id is not None:
    show_picture_findings(choice.dataset)
with st.expander("Change all that are shown, versions, export", icon=":material/library_add_check:"):
    show_bulk(choice.targets)
    if dataset is not None:
        color_choice(dataset)
        show_versions(dataset)
    else:
        st.caption("Versions and export belong to one data set: choose one above.")
if choice.episode_id is not None:
    show_episode(choice, choice.episode_id, sorted({tag for tags in rows["tags"] for tag in tags}))
    next_step("Find out whether this data is worth training on.", DATASET, "Audit the data set", dataset=choice.dataset)
