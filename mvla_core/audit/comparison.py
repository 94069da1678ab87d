"""A data set beside others: further ones of the user, computed the same way, and published ones, cited.

Published figures are those of `reference_datasets.toml`; each names its source, and what a source does not state stays unknown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any, Literal

from mvla_core.audit.audit import audit_dataset
from mvla_core.audit.result import AuditResult
from mvla_core.datasets.windows import WindowSpec
from mvla_core.errors import UserInputError
from mvla_core.layout import DataRoot
from mvla_core.progress import SILENT, Progress
from mvla_core.wording import Language, read_catalog

TABLES: Mapping[str, tuple[str, ...]] = {
    "data": (
        "episodes",
        "frames",
        "mean_length",
        "hours",
        "frame_rate_hz",
        "image_size",
        "unique_actions",
        "diversity",
        "instructions",
        "clock_explained",
        "train_windows",
    ),
    "task": ("robot", "action_dims", "action_names", "action_units", "environments", "tasks", "simulated"),
    "model": (
        "backbone",
        "fine_tuning",
        "trainable_parameters",
        "head",
        "image_px",
        "window_size",
        "chunk_size",
        "batch_size",
        "gradient_accumulation",
        "epochs",
        "optimizer",
        "learning_rate",
        "weight_decay",
        "precision",
        "memory_gb",
    ),
}
"""The briefing's three tables: the figures of each, in order."""
FIGURES = tuple(name for names in TABLES.values() for name in names)
_SECONDS_AN_HOUR = 3600.0


@dataclass(frozen=True)
class DatasetFigures:
    """What is compared of a data set of the user; computed, nothing is quoted.

    Attributes:
        dataset: Its name.
        episodes: Readable episodes that are not excluded.
        frames: Of all of them.
        mean_length: Frames an episode; None without episodes.
        timed_episodes: Episodes whose frame rate is known.
        hours: Duration of those; None where there is none.
        frame_rates_hz: The different frame rates, ascending.
        image_sizes: The different image sizes, "width x height" in pixels, the most frequent first.
        action_names: Of the analysed action space; empty without episodes.
        action_units: Of the same dimensions.
        unique_actions: Different actions.
        diversity: Different actions / frames.
        instructions: Different instructions, without the empty one.
        clock: Predictor, explained share and the interval of the better clock; None where it could not be measured.
        train_windows: Windows of the train part; None without a split.
        simulated_episodes: How many were recorded in simulation.
    """

    dataset: str
    episodes: int
    frames: int
    mean_length: float | None
    timed_episodes: int
    hours: float | None
    frame_rates_hz: tuple[float, ...]
    image_sizes: tuple[str, ...]
    action_names: tuple[str, ...]
    action_units: tuple[str, ...]
    unique_actions: int
    diversity: float | None
    instructions: int
    clock: Mapping[str, Any] | None
    train_windows: int | None
    simulated_episodes: int

    @classmethod
    def of(cls, audit: AuditResult) -> DatasetFigures:
        """Take the figures out of an audit, which may then be forgotten."""
        timed = [(info.num_frames, info.frame_rate_hz) for info in audit.episodes if info.frame_rate_hz]
        sizes: dict[str, int] = {}
        for info in audit.episodes:
            size = f"{info.width} x {info.height}"
            sizes[size] = sizes.get(size, 0) + 1
        clock = audit.clock
        return cls(
            dataset=audit.dataset,
            episodes=len(audit.episodes),
            frames=audit.frames,
            mean_length=audit.mean_length if audit.episodes else None,
            timed_episodes=len(timed),
            hours=sum(frames / rate for frames, rate in timed) / _SECONDS_AN_HOUR if timed else None,
            frame_rates_hz=tuple(sorted({rate for _, rate in timed})),
            image_sizes=tuple(sorted(sizes, key=lambda size: (-sizes[size], size))),
            action_names=audit.action_space.names if audit.action_space else (),
            action_units=audit.action_space.units if audit.action_space else (),
            unique_actions=audit.unique_actions,
            diversity=audit.diversity if audit.sequences else None,
            instructions=len({info.instruction for info in audit.episodes} - {""}),
            clock=None if clock is None else {"predictor": clock.predictor, **clock.explained.to_json()},
            train_windows=audit.part_windows.get("train"),
            simulated_episodes=sum(info.simulated for info in audit.episodes),
        )

    def to_json(self) -> dict[str, Any]:
        value = asdict(self)
        lists = ("frame_rates_hz", "image_sizes", "action_names", "action_units")
        return value | {name: list(value[name]) for name in lists}


@dataclass(frozen=True)
class CitedFigure:
    """A published figure.

    Attributes:
        value: A number, or a text by language.
        qualifier: How exact the source is: "about", "at_least", or "" where it is exact.
        source: Where it is stated.
    """

    value: float | Mapping[Language, str]
    qualifier: Literal["", "about", "at_least"]
    source: str


@dataclass(frozen=True)
class Reference:
    """A published data set or training: its title by language, and what its sources state, by names of `FIGURES`."""

    name: str
    title: Mapping[Language, str]
    figures: Mapping[str, CitedFigure]

    def to_json(self) -> dict[str, Any]:
        """Every figure of `FIGURES`; null where the source states none."""
        return {
            "name": self.name,
            "title": self.title["en"],
            "figures": {name: self._figure(self.figures.get(name)) for name in FIGURES},
        }

    @staticmethod
    def _figure(figure: CitedFigure | None) -> dict[str, Any] | None:
        if figure is None:
            return None
        value = figure.value["en"] if isinstance(figure.value, Mapping) else figure.value
        return {"value": value, "qualifier": figure.qualifier, "source": figure.source}


@dataclass(frozen=True)
class Comparison:
    """A data set, the user's others and the published ones.

    Attributes:
        datasets: The data set itself first.
        references: As in `reference_datasets.toml`.
        preset: Name of the preset whose settings stand for ours; "" where none was chosen.
        settings: Its figures of the table "model"; None without a preset.
    """

    datasets: tuple[DatasetFigures, ...]
    references: tuple[Reference, ...]
    preset: str = ""
    settings: Mapping[str, float | str] | None = None

    def with_preset(self, name: str, recipe: Mapping[str, Any], trainable_parameters: int) -> Comparison:
        """Return the comparison with the settings of a preset as ours; `recipe` as `Recipe.to_json` writes it."""
        return replace(self, preset=name, settings=model_settings(recipe, trainable_parameters))

    def to_json(self) -> dict[str, Any]:
        return {
            "datasets": [figures.to_json() for figures in self.datasets],
            "references": [reference.to_json() for reference in self.references],
            "preset": self.preset or None,
            "settings": None if self.settings is None else dict(self.settings),
        }


def compare_datasets(
    root: DataRoot,
    dataset: str,
    others: Sequence[str] = (),
    *,
    window: WindowSpec = WindowSpec(),  # noqa: B008 - frozen, so that sharing it is safe
    seed: int = 0,
    progress: Progress = SILENT,
    audited: AuditResult | None = None,
) -> Comparison:
    """Audit the data set and the others one after the other, and put them beside the published ones.

    Only the figures of each audit are kept, so that memory does not grow with the number of data sets.

    Args:
        root: Where data sets lie.
        dataset: A name under the root, or the path of a folder.
        others: Further ones, each once.
        window: The windows a training would use.
        seed: The seed of its split.
        progress: Told what is done.
        audited: The audit of `dataset`, where it was made already, with the same window and seed.

    Raises:
        UserInputError: A data set is named twice, or there is no such data set.
    """
    names = (dataset, *others)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UserInputError(f"The data set {twice!r} is named twice; compare it with other ones.")
    first = audited or audit_dataset(root, dataset, window=window, seed=seed, progress=progress)
    figures = [DatasetFigures.of(first)]
    for name in others:
        figures.append(DatasetFigures.of(audit_dataset(root, name, window=window, seed=seed, progress=progress)))
    return Comparison(tuple(figures), references())


def model_settings(recipe: Mapping[str, Any], trainable_parameters: int) -> dict[str, float | str]:
    """Return the figures of the table "model" of a recipe.

    Args:
        recipe: As `Recipe.to_json` writes it.
        trainable_parameters: Of the policy that it makes.
    """
    same = (
        "window_size",
        "chunk_size",
        "batch_size",
        "gradient_accumulation",
        "epochs",
        "learning_rate",
        "weight_decay",
    )
    figures: dict[str, float | str] = {name: recipe[name] for name in same}
    figures |= {"backbone": recipe["backbone"], "precision": recipe["precision"], "optimizer": "AdamW"}
    figures["fine_tuning"] = f"LoRA, r {recipe['lora_rank']}, alpha {recipe['lora_alpha']}"
    figures["head"] = f"LSTM, {recipe['head_hidden']:,}"
    figures["trainable_parameters"] = trainable_parameters
    return figures


@cache
def references() -> tuple[Reference, ...]:
    """The published data sets of `reference_datasets.toml`, in the order of the file."""
    file = read_catalog("mvla_core.audit", "reference_datasets")
    return tuple(
        Reference(
            entry["name"],
            entry["title"],
            {name: _cited(figure, file["sources"]) for name, figure in entry["figures"].items()},
        )
        for entry in file["references"]
    )


def _cited(figure: Mapping[str, Any], sources: Mapping[str, str]) -> CitedFigure:
    value = figure["value"]
    by_language: float | Mapping[Language, str] = {"en": value, "ko": value} if isinstance(value, str) else value
    return CitedFigure(by_language, figure.get("qualifier", ""), sources[figure["source"]])
