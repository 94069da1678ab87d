"""NAME_failures: the drives in which the expert of the data set NAME failed, as a data set of its own.

Its episodes are left out of audit, training and evaluation from before they exist: each is excluded, with its reason, before its
file is written, so that a recording may end at any moment. Its folder holds `failures.jsonl`: whose failures they are and with
which settings, then a line for each. The first line may stand there twice, as two processes may begin at once.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from pathlib import Path

from mvla_core.episodes.annotations import change, load_annotations
from mvla_core.episodes.dataset import named_dataset
from mvla_core.episodes.notes import Change, EpisodeNote
from mvla_core.errors import UserInputError
from mvla_core.files import append_json_line
from mvla_core.layout import DataRoot
from mvla_core.simulation import journal
from mvla_core.simulation.config import MAX_WORKERS, SimulationConfig
from mvla_core.simulation.episode_file import episode_name, write_drive
from mvla_core.simulation.journal import EpisodeRecord
from mvla_core.simulation.rollout import Drive
from mvla_core.simulation.scene import Scene

FAILURES_SUFFIX = "_failures"
"""Of the data set that holds the failures of another one."""
FAILED_TAG = "failed"
FILE_NAME = "failures.jsonl"
_OF = "failures_of"
_MARK = "_failed"


@dataclass(frozen=True)
class FailureSet:
    """The failures of one data set. Nothing is made before the first one is kept."""

    root: DataRoot
    dataset: str
    """Whose failures they are."""
    config: SimulationConfig
    """Of that data set."""

    @property
    def name(self) -> str:
        return f"{self.dataset}{FAILURES_SUFFIX}"

    @property
    def folder(self) -> Path:
        return self.root.dataset(self.name)

    @property
    def is_empty(self) -> bool:
        return not any(self.folder.glob("*.h5"))

    def open(self, recorded: Collection[int]) -> None:
        """See that failures may be put there, and take over those that an earlier release kept without a journal.

        Args:
            recorded: Numbers of the data set's episodes that are finished.

        Raises:
            UserInputError: The data set of this name holds something else.
        """
        if without_journal := self.look(recorded):
            self._take_over(without_journal)

    def look(self, recorded: Collection[int]) -> list[Path]:
        """The same without changing anything: the failures that no journal names, as an earlier release kept them.

        Raises:
            UserInputError: As in `open`.
        """
        firsts = [line for line in journal.all_lines(self.folder / FILE_NAME) if _OF in line]
        for first in firsts:
            differing = journal.differing_settings(first, self.config)
            if first[_OF] != self.dataset:
                differing.insert(0, f"as failures of {first[_OF]!r}")
            if differing:
                raise UserInputError(
                    f"The data set '{self.name}' holds failures that were simulated with other settings "
                    f"({'; '.join(differing)}); choose another name than '{self.dataset}', or move them away."
                )
        if firsts:
            return []
        files = sorted(path for path in self.folder.rglob("*") if path.suffix in (".h5", ".hdf5"))
        # Beside those in the journal, those that were being recorded when an earlier release was killed.
        reached = max(recorded, default=0) + 2 * MAX_WORKERS
        own = {episode_name(self.config.seed, index) for index in range(reached)} if recorded else set()
        foreign = [path for path in files if _MARK not in path.stem or "_".join(path.stem.split("_")[:3]) not in own]
        if foreign or (self.folder / journal.FILE_NAME).exists():
            raise UserInputError(
                f"The data set '{self.name}', where the failures of '{self.dataset}' would be kept, already holds "
                "something else; choose another name, so that the two are not mixed."
            )
        return files

    def has(self, episode_id: str) -> bool:
        return (self.folder / f"{episode_id}.h5").exists()

    def keep(self, index: int, episode_id: str, reason: str, scene: Scene, recorded: Drive) -> None:
        """Exclude a failure, then write it.

        Args:
            index: Of the episode that was drawn anew.
            episode_id: From `failure_name`.
            reason: What went wrong, one word of the catalogue.
            scene: In which the expert failed.
            recorded: The drive, with its frames.

        Raises:
            SimulationError: The file cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / FILE_NAME
        if not path.exists():
            self._begin()
        changes = {episode_id: _left_out(reason)}
        change(self.root, named_dataset(self.root, self.name), changes, f"Simulation: the expert failed, {reason}")
        write_drive(self.folder / f"{episode_id}.h5", self.config, index, scene, recorded)
        record = EpisodeRecord(
            index,
            episode_id,
            scene.seed,
            len(recorded.actions),
            success=False,
            failure=reason,
            scenario=scene.scenario_label,
            shoved=recorded.shoved_at is not None,
        )
        append_json_line(path, asdict(record))

    def _begin(self) -> None:
        append_json_line(self.folder / FILE_NAME, {_OF: self.dataset, **journal.settings_of(self.config)})

    def _take_over(self, files: Collection[Path]) -> None:
        """Begin the journal, and exclude what a stopped recording of an earlier release left as if it were ordinary data."""
        ref = named_dataset(self.root, self.name)
        said = load_annotations(self.root, ref)
        changes = {
            path.stem: _left_out(path.stem.split(_MARK, 1)[1].partition("_")[2])
            for path in files
            if said.of(path.stem) == EpisodeNote()
        }
        if changes:
            change(self.root, ref, changes, f"Simulation: {len(changes)} failures of the expert")
        self._begin()


def failure_name(seed: int, index: int, attempt: int, reason: str, scene: Scene) -> str:
    """The name of a failed drive: its episode's, the number of the draw and what went wrong."""
    return f"{episode_name(seed, index)}_{scene.scenario_label}{_MARK}{attempt}_{reason}"


def _left_out(reason: str) -> Change:
    return Change(add_tags=(FAILED_TAG,), excluded_reason=f"The expert failed: {reason}.")
