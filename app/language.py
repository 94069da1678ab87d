"""The language of the pages: what the user chose, else that of the browser; and the pages' texts in it.

The choice is kept for the session and written to the URL as `?lang=ko`, so that a link opens what its sender saw.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st

from mvla_core.wording import LANGUAGES, Language, format_text, read_catalog, text_of

LANGUAGE_KEY = "lang"
_REMEMBERED = "chosen_language"
_WIDGET = "language_choice"
_NAMES: dict[Language, str] = {"en": "English", "ko": "한국어"}


@dataclass(frozen=True)
class PageText:
    """The pages' texts in one language, from `text_en.toml` or `text_ko.toml`.

    Attributes:
        language: "en" or "ko".
    """

    language: Language

    def say(self, key: str, **values: Any) -> str:
        """Return the text of a dotted key, filled with values.

        Raises:
            KeyError: There is no such text, or a value of it is missing.
        """
        return format_text(self.language, text_of(read_catalog("app", f"text_{self.language}"), key), values)

    def say_count(self, key: str, number: int) -> str:
        """Return the text of a number of things: `key`.one for a single one, else `key`.many."""
        return self.say(f"{key}.{'one' if number == 1 else 'many'}", number=number)


def chosen_language() -> Language:
    """What the URL says, else what the user chose in this session, else Korean for a Korean browser, else English."""
    for given in (st.query_params.get(LANGUAGE_KEY), st.session_state.get(_REMEMBERED)):
        for language in LANGUAGES:
            if given == language:
                st.session_state[_REMEMBERED] = language
                return language
    spoken = (st.context.locale or "").lower().split("-")[0]
    return "ko" if spoken == "ko" else "en"


def language_choice() -> Language:
    """Draw the switch between the languages and return the one that holds."""
    language = chosen_language()
    if _REMEMBERED in st.session_state and st.query_params.get(LANGUAGE_KEY) != language:
        # Another choice of the page, or the way from another page, has left it out of the URL.
        st.query_params[LANGUAGE_KEY] = language
    st.session_state[_WIDGET] = language

    def choose() -> None:
        chosen = st.session_state[_WIDGET]
        st.session_state[_REMEMBERED] = chosen
        st.query_params[LANGUAGE_KEY] = chosen

    st.segmented_control(
        PageText(language).say("language.label"),
        list(_NAMES),
        format_func=_NAMES.__getitem__,
        required=True,
        key=_WIDGET,
        on_change=choose,
        label_visibility="collapsed",
    )
    return language
