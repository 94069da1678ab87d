"""Do the words matter on this data? What knowing the instruction is worth to a clock, and to one that remembers pictures.

A clock alone would miss data in which the words matter only together with the picture: told left or right, everybody drives
straight on until the box is near, at a moment that no clock knows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from mvla_core.datasets.folds import held_out_folds
from mvla_core.datasets.windows import WindowSpec, chunk_targets, last_frames
from mvla_core.episodes.looks import load_looks
from mvla_core.evaluation.measure_baselines import NEAREST
from mvla_core.evaluation.measure_parts import weighted_skill
from mvla_core.evaluation.scale import ActionScale
from mvla_core.layout import DataRoot
from mvla_core.metrics.errors import error_sums
from mvla_core.metrics.nearest_picture import NearestPicture
from mvla_core.metrics.predictors import Chunks, FrameIndexClock, InstructionClock, LastFrames, Predictor
from mvla_core.schema import ActionSequence, EpisodeInfo

MOST_EPISODES = 300
"""Episodes that are held out in turn, evenly drawn where there are more."""
_MOST_WINDOWS = 60
"""Of each episode, evenly drawn."""


def instruction_gains(
    root: DataRoot,
    everyone: Sequence[EpisodeInfo],
    sequences: Sequence[ActionSequence],
    window: WindowSpec,
    scale: ActionScale,
) -> dict[str, dict[str, float | None]]:
    """Measure over all episodes, each held out once, what knowing the instruction removes of the squared error.

    Args:
        root: The data root, which keeps the looks.
        everyone: All episodes of the split.
        sequences: Their actions, in the same order.
        window: Which windows are predicted.
        scale: Gives the weights of the axes.

    Returns:
        "clock": of the instruction clock against the frame-index clock; "pictures": of the nearest pictures under the same
        instruction against the nearest pictures. Each `{"value", "low", "high"}`; "pictures" only where all have been looked at,
        none where there is one instruction, or too few episodes to hold any out.
    """
    usable = [place for place, info in enumerate(everyone) if info.num_frames >= window.minimum_frames]
    if len(usable) > MOST_EPISODES:
        usable = [usable[place] for place in np.linspace(0, len(usable) - 1, MOST_EPISODES).round().astype(int)]
    infos, kept = [everyone[place] for place in usable], [sequences[place] for place in usable]
    if len(kept) < 3 or len({sequence.instruction for sequence in kept}) < 2:
        return {}
    looks = load_looks(root, infos)
    vectors = {name: look.vectors for name, look in looks.items()} if len(looks) == len(infos) else {}
    names = ("frame_index", "instruction_clock", *(NEAREST if vectors else ()))
    squared = {name: np.zeros(len(kept)) for name in names}
    counts = np.zeros(len(kept), dtype=np.int64)
    lasts = [_asked(sequence, window) for sequence in kept]
    for fold in held_out_folds(infos):
        train = [kept[place] for place in fold.train]
        if not train:
            return {}
        held = [kept[place] for place in fold.held_out]
        asked = [lasts[place] for place in fold.held_out]
        for name, chunks in _predicted(train, held, asked, vectors, window.chunk_size, scale).items():
            for row, place in enumerate(fold.held_out):
                target, mask = chunk_targets(held[row].actions, asked[row], window.chunk_size)
                sums = error_sums(chunks[row], target, mask)
                squared[name][place], counts[place] = (sums.squared @ scale.weights).sum(), sums.count.sum()
    pairs = {
        "clock": ("instruction_clock", "frame_index"),
        **({"pictures": (NEAREST[1], NEAREST[0])} if vectors else {}),
    }
    return {
        name: weighted_skill(squared[told], squared[untold], counts, scale).to_json()
        for name, (told, untold) in pairs.items()
    }


def _asked(sequence: ActionSequence, window: WindowSpec) -> LastFrames:
    last = last_frames(sequence.num_frames, window)
    chosen = np.unique(np.linspace(0, len(last) - 1, min(_MOST_WINDOWS, len(last))).round().astype(int))
    return np.asarray(last[chosen])


def _predicted(
    train: Sequence[ActionSequence],
    held: Sequence[ActionSequence],
    lasts: Sequence[LastFrames],
    vectors: Mapping[str, npt.NDArray[np.float16]],
    chunk: int,
    scale: ActionScale,
) -> dict[str, list[Chunks]]:
    """By name, the chunks of each held-out episode; the nearest pictures where there are vectors."""
    clocks: dict[str, Predictor] = {
        "frame_index": FrameIndexClock.fit(train),
        "instruction_clock": InstructionClock.fit(train),
    }
    found = {
        name: [clock.predict(sequence, last, chunk) for sequence, last in zip(held, lasts, strict=True)]
        for name, clock in clocks.items()
    }
    for name in NEAREST if vectors else ():
        remembered = NearestPicture.fit(
            train, vectors, chunk, same_instruction=name == NEAREST[1], axis_weights=scale.weights
        )
        seen = [vectors[sequence.episode_id] for sequence in held]
        found[name] = remembered.predict_each(held, seen, lasts, chunk)
    return found
