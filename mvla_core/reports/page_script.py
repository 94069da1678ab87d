"""The script of the HTML report, and its hash: a page that shows the report lets this script run and no other."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources


@cache
def script() -> str:
    """The page's script."""
    return resources.files("mvla_core.reports").joinpath("templates", "report.js").read_text(encoding="utf-8")


@cache
def script_hash() -> str:
    """The script's hash as a content security policy names it: nothing else on the page may run."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script().encode()).digest()).decode()
