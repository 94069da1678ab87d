"""`simulation.jsonl`: what a simulated data set was made from, and which of its episodes are finished."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mvla_core.errors import UserInputError
from mvla_core.files import append_json_line, read_json_lines, write_text
from mvla_core.simulation.config import SimulationConfig

FILE_NAME = "simulation.jsonl"
WORLD_VERSION = 1
"""Raised whenever the same settings give other frames or actions than before, so that no data set mixes the two."""


@dataclass(frozen=True)
class EpisodeRecord:
    """One finished episode."""

    index: int
    episode_id: str
    scene_seed: int
    frames: int
    success: bool
    failure: str
    """What went wrong in a recorded failure; "" for a success."""
    redrawn: dict[str, int] = field(default_factory=dict)
    scenario: str = ""
    """The recorder's name of its scenario; "" in journals of earlier releases."""
    shoved: bool = False
    """Whether the robot was shoved aside and recovered."""


@dataclass
class Journal:
    """The record of one data set's folder. It only grows."""

    folder: Path
    records: dict[int, EpisodeRecord] = field(default_factory=dict)

    @classmethod
    def open(cls, folder: Path, dataset: str, config: SimulationConfig) -> Journal:
        """Begin a data set, or go on with one of the same settings, whatever its number of episodes.

        Raises:
            UserInputError: The folder holds recordings of another origin, or episodes of other settings.
        """
        journal = cls.look(folder, dataset, config)
        if not (folder / FILE_NAME).exists():
            write_text(folder / FILE_NAME, json.dumps(settings_of(config)) + "\n")
        return journal

    @classmethod
    def look(cls, folder: Path, dataset: str, config: SimulationConfig) -> Journal:
        """The same without beginning anything: what is finished already.

        Raises:
            UserInputError: As in `open`.
        """
        path = folder / FILE_NAME
        if not path.exists():
            if folder.exists() and any(file.suffix in (".h5", ".hdf5") for file in folder.rglob("*")):
                raise UserInputError(
                    f"The data set '{dataset}' already holds recordings that were not simulated by this program; "
                    "choose another name, so that the two are not mixed."
                )
            return cls(folder)
        lines = all_lines(path)
        if differing := differing_settings(next(lines, {}), config):
            raise UserInputError(
                f"The data set '{dataset}' was simulated with other settings ({'; '.join(differing)}); "
                "choose another name, or the same settings to go on with it."
            )
        records = (EpisodeRecord(**line) for line in lines)
        return cls(folder, {record.index: record for record in records})

    def has(self, index: int) -> bool:
        """Whether an episode is finished and its file is still there."""
        record = self.records.get(index)
        return record is not None and (self.folder / f"{record.episode_id}.h5").exists()

    def add(self, record: EpisodeRecord) -> None:
        append_json_line(self.folder / FILE_NAME, asdict(record))
        self.records[record.index] = record


def settings_of(config: SimulationConfig) -> dict[str, Any]:
    """What two recordings have to share to be one data set: everything but the number of episodes."""
    settings = {"world_version": WORLD_VERSION, **config.to_json()}
    del settings["count"]
    return settings


def differing_settings(found: Mapping[str, Any], config: SimulationConfig) -> list[str]:
    """What the first line of a journal tells otherwise than the settings, each as part of a sentence."""
    # What a journal of an earlier release does not name was not there to be set: it stood at its default.
    usual = SimulationConfig().to_json()
    return [
        f"{key} {found.get(key, usual.get(key))} instead of {value}"
        for key, value in settings_of(config).items()
        if found.get(key, usual.get(key)) != value
    ]


def all_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Every whole line of a journal, whatever its size; none of one that is not there."""
    offset = 0
    while True:
        lines, following = read_json_lines(path, offset)
        if following == offset:
            return
        yield from lines
        offset = following
