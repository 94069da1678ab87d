"""How many parameters a policy trains, from its description alone: no torch, no weights.

The figures are exact: a test builds the real networks on torch's meta device and compares.
"""

from __future__ import annotations

from dataclasses import dataclass

from mvla_core.policies.spec import LoraTargets, Tuning


@dataclass(frozen=True)
class TransformerShape:
    """What decides the size of low-rank updates, and of the whole model.

    Attributes:
        text_layers, text_dim, text_ffn: Of the language model.
        vision_layers, vision_dim, vision_ffn: Of the vision tower; 0 where it has no transformer.
        vocabulary: Tokens; 0 where the whole model is never trained.
        patch: Side of a picture's patch, pixels.
        patches: Of a picture.
        slots: Positions of a sequence that hold the picture.
    """

    text_layers: int
    text_dim: int
    text_ffn: int
    vision_layers: int = 0
    vision_dim: int = 0
    vision_ffn: int = 0
    vocabulary: int = 0
    patch: int = 0
    patches: int = 0
    slots: int = 0

    @property
    def has_projector(self) -> bool:
        return self.vision_layers > 0


KOSMOS2 = TransformerShape(24, 2048, 8192, 24, 1024, 4096, 65037, 14, 256, 64)
MINILM = TransformerShape(6, 384, 1536)
TINY = TransformerShape(2, 64, 128, 2, 64, 128, 1134, 14, 16, 64)
SHAPES = {"kosmos2": KOSMOS2, "compact": MINILM, "tiny": TINY}

TOTAL_KOSMOS2 = 1_664_500_000
"""Parameters of the published Kosmos-2, frozen ones included."""

_VISUAL_FEATURES = 112


def lora_parameters(shape: TransformerShape, rank: int, targets: LoraTargets, top_layers: int = 0) -> int:
    """Return the number of low-rank parameters: rank x (inputs + outputs) of every targeted linear layer.

    Args:
        shape: Of the model.
        rank: Of the updates.
        targets: Which linear layers are targeted.
        top_layers: In so many of the language model's last layers only; 0 means all.
    """
    text_projection = 2 * shape.text_dim
    text_layers = top_layers or shape.text_layers
    if targets == "text_qv":
        return rank * text_layers * 2 * text_projection
    total = text_layers * (4 * text_projection + 2 * (shape.text_dim + shape.text_ffn))
    if targets in ("text_vision", "all"):
        total += shape.vision_layers * (8 * shape.vision_dim + 2 * (shape.vision_dim + shape.vision_ffn))
    if targets == "all" and shape.has_projector:
        total += shape.vision_dim + shape.text_dim + 4 * text_projection
    return rank * total


def full_parameters(shape: TransformerShape) -> dict[str, int]:
    """Return all parameters of a Kosmos-2 of this shape by part: "text", "vision", "projector"."""
    text, vision = shape.text_dim, shape.vision_dim
    text_layer = _attention(text) + 2 * text + 2 * 2 * text + 2 * text * shape.text_ffn + 3 * shape.text_ffn + text
    vision_layer = _attention(vision) + 2 * 2 * vision + 2 * vision * shape.vision_ffn + shape.vision_ffn + vision
    embeddings = vision + 3 * shape.patch**2 * vision + (shape.patches + 1) * vision
    return {
        "text": shape.vocabulary * text + shape.text_layers * text_layer + 2 * text,
        "vision": embeddings + shape.vision_layers * vision_layer + 2 * 2 * vision,
        "projector": vision * text + text + shape.slots * text + _attention(text),
    }


def _attention(dim: int) -> int:
    """Return the parameters of the four projections of an attention."""
    return 4 * (dim * dim + dim)


def head_parameters(frame_dim: int, hidden: int, layers: int, outputs: int) -> int:
    """Return the parameters of an LSTM action head; `outputs` = chunk_size x action dimensions, or x classes."""
    lstm = sum(4 * hidden * ((frame_dim if layer == 0 else hidden) + hidden + 2) for layer in range(layers))
    return 2 * frame_dim + lstm + outputs * (hidden + 1)


def fusion_parameters(channels: int, text_dim: int = MINILM.text_dim) -> int:
    """Return the parameters of the compact policy's picture branch."""
    convolutions = channels * (_VISUAL_FEATURES + 1) + channels * (9 * channels + 1)
    return convolutions + 2 * channels + 2 * text_dim + 2 * channels * (text_dim + 1)


def trainable_parameters(
    backbone: str,
    *,
    rank: int,
    targets: LoraTargets,
    head_hidden: int,
    head_layers: int,
    outputs: int,
    visual_channels: int,
    tuning: Tuning = "lora",
    top_layers: int = 0,
) -> dict[str, int]:
    """Count by part: "lora", "head", "fusion" (compact only) and "total"; tuned in full as `full_parameters` does, not "lora".

    A Kosmos-2 from a local folder is counted as the published one.
    """
    shape = SHAPES[backbone]
    compact = backbone == "compact"
    backbone_counts = (
        full_parameters(shape)
        if tuning == "full"
        else {"lora": lora_parameters(shape, rank, targets, min(top_layers, shape.text_layers))}
    )
    counts = {
        **backbone_counts,
        "head": head_parameters(3 * visual_channels if compact else shape.text_dim, head_hidden, head_layers, outputs),
    }
    if compact:
        counts["fusion"] = fusion_parameters(visual_channels)
    return {**counts, "total": sum(counts.values())}
