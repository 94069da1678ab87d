"""What a session works on: the data root of this server, and the names of what it looks at in the URL.

The choice of data set and run lives in the URL (`?dataset=...&run=...`), so that a link opens what its sender saw and a change
of page keeps it.
"""

from __future__ import annotations

import os
from functools import lru_cache

from mvla_core.layout import ENVIRONMENT_VARIABLE, DataRoot

DATASET_KEY = "dataset"
RUN_KEY = "run"
EPISODE_KEY = "episode"
FRAME_KEY = "frame"


@lru_cache(maxsize=8)
def _resolved(given: str | None, folder: str) -> DataRoot:
    return DataRoot.resolve(given)


def data_root() -> DataRoot:
    """The data root of this server: MVLA_DATA_ROOT, else `data/` in the folder it was started in."""
    return _resolved(os.environ.get(ENVIRONMENT_VARIABLE), os.getcwd())


def whole_number(text: str | None, default: int) -> int:
    """A number from the URL; anything but digits counts as not given."""
    return int(text) if text is not None and text.isascii() and text.isdecimal() and len(text) < 10 else default
