"""The launcher: `streamlit run app/Home.py` serves the pages and, beside them, the routes for frames and progress.

The interface itself is `app/shell.py`; this module is imported once by the server, never rerun.
"""  # noqa: N999 - the file name is the one the documentation of Streamlit teaches

from __future__ import annotations

from pathlib import Path

import streamlit as st

from app.errors import explain
from app.routes import MIDDLEWARE, ROUTES

app = st.App(Path(__file__).with_name("shell.py"), routes=ROUTES, middleware=MIDDLEWARE, on_script_error=explain)
