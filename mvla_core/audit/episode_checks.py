"""Findings about what the episodes are: lengths, instructions, sides, and whether they fit together."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Sequence

from mvla_core.audit.balance import UNKNOWN, by_scenario
from mvla_core.audit.thresholds import Thresholds
from mvla_core.audit.wording import names_of, percent
from mvla_core.datasets.windows import WindowSpec, complete_windows
from mvla_core.schema import ActionSpace, EpisodeInfo, Finding

_LEFT = re.compile(r"\bleft\b|왼", re.IGNORECASE)
_RIGHT = re.compile(r"\bright\b|오른", re.IGNORECASE)


def episode_side(info: EpisodeInfo) -> str | None:
    """Return "left", "right" or "straight": from the scenario, else from the instruction's words; None where neither
    says.
    """
    if info.scenario.side is not None:
        return info.scenario.side
    left, right = bool(_LEFT.search(info.instruction)), bool(_RIGHT.search(info.instruction))
    return None if left == right else ("left" if left else "right")


def action_spaces(episodes: Sequence[EpisodeInfo]) -> list[tuple[ActionSpace, int]]:
    """Return each action space with its number of episodes, the most frequent first."""
    # Compared, not hashed: a data set has one or two, and hashing their nested fields is slow for thousands of episodes.
    found: list[tuple[ActionSpace, int]] = []
    for info in episodes:
        for place, (space, count) in enumerate(found):
            if space == info.action_space:
                found[place] = (space, count + 1)
                break
        else:
            found.append((info.action_space, 1))
    return sorted(found, key=lambda item: -item[1])


def check_episodes(
    dataset: str, episodes: Sequence[EpisodeInfo], window: WindowSpec, thresholds: Thresholds
) -> list[Finding]:
    """Return every finding of this module; an empty list for no episodes."""
    if not episodes:
        return []
    return [
        *_short_episodes(dataset, episodes, window),
        *_mixtures(dataset, episodes),
        *_frame_rates(dataset, episodes, thresholds),
        *_instructions(dataset, episodes, thresholds),
        *_sides(dataset, episodes, thresholds),
        *_scenarios(dataset, episodes, thresholds),
    ]


def _short_episodes(dataset: str, episodes: Sequence[EpisodeInfo], window: WindowSpec) -> list[Finding]:
    findings = []
    useless = [info.episode_id for info in episodes if info.num_frames < window.minimum_frames]
    incomplete = [
        info.episode_id
        for info in episodes
        if info.num_frames >= window.minimum_frames and complete_windows(info.num_frames, window) == 0
    ]
    if useless:
        findings.append(
            Finding(
                "warning",
                "short_episode",
                useless[0] if len(useless) == 1 else dataset,
                f"{len(useless)} of {len(episodes)} episodes have fewer than {window.minimum_frames} frames and give no training "
                f"window: {names_of(useless)}.",
                "Leave them out, or record them again.",
                {"episodes": useless},
            )
        )
    if incomplete:
        findings.append(
            Finding(
                "info",
                "short_episode",
                incomplete[0] if len(incomplete) == 1 else dataset,
                f"{len(incomplete)} of {len(episodes)} episodes are shorter than a window of {window.window_size} frames with its "
                f"chunk of {window.chunk_size} actions: {names_of(incomplete)}. The missing targets are masked.",
                "",
                {"episodes": incomplete},
            )
        )
    return findings


def _mixtures(dataset: str, episodes: Sequence[EpisodeInfo]) -> list[Finding]:
    spaces = action_spaces(episodes)
    findings = []
    if len(spaces) > 1:
        shown = "; ".join(
            f"{count} with {', '.join(f'{dim.name} [{dim.unit}]' for dim in space.dims)}" for space, count in spaces
        )
        findings.append(
            Finding(
                "error",
                "mixed_action_space",
                dataset,
                f"The episodes have {len(spaces)} different action spaces: {shown}. Only the most frequent one is analysed.",
                "Put the episodes of each robot or recorder into a data set of its own.",
            )
        )
    for code, what, values in (
        ("mixed_image_size", "image sizes", [f"{info.width}x{info.height}" for info in episodes]),
        ("mixed_color_order", "colour orders", [info.color_order for info in episodes]),
        ("mixed_schema", "file layouts", [_layout(info) for info in episodes]),
    ):
        findings += _mixture(dataset, code, what, values)
    return findings


def _mixture(dataset: str, code: str, what: str, values: Sequence[Hashable]) -> list[Finding]:
    kinds = Counter(values)
    if len(kinds) == 1:
        return []
    shown = ", ".join(f"{value} ({count})" for value, count in kinds.most_common())
    return [
        Finding(
            "warning",
            code,
            dataset,
            f"The episodes have {len(kinds)} different {what}: {shown}.",
            "Check that the camera and the recorder were set the same; a policy can tell recordings apart by it.",
        )
    ]


def _layout(info: EpisodeInfo) -> str:
    """What tells one recorder's files from another's, beside the action space: the frames' key, and what else is written."""
    rate = "with" if info.frame_rate_hz is not None else "without"
    return f"frames in {info.image_key}, {rate} a frame rate"


def _frame_rates(dataset: str, episodes: Sequence[EpisodeInfo], thresholds: Thresholds) -> list[Finding]:
    known = [info.frame_rate_hz for info in episodes if info.frame_rate_hz is not None]
    allowed = thresholds["frame_rate_ratio"]
    if not known or allowed.meets(max(known) / min(known), allowed.needed):
        return []
    return [
        Finding(
            "warning",
            "mixed_frame_rate",
            dataset,
            f"The episodes were recorded at {min(known):.3g} to {max(known):.3g} frames a second, more than "
            f"{allowed.needed:g} times apart: the same chunk of actions covers different times.",
            "Put recordings of each rate into a data set of its own, or record them again at one rate.",
            {"lowest": min(known), "highest": max(known)},
        )
    ]


def _instructions(dataset: str, episodes: Sequence[EpisodeInfo], thresholds: Thresholds) -> list[Finding]:
    missing = [info.episode_id for info in episodes if not info.instruction]
    present = Counter(info.instruction for info in episodes if info.instruction)
    findings = []
    if missing and not present:
        findings.append(
            Finding(
                "info",
                "missing_instruction",
                dataset,
                "No episode has an instruction: a policy trained on it cannot obey one.",
                "Store `language_instruction` in the episodes if the robot shall be told what to do.",
            )
        )
    elif missing:
        findings.append(
            Finding(
                "warning",
                "missing_instruction",
                missing[0] if len(missing) == 1 else dataset,
                f"{len(missing)} of {len(episodes)} episodes ({percent(len(missing) / len(episodes))}) have no instruction: "
                f"{names_of(missing)}.",
                "Store `language_instruction` in them, or leave them out.",
                {"episodes": missing, "share": len(missing) / len(episodes)},
            )
        )
    if len(present) == 1 and not missing:
        findings.append(
            Finding(
                "info",
                "one_instruction",
                dataset,
                f"Every episode has the same instruction ({next(iter(present))!r}): a policy can ignore it at no cost.",
                "Record the same scenes with another instruction and another way.",
            )
        )
    if len(present) > 1:
        rarest, count = min(present.items(), key=lambda item: (item[1], item[0]))
        even = sum(present.values()) / len(present)
        if not thresholds["rarer_instruction_share"].meets(count / even, thresholds["rarer_instruction_share"].needed):
            findings.append(
                Finding(
                    "warning",
                    "unbalanced_instruction",
                    dataset,
                    f"The instruction {rarest!r} has {count} of {sum(present.values())} episodes, where an even share of "
                    f"{len(present)} instructions is {even:.0f}.",
                    f"Record more episodes with {rarest!r}.",
                    {"instructions": dict(present)},
                )
            )
    return findings


def _sides(dataset: str, episodes: Sequence[EpisodeInfo], thresholds: Thresholds) -> list[Finding]:
    sides = Counter(episode_side(info) for info in episodes)
    left, right = sides["left"], sides["right"]
    rarer = thresholds["rarer_side_share"]
    if left + right == 0 or rarer.meets(min(left, right) / (left + right), rarer.needed):
        return []
    few = "right" if right < left else "left"
    return [
        Finding(
            "warning",
            "unbalanced_side",
            dataset,
            f"{left} episodes go left and {right} go right: a policy can learn the side by heart.",
            f"Record episodes that go {few}, in the same places.",
            {"left": left, "right": right},
        )
    ]


def _scenarios(dataset: str, episodes: Sequence[EpisodeInfo], thresholds: Thresholds) -> list[Finding]:
    groups = [group for group in by_scenario(episodes) if group.name != UNKNOWN]
    told = sum(group.episodes for group in groups)
    if len(groups) == 1 and told == len(episodes):
        return [
            Finding(
                "info",
                "one_scenario",
                dataset,
                f"Every episode is of the scenario {groups[0].name}: nothing tells how a policy does elsewhere.",
                "Record other scenarios, so that a held-out one can be tested.",
                {"scenario": groups[0].name},
            )
        ]
    rarer = thresholds["rarer_instruction_share"].needed
    rare = {group.name: group.episodes for group in groups if group.episodes < rarer * told / len(groups)}
    if not rare:
        return []
    shown = names_of([f"{name} ({count})" for name, count in rare.items()])
    return [
        Finding(
            "info",
            "unbalanced_scenario",
            dataset,
            f"{len(rare)} of {len(groups)} scenarios have less than {percent(rarer)} of an even share of {told} episodes: {shown}.",
            "Record more episodes of these scenarios.",
            {"scenarios": rare},
        )
    ]
