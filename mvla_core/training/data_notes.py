"""What a launch refuses in the data itself, and what a reader of the run should know about it. Torch-free."""

from __future__ import annotations

from collections.abc import Sequence

from mvla_core.datasets.split import Split
from mvla_core.datasets.windows import WindowSpec
from mvla_core.errors import DatasetError
from mvla_core.policies.instructions import unknown_words
from mvla_core.schema import EpisodeInfo
from mvla_core.training.recipe import Recipe


def check_action_spaces(dataset: str, episodes: Sequence[EpisodeInfo]) -> None:
    spaces = {info.action_space: info.episode_id for info in episodes}
    if len(spaces) > 1:
        described = "; ".join(
            f"{', '.join(space.names)} in {', '.join(space.units)} (for example {name})"
            for space, name in spaces.items()
        )
        raise DatasetError(
            f"The data set {dataset} mixes action spaces and no policy can predict them all: {described}; keep the episodes "
            "of each robot in a data set of their own."
        )


def _short_episodes(episodes: Sequence[EpisodeInfo], split: Split, window: WindowSpec) -> list[str]:
    """Count and name the episodes that are shorter than a window and a chunk, with what happens to them."""
    notes = []
    taught = [info for info in episodes if info.episode_id not in set(split.excluded)]
    padded = [info.episode_id for info in taught if info.num_frames < window.unpadded_frames]
    whole = window.window_size + window.chunk_size
    cut = [info.episode_id for info in taught if window.unpadded_frames <= info.num_frames < whole]
    if split.excluded:
        notes.append(
            f"{len(split.excluded)} of {len(episodes)} episodes have fewer than the {window.minimum_frames} frames of one item "
            f"and take no part; short_episodes 'pad' would use them: {', '.join(split.excluded)}."
        )
    if padded:
        notes.append(
            f"{len(padded)} of {len(episodes)} episodes have fewer than the {window.unpadded_frames} frames of one item and are "
            f"padded, as short_episodes says: {', '.join(padded)}."
        )
    if cut:
        notes.append(
            f"{len(cut)} of {len(episodes)} episodes are shorter than a window and a chunk together ({whole} frames): every chunk "
            f"of theirs is cut at its end, and what is missing is left out of the loss: {', '.join(cut)}."
        )
    return notes


def data_notes(episodes: Sequence[EpisodeInfo], split: Split, recipe: Recipe) -> list[str]:
    """Say what a reader of the run should know about its data; written to the configuration and repeated by the trainer."""
    notes = _short_episodes(episodes, split, recipe.window)
    words = sorted({word for info in episodes for word in unknown_words(info.instruction)})
    if words:
        notes.append(
            "The text model reads English; these Korean words of the instructions are not in the glossary and carry no meaning "
            f"for it: {', '.join(words)}."
        )
    if recipe.curriculum == "simple_first" and recipe.curriculum_epochs > recipe.epochs:
        notes.append(
            f"The curriculum takes {recipe.curriculum_epochs} epochs until all training episodes take part and the training has "
            f"{recipe.epochs}: the most difficult episodes are never seen."
        )
    without = sum(not info.instruction for info in episodes)
    if 0 < without < len(episodes):
        notes.append(
            f"{without} of {len(episodes)} episodes have no instruction; the policy learns them with an empty one."
        )
    return notes
