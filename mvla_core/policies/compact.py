"""The compact policy: real pretrained eyes and a real pretrained text model, small enough for a laptop without a GPU.

    frame -> EfficientNet-Lite0 to stride 16 (frozen, cached) -> 1x1 conv, GroupNorm -> FiLM by the instruction -> 3x3 conv
          -> where and how strongly each channel fires (spatial softmax, maximum) -> LSTM over the window -> chunk
    instruction -> MiniLM (LoRA) -> mean of tokens -> FiLM

Sources: FiLM, Perez et al. 2018 (arXiv:1709.07871); spatial softmax, Finn et al. 2016 (arXiv:1509.06113).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn
from transformers import BertModel

from mvla_core.policies.base import ActionPolicy, Instructions, new_action_head
from mvla_core.policies.spec import PolicySpec
from mvla_core.policies.threads import usable_cores
from mvla_core.policies.weights import efficientnet_file, minilm_folder
from mvla_core.schema import Frame

IMAGE_SIZE = 224
FEATURE_CHANNELS = 112
FEATURE_SIZE = 14
_ENCODE_BATCH = 4
"""Frames encoded together. Fixed, because the last bits depend on it; four fit the cache of a core and are twice as fast as 16."""


class EfficientNetEncoder:
    """Frozen EfficientNet-Lite0 up to its last stage: a frame becomes float16 (112, 14, 14).

    Frames of any size are squashed to 224x224 (the whole field of view is kept) and scaled as (x - 127) / 128. The rounding
    to float16 is part of the encoding, so that cached and fresh features are the same.
    """

    key = "efficientnet-lite0-stride16-224-1"
    shape: tuple[int, ...] = (FEATURE_CHANNELS, FEATURE_SIZE, FEATURE_SIZE)
    dtype: np.dtype[Any] = np.dtype(np.float16)

    def __init__(self, weights: Path | None = None) -> None:
        network = EfficientNet.from_name("efficientnet-lite0")
        network.load_state_dict(torch.load(weights or efficientnet_file(), map_location="cpu", weights_only=True))
        last_downsampling = max(
            i for i, block in enumerate(network._blocks) if tuple(block._depthwise_conv.stride) == (2, 2)
        )
        stem = (network._conv_stem, network._bn0, nn.ReLU6())
        self._trunk = nn.Sequential(*stem, *network._blocks[:last_downsampling])
        self._trunk.eval().requires_grad_(False).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._device = torch.device("cpu")

    def to(self, device: torch.device | str) -> None:
        """Move the network to a device."""
        self._device = torch.device(device)
        self._trunk.to(self._device)

    def encode(self, frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.float16]:
        """Return features, float16 (T, 112, 14, 14), of RGB frames, uint8 (T, H, W, 3)."""
        encoded = np.empty((len(frames), *self.shape), dtype=np.float16)

        def encode_batch(begin: int) -> None:
            squashed = np.stack([_squash(frame) for frame in frames[begin : begin + _ENCODE_BATCH]])
            pixels = torch.from_numpy(squashed).to(self._device).permute(0, 3, 1, 2).float()
            with torch.inference_mode():
                features = self._trunk((pixels - 127.0) / 128.0)
            encoded[begin : begin + len(squashed)] = features.to(torch.float16).cpu().numpy()

        # One thread a batch instead of several threads an operation: see `mvla_core.policies.threads`.
        with ThreadPoolExecutor(usable_cores() if self._device.type == "cpu" else 1) as pool:
            list(pool.map(encode_batch, range(0, len(frames), _ENCODE_BATCH)))
        return encoded


def _squash(frame: Frame) -> Frame:
    shrinks = frame.shape[0] > IMAGE_SIZE or frame.shape[1] > IMAGE_SIZE
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    if frame.shape[:2] == (IMAGE_SIZE, IMAGE_SIZE):
        return frame
    return np.asarray(cv2.resize(frame, (IMAGE_SIZE, IMAGE_SIZE), interpolation=how), dtype=np.uint8)


class InstructionFusion(nn.Module):
    """Trainable picture branch: what the instruction asks for decides which channels count, then where they fire.

    Args:
        text_dim: Size of the instruction vector.
        channels: Width of the branch; a multiple of 8.
        feature_dropout: Share of input channels hidden in training.
    """

    def __init__(self, text_dim: int, channels: int, feature_dropout: float) -> None:
        super().__init__()
        self.hide = nn.Dropout2d(feature_dropout)
        self.reduce = nn.Conv2d(FEATURE_CHANNELS, channels, 1)
        self.norm = nn.GroupNorm(8, channels)
        self.text_norm = nn.LayerNorm(text_dim)
        self.film = nn.Linear(text_dim, 2 * channels)
        self.select = nn.Conv2d(channels, channels, 3, padding=1)

    @staticmethod
    def output_dim(channels: int) -> int:
        """Size of a frame vector: x, y and strength of every channel."""
        return 3 * channels

    def forward(self, features: Tensor, text: Tensor) -> Tensor:
        """Return frame vectors (F, 3 * channels) of features (F, 112, 14, 14) and instruction vectors (F, text_dim)."""
        scale, shift = self.film(self.text_norm(text))[..., None, None].chunk(2, dim=1)
        maps = self.norm(self.reduce(self.hide(features)))
        maps = self.select(torch.relu(maps * (1 + scale) + shift))
        height, width = maps.shape[-2:]
        where = torch.softmax(maps.flatten(2), dim=-1)
        x = torch.linspace(-1, 1, width, device=maps.device, dtype=where.dtype).repeat(height)
        y = torch.linspace(-1, 1, height, device=maps.device, dtype=where.dtype).repeat_interleave(width)
        return torch.cat([(where * x).sum(-1), (where * y).sum(-1), maps.amax((2, 3))], dim=-1)


class CompactPolicy(ActionPolicy):
    """MiniLM text model, instruction fusion and action head; the frozen eyes are an `EfficientNetEncoder` beside it."""

    def __init__(self, spec: PolicySpec) -> None:
        super().__init__(spec)
        self.text = BertModel.from_pretrained(
            minilm_folder(),
            add_pooling_layer=False,
            local_files_only=True,
            hidden_dropout_prob=spec.backbone_dropout,
            attention_probs_dropout_prob=spec.backbone_dropout,
            dtype=torch.float32,
        )
        self.fusion = InstructionFusion(self.text.config.hidden_size, spec.visual_channels, spec.feature_dropout)
        self.action_head = new_action_head(spec, InstructionFusion.output_dim(spec.visual_channels))

    @property
    def text_layers(self) -> int:
        return len(self.text.encoder.layer)

    def read_instructions(self, instruction_ids: Tensor, instruction_mask: Tensor) -> Instructions:
        """Return the mean token state of each instruction, ((U, text_dim),)."""
        states = self.text(input_ids=instruction_ids, attention_mask=instruction_mask).last_hidden_state
        weights = instruction_mask.unsqueeze(-1).to(states.dtype)
        return ((states * weights).sum(1) / weights.sum(1),)

    def encode_frames(self, features: Tensor, instructions: Instructions, instruction_index: Tensor) -> Tensor:
        """Features are what `EfficientNetEncoder` gives, (F, 112, 14, 14)."""
        (text,) = instructions
        vectors: Tensor = self.fusion(features.to(text.dtype), text[instruction_index])
        return vectors
