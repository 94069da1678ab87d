"""What every policy network has in common: frames are encoded one by one, an LSTM joins them, a masked loss teaches.

Shape legend: F frames of a batch, U different instructions among them, L tokens of an instruction, N windows, W observed
frames of a window, C predicted actions, A action dimensions, D size of a frame vector.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.utils import ModelOutput

from mvla_core.policies.head import DirectionHead, HeadShape, LSTMActionHead, RegressionHead, count_targets
from mvla_core.policies.spec import PolicySpec

_PREDICT_FRAMES = 64

Instructions = tuple[Tensor, ...]
"""Instructions as a policy has read them: tensors whose first axis tells the instructions apart, on the policy's device."""


@dataclass
class PolicyOutput(ModelOutput):  # type: ignore[misc]
    """loss: float32 (), the head's mean loss over unmasked targets in normalised units; None without labels.
    logits: (N, C, A), normalised actions."""

    loss: Tensor | None = None
    logits: Tensor | None = None


class PolicyConfig(PreTrainedConfig):  # type: ignore[misc]
    """The transformers configuration of a policy. What defines it is the `PolicySpec`, stored beside the adapter."""

    model_type = "mvla_policy"


def base_name(spec: PolicySpec) -> str:
    """What PEFT notes as the base of an adapter: the hub id or folder, else the backbone's name."""
    return spec.base_model or spec.backbone


class ActionPolicy(PreTrainedModel):  # type: ignore[misc]
    """Base class of the policy networks.

    Subclasses set `action_head` and implement `encode_frames`. Each frame passes the backbone by itself ("post" history), so
    windows that share frames share their work, and the gradient is the same as that of separate windows.
    """

    config_class = PolicyConfig
    base_model_prefix = "backbone"
    main_input_name = "features"
    supports_gradient_checkpointing = True
    accepts_loss_kwargs = True

    action_head: LSTMActionHead

    def __init__(self, spec: PolicySpec) -> None:
        super().__init__(PolicyConfig(name_or_path=base_name(spec)))
        self.spec = spec

    @property
    def text_layers(self) -> int:
        """Layers of the language model."""
        raise NotImplementedError

    def read_instructions(self, instruction_ids: Tensor, instruction_mask: Tensor) -> Instructions:
        """Return what frames need of U instructions, each tensor (U, ...); done once however many frames follow.

        Args:
            instruction_ids: int64 (U, L).
            instruction_mask: int64 (U, L), 1 for a token, 0 for padding.
        """
        return (instruction_ids, instruction_mask)

    def encode_frames(self, features: Tensor, instructions: Instructions, instruction_index: Tensor) -> Tensor:
        """Return one vector a frame, (F, D).

        Args:
            features: (F, ...), what the policy's `FrameEncoder` gives for each frame.
            instructions: What `read_instructions` gave.
            instruction_index: int64 (F,), which of them each frame has.
        """
        raise NotImplementedError

    def forward(
        self,
        features: Tensor,
        instruction_ids: Tensor,
        instruction_mask: Tensor,
        instruction_index: Tensor,
        window_index: Tensor,
        labels: Tensor | None = None,
        labels_mask: Tensor | None = None,
        num_items_in_batch: Tensor | int | None = None,
    ) -> PolicyOutput:
        """Predict chunks of normalised actions and, with labels, the loss.

        Args:
            features: (F, ...), what the policy's `FrameEncoder` gives for each frame.
            instruction_ids: int64 (U, L), tokens of the different instructions of the batch.
            instruction_mask: int64 (U, L), 1 for a token, 0 for padding.
            instruction_index: int64 (F,), which instruction each frame has.
            window_index: int64 (N, W), which frames each window sees, oldest first.
            labels: float32 (N, C, A), normalised.
            labels_mask: bool (N, C), False past the end of an episode; None means that all count.
            num_items_in_batch: How many numbers the loss averages, where several batches make one optimiser step; None
                averages over this batch alone.
        """
        instructions = self.read_instructions(instruction_ids, instruction_mask)
        vectors = self.encode_frames(features, instructions, instruction_index)
        head_dtype = self.action_head.out.weight.dtype
        outputs = self.action_head(vectors.to(head_dtype), window_index)
        predicted = self.action_head.actions(outputs)
        if labels is None:
            return PolicyOutput(logits=predicted)
        mask = (
            torch.ones(labels.shape[:2], dtype=torch.bool, device=labels.device) if labels_mask is None else labels_mask
        )
        total = self.action_head.loss_sum(outputs, labels, mask)
        averaged = count_targets(mask, labels.shape[-1]) if num_items_in_batch is None else num_items_in_batch
        return PolicyOutput(loss=total / averaged, logits=predicted)

    @torch.no_grad()
    def read(self, instruction_ids: Tensor, instruction_mask: Tensor) -> Instructions:
        """Read instructions for `predict`: as `read_instructions`, without gradients, from tensors on any device."""
        device = self.action_head.out.weight.device
        return self.read_instructions(instruction_ids.to(device), instruction_mask.to(device))

    @torch.no_grad()
    def predict(self, features: npt.NDArray[Any], instructions: Instructions, window_index: Tensor) -> Tensor:
        """Predict for windows of one episode, without gradients and a few frames at a time.

        Args:
            features: (F, ...), as of `forward`; may be mapped from the disk.
            instructions: What `read_instructions` gave for the episode's instruction, each tensor (1, ...).
            window_index: int64 (N, W).

        Returns:
            float32 (N, C, A), normalised, on the CPU.
        """
        outputs = self.predict_outputs(features, instructions, window_index)
        actions: Tensor = self.action_head.actions(outputs)
        return actions.float().cpu()

    @torch.no_grad()
    def predict_outputs(self, features: npt.NDArray[Any], instructions: Instructions, window_index: Tensor) -> Tensor:
        """Return the head's outputs, (N, C, O) on the policy's device; else as `predict`."""
        outputs: Tensor = self.action_head(self.frame_vectors(features, instructions), window_index.to(self._place))
        return outputs

    @torch.no_grad()
    def frame_vectors(self, features: npt.NDArray[Any], instructions: Instructions) -> Tensor:
        """Return the vector of each frame, (F, D) on the policy's device, a few frames at a time. Arguments as of `predict`."""
        vectors = []
        for begin in range(0, len(features), _PREDICT_FRAMES):
            some = torch.from_numpy(np.array(features[begin : begin + _PREDICT_FRAMES])).to(self._place)
            index = torch.zeros(len(some), dtype=torch.int64, device=self._place)
            vectors.append(self.encode_frames(some, instructions, index).to(self.action_head.out.weight.dtype))
        return torch.cat(vectors)

    @torch.no_grad()
    def predict_window(self, vectors: Tensor) -> Tensor:
        """Return the chunk that follows a window of `frame_vectors`, (W, D): float32 (C, A), normalised, on the CPU."""
        window = torch.arange(len(vectors), device=self._place)[None]
        actions: Tensor = self.action_head.actions(self.action_head(vectors, window))
        return actions[0].float().cpu()

    @property
    def _place(self) -> torch.device:
        place: torch.device = self.action_head.out.weight.device
        return place

    def _init_weights(self, module: nn.Module) -> None:
        """Keep torch's own initialisation; pretrained weights are loaded, the rest is fine as torch makes it."""

    def enable_input_require_grads(self) -> None:
        """Do nothing. PEFT calls this for gradient checkpointing, but the hook it would set makes Kosmos-2's in-place
        write of picture features into the embeddings fail; low-rank layers inside the blocks get gradients without it."""

    @property
    def is_gradient_checkpointing(self) -> bool:
        """What PEFT asks for under the name that transformers 5 deprecated with a warning."""
        return bool(self.is_activation_checkpointing)

    def get_input_embeddings(self) -> Any:
        """Return None: the token embedding belongs to the backbone, and no adapter is put on it."""
        return None


def new_action_head(spec: PolicySpec, frame_dim: int) -> LSTMActionHead:
    """Return a fresh head for frame vectors of the given size, initialised from torch's global generator."""
    shape = HeadShape(spec.chunk_size, spec.head_hidden, spec.head_layers, spec.head_dropout)
    if spec.action_head == "directions":
        classes = spec.normaliser.apply(np.array(spec.action_classes, dtype=np.float64))
        return DirectionHead(frame_dim, torch.tensor(classes.tolist()), shape)
    return RegressionHead(frame_dim, len(spec.action_space), shape, delta=spec.huber_delta)
