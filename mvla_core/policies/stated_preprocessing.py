"""What `policy.json` states of how pictures are prepared, in words; `preprocessing` describes its form. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KEY = "image_preprocessing"
"""In `policy.json`."""


def preprocessing_sentence(stored: Mapping[str, Any]) -> str:
    """Say in words what `image_preprocessing` gave."""
    size, crop = stored.get("size"), stored.get("crop")
    steps = [f"resized to {_shape(size)} ({stored.get('resampling')})"] if size else ["not resized"]
    if crop:
        steps.append(f"cut to the middle {_shape(crop)}")
    mean, std = (", ".join(f"{value:.4g}" for value in stored.get(name, ())) for name in ("mean", "std"))
    return f"Pictures are {', '.join(steps)}, and normalised with mean {mean} and standard deviation {std} of values from 0 to 1."


def _shape(size: list[int] | int) -> str:
    return f"a shortest edge of {size}" if isinstance(size, int) else f"{size[0]} x {size[1]}"
