"""Kosmos-2 with LoRA and an LSTM head: the briefing's policy.

Each frame is read by the whole vision-language model with its instruction: `<s> <image> 64 slots </image> instruction`. The
state at the last token is the frame's vector, as in RoboVLMs' "post" history. Picture features are frozen and cached unless the
vision tower or the projector is trained; then the encoder hands pixels through. Where only the last layers of the language model
are trained, the states that enter them can be cached instead (`mvla_core.policies.lower_layers`).

Sources: Kosmos-2, Peng et al. 2023 (arXiv:2306.14824); RoboVLMs, Li et al. 2024 (arXiv:2412.14058).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor, nn
from transformers import AutoTokenizer, CLIPImageProcessorPil, Kosmos2Config, Kosmos2Model, Kosmos2Processor

from mvla_core.errors import PolicyError
from mvla_core.policies.base import ActionPolicy, Instructions, new_action_head
from mvla_core.policies.spec import PolicySpec
from mvla_core.policies.weights import base_fingerprint, kosmos2_folder

_FIRST_SLOT = 2
"""`<s>` and `<image>` come before the slots that hold the picture."""
_ENCODE_BATCH = 8


@dataclass(frozen=True)
class Kosmos2Base:
    """A base model with what belongs to it: weights, tokenizer and picture preprocessing, and a name for caches."""

    model: Kosmos2Model
    processor: Kosmos2Processor
    name: str


class KosmosPolicy(ActionPolicy):
    """A Kosmos-2 backbone and an action head."""

    def __init__(self, spec: PolicySpec, base: Kosmos2Base) -> None:
        super().__init__(spec)
        self.backbone = base.model
        self.action_head = new_action_head(spec, base.model.config.text_config.embed_dim)
        self.processor = base.processor
        images = base.processor.image_processor
        self._mean = torch.tensor(images.image_mean).view(1, 3, 1, 1)
        self._std = torch.tensor(images.image_std).view(1, 3, 1, 1)

    @property
    def text_layers(self) -> int:
        return len(self.backbone.text_model.model.layers)

    @property
    def picture_slots(self) -> int:
        """Positions of a sequence that hold the picture."""
        return int(self.backbone.config.latent_query_num)

    def encode_frames(self, features: Tensor, instructions: Instructions, instruction_index: Tensor) -> Tensor:
        """Return one vector a frame, (F, D), of any of three kinds of features.

        They are uint8 pixels (F, 3, size, size) where vision is trained, picture embeddings (F, slots, D), or, with more positions
        than slots, the states (F, L, D) that `lower_states` gave; uint16 holds the bits of bfloat16, which NumPy lacks.
        """
        ids, mask = (tensor[instruction_index] for tensor in instructions)
        if features.dtype == torch.uint8:
            pictures = self.backbone.get_image_features(self.normalised_pixels(features)).pooler_output
            states, first = self._enter(pictures, ids, mask), 0
        elif features.shape[1] == self.picture_slots:
            states, first = self._enter(features, ids, mask), 0
        else:
            bits = features.dtype == torch.uint16
            states = features.view(torch.bfloat16) if bits else features.to(self.backbone.dtype)
            first = self._top_layers.start
        states = self._through_layers(states, mask, slice(first, self.text_layers - 1))
        return self._last_token(states, mask)

    def lower_states(self, embeddings: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
        """Return the states that enter the layers with LoRA, (F, L, D), of picture embeddings (F, slots, D).

        Args:
            embeddings: What `KosmosVisionEncoder` gives.
            ids: int64 (F, L), tokens of each frame's instruction.
            mask: int64 (F, L), 1 for a token, 0 for padding.
        """
        return self._through_layers(self._enter(embeddings, ids, mask), mask, slice(0, self._top_layers.start))

    @property
    def _top_layers(self) -> slice:
        return slice(self.text_layers - self.spec.lora_top_layers, self.text_layers)

    def _slots(self, mask: Tensor) -> Tensor:
        slots = torch.zeros_like(mask)
        slots[:, _FIRST_SLOT : _FIRST_SLOT + self.picture_slots] = 1
        return slots

    def _enter(self, embeddings: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
        """Return what enters the first layer, (F, L, D), of picture embeddings (F, slots, D) and tokens (F, L)."""
        text = self.backbone.text_model.model
        states = text.forward_embedding(
            ids, image_embeds=embeddings.to(self.backbone.dtype), img_input_mask=self._slots(mask)
        )
        # The published model drops out twice here: in its embedding and once more before its layers.
        entering: Tensor = nn.functional.dropout(states, p=text.dropout, training=text.training)
        return entering

    def _through_layers(self, states: Tensor, mask: Tensor, chosen: slice) -> Tensor:
        """Pass states through some layers as the whole language model does: each position sees itself and those before it."""
        length = mask.shape[1]
        causal = torch.ones(length, length, dtype=torch.bool, device=mask.device).tril()
        seen = causal & mask.bool()[:, None, None, :]
        attention = torch.zeros(seen.shape, dtype=states.dtype, device=states.device)
        attention.masked_fill_(~seen, torch.finfo(states.dtype).min)
        for layer in self.backbone.text_model.model.layers[chosen]:
            states = layer(states, attention)
        return states

    def _last_token(self, states: Tensor, mask: Tensor) -> Tensor:
        """Pass states (F, L, D) through the last layer and the closing norm, for the last token alone: (F, D).

        The frame's vector is that token's, which sees all others; what the layer would make of the others is read by nobody.
        Only their keys and values are computed, 2 of the layer's 12 D x D products a token.
        """
        text = self.backbone.text_model.model
        layer = text.layers[-1]
        rows, last = torch.arange(len(mask), device=mask.device), mask.sum(1) - 1
        normed = layer.self_attn_layer_norm(states)
        hidden = torch.zeros(mask.shape, dtype=states.dtype, device=states.device)
        hidden.masked_fill_(~mask.bool(), torch.finfo(states.dtype).min)
        attended, _ = layer.self_attn(
            normed[rows, last][:, None], encoder_hidden_states=normed, attention_mask=hidden[:, None, None]
        )
        attended = nn.functional.dropout(attended[:, 0], p=layer.dropout, training=layer.training)
        vectors = states[rows, last] + attended
        closed: Tensor = text.layer_norm(vectors + layer.ffn(layer.final_layer_norm(vectors)))
        return closed

    def normalised_pixels(self, pixels: Tensor) -> Tensor:
        """Return what the vision tower takes, (F, 3, size, size), of uint8 pixels of that shape."""
        scaled = (pixels.float() / 255.0 - self._mean.to(pixels.device)) / self._std.to(pixels.device)
        return scaled.to(self.backbone.dtype)


class PixelEncoder:
    """Resizes and crops frames as the base model was trained, and leaves them uint8 (3, size, size)."""

    dtype: np.dtype[Any] = np.dtype(np.uint8)

    def __init__(self, base: Kosmos2Base) -> None:
        self._processor = base.processor.image_processor
        size = base.model.config.vision_config.image_size
        self.shape: tuple[int, ...] = (3, size, size)
        # Pixels depend on the preprocessing alone, so that models tuned in different ways share them.
        self.key = f"pixels-{_preprocessing(base.processor)}"

    def to(self, device: Any) -> None:
        """Pixels are prepared on the CPU, whatever the device."""

    def encode(self, frames: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Return uint8 (T, 3, size, size) of RGB frames, uint8 (T, H, W, 3)."""
        images = [Image.fromarray(frame) for frame in frames]
        prepared = self._processor(images, do_rescale=False, do_normalize=False, return_tensors="np").pixel_values
        return np.asarray(prepared, dtype=np.uint8)


class KosmosVisionEncoder:
    """The frozen vision tower and projector: a frame becomes (64, D) picture embeddings.

    They are kept as float32 where the base is float32, else as float16, which holds every value they take (the projector's
    inputs have unit length) and which NumPy knows.
    """

    def __init__(self, base: Kosmos2Base, policy: KosmosPolicy) -> None:
        self._pixels = PixelEncoder(base)
        self._policy = policy
        config = base.model.config
        self.shape: tuple[int, ...] = (policy.picture_slots, config.text_config.embed_dim)
        self.dtype: np.dtype[Any] = np.dtype(np.float32 if base.model.dtype == torch.float32 else np.float16)
        self.key = f"{base.name}-vision"

    def to(self, device: Any) -> None:
        """Move the policy, of which the vision tower is a part."""
        self._policy.to(device)

    def encode(self, frames: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        """Return (T, slots, D) of RGB frames, uint8 (T, H, W, 3)."""
        backbone = self._policy.backbone
        was_training = backbone.training
        backbone.eval()
        encoded = np.empty((len(frames), *self.shape), dtype=self.dtype)
        for begin in range(0, len(frames), _ENCODE_BATCH):
            pixels = torch.from_numpy(self._pixels.encode(frames[begin : begin + _ENCODE_BATCH])).to(backbone.device)
            with torch.inference_mode():
                features = backbone.get_image_features(self._policy.normalised_pixels(pixels)).pooler_output
            encoded[begin : begin + len(pixels)] = features.float().cpu().numpy()
        backbone.train(was_training)
        return encoded


class KosmosInstructions:
    """Tokenises instructions together with the slots that hold the picture."""

    def __init__(self, base: Kosmos2Base) -> None:
        self._processor = base.processor
        size = base.model.config.vision_config.image_size
        self._placeholder = Image.new("RGB", (size, size))

    def __call__(self, instructions: list[str]) -> tuple[Tensor, Tensor]:
        """Return ids and mask, int64 (U, L), padded on the right."""
        encoded = self._processor(
            text=instructions, images=[self._placeholder] * len(instructions), padding=True, return_tensors="pt"
        )
        return encoded.input_ids, encoded.attention_mask


def load_kosmos2(spec: PolicySpec) -> Kosmos2Base:
    """Load pretrained Kosmos-2 from the hub cache or a local folder; nothing is downloaded.

    Raises:
        PolicyError: The weights are not on this machine, or the folder holds another model.
    """
    folder = kosmos2_folder(spec.base_model)
    config = Kosmos2Config.from_pretrained(folder, local_files_only=True)
    if config.model_type != "kosmos-2":
        raise PolicyError(f"The folder {folder} holds a model of type {config.model_type!r}; expected 'kosmos-2'.")
    set_dropout(config, spec.backbone_dropout)
    model, loading = Kosmos2Model.from_pretrained(
        folder,
        config=config,
        dtype=getattr(torch, spec.base_dtype),
        local_files_only=True,
        output_loading_info=True,
    )
    if loading["missing_keys"] or loading["mismatched_keys"]:
        absent = sorted(loading["missing_keys"])[:3]
        raise PolicyError(
            f"The weights in {folder} are not complete: {len(loading['missing_keys'])} tensors are missing, for example "
            f"{absent}; download the model again."
        )
    processor = load_processor(folder)
    return Kosmos2Base(model, processor, _cache_name(spec, processor))


def load_processor(folder: Path) -> Kosmos2Processor:
    """Load tokenizer and picture preprocessing. The PIL image processor is named, so that torchvision is not needed."""
    images = CLIPImageProcessorPil.from_pretrained(folder, local_files_only=True)
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    return Kosmos2Processor(images, tokenizer)


def set_dropout(config: Kosmos2Config, dropout: float) -> None:
    """Set the dropout that Kosmos-2 applies by itself while training (0.1 as published)."""
    config.text_config.dropout = dropout
    config.text_config.attention_dropout = dropout
    config.text_config.activation_dropout = 0.0
    config.text_config.layerdrop = 0.0


def _cache_name(spec: PolicySpec, processor: Kosmos2Processor) -> str:
    """Name what features depend on besides the recording: the weights, the picture preprocessing and the number format."""
    depends_on = base_fingerprint("kosmos2", spec.base_model) + _preprocessing(processor)
    digest = hashlib.sha256(depends_on.encode()).hexdigest()[:16]
    return f"kosmos2-{digest}-{spec.base_dtype}"


def _preprocessing(processor: Kosmos2Processor) -> str:
    """Return a short text that changes with how pictures are resized, cropped and scaled."""
    return hashlib.sha256(processor.image_processor.to_json_string().encode()).hexdigest()[:16]
