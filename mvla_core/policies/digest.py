"""Tells policies apart by what lies in their folder, so that results can be held against the policy that is there. Torch-free."""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path

from mvla_core.files import read_object, sha256_file

DESCRIPTION = "policy.json"


def policy_digest(folder: Path) -> str:
    """Return a SHA-256 over a policy's weights and over what turns their output into commands.

    Args:
        folder: With `policy.json` and safetensors.

    Raises:
        MvlaError: The description is missing or damaged.
    """
    described = read_object(folder / DESCRIPTION)
    weights = {str(path.relative_to(folder)): file_digest(path) for path in folder.rglob("*.safetensors")}
    parts = {"weights": weights, "spec": described["spec"], "base": described.get("base_fingerprint")}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file. A page asks at every drawing: a file that has not changed is read once in a process."""
    seen = path.stat()
    return _cached_digest(path, seen.st_mtime_ns, seen.st_size, seen.st_ino)


@functools.lru_cache(maxsize=256)
def _cached_digest(path: Path, mtime_ns: int, size: int, inode: int) -> str:
    return sha256_file(path)
