"""How an error reaches the reader of a page: what the user can cause is one sentence, everything else a defect of ours."""

from __future__ import annotations

import streamlit as st

from app.text import plain
from mvla_core.errors import MvlaError


def explain(error: Exception) -> bool:
    """Show an `MvlaError` as its own sentence, literally: it may quote a file name or what the user typed.

    Returns:
        True where it was shown; False leaves any other exception to Streamlit, which shows it as a defect.
    """
    if not isinstance(error, MvlaError):
        return False
    st.error(plain(str(error)), icon=":material/error:")
    return True
