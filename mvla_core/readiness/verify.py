"""Is everything that a readiness record stands on still the same? Every hash is computed again from the bytes on the disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from mvla_core.errors import MvlaError
from mvla_core.files import sha256_file
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.progress import SILENT, Progress
from mvla_core.readiness.assess import assess
from mvla_core.readiness.evidence import table
from mvla_core.readiness.gates import load_gates
from mvla_core.readiness.program import code_of, environment_now
from mvla_core.readiness.record import adapter_files, digest, episodes_of, read_record, seen_as
from mvla_core.schema import EpisodeInfo
from mvla_core.training.program import CHECKOUT

Part = Literal["record", "data", "run", "adapter", "evaluation", "code", "environment", "gates", "readiness"]
PARTS: tuple[Part, ...] = get_args(Part)


@dataclass(frozen=True)
class Change:
    """One thing that is not as it was.

    Attributes:
        part: What it belongs to.
        what: The file, package or gate.
        how: What happened to it, in words.
    """

    part: Part
    what: str
    how: str


@dataclass(frozen=True)
class Verification:
    """What `verify` found.

    Attributes:
        record: The file.
        run_id: Its run.
        changes: Everything that changed, in the order of `PARTS`; empty where all is as it was.
        checked: How many things were compared.
        other_hardware: In what this machine differs from the recorded one; told, and no change of the record.
    """

    record: Path
    run_id: str
    changes: tuple[Change, ...]
    checked: int
    other_hardware: tuple[str, ...]

    @property
    def unchanged(self) -> bool:
        return not self.changes

    def to_json(self) -> dict[str, Any]:
        return {
            "record": str(self.record),
            "run_id": self.run_id,
            "unchanged": self.unchanged,
            "checked": self.checked,
            "changes": [asdict(change) for change in self.changes],
            "other_hardware": list(self.other_hardware),
        }


def verify_record(path: Path, root: DataRoot, checkout: Path = CHECKOUT, progress: Progress = SILENT) -> Verification:
    """Compute every hash of a record again and name what changed.

    Args:
        path: The record.
        root: The data root that holds its run.
        checkout: The program to compare with.
        progress: Told each recording that is read.

    Raises:
        MvlaError: The file is no record, or of another version.
    """
    record = read_record(path)
    run = root.run(str(record["run_id"]))
    code, environment = code_of(checkout), environment_now(checkout)
    changes = [
        *_record(record),
        *_data(root, run, table(record.get("data")), progress),
        *_files(run, "run", table(record.get("run_files"))),
        *_files(run, "adapter", table(record.get("adapter")), adapter_files(run)),
        *_files(run, "evaluation", table(record.get("evaluation"))),
        *_code(table(record.get("code")), code),
        *_environment(table(record.get("environment")), environment),
        *_gates(root, record),
    ]
    lists = ("run_files", "adapter", "evaluation")
    checked = sum(len(table(record.get(name))) for name in lists) + len(
        table(table(record.get("data")).get("episodes"))
    )
    checked += len(table(table(record.get("code")).get("files"))) + len(record["readiness"].get("gates", ())) + 1
    checked += len(table(table(record.get("environment")).get("packages"))) + 1
    hardware = table(table(record.get("environment")).get("hardware"))
    other = tuple(
        f"{name}: {value}, recorded {hardware.get(name)}"
        for name, value in environment["hardware"].items()
        if value != hardware.get(name)
    )
    return Verification(path, run.run_id, tuple(changes), checked, other)


def _record(record: Mapping[str, Any]) -> Iterator[Change]:
    if record.get("sha256") != digest(record):
        yield Change("record", "the record itself", "was edited after it was written")


def _data(root: DataRoot, run: RunFolder, data: Mapping[str, Any], progress: Progress) -> Iterator[Change]:
    episodes = table(data.get("episodes"))
    known: dict[str, EpisodeInfo] = {}
    problem = ""
    try:
        _, known = episodes_of(root, run, {"dataset_folder": data.get("folder", "")})
    except MvlaError as error:
        problem = str(error)
    if problem:
        yield Change("data", str(data.get("dataset")), f"cannot be read: {problem}")
        return
    for done, (name, stored) in enumerate(episodes.items()):
        info = known.get(name)
        progress.update(done, len(episodes), str(stored.get("file")))
        path = Path(str(data.get("folder"))) / str(stored.get("file"))
        if not path.is_file():
            yield Change("data", path.name, "is gone")
        elif sha256_file(path) != stored.get("sha256"):
            yield Change("data", path.name, "has other bytes")
        elif info is None or seen_as(info) != stored.get("seen_as"):
            yield Change("data", path.name, "is trimmed, worded or coloured another way")


def _files(
    run: RunFolder, part: Part, stored: Mapping[str, Any], present: list[Path] | None = None
) -> Iterator[Change]:
    for name, sha256 in stored.items():
        path = run.path / name
        if not path.is_file():
            yield Change(part, name, "is gone")
        elif sha256_file(path) != sha256:
            yield Change(part, name, "has other bytes")
    for path in present or ():
        if (name := path.relative_to(run.path).as_posix()) not in stored:
            yield Change(part, name, "is new")


def _code(stored: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Change]:
    if stored.get("commit") != now["commit"]:
        yield Change("code", "commit", f"is {now['commit']}, recorded {stored.get('commit')}")
    yield from _table("code", table(stored.get("files")), now["files"], "has other bytes")


def _environment(stored: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Change]:
    if stored.get("python") != now["python"]:
        yield Change("environment", "python", f"is {now['python']}, recorded {stored.get('python')}")
    yield from _table("environment", table(stored.get("packages")), now["packages"])


def _table(part: Part, stored: Mapping[str, Any], now: Mapping[str, Any], how: str = "") -> Iterator[Change]:
    for name, value in stored.items():
        if name not in now:
            yield Change(part, name, "is gone")
        elif now[name] != value:
            yield Change(part, name, how or f"is {now[name]}, recorded {value}")
    for name in now:
        if name not in stored:
            yield Change(part, name, "is new")


def _gates(root: DataRoot, record: Mapping[str, Any]) -> Iterator[Change]:
    """The gates that hold now, and what they say now of what is stored now."""
    try:
        gates = load_gates(root)
        found = {result.gate.name: result for result in assess(root, str(record["run_id"]), fresh=True).gates}
    except MvlaError as error:
        yield Change("gates", "gates", f"cannot be decided: {error}")
        return
    stored = table(record.get("gates"))
    now = gates.to_json()
    before = table(stored.get("gates"))
    for name, gate in now["gates"].items():
        if before.get(name) != gate:
            changed = [key for key in gate if table(before.get(name)).get(key) != gate[key]]
            yield Change("gates", name, f"has another {', '.join(changed)}")
    for name in before:
        if name not in now["gates"]:
            yield Change("gates", name, "is gone")
    if table(stored.get("robot")) != now["robot"]:
        yield Change("gates", "robot", "has other limits")
    for entry in record["readiness"].get("gates", ()):
        result = found.get(str(entry.get("name")))
        if result is not None and result.status != entry.get("status"):
            said, was = result.status.replace("_", " "), str(entry.get("status")).replace("_", " ")
            yield Change("readiness", result.gate.name, f"is {said}, recorded {was}")
