"""A policy on the disk: one PEFT folder with LoRA, head and everything needed to use it. Safetensors only, never pickle.

    adapter_config.json, adapter_model.safetensors    written by PEFT: the low-rank updates and the modules saved in full
    policy.json                                       `PolicySpec`, fingerprint of the base weights, picture preprocessing, what the
                                                      caller adds
    README.md                                         the same in words
The pretrained base weights are not copied: they come from the installed packages, the hub cache or the named folder. A policy tuned
in full, or merged, has no base: in place of PEFT's two files it has those of `mvla_core.policies.whole`.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from peft import PeftModel
from torch import Tensor

from mvla_core.datasets.windows import observed_frames
from mvla_core.episodes.frame_features import FrameEncoder, frame_features
from mvla_core.errors import PolicyError
from mvla_core.files import read_json, write_json, write_text
from mvla_core.layout import DataRoot
from mvla_core.policies.base import ActionPolicy, Instructions
from mvla_core.policies.build import BuiltPolicy, Tokenise, build_base
from mvla_core.policies.folder_exchange import PART, place
from mvla_core.policies.instructions import to_english
from mvla_core.policies.preprocessing import check_preprocessing, image_preprocessing
from mvla_core.policies.spec import PolicySpec
from mvla_core.policies.stated_preprocessing import KEY, preprocessing_sentence
from mvla_core.policies.weights import base_fingerprint, is_same_base
from mvla_core.policies.whole import BASE, WEIGHTS, load_whole, save_whole
from mvla_core.schema import EpisodeInfo

FORMAT = 1
ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")
DESCRIPTION = "policy.json"


class LoadedPolicy:
    """A trained policy, ready to predict velocities.

    Attributes:
        spec: What it is.
        extra: What the trainer stored with it (run, epoch, data set, split).
    """

    def __init__(
        self, spec: PolicySpec, extra: dict[str, Any], network: ActionPolicy, encoder: FrameEncoder, tokenise: Tokenise
    ) -> None:
        self.spec = spec
        self.extra = extra
        self._network = network
        self._encoder = encoder
        self._tokenise = tokenise
        self._instructions: dict[str, Instructions] = {}

    def predict_episode(
        self, root: DataRoot, info: EpisodeInfo, last_frames: npt.NDArray[np.int64], instruction: str | None = None
    ) -> npt.NDArray[np.float32]:
        """Predict for windows of a stored episode; its picture features are cached under `root`.

        Args:
            root: Where the feature cache lies.
            info: The episode.
            last_frames: int64 (N,), the last observed frame of each window, at least window_size - 1.
            instruction: In place of the episode's own; None takes that.

        Returns:
            float32 (N, chunk_size, A), physical units of the action space.

        Raises:
            PolicyError: The episode has another action space, or a window begins before its first frame.
            EpisodeError: The episode cannot be read.
        """
        if info.action_space != self.spec.action_space:
            raise PolicyError(
                f"The policy predicts {_describe(self.spec)} but the episode {info.episode_id} of {info.dataset} has "
                f"{', '.join(info.action_space.names)} in {', '.join(info.action_space.units)}; "
                "evaluate it on a data set with the same action space."
            )
        features = frame_features(root, self._encoder, info)
        return self.predict_features(features, info.instruction if instruction is None else instruction, last_frames)

    def predict_frames(
        self, frames: npt.NDArray[np.uint8], instruction: str, last_frames: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        """Predict for windows of frames in memory: uint8 (T, H, W, 3), RGB. Else as `predict_episode`."""
        return self.predict_features(self._encoder.encode(frames), instruction, last_frames)

    def encode_frames(self, frames: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        """Return the features of frames, uint8 (T, H, W, 3) RGB, so that a live loop encodes each frame only once."""
        return self._encoder.encode(frames)

    def predict_features(
        self, features: npt.NDArray[Any], instruction: str, last_frames: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        """Predict for windows of features that `encode_frames` gave, (T, ...). Else as `predict_episode`."""
        last = np.asarray(last_frames, dtype=np.int64)
        if len(last) == 0:
            return np.zeros((0, self.spec.chunk_size, len(self.spec.action_space)), dtype=np.float32)
        if last.min() < self.spec.window_size - 1 or last.max() >= len(features):
            raise PolicyError(
                f"The policy sees {self.spec.window_size} frames at a time: the last frame of a window must lie within "
                f"{self.spec.window_size - 1} and {len(features) - 1}; found {last.min()} to {last.max()}."
            )
        windows = torch.from_numpy(observed_frames(last, self.spec.window_size))
        normalised = self._network.predict(features, self._read(instruction), windows)
        return self.spec.normaliser.invert(normalised.numpy())

    def frame_vectors(self, features: npt.NDArray[Any], instruction: str) -> Tensor:
        """Return what the whole backbone makes of each frame under an instruction, (T, D), of features of `encode_frames`."""
        return self._network.frame_vectors(features, self._read(instruction))

    def predict_window(self, vectors: Tensor) -> npt.NDArray[np.float32]:
        """Return the chunk that follows a window of `frame_vectors`, (window_size, D): (chunk_size, A), physical units."""
        return self.spec.normaliser.invert(self._network.predict_window(vectors).numpy())

    def _read(self, instruction: str) -> Instructions:
        if instruction not in self._instructions:
            ids, mask = self._tokenise([to_english(instruction)])
            self._instructions[instruction] = self._network.read(ids, mask)
        return self._instructions[instruction]


def save_policy(policy: BuiltPolicy, folder: Path, extra: dict[str, Any]) -> None:
    """Write a policy folder; an existing one is replaced in one step when the new one is complete and on the disk.

    Args:
        policy: The trained policy.
        folder: Where to; its parent is created.
        extra: JSON values to keep with it.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    written = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=PART, dir=folder.parent))
    try:
        whole = not isinstance(policy.network, PeftModel)
        if whole:
            save_whole(policy.policy, written)
        else:
            policy.network.save_pretrained(str(written), safe_serialization=True)
        pictures = image_preprocessing(policy.policy)
        description = {
            "format": FORMAT,
            "weights": "whole" if whole else "adapter",
            "spec": policy.spec.to_json(),
            "base_fingerprint": policy.base_fingerprint,
            KEY: pictures,
            "extra": extra,
        }
        write_json(written / DESCRIPTION, description)
        write_text(written / "README.md", _card(policy.spec, extra, whole, pictures))
        written.chmod(0o755)
        place(written, folder)
    finally:
        shutil.rmtree(written, ignore_errors=True)


def load_policy(folder: Path, device: str | None = None) -> LoadedPolicy:
    """Load a policy folder; in a new process it predicts bit-identically on the same kind of device.

    Args:
        folder: What `save_policy` wrote.
        device: A torch device; None takes CUDA where it is available. A float16 base is loaded as float32 on the CPU, where
            half-precision products are ten times slower.

    Raises:
        PolicyError: The folder is incomplete, of another version, the base weights are missing or other ones, or the base prepares
            pictures in another way than the policy was trained with.
    """
    description = read_description(folder)
    spec = PolicySpec.from_json(description["spec"])
    chosen = device or ("cuda" if torch.cuda.is_available() else "cpu")
    on_cpu = torch.device(chosen).type == "cpu"
    base_spec = replace(spec, base_dtype="float32") if on_cpu and spec.base_dtype == "float16" else spec
    loaded = load_network(folder, base_spec, description)
    loaded.network.eval().to(chosen)
    loaded.encoder.to(chosen)
    return LoadedPolicy(spec, description["extra"], loaded.policy, loaded.encoder, loaded.tokenise)


def load_network(folder: Path, spec: PolicySpec, description: dict[str, Any]) -> BuiltPolicy:
    """Load the network of a policy folder, on the CPU and not for training.

    Args:
        folder: What `save_policy` wrote.
        spec: What to build, perhaps with another number format than the folder's.
        description: What `read_description` gave.

    Raises:
        PolicyError: The base weights are missing or other ones, or prepare pictures in another way.
    """
    loaded = _network(folder, spec, description)
    check_preprocessing(folder, description, loaded.policy)
    return loaded


def _network(folder: Path, spec: PolicySpec, description: dict[str, Any]) -> BuiltPolicy:
    stored = description["base_fingerprint"]
    if is_whole(description) and (folder / BASE).is_dir():
        base, encoder, tokenise = build_base(spec, folder / BASE)
        return BuiltPolicy(spec, load_whole(base, folder), encoder, tokenise, stored)
    found = base_fingerprint(spec.backbone, spec.base_model)
    if not is_same_base(stored, found):
        raise PolicyError(
            f"The policy in {folder} was trained on other base weights ({stored}) than those on "
            f"this machine ({found}); install the versions named in requirements.txt, or train again."
        )
    base, encoder, tokenise = build_base(spec)
    if is_whole(description):
        return BuiltPolicy(spec, load_whole(base, folder), encoder, tokenise, stored)
    network = PeftModel.from_pretrained(base, str(folder), is_trainable=False, torch_device="cpu")
    return BuiltPolicy(spec, network, encoder, tokenise, stored)


def is_whole(description: dict[str, Any]) -> bool:
    """Return whether a policy's description says that all weights lie beside it. The first policies' do not say."""
    return bool(description.get("weights", "adapter") == "whole")


def read_description(folder: Path) -> dict[str, Any]:
    """Return what policy.json holds.

    Raises:
        PolicyError: The folder is incomplete or of another version.
    """
    _check_files(folder, DESCRIPTION)
    description: dict[str, Any] = read_json(folder / DESCRIPTION)
    _check_files(folder, *((WEIGHTS,) if is_whole(description) else ADAPTER_FILES))
    if description.get("format") != FORMAT:
        raise PolicyError(
            f"The policy in {folder} has format {description.get('format')!r}; this program reads {FORMAT}; train it again."
        )
    return description


def _check_files(folder: Path, *names: str) -> None:
    for name in names:
        if not (folder / name).is_file():
            raise PolicyError(f"The folder {folder} is no policy: {name} is missing; train a run first.")


def _describe(spec: PolicySpec) -> str:
    return f"{', '.join(spec.action_space.names)} in {', '.join(spec.action_space.units)}"


def _card(spec: PolicySpec, extra: dict[str, Any], whole: bool, pictures: dict[str, Any]) -> str:
    origin = ", ".join(f"{key} {extra[key]}" for key in ("run_id", "dataset", "epoch") if key in extra)
    layers = f" of the last {spec.lora_top_layers} layers" if spec.lora_top_layers else ""
    lora = f"LoRA rank {spec.lora_rank}, alpha {spec.lora_alpha}, on: {spec.lora_targets}{layers}"
    if spec.tuning == "full":
        weights = "Every weight was trained; all lie here"
    else:
        weights = f"{lora}; merged into the weights, which lie here" if whole else lora
    gives = (
        f"chooses between {len(spec.action_classes)} actions"
        if spec.action_head == "directions"
        else "gives the actions themselves"
    )
    library = "transformers" if whole else "peft"
    return (
        f"---\nlibrary_name: {library}\ntags: [robotics, imitation-learning{'' if whole else ', lora'}]\n---\n\n"
        f"# Policy{'' if whole else ' adapter'}: {spec.backbone}\n\n"
        f"Sees {spec.window_size} frames and an instruction, predicts {spec.chunk_size} actions: {_describe(spec)}.\n"
        f"{weights}. LSTM head of width {spec.head_hidden}; it {gives}. Actions are normalised by {spec.normaliser.kind}, offset "
        f"{list(spec.normaliser.offset)}, scale {list(spec.normaliser.scale)}.\n"
        f"{preprocessing_sentence(pictures)}\n\nOrigin: {origin or 'not recorded'}. "
        "A low loss alone does not show that the policy looks: see the run's evaluation.\n"
    )
