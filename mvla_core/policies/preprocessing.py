"""What happens to a picture before a policy sees it, as its folder states it and as its base does it.

`policy.json` holds it as `image_preprocessing`: "size" (height and width, or the shortest edge; null where nothing is resized) and
"resampling" of the resizing, "crop" (height and width; null where nothing is cut off), "mean" and "std" of each colour with values
from 0 to 1, RGB. Folders of the first policies do not hold it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mvla_core.errors import PolicyError
from mvla_core.policies.stated_preprocessing import KEY

if TYPE_CHECKING:
    from mvla_core.policies.base import ActionPolicy

_COMPACT_MEAN, _COMPACT_STD = 127 / 255, 128 / 255
"""EfficientNet-Lite0 takes (x - 127) / 128 of values from 0 to 255; a test compares this with what enters the network."""


def image_preprocessing(policy: ActionPolicy) -> dict[str, Any]:
    """Return what a policy does with a picture of any size: from its base's processor, or the constants of `compact`."""
    from mvla_core.policies.kosmos import KosmosPolicy

    if not isinstance(policy, KosmosPolicy):
        from mvla_core.policies.compact import IMAGE_SIZE

        return {
            "size": [IMAGE_SIZE, IMAGE_SIZE],
            "crop": None,
            "resampling": "area where it shrinks, else bilinear",
            "mean": [_COMPACT_MEAN] * 3,
            "std": [_COMPACT_STD] * 3,
        }
    from PIL.Image import Resampling

    images = policy.processor.image_processor
    return {
        "size": _size(images.size) if images.do_resize else None,
        "crop": _size(images.crop_size) if images.do_center_crop else None,
        "resampling": Resampling(int(images.resample)).name.lower(),
        "mean": [float(value) for value in images.image_mean],
        "std": [float(value) for value in images.image_std],
    }


def check_preprocessing(folder: Path, description: Mapping[str, Any], policy: ActionPolicy) -> None:
    """Compare what a policy's folder states with what its base does on this machine; nothing where the folder states nothing.

    Raises:
        PolicyError: They differ: the policy would see other pictures than those it was trained on.
    """
    stored = description.get(KEY)
    if stored is None:
        return
    found = image_preprocessing(policy)
    different = [name for name in found if stored.get(name) != found[name]]
    if different:
        was, now = ("; ".join(f"{name} {each.get(name)}" for name in different) for each in (stored, found))
        raise PolicyError(
            f"The policy in {folder} was trained on pictures prepared with {was}, but its base weights on this machine prepare "
            f"them with {now}; restore the base model's preprocessor_config.json, or train again."
        )


def _size(size: Any) -> list[int] | int:
    """Return height and width; the shortest edge alone where the other one follows from the picture."""
    if "shortest_edge" in size:
        return int(size["shortest_edge"])
    return [int(size["height"]), int(size["width"])]
