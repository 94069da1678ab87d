"""What a user does to a run: tags, a note, archive, delete (asked twice, into a bin), restore, and what to keep of its metrics."""

from __future__ import annotations

import streamlit as st

from app.metrics_routes import csv_url
from app.session import RUN_KEY, data_root
from app.text import count, moment, plain
from mvla_core.errors import MvlaError
from mvla_core.jobs.run_bin import BinnedRun, delete_run, list_bin, purge_run, restore_run
from mvla_core.layout import DataRoot
from mvla_core.runs.labels import MAX_NOTE_CHARACTERS, change_labels
from mvla_core.runs.table import RunRecord

_ASKED = "delete_asked"
_TOLD = "runs_told"


def tell() -> None:
    """Say once what the last click did, or why it could not."""
    done = st.session_state.pop(_TOLD, None)
    if done is None:
        return
    text, failed = done
    if failed:
        st.error(plain(text), icon=":material/error:")
    else:
        st.toast(plain(text), icon=":material/check_circle:")


def _say(text: str, *, failed: bool = False) -> None:
    st.session_state[_TOLD] = (text, failed)


def show_labels(record: RunRecord, known_tags: list[str], *, live: bool) -> None:
    """Tags and note of a run, and what can be done to it."""
    run_id = record.run_id
    with st.expander("Tags, note, archive, delete", icon=":material/sell:"):
        tags_key, note_key = f"tags_{run_id}", f"note_{run_id}"
        st.multiselect(
            "Tags",
            sorted({*known_tags, *record.labels.tags}),
            default=list(record.labels.tags),
            key=tags_key,
            accept_new_options=True,
            on_change=_keep_tags,
            args=(run_id, record.labels.tags, tags_key),
            placeholder="Choose or type a tag",
        )
        st.text_area(
            "Note",
            record.labels.note,
            key=note_key,
            max_chars=MAX_NOTE_CHARACTERS,
            on_change=_keep_note,
            args=(run_id, note_key),
            placeholder="What was tried, and what came of it",
            height=90,
        )
        with st.container(horizontal=True, vertical_alignment="center"):
            archived = record.labels.archived
            st.button(
                "Take out of the archive" if archived else "Archive",
                key="archive",
                icon=":material/unarchive:" if archived else ":material/archive:",
                on_click=_archive,
                args=(run_id, not archived),
                help="Archived runs are left out of the list; nothing of them is removed.",
            )
            st.link_button("Metrics as CSV", csv_url(run_id), icon=":material/table:")
            _delete_button(run_id, live)
        st.caption(f"TensorBoard reads the run folder: `tensorboard --logdir {plain(str(data_root().runs))}`")


def _delete_button(run_id: str, live: bool) -> None:
    if live:
        st.button(
            "Delete",
            key="delete",
            icon=":material/delete:",
            disabled=True,
            help="It is running; stop it first.",
        )
        return
    if st.session_state.get(_ASKED) != run_id:
        st.button("Delete", key="delete", icon=":material/delete:", on_click=_ask, args=(run_id,))
        return
    st.markdown("Move this run to the bin? It can be restored from there.", width="content")
    st.button(
        "Move to the bin", key="delete_now", type="primary", icon=":material/delete:", on_click=_delete, args=(run_id,)
    )
    st.button("Keep it", key="delete_not", on_click=_ask, args=(None,))


def _ask(run_id: str | None) -> None:
    st.session_state[_ASKED] = run_id


def _delete(run_id: str) -> None:
    _ask(None)
    try:
        delete_run(data_root(), run_id)
    except MvlaError as error:
        _say(str(error), failed=True)
        return
    st.query_params.pop(RUN_KEY, None)
    _say(f"The run {run_id} is in the bin.")


def _keep_tags(run_id: str, before: tuple[str, ...], key: str) -> None:
    chosen = st.session_state[key]
    gone = [tag for tag in before if tag not in chosen]
    try:
        change_labels(data_root(), run_id, add_tags=chosen, remove_tags=gone)
    except MvlaError as error:
        _say(str(error), failed=True)


def _keep_note(run_id: str, key: str) -> None:
    try:
        change_labels(data_root(), run_id, note=st.session_state[key])
    except MvlaError as error:
        _say(str(error), failed=True)


def _archive(run_id: str, archived: bool) -> None:
    change_labels(data_root(), run_id, archived=archived)
    _say(f"The run {run_id} is {'archived' if archived else 'back in the list'}.")


def show_bin(root: DataRoot) -> None:
    """The deleted runs: restore one, or remove it for good, which is asked twice."""
    binned = list_bin(root)
    if not binned:
        return
    with st.expander(f"Bin: {count(len(binned), 'deleted run')}", icon=":material/delete:"):
        for run in binned[:50]:
            _binned_row(run)


def _binned_row(run: BinnedRun) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(
            f"**{plain(run.run_id)}** · deleted {moment(run.deleted)} · {run.size_bytes / 1e6:,.1f} MB", width="content"
        )
        st.button(
            "Restore", key=f"restore_{run.run_id}", icon=":material/restore:", on_click=_restore, args=(run.run_id,)
        )
        if st.session_state.get(_ASKED) != run.run_id:
            st.button("Remove for good", key=f"purge_{run.run_id}", on_click=_ask, args=(run.run_id,))
            return
        st.markdown("Nothing of it can be restored then.", width="content")
        st.button("Remove it now", key=f"purge_now_{run.run_id}", type="primary", on_click=_purge, args=(run.run_id,))
        st.button("Keep it", key=f"purge_not_{run.run_id}", on_click=_ask, args=(None,))


def _restore(run_id: str) -> None:
    try:
        restore_run(data_root(), run_id)
    except MvlaError as error:
        _say(str(error), failed=True)
        return
    st.query_params[RUN_KEY] = run_id
    _say(f"The run {run_id} is back.")


def _purge(run_id: str) -> None:
    _ask(None)
    try:
        freed = purge_run(data_root(), run_id)
    except MvlaError as error:
        _say(str(error), failed=True)
        return
    _say(f"Removed; {freed / 1e6:,.1f} MB are free again.")
