"""The readiness record: one JSON file with every gate and the hashes of everything that it stands on.

    runs/<run_id>/readiness/record-<UTC time>.json

It is written once and never changed; `verify` tells whether what it stands on is still the same.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mvla_core.datasets.split import PARTS, Split
from mvla_core.driving.results import results_path
from mvla_core.episodes.annotations import frozen
from mvla_core.episodes.curation import scan_curated
from mvla_core.episodes.dataset import DatasetRef, resolve_dataset
from mvla_core.episodes.snapshots import content_digests
from mvla_core.errors import MvlaError, RunError
from mvla_core.evaluation.results import audit_path
from mvla_core.files import read_json, sha256_file, write_json
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.progress import SILENT, Progress
from mvla_core.readiness.assess import STATUSES, assess
from mvla_core.readiness.evidence import table
from mvla_core.readiness.gates import load_gates, own_gates_file
from mvla_core.readiness.program import code_of, environment_now
from mvla_core.schema import EpisodeInfo

FORMAT = 1
CARD = "README.md"
"""The adapter's model card is written from a record and after it, so that it is no part of one."""


@dataclass(frozen=True)
class RecordSummary:
    """What a list or a chart shows of a record.

    Attributes:
        path: The file.
        run_id: Its run.
        written: When, ISO 8601 in UTC.
        passed: The highest level that was passed; None for none.
        met: Gates met.
        not_met: Gates not met.
        not_measured: Gates not measured.
        episodes: Recorded episodes at the evaluation; None where it was not evaluated.
        frames: Recorded frames, likewise.
        sentence: What it said, in English.
    """

    path: Path
    run_id: str
    written: str
    passed: str | None
    met: int
    not_met: int
    not_measured: int
    episodes: int | None
    frames: int | None
    sentence: str


def records_folder(run: RunFolder) -> Path:
    return run.path / "readiness"


def write_record(root: DataRoot, run_id: str, progress: Progress = SILENT) -> Path:
    """Hold a run against its gates and keep the result with the hashes of everything it stands on.

    Recordings whose hash is not in the cache are read.

    Raises:
        RunError: There is no such run, it is not evaluated, or episodes of its split are gone.
        MvlaError: A file of the run is damaged, or the gates cannot be used.
    """
    value = make_record(root, run_id, progress)
    stamp = datetime.fromisoformat(value["written"]).strftime("%Y%m%dT%H%M%S.%fZ")
    path = records_folder(root.run(run_id)) / f"record-{stamp}.json"
    write_json(path, value)
    return path


def make_record(root: DataRoot, run_id: str, progress: Progress = SILENT) -> dict[str, Any]:
    """Return the record as `write_record` writes it. Raises the same."""
    readiness = assess(root, run_id, fresh=True)
    run = root.run(run_id)
    if not run.evaluation_results.is_file():
        raise RunError(
            f"The run {run_id!r} is not evaluated, so there is nothing to record; "
            f"evaluate it: python -m mvla_core evaluate {run_id}"
        )
    config = table(read_json(run.config))
    value = {
        "format": FORMAT,
        "written": datetime.now(UTC).isoformat(timespec="microseconds"),
        "run_id": run_id,
        "data": data_of(root, run, config, progress),
        "run_files": files_of(run, _run_files(run)),
        "adapter": files_of(run, adapter_files(run)),
        "evaluation": files_of(run, _evaluation_files(run)),
        "code": code_of(),
        "environment": environment_now(),
        "gates": {
            "sha256": readiness.gates_sha256,
            "own_file_sha256": sha256_file(own_gates_file(root)) if own_gates_file(root).is_file() else None,
            **load_gates(root).to_json(),
        },
        "readiness": readiness.to_json(),
        "reproduce": reproduce(run_id, config),
    }
    return {**value, "sha256": digest(value)}


def data_of(root: DataRoot, run: RunFolder, config: Mapping[str, Any], progress: Progress = SILENT) -> dict[str, Any]:
    """Return what the run was made from: version of the data set, split, and the SHA-256 of each of its episodes' files.

    Raises:
        RunError: An episode of the split is gone.
    """
    split = Split.from_json(read_json(run.split))
    ref, known = episodes_of(root, run, config)
    wanted = [name for part in (*PARTS, "gap", "excluded") for name in getattr(split, part)]
    missing = [name for name in wanted if name not in known]
    if missing:
        raise RunError(
            f"The run {run.run_id!r} has {len(missing)} episodes that its data set no longer holds, first {missing[0]!r}; "
            "restore them, or train a new run."
        )
    infos = [known[name] for name in dict.fromkeys(wanted)]
    digests = content_digests(root, ref, infos, progress)
    version = table(table(read_json(run.provenance)).get("data")) if run.provenance.is_file() else {}
    return {
        "dataset": str(config.get("dataset", "")),
        "folder": str(ref.folder),
        "snapshot": version.get("snapshot"),
        "snapshot_sha256": version.get("sha256"),
        "split": split.to_json(),
        "episodes": {
            info.episode_id: {
                "file": info.path.name,
                "bytes": info.file_size,
                "sha256": digests[info.episode_id],
                "part": split.part_of(info.episode_id),
                "seen_as": seen_as(info),
            }
            for info in infos
        },
    }


def episodes_of(root: DataRoot, run: RunFolder, config: Mapping[str, Any]) -> tuple[DatasetRef, dict[str, EpisodeInfo]]:
    """The data set of a run and its episodes, curated as the run was when it was made."""
    ref = resolve_dataset(root, str(config.get("dataset_folder", config.get("dataset", ""))))
    data = scan_curated(root, ref, annotations=frozen(run.path))
    return ref, {info.episode_id: info for info in data.episodes}


def seen_as(info: EpisodeInfo) -> dict[str, Any]:
    """How training saw an episode beyond its bytes: trim, instruction, colour order."""
    return {
        "trim": None if info.trim is None else list(info.trim),
        "instruction": info.instruction,
        "color_order": info.color_order,
    }


def files_of(run: RunFolder, paths: list[Path]) -> dict[str, str]:
    """SHA-256 by path below the run folder."""
    return {path.relative_to(run.path).as_posix(): sha256_file(path) for path in paths}


def adapter_files(run: RunFolder) -> list[Path]:
    """Every file of the adapter but its card."""
    found = run.adapter.rglob("*") if run.adapter.is_dir() else ()
    return sorted(path for path in found if path.is_file() and path.name != CARD)


def _run_files(run: RunFolder) -> list[Path]:
    named = (run.config, run.split, run.provenance, run.augmentation, run.path / "curation.json")
    return [path for path in named if path.is_file()]


def _evaluation_files(run: RunFolder) -> list[Path]:
    return [
        path for path in (run.evaluation_results, results_path(run), audit_path(run), run.predictions) if path.is_file()
    ]


def reproduce(run_id: str, config: Mapping[str, Any]) -> dict[str, str]:
    """Return the one command that measures and decides again, and the one that trains such a run again."""
    settings = []
    for name, value in table(config.get("recipe")).items():
        if name != "seed" and value not in (None, ""):
            settings.append(f"--{name.replace('_', '-')} {shlex.quote(str(value))}")
    dataset = shlex.quote(str(config.get("dataset_folder", config.get("dataset", ""))))
    train = f"python -m mvla_core train {dataset} --preset {config.get('preset', '')} --seed {config.get('seed', 0)}"
    return {
        "command": f"python -m mvla_core evaluate {run_id} && python -m mvla_core ready {run_id} --write",
        "train_again": " ".join([train, *settings]),
    }


def digest(record: Mapping[str, Any]) -> str:
    """SHA-256 of a record's content, without the digest itself."""
    content = {key: value for key, value in record.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def read_record(path: Path) -> dict[str, Any]:
    """Read a record.

    Raises:
        MvlaError: It is missing, damaged, no record, or of another version.
    """
    value = read_json(path)
    if not isinstance(value, dict) or "readiness" not in value or "run_id" not in value:
        raise MvlaError(f"The file {path} is no readiness record; write one: python -m mvla_core ready RUN --write")
    if value.get("format") != FORMAT:
        raise MvlaError(
            f"The record {path} has the format {value.get('format')!r}, expected {FORMAT}; write it again: "
            f"python -m mvla_core ready {value['run_id']} --write"
        )
    return value


def list_records(run: RunFolder) -> list[RecordSummary]:
    """Return the records of a run, oldest first. One that cannot be read is left out: the others still count."""
    found = []
    for path in sorted(records_folder(run).glob("record-*.json")):
        try:
            found.append(_summary(path))
        except (MvlaError, KeyError, TypeError):
            continue
    return found


def _summary(path: Path) -> RecordSummary:
    value = read_record(path)
    readiness = value["readiness"]
    counts = {status: int(readiness["counts"][status]) for status in STATUSES}
    return RecordSummary(
        path=path,
        run_id=str(value["run_id"]),
        written=str(value["written"]),
        passed=readiness["passed"],
        episodes=readiness["episodes"],
        frames=readiness["frames"],
        sentence=str(readiness["sentence"]),
        **counts,
    )


def newest_record(run: RunFolder) -> RecordSummary | None:
    records = list_records(run)
    return records[-1] if records else None
