"""Which stored augmentation a training uses: a select box, what it adds, and the way to the studio."""

from __future__ import annotations

from collections.abc import Collection

import streamlit as st

from app.augmentation_words import AugmentationWords
from app.language import PageText, chosen_language
from app.places import DATASET
from app.session import DATASET_KEY, data_root
from app.text import plain
from mvla_core.datasets.augmentation.recipe import AugmentationRecipe
from mvla_core.datasets.augmentation.store import list_augmentations

NONE = ""
"""What the training recipe holds where it names no augmentation."""
NAME_KEY = "augmentation"
"""Name of the chosen recipe in the URL, here and in the studio."""


def choose_augmentation(name: str, dataset: str | None, key: str) -> str:
    """Let the user choose a stored augmentation and return its name, "" for none.

    Args:
        name: The training recipe's; chosen first.
        dataset: What is trained on; the studio is opened with it. None where it is not known.
        key: The box's key.
    """
    text = PageText(chosen_language())
    stored = _stored()
    options = [NONE, *stored]
    if name not in options:
        options.append(name)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen: str = st.selectbox(
            text.say("augmentation.train.label"),
            options,
            options.index(name),
            key=key,
            format_func=lambda each: _label(each, stored.keys(), text),
            help=text.say("augmentation.train.help"),
            width=260,
        )
        studio_link(dataset, chosen if chosen in stored else None, text)
    return chosen


def studio_link(dataset: str | None, name: str | None, text: PageText) -> None:
    """A link to the studio: the part of the page Data set that `app.dataset_parts.AUGMENTATION` names."""
    query = {DATASET_KEY: dataset, "part": "augmentation", NAME_KEY: name}
    st.page_link(
        DATASET.path,
        label=text.say("augmentation.train.studio"),
        icon=":material/auto_fix_high:",
        query_params={parameter: value for parameter, value in query.items() if value is not None},
    )


def tell_augmentation(name: str, train_episodes: int | None) -> None:
    """Say in one line what an augmentation adds.

    Args:
        name: From `choose_augmentation`.
        train_episodes: How many episodes teach; None where that cannot be told.
    """
    text = PageText(chosen_language())
    recipe = _stored().get(name)
    if recipe is None:
        st.caption(text.say("augmentation.train.nothing"))
        return
    words = AugmentationWords(text.language)
    titles = ", ".join(words.title(step.transform.name) for step in recipe.steps)
    values = {"copies": recipe.copies, "steps": plain(titles or text.say("augmentation.train.no_steps"))}
    if train_episodes is None:
        st.caption(text.say("augmentation.train.adds_each", **values))
    else:
        made = recipe.copies * train_episodes
        st.caption(text.say("augmentation.train.adds", **values, episodes=train_episodes, made=made))


def _stored() -> dict[str, AugmentationRecipe]:
    return {each.name: each.recipe for each in list_augmentations(data_root()) if each.recipe is not None}


def _label(name: str, stored: Collection[str], text: PageText) -> str:
    if name == NONE:
        return text.say("augmentation.train.none")
    return name if name in stored else text.say("augmentation.train.gone", name=name)
