"""What the pictures say: is vision needed, which views contradict each other, does the split leak, and the job that looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app.figure_style import PLOT_CONFIG, REFERENCE_LINE, compact, interval_bars
from app.job_view import active_jobs, job_card, launch, launched
from app.language import PageText
from app.places import EPISODES
from app.routes import frame_url
from app.text import plain
from mvla_core.audit.conflicts import ConflictEvidence, FramePlace
from mvla_core.audit.leaks import LeakEvidence
from mvla_core.audit.pictures import PictureAudit
from mvla_core.audit.split_strategies import SplitOption
from mvla_core.audit.vision import VisionEvidence
from mvla_core.schema import EpisodeInfo

_PAIRS_AT_ONCE = 6
_PICTURE_WIDTH_PX = 320
_LOWEST_SHOWN = -60.0


def look_button(dataset: str, pictures: PictureAudit | None, text: PageText) -> None:
    """Start the job that looks at every picture, or show how far it is; nothing where all have been looked at."""
    job = launched("features")
    if job is not None and job.active:
        job_card(job.id)
        return
    if pictures is not None and pictures.looked_at == pictures.episodes:
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        known = 0 if pictures is None else pictures.looked_at
        total = 0 if pictures is None else pictures.episodes
        st.markdown(text.say("vision.unseen", known=known, total=total), width="stretch")
        busy = any(running.kind == "features" for running in active_jobs())
        if st.button(
            text.say("vision.look"), key="look_at_pictures", icon=":material/visibility:", type="primary", disabled=busy
        ):
            launch("features", {"dataset": dataset}, f"Look at the pictures of {dataset}")
            st.rerun()


def show_vision(vision: VisionEvidence, text: PageText) -> None:
    """How much of the actions each predictor explains, those that look beside those that do not."""
    with st.container(border=True):
        st.markdown(f"**{text.say('vision.figure')}**")
        st.plotly_chart(
            _explained(vision, text), key="vision_explained", config=PLOT_CONFIG, alt=text.say("vision.figure")
        )
        axes = ", ".join(
            text.say("vision.axis", axis=name, share=interval.value, low=interval.low, high=interval.high)
            for name, interval in vision.headroom_by_axis.items()
        )
        st.caption(
            text.say(
                "vision.caption",
                windows=vision.windows,
                episodes=vision.episodes,
                neighbours=", ".join(map(str, vision.neighbours)),
                axes=axes,
            )
        )


def _explained(vision: VisionEvidence, text: PageText) -> go.Figure:
    names = [name for name in vision.explained if name != "constant"][::-1]
    values = [vision.explained[name] for name in names]
    figure = go.Figure(
        go.Bar(
            x=[100 * each.value for each in values],
            y=[text.say(f"predictor.{name}") for name in names],
            orientation="h",
            error_x=interval_bars(
                [100 * each.value for each in values],
                [100 * each.low for each in values],
                [100 * each.high for each in values],
                thin=True,
            ),
            marker_color=["#1b998b" if name.startswith("nearest") else "#8a9698" for name in names],
            hovertemplate="%{y}: %{x:.0f} %<extra></extra>",
        )
    )
    figure.add_vline(x=0, line=REFERENCE_LINE)
    # A predictor that is far worse than a constant would leave no room for the others.
    lowest = max(_LOWEST_SHOWN, min(0.0, *(100 * each.low for each in values)))
    figure.update_xaxes(title_text=text.say("vision.explained_axis"), range=[lowest - 5, 105])
    return compact(figure, 250)


def show_conflicts(conflicts: ConflictEvidence, episodes: Mapping[str, EpisodeInfo], text: PageText) -> None:
    """The pairs of views that look the same and were driven in opposite directions."""
    st.subheader(text.say("conflicts.title"), anchor=False)
    if not conflicts.pairs:
        st.success(text.say("conflicts.none", frames=conflicts.turning_frames), icon=":material/check_circle:")
        return
    st.caption(
        text.say(
            "conflicts.line",
            torn=conflicts.torn_frames,
            told=conflicts.told_apart_frames,
            frames=conflicts.turning_frames,
            likeness=conflicts.likeness_needed,
        )
    )
    shown = _page_of(len(conflicts.pairs), "conflict_page", text)
    with st.grid(2, min_column_width=320):
        for number in shown:
            pair = conflicts.pairs[number]
            with st.container(border=True, gap="xsmall"):
                words = "conflicts.same_words" if pair.same_instruction else "conflicts.other_words"
                st.markdown(text.say(words, likeness=pair.likeness))
                sides = [(pair.left, text.say("conflicts.left")), (pair.right, text.say("conflicts.right"))]
                _side_by_side(sides, episodes, text)


def show_leaks(leaks: LeakEvidence, episodes: Mapping[str, EpisodeInfo], text: PageText) -> None:
    """Held-out episodes whose pictures a training episode shows too."""
    st.subheader(text.say("leaks.title"), anchor=False)
    if not leaks.twins:
        st.success(
            text.say("leaks.none", held_out=leaks.held_out, share=leaks.seen_frames), icon=":material/check_circle:"
        )
        return
    shown = _page_of(len(leaks.twins), "leak_page", text)
    with st.grid(2, min_column_width=320):
        for number in shown:
            twin = leaks.twins[number]
            with st.container(border=True, gap="xsmall"):
                st.markdown(text.say("leaks.pair", share=twin.share))
                sides = [
                    (FramePlace(twin.episode_id, twin.frame, 0.0), text.say(f"leaks.{twin.part}")),
                    (FramePlace(twin.train_episode, twin.train_frame, 0.0), text.say("leaks.train")),
                ]
                _side_by_side(sides, episodes, text)


def show_splits(options: Sequence[SplitOption], text: PageText) -> None:
    """The ways to split, side by side."""
    rows = []
    for option in options:
        explained = option.clock_explained
        missing = ", ".join(option.missing_instructions)
        rows.append(
            {
                text.say("splits.by"): text.say(f"splits.{option.by}"),
                text.say("splits.asks"): text.say(f"splits.{option.by}_asks") if option.split else option.impossible,
                text.say("splits.sizes"): " / ".join(str(number) for number in option.episodes.values()) or "–",
                text.say("splits.clock"): "–" if explained is None else f"{max(0.0, explained.value):.0%}",
                text.say("splits.sessions"): "–" if option.shared_sessions is None else str(option.shared_sessions),
                text.say("splits.leaked"): "–" if option.leaked is None else str(option.leaked),
                text.say("splits.missing"): missing or "–",
            }
        )
    st.dataframe(
        pd.DataFrame(rows),
        hide_index=True,
        height="content",
        column_config={text.say("splits.asks"): st.column_config.TextColumn(width="large")},
        alt=text.say("splits.title"),
    )
    st.caption(text.say("splits.line"))


def _page_of(total: int, key: str, text: PageText) -> range:
    """Which of many pairs are shown; a choice appears where they do not fit at once."""
    if total <= _PAIRS_AT_ONCE:
        return range(total)
    pages = -(-total // _PAIRS_AT_ONCE)
    page = st.number_input(text.say("conflicts.page", pages=pages), 1, pages, 1, key=key, width=220)
    begin = (int(page) - 1) * _PAIRS_AT_ONCE
    return range(begin, min(begin + _PAIRS_AT_ONCE, total))


def _side_by_side(sides: Sequence[tuple[FramePlace, str]], episodes: Mapping[str, EpisodeInfo], text: PageText) -> None:
    """Two frames beside each other, on a phone too, each with a link that opens it in the player."""
    pictures = "".join(_picture(place, label, episodes[place.episode_id]) for place, label in sides)
    st.html(f'<div style="display:flex;gap:0.5rem">{pictures}</div>')
    with st.container(horizontal=True, horizontal_alignment="distribute"):
        for place, _ in sides:
            info = episodes[place.episode_id]
            st.page_link(
                EPISODES.path,
                label=text.say("conflicts.frame", number=place.frame + 1),
                icon=EPISODES.icon,
                help=plain(place.episode_id),
                query_params={"dataset": info.dataset, "episode": place.episode_id, "frame": str(place.frame)},
            )


def _picture(place: FramePlace, label: str, info: EpisodeInfo) -> str:
    """A frame with what was done from it on, and the episode's name, as HTML."""
    steering = info.action_space.column(info.action_space.lateral or "")
    unit = "" if steering is None else info.action_space.units[steering]
    done = f" {place.lateral:+.2f} {unit}" if place.lateral else ""
    address = frame_url(info).format(index=place.frame, width=_PICTURE_WIDTH_PX)
    alt = f"{label}: {place.episode_id}, {place.frame + 1}"
    return (
        '<figure style="flex:1;min-width:0;margin:0">'
        f'<img src="{escape(address)}" alt="{escape(alt)}" loading="lazy" style="width:100%;border-radius:4px">'
        f"<figcaption><b>{escape(label)}</b>{escape(done)}<br>"
        f'<small style="overflow-wrap:anywhere;opacity:0.7">{escape(place.episode_id)}</small></figcaption></figure>'
    )
