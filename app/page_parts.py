"""Pieces that pages share: the heading, what to do when there is nothing yet, findings, and the next step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from app.places import Place
from app.text import plain
from mvla_core.schema import Finding, Level

LEVEL_ICONS: dict[Level, str] = {
    "error": ":red[:material/error:]",
    "warning": ":orange[:material/warning:]",
    "info": ":blue[:material/info:]",
    "ok": ":green[:material/check_circle:]",
}
_LEVEL_ORDER: tuple[Level, ...] = ("error", "warning", "info", "ok")


def heading(place: Place) -> None:
    """The page's title with one line on what it is."""
    st.title(place.title, anchor=False)
    st.caption(place.line)


def go_button(
    place: Place, label: str, *, key: str, primary: bool = True, query: Mapping[str, str] | None = None
) -> None:
    """A button that opens another page, with what it shall show."""
    if st.button(label, key=key, icon=place.icon, type="primary" if primary else "secondary"):
        st.switch_page(place.path, query_params=dict(query or {}))


def empty_state(title: str, sentence: str, place: Place, label: str) -> None:
    """Say that there is nothing yet, and lead to the page where that changes."""
    with st.container(border=True):
        st.subheader(title, anchor=False)
        st.write(sentence)
        go_button(place, label, key="empty_state")


def next_step(sentence: str, place: Place, label: str, **query: str) -> None:
    """The end of a page: what to do next, and the button that does it."""
    with st.container(border=True, horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown(f"**Next.** {sentence}", width="content")
        go_button(place, label, key="next_step", query=query)


def show_findings(findings: Sequence[Finding]) -> None:
    """Findings by severity, each with its next step. Texts come from files, so they are shown literally."""
    for finding in sorted(findings, key=lambda finding: _LEVEL_ORDER.index(finding.level)):
        with st.container(border=True, gap="xxsmall"):
            st.markdown(f"{LEVEL_ICONS[finding.level]} **{plain(finding.where)}**: {plain(finding.message)}")
            if finding.next:
                st.caption(f":material/arrow_forward: {plain(finding.next)}")
