"""Settings of a simulated data set that resembles a real one: image size, frame rate, keys, wording, colours, scenarios.

Everything is measured from the recordings, excluded ones left out. What cannot be matched is said, never guessed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mvla_core.episodes.curation import scan_curated
from mvla_core.episodes.dataset import named_dataset
from mvla_core.episodes.reader import open_episode
from mvla_core.errors import SimulationError, UserInputError
from mvla_core.layout import DataRoot
from mvla_core.progress import SILENT, Progress
from mvla_core.schema import ANGULAR_Z, LINEAR_X, LINEAR_Y, ActionSpace, EpisodeInfo
from mvla_core.simulation.config import TOP_SPEED, SimulationConfig
from mvla_core.simulation.sampling import sample_scene
from mvla_core.simulation.world import World

SAMPLED_EPISODES, SAMPLED_FRAMES = 24, 3
"""Episodes, spread over the data set, and frames of each, whose pixels and actions are looked at."""
SIMULATED_FRAMES, SIMULATED_HEIGHT_PX = 12, 72
RARE_SHARE = 0.005
"""A velocity in fewer than this share of the frames is none of the keys."""
MAX_COMBOS = 24
USUAL_INTERVAL_S = 0.155
LENGTH_SLACK = 1.6
"""Drives with other keys may take this much longer than the usual ones at the same rate."""
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Match:
    """What a data set would have a simulation be."""

    dataset: str
    settings: dict[str, Any]
    """Fields of `SimulationConfig` in the form of JSON."""
    matched: tuple[str, ...]
    """One sentence for each thing that was taken over, with its figures."""
    unmatched: tuple[str, ...]
    """One sentence for each thing that could not be, with the reason."""

    def to_json(self) -> dict[str, Any]:
        return {
            "dataset": self.dataset,
            "settings": self.settings,
            "matched": list(self.matched),
            "unmatched": list(self.unmatched),
        }


class _Report:
    """Collects settings and sentences."""

    def __init__(self) -> None:
        self.settings: dict[str, Any] = {}
        self.matched: list[str] = []
        self.unmatched: list[str] = []

    def take(self, sentence: str, **settings: Any) -> None:
        self.matched.append(sentence)
        self.settings |= settings


def match_dataset(root: DataRoot, dataset: str, progress: Progress = SILENT) -> Match:
    """Measure a data set and return the settings that resemble it.

    Args:
        root: The data root.
        dataset: Its name.
        progress: Asked between episodes whether to stop.

    Raises:
        UserInputError: There is no such data set, or nothing in it can be used.
        Stopped: The user asked for it.
    """
    episodes = scan_curated(root, named_dataset(root, dataset), progress).episodes
    if not episodes:
        raise UserInputError(
            f"The data set '{dataset}' has no episode that could be matched; choose one whose recordings can be read."
        )
    sample = [episodes[i] for i in np.unique(np.linspace(0, len(episodes) - 1, SAMPLED_EPISODES).astype(int))]
    report = _Report()
    _match_size(report, episodes)
    actions, means, deviations = _measured(sample, progress)
    fastest = _match_actions(report, sample[0], actions)
    _match_rate(report, episodes, fastest)
    _match_wording(report, episodes)
    _match_scenarios(report, episodes)
    _match_colours(report, means, deviations)
    return Match(dataset, report.settings, tuple(report.matched), tuple(report.unmatched))


def _measured(sample: Sequence[EpisodeInfo], progress: Progress) -> tuple[npt.NDArray[np.float32], Doubles, Doubles]:
    """Actions (n, dims) of the sampled episodes of the first one's space, and mean and deviation (3,) of their frames."""
    actions, sums, squares, pixels = [], np.zeros(3), np.zeros(3), 0
    for info in sample:
        progress.check()
        with open_episode(info.path, info.dataset, color_order=info.color_order, trim=info.trim) as episode:
            if info.action_space == sample[0].action_space:
                actions.append(episode.actions())
            for index in np.unique(np.linspace(0, info.num_frames - 1, SAMPLED_FRAMES).astype(int)):
                frame = episode.frame(int(index)).reshape(-1, 3).astype(np.float64)
                sums, squares, pixels = sums + frame.sum(0), squares + (frame**2).sum(0), pixels + len(frame)
    mean = sums / pixels
    return np.concatenate(actions), mean, np.sqrt(np.maximum(squares / pixels - mean**2, 0.0))


def _match_size(report: _Report, episodes: Sequence[EpisodeInfo]) -> None:
    (height, width), number = Counter((info.height, info.width) for info in episodes).most_common(1)[0]
    share = min(1.0, 1024 / height, 2048 / width)
    own = (max(16, round(height * share)), max(16, round(width * share)))
    sentence = f"Frames of {own[1]} x {own[0]} pixels, as in {number} of {len(episodes)} episodes."
    report.take(sentence, image_size=own[0], image_width=own[1])
    if own != (height, width):
        report.unmatched.append(f"The full size of {width} x {height} pixels: the simulator draws {own[1]} x {own[0]}.")


def _match_rate(report: _Report, episodes: Sequence[EpisodeInfo], fastest: float) -> None:
    """The frame rate, and how many frames a drive then has; slower keys make drives longer too."""
    slower = TOP_SPEED / fastest * (LENGTH_SLACK if report.settings.get("combos") else 1.0)
    rates = [info.frame_rate_hz for info in episodes if info.frame_rate_hz]
    interval = USUAL_INTERVAL_S
    if not rates:
        report.unmatched.append("The frame rate: no recording tells it; the simulator's 5 to 8 Hz is kept.")
    elif not 1.0 <= float(np.median(rates)) <= 20.0:
        report.unmatched.append(
            f"The frame rate of {np.median(rates):.1f} Hz: the simulator records 1 to 20 Hz; its 5 to 8 Hz is kept."
        )
    else:
        low, high = (float(np.clip(1.0 / rate, 0.05, 1.0)) for rate in np.percentile(rates, (95, 5)))
        interval = (low + high) / 2
        report.take(f"{np.median(rates):.1f} frames a second.", frame_interval_s=[round(low, 3), round(high, 3)])
    lengths = USUAL_INTERVAL_S / interval * np.array([14.0, 26.0 * max(1.0, slower)])
    report.settings["frames"] = [int(max(2, lengths[0] * 0.7)), int(min(500, np.ceil(lengths[1])))]


def _match_actions(report: _Report, first: EpisodeInfo, actions: npt.NDArray[np.float32]) -> float:
    """Keys or continuous velocities; returns the greatest speed along an axis in m/s."""
    space = first.action_space
    columns = [index for name in (LINEAR_X.name, LINEAR_Y.name) if (index := space.column(name)) is not None]
    if len(columns) < 2 or any(space.units[index] != LINEAR_X.unit for index in columns):
        report.unmatched.append(
            f"The actions {', '.join(space.names)} in {', '.join(space.units)}: the simulated robot drives linear_x and linear_y "
            "in m/s; its own keys are kept."
        )
        return TOP_SPEED
    if space == ActionSpace.default(3):
        report.take("Three axes, linear_x, linear_y and angular_z; the last one is written as 0.", action_dims=3)
    elif space != ActionSpace.default(2):
        report.unmatched.append(
            f"The axes {', '.join(space.names)} in {', '.join(space.units)}: the simulator writes linear_x, linear_y and "
            "angular_z, or the first two alone, in m/s and rad/s and in this order."
        )
    turn = space.column(ANGULAR_Z.name)
    if turn is not None and np.any(np.abs(actions[:, turn]) > 1e-3):
        report.unmatched.append("The turns: the simulated expert keeps its heading and moves sideways instead.")
    moves: Doubles = np.asarray(np.round(actions[:, columns], 4) + 0.0, np.float64)
    counted = Counter(map(tuple, moves[np.any(np.abs(moves) > 1e-3, axis=1)].tolist()))
    combos = sorted(combo for combo, number in counted.items() if number >= RARE_SHARE * len(moves))
    fast = [combo for combo in combos if max(map(abs, combo)) > TOP_SPEED]
    if fast:
        report.unmatched.append(
            f"Speeds above {TOP_SPEED} m/s, for example {max(fast)}: the simulated base is not so fast."
        )
        combos = [combo for combo in combos if combo not in fast]
    covered = sum(counted[combo] for combo in combos) / max(1, sum(counted.values()))
    if not counted or len(combos) > MAX_COMBOS or covered < 0.9:
        return _match_continuous(report, moves)
    try:
        SimulationConfig(combos=tuple((float(x), float(y)) for x, y in combos))
    except UserInputError as error:
        report.unmatched.append(f"The keys, {len(combos)} velocities: {error}")
        return TOP_SPEED
    told = ", ".join(f"({x:g}, {y:g})" for x, y in combos)
    report.take(f"{len(combos)} keys: {told} m/s.", combos=[list(combo) for combo in combos], actions="keyboard")
    return max(float(x) for x, _ in combos)


def _match_continuous(report: _Report, moves: Doubles) -> float:
    speed = float(np.percentile(np.abs(moves).max(axis=1), 95)) if len(moves) else 0.0
    if speed < 0.2:
        report.unmatched.append(f"The speed of {speed:.2f} m/s: the simulated robot drives 0.2 to {TOP_SPEED} m/s.")
        return TOP_SPEED
    cruise = round(min(speed, TOP_SPEED), 3)
    report.take(f"Continuous velocities up to {cruise:g} m/s.", actions="continuous", cruise_speeds=[cruise])
    return cruise


_SIDE_WORDS = {
    "left": re.compile(r"\bleft\b|왼쪽|좌측", re.IGNORECASE),
    "right": re.compile(r"\bright\b|오른쪽|우측", re.IGNORECASE),
    "straight": re.compile(r"\bstraight\b|직진", re.IGNORECASE),
}


def _match_wording(report: _Report, episodes: Sequence[EpisodeInfo]) -> None:
    said: dict[str, Counter[str]] = {side: Counter() for side in _SIDE_WORDS}
    for info in episodes:
        sides = [side for side, words in _SIDE_WORDS.items() if words.search(info.instruction)]
        side = info.scenario.side or (sides[0] if len(sides) == 1 else None)
        if side in said and 0 < len(info.instruction) <= 300:
            said[side][info.instruction] += 1
    found = {side: counter.most_common(1)[0][0] for side, counter in said.items() if counter}
    if not found:
        report.unmatched.append("The wording: no instruction tells a side; the simulator's own sentences are kept.")
        return
    told = "; ".join(f"{side}: “{sentence}”" for side, sentence in found.items())
    report.take(f"Instructions, {told}.", instructions=[list(pair) for pair in found.items()])
    if len(set(found.values())) < len(found):
        report.unmatched.append("A wording that tells the side: the recordings say the same for several sides.")
    for side in {"left", "right"} - set(found):
        report.unmatched.append(f"The wording for {side}: no recording has one; the simulator's own sentence is kept.")


def _match_scenarios(report: _Report, episodes: Sequence[EpisodeInfo]) -> None:
    counts: Counter[str] = Counter()
    for info in episodes:
        found = info.scenario
        if found.boxes in (1, 2):
            # A recorded layout, side or distance that is none of the simulator's is drawn.
            known = (
                "target" if found.goal == "target" else None,
                f"{found.boxes}box",
                found.layout if found.layout in ("vert", "hori") else None,
                found.side if found.side in ("left", "right") else None,
                found.distance if found.distance in ("close", "medium", "far") else None,
            )
            counts["_".join(part for part in known if part)] += 1
    if not counts:
        report.unmatched.append("The scenarios: no recording names its boxes; one box, everything else drawn, is kept.")
        return
    told = ", ".join(f"{name} {number}" for name, number in sorted(counts.items()))
    report.take(f"Scenarios: {told}.", scenarios=[[name, number] for name, number in sorted(counts.items())])


def _match_colours(report: _Report, mean: Doubles, deviation: Doubles) -> None:
    """Mean and deviation of each channel, by a gain and an offset on the simulated pixels."""
    plain = SimulationConfig.from_settings(**{**report.settings, "image_noise": 0.0})
    try:
        own_mean, own_deviation = _simulated_colours(plain)
    except SimulationError as error:
        report.unmatched.append(f"The colours: {error}")
        return
    gain = np.clip(deviation / np.maximum(own_deviation, 1.0), 0.2, 5.0)
    offset = np.clip(mean - gain * own_mean, -255.0, 255.0)
    colours = {"color_gain": np.round(gain, 4).tolist(), "color_offset": np.round(offset, 2).tolist()}
    reached, spread = _simulated_colours(SimulationConfig.from_settings(**{**plain.to_json(), **colours}))
    report.take(
        f"Colours: mean {_triple(mean)} and deviation {_triple(deviation)} of red, green, blue; simulated frames reach "
        f"{_triple(reached)} and {_triple(spread)}.",
        **colours,
    )
    if np.abs(reached - mean).max() > 15 or np.abs(spread - deviation).max() > 15:
        report.unmatched.append("All of the colours: pixel values that leave 0 to 255 are cut off, see the figures.")


def _simulated_colours(config: SimulationConfig) -> tuple[Doubles, Doubles]:
    """Mean and deviation (3,) of first frames, drawn small."""
    height, width = config.image_shape
    world = World(SIMULATED_HEIGHT_PX, max(16, round(SIMULATED_HEIGHT_PX * width / height)))
    pixels = []
    for seed in range(SIMULATED_FRAMES):
        world.reset(sample_scene(seed, "left", config))
        pixels.append(world.frame().reshape(-1, 3))
    values = np.concatenate(pixels).astype(np.float64)
    return values.mean(0), values.std(0)


def _triple(values: Doubles) -> str:
    return "/".join(f"{value:.0f}" for value in values)
