"""What speaks against an augmentation: its labels on the data set, its pictures on one episode, and what the limits cut."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
import streamlit as st

from app.annotated import annotations_of
from app.audit_parts import said_findings
from app.augmentation_words import AugmentationWords
from app.augmented import labels_of
from app.catalogues import JUST_NOW_S, known_dataset
from app.language import PageText
from app.page_parts import show_findings
from app.session import data_root
from app.text import plain
from mvla_core.datasets.augmentation.frame_check import check_on_frames
from mvla_core.datasets.augmentation.label_check import Clipping, check_labels, clipping
from mvla_core.datasets.augmentation.recipe import AugmentationRecipe
from mvla_core.datasets.augmentation.transform import EpisodeLabels
from mvla_core.episodes.catalogue import load_sequences
from mvla_core.episodes.curation import curated
from mvla_core.episodes.reader import open_known
from mvla_core.errors import MvlaError
from mvla_core.layout import DataRoot
from mvla_core.schema import EpisodeInfo, Finding, Frame

CHECKED_LIVE = 60
"""Episodes whose labels are checked while sliders are moved, spread over the data set: 90 ms for nine steps, three copies."""
CHECKED_SAVED = 600
"""The same of a recipe that is saved, once; a training checks all of its own."""
FRAMES_CHECKED = 120
_CHECKED_WIDTH_PX = 320
"""The check reduces pictures to this width itself; they are read once and kept small."""


def usable_episodes(dataset: str) -> tuple[EpisodeInfo, ...]:
    """The episodes that a training could use, as it would take them.

    Raises:
        UserInputError: There is no such data set.
        MvlaError: Its annotations are damaged.
    """
    catalogue = known_dataset(data_root(), dataset, JUST_NOW_S).catalogue
    return curated(catalogue, annotations_of(dataset)).episodes


def checked_ones(episodes: Sequence[EpisodeInfo], like: EpisodeInfo, most: int) -> tuple[EpisodeInfo, ...]:
    """Those whose labels are checked, at most `most`: of the action space of the shown one, which is always among them."""
    same = [info for info in episodes if info.action_space == like.action_space]
    if len(same) > most:
        places = np.unique(np.linspace(0, len(same) - 1, most).astype(int))
        same = [same[place] for place in places]
    return tuple(same if like in same else [like, *same[1:]])


def label_findings(
    recipe: AugmentationRecipe, episodes: tuple[EpisodeInfo, ...], seed: int
) -> tuple[list[Finding], Clipping]:
    """What a training with these episodes would find in the labels of their copies, and what the limits cut."""
    return _label_findings(data_root().path.as_posix(), recipe, episodes, seed)


@lru_cache(maxsize=16)
def _label_findings(
    root: str, recipe: AugmentationRecipe, episodes: tuple[EpisodeInfo, ...], seed: int
) -> tuple[list[Finding], Clipping]:
    labels = _labels(root, episodes)
    return check_labels(recipe, labels, seed), clipping(recipe, labels, seed)


@lru_cache(maxsize=4)
def _labels(root: str, episodes: tuple[EpisodeInfo, ...]) -> list[EpisodeLabels]:
    sequences = load_sequences(episodes, DataRoot.resolve(root))
    return [EpisodeLabels.of(info, sequence) for info, sequence in zip(episodes, sequences, strict=True)]


def refusals(findings: Sequence[Finding]) -> list[Finding]:
    """The findings for which a training refuses the recipe."""
    return [finding for finding in findings if finding.level == "error"]


def show_label_findings(findings: Sequence[Finding], checked: int, total: int, text: PageText) -> None:
    """The findings of the label check; that there are none is said too."""
    if not findings:
        st.success(text.say("augmentation.labels_right", checked=checked), icon=":material/check_circle:")
    _show(findings, text)
    if checked < total:
        st.caption(text.say("augmentation.labels_checked", checked=checked, total=total))


def show_clipping(found: Clipping, info: EpisodeInfo, text: PageText) -> None:
    """The share of frames beyond the robot's limits before and after, and the largest value of each axis."""
    st.markdown(f"**{text.say('augmentation.clipping')}**")
    if all(limit is None for limit in found.limits):
        st.caption(text.say("augmentation.no_limits"))
    else:
        st.markdown(text.say("augmentation.clipped", before=found.before, after=found.after))
    units = dict(zip(info.action_space.names, info.action_space.units, strict=True))
    for name, before, after, limit in zip(
        found.names, found.largest_before, found.largest_after, found.limits, strict=True
    ):
        values = {"axis": name, "unit": units[name], "before": before, "after": after}
        known = "augmentation.largest_unlimited" if limit is None else "augmentation.largest"
        st.caption(plain(text.say(known, **values, limit=limit)))


def show_frame_check(info: EpisodeInfo, recipe: AugmentationRecipe, seed: int, text: PageText) -> None:
    """A button that compares pictures and actions, because that reads many frames; its answer holds for one recipe and episode."""
    state = "augmentation_frame_check"
    asked = (info, recipe, seed)
    with st.container(horizontal=True, vertical_alignment="center"):
        count = min(info.num_frames, FRAMES_CHECKED)
        if st.button(
            text.say("augmentation.check_frames", frames=count),
            key="augmentation_check_frames",
            icon=":material/movie:",
            disabled=not recipe.steps,
            help=text.say("augmentation.check_frames_help"),
        ):
            try:
                with st.spinner(text.say("augmentation.checking")):
                    finding = _checked(info, recipe, seed)
            except MvlaError as error:
                st.error(plain(str(error)), icon=":material/error:")
            else:
                st.session_state[state] = (asked, finding)
    kept = st.session_state.get(state)
    if kept is not None and kept[0] == asked:
        _show([kept[1]], text)


def _checked(info: EpisodeInfo, recipe: AugmentationRecipe, seed: int) -> Finding:
    frames = _small_frames(info)
    labels = labels_of(data_root(), info)
    actions = labels.actions[: len(frames)]
    checked = check_on_frames(
        frames, actions, labels.instruction, labels.space, recipe, seed=seed, episode_id=info.episode_id
    )
    return checked.finding


@lru_cache(maxsize=4)
def _small_frames(info: EpisodeInfo) -> list[Frame]:
    frames = []
    with open_known(info) as reader:
        for index in range(min(info.num_frames, FRAMES_CHECKED)):
            frame = reader.frame(index)
            if info.width > _CHECKED_WIDTH_PX:
                size = (_CHECKED_WIDTH_PX, max(8, round(info.height * _CHECKED_WIDTH_PX / info.width)))
                frame = np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
            frames.append(frame)
    return frames


def _show(findings: Sequence[Finding], text: PageText) -> None:
    words = AugmentationWords(text.language)
    show_findings(said_findings([words.finding(finding) for finding in findings], text.language))
