"""What a policy is, apart from its weights. Stored beside the adapter, so that a policy can be rebuilt from its folder."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal, Self

from mvla_core.datasets.normalise import ActionNormaliser
from mvla_core.errors import PolicyError, did_you_mean
from mvla_core.schema import ActionSpace

BackboneName = Literal["compact", "kosmos2", "tiny"]
BACKBONES: dict[str, str] = {
    "compact": "EfficientNet-Lite0 and MiniLM, pretrained, from the package index: trains on a laptop",
    "kosmos2": "Kosmos-2 (1.66 B parameters), pretrained, from the model hub or a local folder",
    "tiny": "a random miniature Kosmos-2 that proves the plumbing and learns next to nothing",
}

LoraTargets = Literal["text_qv", "text_all", "text_vision", "all"]
LORA_TARGETS: dict[str, str] = {
    "text_qv": "query and value projections of the language model",
    "text_all": "every linear layer of the language model",
    "text_vision": "every linear layer of the language model and of the vision tower",
    "all": "every linear layer of the language model, the vision tower and the projector between them",
}
TEXT_ONLY_TARGETS = ("text_qv", "text_all")

Tuning = Literal["lora", "full"]
TUNINGS: dict[str, str] = {
    "lora": "low-rank updates beside the frozen weights, and the action head",
    "full": "every weight, the vision too: needs about six times the memory, and a policy is as large as the model",
}

ActionHeadName = Literal["regression", "directions"]
ACTION_HEADS: dict[str, str] = {
    "regression": "the actions themselves, with a Huber loss; unsure, it gives their mean",
    "directions": "the most likely of a few actions, with a cross-entropy loss; unsure, it still chooses one",
}

BaseDtype = Literal["float32", "bfloat16", "float16"]
BASE_DTYPES: tuple[BaseDtype, ...] = ("float32", "bfloat16", "float16")

ADDED_LATER = frozenset({"tuning", "lora_top_layers", "action_head", "action_classes"})
"""Fields that the first stored policies lack: those have LoRA on every layer and the regression head."""


@dataclass(frozen=True)
class PolicySpec:
    """Everything needed to rebuild a policy before its adapter is loaded.

    Attributes:
        backbone: One of `BACKBONES`.
        action_space: The dimensions it predicts, in column order.
        normaliser: Between physical actions and what the network sees; fitted on training episodes.
        base_model: Hub id or folder of the base weights; None where the backbone brings its own.
        window_size: Observed frames of a prediction.
        chunk_size: Predicted actions of a prediction.
        lora_rank: Rank of the low-rank updates.
        lora_alpha: Their scale is alpha / rank.
        lora_dropout: Dropout on the input of the low-rank updates, 0 to below 1.
        lora_targets: One of `LORA_TARGETS`.
        head_hidden: Width of the LSTM that joins the frames.
        head_layers: Its layers.
        head_dropout: Dropout before and after the LSTM, 0 to below 1.
        visual_channels: Width of the trainable picture branch; `compact` only.
        feature_dropout: Share of picture feature channels hidden in training, 0 to below 1; `compact` only.
        backbone_dropout: Dropout inside the frozen language model while training, 0 to below 1.
        base_dtype: Number format of the frozen base weights of the Kosmos-2 backbones.
        huber_delta: Where the Huber loss turns from square to linear, in normalised action units.
        tuning: One of `TUNINGS`. With "full" the fields of LoRA mean nothing.
        lora_top_layers: Only so many of the language model's last layers get a low-rank update; 0 means all.
        action_head: One of `ACTION_HEADS`.
        action_classes: Physical actions to choose from, one row a class, two or more; empty for the regression head.
    """

    backbone: BackboneName
    action_space: ActionSpace
    normaliser: ActionNormaliser
    base_model: str | None = None
    window_size: int = 4
    chunk_size: int = 10
    lora_rank: int = 32
    lora_alpha: int = 16
    lora_dropout: float = 0.1
    lora_targets: LoraTargets = "text_all"
    head_hidden: int = 512
    head_layers: int = 1
    head_dropout: float = 0.0
    visual_channels: int = 32
    feature_dropout: float = 0.0
    backbone_dropout: float = 0.0
    base_dtype: BaseDtype = "float32"
    huber_delta: float = 1.0
    tuning: Tuning = "lora"
    lora_top_layers: int = 0
    action_head: ActionHeadName = "regression"
    action_classes: tuple[tuple[float, ...], ...] = ()

    def __post_init__(self) -> None:
        for name, found, known in (
            ("backbone", self.backbone, tuple(BACKBONES)),
            ("lora_targets", self.lora_targets, tuple(LORA_TARGETS)),
            ("base_dtype", self.base_dtype, BASE_DTYPES),
            ("tuning", self.tuning, tuple(TUNINGS)),
            ("action_head", self.action_head, tuple(ACTION_HEADS)),
        ):
            if found not in known:
                raise PolicyError(
                    f"The policy's {name} {found!r} is unknown: expected one of {', '.join(known)}."
                    f"{did_you_mean(str(found), known)}"
                )
        if self.backbone == "compact" and self.lora_targets not in TEXT_ONLY_TARGETS:
            raise PolicyError(
                f"The compact policy cannot train with lora_targets {self.lora_targets!r}: its vision is frozen; "
                f"choose one of {', '.join(TEXT_ONLY_TARGETS)}."
            )
        if len(self.normaliser.offset) != len(self.action_space):
            raise PolicyError(
                f"The normaliser has {len(self.normaliser.offset)} axes but the policy predicts "
                f"{len(self.action_space)} ({', '.join(self.action_space.names)}); fit it on the same data set."
            )

        if self.backbone == "compact" and self.tuning == "full":
            raise PolicyError("The compact policy cannot be tuned in full: its vision is frozen; choose tuning 'lora'.")
        self._check_classes()

    def _check_classes(self) -> None:
        chooses = self.action_head == "directions"
        widths = {len(action) for action in self.action_classes}
        if chooses != bool(self.action_classes) or (chooses and widths != {len(self.action_space)}):
            raise PolicyError(
                f"The policy's action_head {self.action_head!r} does not fit its {len(self.action_classes)} action classes of "
                f"{sorted(widths)} dimensions: 'directions' needs classes of {len(self.action_space)}, 'regression' none."
            )

    @property
    def vision_is_frozen(self) -> bool:
        """Whether picture features can be computed once and cached."""
        return self.tuning == "lora" and self.lora_targets in TEXT_ONLY_TARGETS

    @property
    def lower_layers_are_frozen(self) -> bool:
        """Whether what the language model's lower layers give can be computed once a frame and instruction, and cached."""
        return self.vision_is_frozen and self.lora_top_layers > 0 and self.backbone != "compact"

    @property
    def chunk_outputs(self) -> int:
        """How many numbers the head gives for a chunk: one an action dimension, or one a class, at each of its steps."""
        return self.chunk_size * (len(self.action_classes) or len(self.action_space))

    def to_json(self) -> dict[str, Any]:
        value = {field.name: getattr(self, field.name) for field in fields(self)}
        value["action_space"] = self.action_space.to_json()
        value["normaliser"] = self.normaliser.to_json()
        value["action_classes"] = [list(action) for action in self.action_classes]
        return value

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Read what `to_json` wrote. Policies saved before a field of `ADDED_LATER` existed get what they were: its default.

        Raises:
            PolicyError: A key is missing or unknown, or a value cannot be used.
        """
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(value) - known)
        missing = sorted(known - set(value) - ADDED_LATER)
        if unknown or missing:
            raise PolicyError(
                f"The policy description cannot be used: unknown keys {unknown}, missing keys {missing}; "
                "it was written by another version of this program."
            )
        return cls(
            **{
                **value,
                "action_space": ActionSpace.from_json(value["action_space"]),
                "normaliser": ActionNormaliser.from_json(value["normaliser"]),
                "action_classes": tuple(tuple(map(float, action)) for action in value.get("action_classes", ())),
            }
        )
