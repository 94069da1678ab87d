"""Files of the same content under different names.

Files that are equally long and hold the same actions are compared at `_PLACES` places of `_BLOCK` bytes, spread evenly from
the first byte to the last: a recording's pictures are compressed, so that files with different pictures differ almost
everywhere. Nothing is decoded, and at most 64 kB of a file are read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Sequence
from pathlib import Path

from mvla_core.audit.wording import names_of
from mvla_core.errors import EpisodeError
from mvla_core.schema import ActionSequence, EpisodeInfo, Finding

_PLACES = 16
_BLOCK = 4096


def check_duplicate_files(
    dataset: str, episodes: Sequence[EpisodeInfo], sequences: Sequence[ActionSequence]
) -> list[Finding]:
    """Return `duplicate_files` (warning) with the groups of episodes whose files have the same content.

    Args:
        dataset: Named in the finding.
        episodes: Catalogued episodes whose files lie on the disk.
        sequences: Their actions, in the same order.

    Raises:
        EpisodeError: A file was removed since it was catalogued.
    """
    keys = [(info.file_size, rows.actions.tobytes()) for info, rows in zip(episodes, sequences, strict=True)]
    alike = _grouped(episodes, keys)
    groups = [same for group in alike for same in _grouped(group, [_sampled(info.path) for info in group])]
    if not groups:
        return []
    copies = sum(len(group) - 1 for group in groups)
    names = [[info.episode_id for info in group] for group in groups]
    pairs = [" = ".join(group) for group in names]
    return [
        Finding(
            "warning",
            "duplicate_files",
            names[0][1] if copies == 1 else dataset,
            f"{copies} of {len(episodes)} files have the same content as another: {names_of(pairs)}.",
            f"Leave the copies out: python -m mvla_core curate {dataset} --exclude {names[0][1]} --reason copy",
            {"copies": copies, "groups": names},
        )
    ]


def _grouped(episodes: Sequence[EpisodeInfo], keys: Sequence[Hashable]) -> list[list[EpisodeInfo]]:
    """Episodes with the same key, where there are at least two."""
    groups: dict[Hashable, list[EpisodeInfo]] = {}
    for info, key in zip(episodes, keys, strict=True):
        groups.setdefault(key, []).append(info)
    return [group for group in groups.values() if len(group) > 1]


def _sampled(path: Path) -> bytes:
    """A digest of a file's bytes at the sampled places."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            last = max(0, file.seek(0, 2) - _BLOCK)
            for place in range(_PLACES):
                file.seek(last * place // (_PLACES - 1))
                digest.update(file.read(_BLOCK))
    except OSError as error:
        raise EpisodeError("unreadable", f"{path.name} cannot be opened: {error.strerror or error}.") from error
    return digest.digest()
