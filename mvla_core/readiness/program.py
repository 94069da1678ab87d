"""Which program and which machine a record was made with."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

from mvla_core.files import sha256_file
from mvla_core.training.machine import installed_version, provenance
from mvla_core.training.program import CHECKOUT, git_output

_PACKAGE = "mvla_core"
_SOURCES = (".py", ".toml", ".yaml", ".j2", ".css")
_PINNED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==", re.MULTILINE)


def code_of(checkout: Path = CHECKOUT) -> dict[str, Any]:
    """Return commit, digest of the uncommitted changes, and the digest of every source file of the core.

    Args:
        checkout: The folder that holds the package; without git there the first two are None.
    """
    files = {
        str(path.relative_to(checkout)): sha256_file(path)
        for path in sorted((checkout / _PACKAGE).rglob("*"))
        if path.suffix in _SOURCES and path.is_file()
    }
    commit = git_output(checkout, "rev-parse", "HEAD")
    changes = None if commit is None else git_output(checkout, "diff", "HEAD", "--", _PACKAGE)
    return {
        "commit": None if commit is None else commit.decode().strip(),
        # Of no bytes where the checkout is clean.
        "diff_sha256": None if changes is None else hashlib.sha256(changes).hexdigest(),
        "files": files,
    }


def environment_now(checkout: Path = CHECKOUT) -> dict[str, Any]:
    """Return what runs the program: python, packages, and the hardware.

    The packages are those that requirements.txt pins and those that a training notes.
    """
    found = provenance([])
    packages: dict[str, str | None] = dict(found["packages"])
    pinned = checkout / "requirements.txt"
    for name in _PINNED.findall(pinned.read_text(encoding="utf-8")) if pinned.is_file() else ():
        packages.setdefault(name.lower(), installed_version(name))
    return {
        "python": found["python"],
        "packages": dict(sorted(packages.items())),
        "hardware": {key: found[key] for key in ("platform", "processor", "cores", "gpus")},
    }
