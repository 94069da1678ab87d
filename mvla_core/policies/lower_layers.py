"""What the frozen lower layers of the language model give for a frame and an instruction, computed once and kept.

With LoRA on the last layers alone, nothing below them changes while training. The states that enter them, one vector a token, then
are a frame's features. They differ with the instruction, so each instruction has an encoder of its own, whose key names it: the
cache of frozen features keeps them beside the others, bounded and safe to delete. Augmented copies have caches of their own.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mvla_core.policies.kosmos import KosmosPolicy, KosmosVisionEncoder

_ENCODE_BATCH = 8


class LowerLayersEncoder:
    """A frame becomes (L, D): the state of each token of its picture and instruction below the layers with LoRA.

    Kept as float32 or float16 as the base model computes; bfloat16, which NumPy lacks, is kept bit by bit as uint16.

    Args:
        vision: The frozen eyes; its key names weights, preprocessing and number format.
        policy: The policy they belong to.
        ids: int64 (1, L), tokens of the instruction.
        mask: int64 (1, L), all 1.
    """

    def __init__(self, vision: KosmosVisionEncoder, policy: KosmosPolicy, ids: Tensor, mask: Tensor) -> None:
        self._vision = vision
        self._policy = policy
        self._ids = ids
        self._mask = mask
        dtype = policy.backbone.dtype
        self.dtype: np.dtype[Any] = np.dtype(
            {torch.float32: np.float32, torch.float16: np.float16, torch.bfloat16: np.uint16}[dtype]
        )
        self.shape: tuple[int, ...] = (ids.shape[1], vision.shape[1])
        instruction = hashlib.sha256(repr(ids.tolist()).encode()).hexdigest()[:16]
        lower = policy.text_layers - policy.spec.lora_top_layers
        self.key = f"{vision.key}-lower{lower}-{instruction}"

    def to(self, device: Any) -> None:
        """Move the policy, of which all of this is a part."""
        self._policy.to(device)

    def encode(self, frames: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        """Return (T, L, D) of RGB frames, uint8 (T, H, W, 3)."""
        backbone = self._policy.backbone
        was_training = backbone.training
        backbone.eval()
        encoded = np.empty((len(frames), *self.shape), dtype=self.dtype)
        for begin in range(0, len(frames), _ENCODE_BATCH):
            embeddings = torch.from_numpy(self._vision.encode(frames[begin : begin + _ENCODE_BATCH])).to(
                backbone.device
            )
            ids, mask = (tensor.to(backbone.device).expand(len(embeddings), -1) for tensor in (self._ids, self._mask))
            with torch.inference_mode():
                states = self._policy.lower_states(embeddings, ids, mask).cpu()
            bits = states.view(torch.uint16) if states.dtype == torch.bfloat16 else states
            encoded[begin : begin + len(embeddings)] = bits.numpy()
        backbone.train(was_training)
        return encoded
