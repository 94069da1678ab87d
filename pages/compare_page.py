"""Compare: up to four episodes, or one before and after augmentation, on one scrubber."""

from __future__ import annotations

import streamlit as st

from app.annotated import annotations_of, as_shown, told_instruction
from app.augmented_comparison import show_augmented
from app.cached import driven
from app.catalogues import find_episode, known_dataset
from app.components.compare.compare import show_comparison
from app.language import PageText, chosen_language
from app.page_parts import empty_state, heading
from app.places import COMPARE, OVERVIEW
from app.session import FRAME_KEY, data_root, whole_number
from app.text import plain
from mvla_core.episodes.dataset import list_datasets
from mvla_core.errors import UserInputError

IDS_KEY = "ids"
ALIGN_KEY = "align"
MAX_COMPARED = 4

heading(COMPARE)
root = data_root()
known = {
    f"{ref.name}/{info.episode_id}": info
    for ref in list_datasets(root)
    for info in known_dataset(root, ref.name).catalogue.episodes
}
if not known:
    empty_state(
        "Nothing to compare yet",
        "Import a folder or an archive of recordings, or let the simulator make some.",
        OVERVIEW,
        "Get episodes",
    )
    st.stop()

if show_augmented(known, PageText(chosen_language())):
    st.stop()

asked = [name for name in st.query_params.get(IDS_KEY, "").split(",") if name]
if unknown := [name for name in asked if name not in known]:
    st.warning(f"There is no episode {plain(', '.join(unknown)[:120])}; choose others here.")
names = [name for name in dict.fromkeys(asked) if name in known][:MAX_COMPARED]
st.session_state["compared"] = names or list(known)[:2]


def choose() -> None:
    """Another choice is another comparison: it begins at its first frame."""
    kept = {name: value for name, value in st.query_params.items() if name != FRAME_KEY}
    st.query_params.from_dict({**kept, IDS_KEY: ",".join(st.session_state["compared"])})


chosen = st.multiselect(
    "Episodes, up to four", list(known), key="compared", on_change=choose, max_selections=MAX_COMPARED
)
if not chosen:
    st.info("Choose one or more episodes.", icon=":material/splitscreen:")
    st.stop()

episodes = []
for name in chosen:
    try:
        info = as_shown(root, find_episode(root, known[name].dataset, known[name].episode_id))
    except UserInputError as error:
        st.warning(plain(str(error)))
        continue
    episodes.append((info, driven(info).actions, told_instruction(info, annotations_of(info.dataset))))
show_comparison(
    episodes,
    align="share" if st.query_params.get(ALIGN_KEY) == "share" else "frame",
    start=whole_number(st.query_params.get(FRAME_KEY), 0),
    link={IDS_KEY: ",".join(chosen)},
)
