"""Versions of a data set: taken, looked at, compared, gone back to; with the last steps and the export."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from app.annotated import annotations_of
from app.components.download.download import download_link
from app.curation import tell
from app.routes import curation_url
from app.session import data_root
from app.text import count, plain
from mvla_core.episodes.annotations import history
from mvla_core.episodes.dataset import DatasetRef, named_dataset
from mvla_core.episodes.snapshots import Snapshot, list_snapshots, take_snapshot
from mvla_core.episodes.versions import (
    VersionContent,
    VersionDifference,
    described,
    difference,
    load_version,
    restore,
    version_of_now,
)
from mvla_core.errors import MvlaError

NOW = "now"
_TITLES = {
    "new": "new recording",
    "gone": "recording gone",
    "rewritten": "other content in the file",
    "excluded": "excluded",
    "included": "taken back in",
    "trimmed": "trimmed otherwise",
    "relabelled": "relabelled",
    "said": "other tags, note or rating",
}
_STEPS_SHOWN = 20


def show_versions(dataset: str) -> None:
    """Snapshots, what differs between them, the way back, the last steps, and the export of a data set."""
    ref = named_dataset(data_root(), dataset)
    snapshots = list_snapshots(data_root(), ref)
    if snapshots:
        _table(snapshots)
    else:
        st.caption("No version yet. A training takes one by itself, so that it can be told later which data it saw.")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        title = st.text_input(
            "Title of the version", key="snapshot_title", placeholder="Before the long training", width=300
        )
        if st.button("Take snapshot", key="take_snapshot", icon=":material/photo_camera:"):
            with st.spinner("Reading the recordings once for their hash"):
                taken = take_snapshot(data_root(), ref, title.strip() or "Taken by hand")
            tell(f"Kept as version v{taken.number}")
            st.rerun()
        download_link(
            "Export the curation", curation_url(dataset), f"{dataset}-curation.json", key=f"export_curation_{dataset}"
        )
    if snapshots:
        _comparison(ref, snapshots)
    steps = history(data_root(), ref, limit=_STEPS_SHOWN)
    if steps:
        with st.popover("Last steps", icon=":material/history:"):
            for step in steps:
                kind = "" if step.kind == "change" else f" ({step.kind})"
                st.markdown(f"{plain(step.created[:16].replace('T', ' '))} {plain(step.title)}{kind}")


def _table(snapshots: list[Snapshot]) -> None:
    rows = [
        {
            "version": f"v{kept.number}",
            "title": kept.title,
            "taken": kept.created[:16].replace("T", " "),
            "episodes": kept.episodes,
            "frames": kept.frames,
            "excluded": kept.excluded,
            "hash": kept.sha256[:12],
        }
        for kept in reversed(snapshots)
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, key="snapshots", alt="Versions of the data set")


def _comparison(ref: DatasetRef, snapshots: list[Snapshot]) -> None:
    """Let the user choose a version and see what differs from it, and go back to it."""
    titles = {kept.number: f"v{kept.number} {kept.title}" for kept in reversed(snapshots)}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        number = st.selectbox(
            "Look at version",
            [None, *titles],
            key=f"version_{ref.name}",
            format_func=lambda one: "none" if one is None else titles[one],
            width=260,
        )
        if number is None:
            return
        others: list[str | int] = [NOW, *(one for one in titles if one != number)]
        against = st.selectbox(
            "What became different until",
            others,
            key=f"against_{ref.name}",
            format_func=lambda one: "now" if one == NOW else titles[int(one)],
            width=260,
        )
        st.button(
            f"Go back to v{number}",
            key=f"restore_{number}",
            icon=":material/settings_backup_restore:",
            help="Tags, notes, ratings, exclusions, trims and instructions become what they were. It is a step that can be undone.",
            on_click=_go_back,
            args=(ref.name, number),
        )
    then = load_version(data_root(), ref, number)
    with st.spinner("Reading new recordings for their hash"):
        other = version_of_now(data_root(), ref) if against == NOW else load_version(data_root(), ref, int(against))
    found = difference(then, other)
    st.markdown(f"From v{number} to {other.name}: {plain(described(found))}.")
    if found:
        st.dataframe(_rows(found, then, other), hide_index=True, key="differences", alt="What differs, by episode")
    with st.expander(f"What v{number} holds: {count(len(then.digests), 'episode')}", icon=":material/inventory_2:"):
        st.dataframe(_held(then), hide_index=True, key="held", alt=f"Episodes of version v{number}")


def _rows(found: VersionDifference, then: VersionContent, other: VersionContent) -> pd.DataFrame:
    """One row for each episode and kind of difference, with what was and what is."""

    def told(content: VersionContent, kind: str, name: str) -> str:
        note = content.annotations.of(name)
        match kind:
            case "excluded" | "included":
                return note.excluded_reason or "in use"
            case "trimmed":
                return f"frames {note.trim[0] + 1} to {note.trim[1] + 1}" if note.trim else "all frames"
            case "relabelled":
                return "as recorded" if note.instruction is None else note.instruction or "none"
            case "said":
                stars = "\u2605" * (note.rating or 0)
                return " ".join([stars, *(f"#{tag}" for tag in note.tags), note.note]).strip()
            case _:
                return content.digests.get(name, "-")[:12]

    return pd.DataFrame(
        [
            {
                "episode": name,
                "what": title,
                then.name: told(then, kind, name),
                other.name: told(other, kind, name),
            }
            for kind, title in _TITLES.items()
            for name in getattr(found, kind)
        ]
    )


def _held(then: VersionContent) -> pd.DataFrame:
    rows = []
    for name, digest in then.digests.items():
        note = then.annotations.of(name)
        rows.append(
            {
                "episode": name,
                "frames kept": f"{note.trim[0] + 1} to {note.trim[1] + 1}" if note.trim else "all",
                "instruction": "as recorded" if note.instruction is None else note.instruction,
                "tags": list(note.tags),
                "rating": note.rating,
                "hash of the file": digest[:12],
            }
        )
    return pd.DataFrame(rows)


def _go_back(dataset: str, number: int) -> None:
    before = annotations_of(dataset)
    try:
        after = restore(data_root(), named_dataset(data_root(), dataset), number)
    except MvlaError as error:
        tell(str(error), failed=True)
    else:
        tell(f"The curation is as it was in v{number}" + ("" if after.version != before.version else " already"))
