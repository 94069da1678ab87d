"""The settings of an augmentation recipe: its steps with every number, its copies, its seed and the robot's limits."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from app.augmentation_draft import Draft, DraftStep, drafts, keep, step_width
from app.augmentation_words import AugmentationWords
from app.augmented_frames import MAX_SEED
from app.language import PageText
from app.text import plain
from mvla_core.datasets.augmentation.recipe import MAX_COPIES, MAX_STEPS, TRANSFORMS
from mvla_core.schema import NORMALISED, ActionSpace

_SMALLEST_LIMIT = 0.01
_STEPS_IN_VIEW = 4
_STEPS_HEIGHT_PX = 620


def change_draft(name: str, change: Callable[[Draft], Draft]) -> None:
    """Change the draft of a name, with what its widgets hold at this moment."""
    keep(change(drafts()[name]))


def edit_draft(draft: Draft, space: ActionSpace, text: PageText) -> None:
    """Draw the form of a draft.

    Args:
        draft: What is edited; its widgets are given its values.
        space: Of the actions of the data that it is tried on; the robot's limits are asked for its dimensions.
        text: In the language.
    """
    words = AugmentationWords(text.language)
    # Many steps scroll in a frame of their own, so that the pictures stay in view while a slider is moved.
    with st.container(height=_STEPS_HEIGHT_PX if len(draft.steps) > _STEPS_IN_VIEW else "content", border=False):
        for place, each in enumerate(draft.steps):
            _step(draft, place, each, words, text)
    _add(draft, words, text)
    with st.grid(2, min_column_width=130):
        copies, seed = draft.key("copies"), draft.key("seed")
        st.session_state[copies] = draft.recipe.copies
        st.number_input(
            text.say("augmentation.copies"), 1, MAX_COPIES, key=copies, help=text.say("augmentation.copies_help")
        )
        st.session_state[seed] = draft.recipe.seed
        st.number_input(text.say("augmentation.seed"), 0, MAX_SEED, key=seed, help=text.say("augmentation.seed_help"))
        for dim in space.dims:
            key = draft.key("limit", dim.name)
            st.session_state[key] = getattr(draft.recipe.limits, dim.name)
            st.number_input(
                text.say("augmentation.limit", axis=dim.name, unit=dim.unit),
                _SMALLEST_LIMIT,
                value=None,
                step=0.05,
                format="%g",
                key=key,
                placeholder=text.say(
                    "augmentation.limit_of_unit" if dim.unit == NORMALISED else "augmentation.limit_unknown"
                ),
                help=text.say("augmentation.limit_help"),
            )


def _step(draft: Draft, place: int, each: DraftStep, words: AugmentationWords, text: PageText) -> None:
    name = each.step.transform.name
    with st.container(border=True, gap="xsmall"):
        with st.container(
            horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", gap="xxsmall"
        ):
            mark = " :material/swap_calls:" if each.step.transform.changes_label else ""
            st.markdown(
                f"**{place + 1}. {plain(words.title(name))}**{mark}", width="content", help=_told(name, words, text)
            )
            with st.container(horizontal=True, width="content", gap="xxsmall"):
                _move(draft, each, "arrow_upward", "augmentation.earlier", -1, place == 0, text)
                _move(draft, each, "arrow_downward", "augmentation.later", 1, place == len(draft.steps) - 1, text)
                st.button(
                    "",
                    icon=":material/close:",
                    type="tertiary",
                    key=draft.key(each.number, "remove"),
                    help=text.say("augmentation.remove"),
                    on_click=change_draft,
                    args=(draft.name, lambda now: now.removed(each.number)),
                )
        with st.grid(2, min_column_width=130):
            for setting in words.settings(name):
                key = draft.key(each.number, setting.name)
                st.session_state[key] = getattr(each.step.transform, setting.name)
                st.slider(
                    f"{setting.label} [{setting.unit}]" if setting.unit else setting.label,
                    float(setting.minimum),
                    float(setting.maximum),
                    step=step_width(setting.minimum, setting.maximum),
                    format="%g",
                    key=key,
                    help=setting.help,
                )
            key = draft.key(each.number, "probability")
            st.session_state[key] = each.step.probability
            st.slider(
                text.say("augmentation.probability"),
                0.0,
                1.0,
                step=0.05,
                format="percent",
                key=key,
                help=text.say("augmentation.probability_help"),
            )


def _told(name: str, words: AugmentationWords, text: PageText) -> str:
    kind = "augmentation.changes_label" if TRANSFORMS[name].changes_label else "augmentation.keeps_label"
    return (
        f"{plain(words.help(name))}\n\n**{text.say('augmentation.assumes')}** {plain(words.assumption(name))}\n\n"
        f"{text.say(kind)}"
    )


def _move(draft: Draft, each: DraftStep, icon: str, label: str, by: int, disabled: bool, text: PageText) -> None:
    st.button(
        "",
        icon=f":material/{icon}:",
        type="tertiary",
        key=draft.key(each.number, icon),
        help=text.say(label),
        disabled=disabled,
        on_click=change_draft,
        args=(draft.name, lambda now: now.moved(each.number, by)),
    )


def _add(draft: Draft, words: AugmentationWords, text: PageText) -> None:
    # Another number of steps is another box: it is empty again after each choice.
    key = draft.key("add", len(draft.steps), draft.steps[-1].number if draft.steps else 0)

    def added_once(now: Draft, chosen: str) -> Draft:
        # Streamlit calls again for the same choice where a further event reaches a page that has not been drawn to its end.
        drawn = [each.number for each in draft.steps]
        return now.added(chosen) if [each.number for each in now.steps] == drawn else now

    def add() -> None:
        chosen = st.session_state[key]
        if chosen is not None:
            change_draft(draft.name, lambda now: added_once(now, chosen))

    st.selectbox(
        text.say("augmentation.add"),
        list(TRANSFORMS),
        index=None,
        format_func=words.title,
        placeholder=text.say("augmentation.add_placeholder"),
        key=key,
        on_change=add,
        disabled=len(draft.steps) >= MAX_STEPS,
        help=text.say("augmentation.order_help"),
    )
