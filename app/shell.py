"""What every page shares: the navigation, the badge of running jobs, and the sentence for an error.

Streamlit runs this script for each page view; the page itself is a file in `pages/`.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from app.errors import explain
from app.job_view import running_badge, tell_ended
from app.places import OVERVIEW, SECTIONS
from app.session import drawing_whole_page, open_page
from mvla_core.errors import MvlaError

LOGO = Path(__file__).with_name("logo.svg")
ICON = Path(__file__).with_name("icon.svg")

# A Material icon would make the browser ask a server of Google's for the picture in its tab.
st.set_page_config(page_title="MVLA workbench", page_icon=ICON.read_text(encoding="utf-8"), layout="wide")
st.logo(LOGO.read_text(encoding="utf-8"), size="large")

page = st.navigation(
    {
        section: [
            st.Page(
                place.path,
                title=place.title,
                icon=place.icon,
                url_path=place.name,
                default=place is OVERVIEW,
                help=place.line,
            )
            for place in places
        ]
        for section, places in SECTIONS.items()
    },
    expanded=True,
)
open_page(page.url_path)
with drawing_whole_page():
    with st.sidebar:
        running_badge()
    tell_ended()
    try:
        page.run()
    except MvlaError as error:
        explain(error)
