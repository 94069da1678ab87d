"""The augmentation studio on the Data set page: recipes are made, tried on real frames, checked and kept under a name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import streamlit as st

from app.augmentation_choice import NAME_KEY
from app.augmentation_draft import Draft, drafts, drop, keep
from app.augmentation_findings import (
    CHECKED_LIVE,
    CHECKED_SAVED,
    checked_ones,
    label_findings,
    refusals,
    show_clipping,
    show_frame_check,
    show_label_findings,
    usable_episodes,
)
from app.augmentation_form import change_draft, edit_draft
from app.augmentation_preview import Chosen, choose_view, show_view
from app.augmentation_starts import EMPTY, STARTS
from app.augmented_comparison import BEFORE_KEY, COPY_KEY, SEED_KEY
from app.language import PageText
from app.page_parts import go_button
from app.places import COMPARE
from app.session import data_root
from app.text import moment, plain
from mvla_core.audit.wording import worded
from mvla_core.datasets.augmentation.recipe import AugmentationRecipe
from mvla_core.datasets.augmentation.store import (
    delete_augmentation,
    list_augmentations,
    list_binned,
    restore_augmentation,
    save_augmentation,
)
from mvla_core.errors import MvlaError, UserInputError
from mvla_core.files import check_identifier
from mvla_core.schema import Finding
from mvla_core.wording import Language

_CHOICE = "augmentation_choice"
_CHOSEN = "augmentation_chosen"
_TOLD = "augmentation_told"
_NEW_NAME, _NEW_START, _COPY_NAME = "augmentation_new_name", "augmentation_new_start", "augmentation_copy_name"


@st.fragment
def show_studio(dataset: str, language: Language) -> None:
    """Show the studio for a data set of the data root.

    Args:
        dataset: Its name.
        language: Of every text of this part.

    Raises:
        MvlaError: There is no such data set, or its annotations are damaged.
    """
    text = PageText(language)
    st.subheader(text.say("augmentation.title"), anchor=False)
    st.caption(text.say("augmentation.line"))
    episodes = usable_episodes(dataset)
    if not episodes:
        st.info(text.say("augmentation.no_episodes"), icon=":material/movie:")
        return
    _tell()
    known = drafts()
    for broken in [each for each in list_augmentations(data_root()) if each.recipe is None]:
        st.warning(plain(broken.fault), icon=":material/warning:")
    if not known:
        _first(text)
        return
    name = _choose(known, text)
    draft = known[name]
    state = st.container(key="augmentation_state")
    left, right = st.columns([3, 2], gap="medium")
    with left:
        chosen = choose_view(episodes, draft.recipe.copies, text)
    with right:
        edit_draft(draft, chosen.info.action_space, text)
    checked = checked_ones(episodes, chosen.info, CHECKED_LIVE if draft.unsaved else CHECKED_SAVED)
    recipe = draft.whole
    findings, clipping = label_findings(recipe, checked, chosen.seed)
    with left:
        try:
            show_view(chosen, recipe, text)
        except MvlaError as error:
            st.error(plain(str(error)), icon=":material/error:")
        show_clipping(clipping, chosen.info, text)
        show_label_findings(findings, len(checked), len(episodes), text)
        if not draft.unsaved:
            _whole_episode(chosen, recipe, text)
        show_frame_check(chosen.info, recipe, chosen.seed, text)
    with state:
        _state(draft, refusals(findings), dataset, text)


def _whole_episode(chosen: Chosen, recipe: AugmentationRecipe, text: PageText) -> None:
    """The way to the page that plays both; it knows only what is stored."""
    query = {
        BEFORE_KEY: f"{chosen.info.dataset}/{chosen.info.episode_id}",
        NAME_KEY: recipe.name,
        COPY_KEY: str(chosen.copy),
        SEED_KEY: str(chosen.seed),
    }
    go_button(COMPARE, text.say("augmentation.whole"), key="augmentation_whole", primary=False, query=query)


def _first(text: PageText) -> None:
    """Nothing yet: what a recipe is for, and three to begin with."""
    with st.container(border=True):
        st.markdown(f"**{text.say('augmentation.none_title')}** {text.say('augmentation.none_line')}")
        with st.grid(2, min_column_width=240):
            for start in STARTS:
                with st.container(border=True, height="stretch", gap="xsmall"):
                    st.markdown(f"**{text.say(f'augmentation.start.{start}.title')}**")
                    st.caption(text.say(f"augmentation.start.{start}.line"))
                    st.button(
                        text.say("augmentation.begin"),
                        key=f"augmentation_begin_{start}",
                        icon=":material/add:",
                        on_click=_begin,
                        args=(start, start if start != EMPTY else "recipe", text),
                    )
    with st.container(horizontal=True):
        _bin(text)


def _choose(known: dict[str, Draft], text: PageText) -> str:
    """The recipe that is worked on, and what can be done with it as a whole."""
    wanted = [st.query_params.get(NAME_KEY), st.session_state.get(_CHOSEN), next(iter(known))]
    st.session_state[_CHOICE] = st.session_state[_CHOSEN] = next(name for name in wanted if name in known)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name: str = st.selectbox(
            text.say("augmentation.recipe"),
            list(known),
            key=_CHOICE,
            format_func=lambda each: f"{each} *" if known[each].unsaved else each,
            on_change=lambda: _open(st.session_state[_CHOICE]),
            width=300,
        )
        with st.popover(text.say("augmentation.new"), icon=":material/add:", key="augmentation_new"):
            start = st.radio(
                text.say("augmentation.begin_with"),
                list(STARTS),
                format_func=lambda each: text.say(f"augmentation.start.{each}.title"),
                captions=[text.say(f"augmentation.start.{each}.line") for each in STARTS],
                key=_NEW_START,
            )
            st.text_input(text.say("augmentation.name"), key=_NEW_NAME, placeholder=start)
            st.button(
                text.say("augmentation.begin"),
                key="augmentation_new_begin",
                type="primary",
                on_click=lambda: _begin(
                    st.session_state[_NEW_START],
                    st.session_state[_NEW_NAME].strip() or st.session_state[_NEW_START],
                    text,
                ),
            )
        with st.popover(text.say("augmentation.duplicate"), icon=":material/content_copy:", key="augmentation_copy"):
            st.text_input(text.say("augmentation.name"), key=_COPY_NAME, placeholder=_free(name, known))
            st.button(
                text.say("augmentation.duplicate"),
                key="augmentation_copy_go",
                type="primary",
                on_click=lambda: _duplicate(name, st.session_state[_COPY_NAME].strip() or _free(name, known), text),
            )
        with st.popover(text.say("augmentation.delete"), icon=":material/delete:", key="augmentation_delete"):
            st.markdown(text.say("augmentation.delete_question", name=plain(name)))
            st.button(
                text.say("augmentation.delete_yes"),
                key="augmentation_delete_go",
                type="primary",
                on_click=_delete,
                args=(name, text),
            )
        _bin(text)
    return name


def _bin(text: PageText) -> None:
    binned = list_binned(data_root())
    if not binned:
        return
    with st.popover(text.say("augmentation.bin"), icon=":material/restore_from_trash:", key="augmentation_bin"):
        for each in binned:
            st.button(
                text.say("augmentation.restore", name=plain(each.name), when=moment(each.deleted)),
                key=f"augmentation_restore_{each.file}",
                on_click=_restore,
                args=(each.file,),
            )


def _state(draft: Draft, refused: list[Finding], dataset: str, text: PageText) -> None:
    """Whether there is something to save, and whether a training would take it."""
    if refused:
        said = worded(refused[0], text.language)
        more = text.say("augmentation.refused_more", more=len(refused) - 1) if len(refused) > 1 else ""
        st.error(
            f"{plain(said.message)} {plain(said.next)} {more}",
            title=text.say("augmentation.refused", dataset=plain(dataset)),
            icon=":material/block:",
        )
    with st.container(horizontal=True, vertical_alignment="center"):
        if not draft.unsaved:
            if refused:
                st.markdown(f":orange[:material/check:] {text.say('augmentation.saved_refused')}", width="content")
            else:
                st.markdown(f":green[:material/check:] {text.say('augmentation.saved')}", width="content")
            return
        label = "augmentation.unsaved_new" if draft.stored is None else "augmentation.unsaved"
        st.markdown(f":orange[:material/edit:] {text.say(label)}", width="content")
        st.button(
            text.say("augmentation.save_refused" if refused else "augmentation.save"),
            key="augmentation_save",
            type="secondary" if refused else "primary",
            icon=":material/save:",
            on_click=_save,
            args=(draft.name, text),
        )
        st.button(
            text.say("augmentation.discard"),
            key="augmentation_discard",
            icon=":material/undo:",
            on_click=_discard,
            args=(draft.name,),
        )


def _free(name: str, known: dict[str, Draft]) -> str:
    return next(found for number in range(2, len(known) + 3) if (found := f"{name[:110]}-{number}") not in known)


def _open(name: str) -> None:
    st.session_state[_CHOSEN] = name
    st.query_params[NAME_KEY] = name


def _new(name: str, make: Callable[[], AugmentationRecipe], text: PageText) -> None:
    """Begin a draft under a name that can be a file's and is not taken."""
    try:
        check_identifier(name, "augmentation name")
    except UserInputError:
        _mistake(text.say("augmentation.name_unusable", name=plain(name[:60])))
        return
    # A file that cannot be read is somebody's too, and some disks do not tell "Evening" from "evening".
    taken = {known.lower() for known in (*drafts(), *(each.name for each in list_augmentations(data_root())))}
    if name.lower() in taken:
        _mistake(text.say("augmentation.name_taken", name=plain(name)))
        return
    keep(Draft.of(make(), None))
    _open(name)


def _begin(start: str, name: str, text: PageText) -> None:
    copies, steps = STARTS[start]
    _new(name, lambda: AugmentationRecipe(name, steps, copies=copies), text)


def _duplicate(name: str, new: str, text: PageText) -> None:
    _new(new, lambda: replace(drafts()[name].whole, name=new), text)


def _save(name: str, text: PageText) -> None:
    recipe = drafts()[name].whole
    try:
        save_augmentation(data_root(), recipe)
    except (MvlaError, OSError) as error:
        _mistake(plain(str(error)))
        return
    change_draft(name, lambda draft: replace(draft, stored=recipe))
    st.session_state[_TOLD] = ("toast", text.say("augmentation.saved_as", name=plain(name)))


def _discard(name: str) -> None:
    drop(name)


def _delete(name: str, text: PageText) -> None:
    stored = drafts()[name].stored is not None
    drop(name)
    if stored:
        try:
            delete_augmentation(data_root(), name)
        except MvlaError as error:
            _mistake(plain(str(error)))
            return
    st.session_state[_TOLD] = ("toast", text.say("augmentation.deleted", name=plain(name)))


def _restore(file: str) -> None:
    try:
        _open(restore_augmentation(data_root(), file))
    except MvlaError as error:
        _mistake(plain(str(error)))


def _mistake(sentence: str) -> None:
    st.session_state[_TOLD] = ("error", sentence)


def _tell() -> None:
    """What an action did or could not do, told once and here: what a callback draws would replace the page's first elements."""
    kind, sentence = st.session_state.pop(_TOLD, ("", ""))
    if kind == "toast":
        st.toast(sentence, icon=":material/check:")
    elif kind:
        st.error(sentence, icon=":material/error:")
