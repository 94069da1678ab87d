"""How many parameters a policy trains, from its description alone: no torch, no weights.

The figures are exact: a test builds the real networks on torch's meta device and compares.
"""

from __future__ import annotations

from dataclasses import dataclass

from mvla_core.policies.spec import LoraTargets


@dataclass(frozen=True)
class TransformerShape:
    """What decides the size of low-rank updates."""

    text_layers: int
    text_dim: int
    text_ffn: int
    vision_layers: int = 0
    vision_dim: int = 0
    vision_ffn: int = 0

    @property
    def has_projector(self) -> bool:
        return self.vision_layers > 0


KOSMOS2 = TransformerShape(24, 2048, 8192, 24, 1024, 4096)
MINILM = TransformerShape(6, 384, 1536)
TINY = TransformerShape(2, 64, 128, 2, 64, 128)
SHAPES = {"kosmos2": KOSMOS2, "compact": MINILM, "tiny": TINY}

TOTAL_KOSMOS2 = 1_664_500_000
"""Parameters of the published Kosmos-2, frozen ones included."""

_VISUAL_FEATURES = 112


def lora_parameters(shape: TransformerShape, rank: int, targets: LoraTargets) -> int:
    """Return the number of low-rank parameters: rank x (inputs + outputs) of every targeted layer."""
    text_projection = 2 * shape.text_dim
    if targets == "text_qv":
        return rank * shape.text_layers * 2 * text_projection
    total = shape.text_layers * (4 * text_projection + 2 * (shape.text_dim + shape.text_ffn))
    if targets in ("text_vision", "all"):
        total += shape.vision_layers * (8 * shape.vision_dim + 2 * (shape.vision_dim + shape.vision_ffn))
    if targets == "all" and shape.has_projector:
        total += shape.vision_dim + shape.text_dim + 4 * text_projection
    return rank * total


def head_parameters(frame_dim: int, hidden: int, layers: int, outputs: int) -> int:
    """Return the parameters of the LSTM action head with `outputs` = chunk_size x action dimensions."""
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
) -> dict[str, int]:
    """Count by part: "lora", "head", "fusion" (compact only) and "total".

    A Kosmos-2 from a local folder is counted as the published one.
    """
    shape = SHAPES[backbone]
    compact = backbone == "compact"
    counts = {
        "lora": lora_parameters(shape, rank, targets),
        "head": head_parameters(3 * visual_channels if compact else shape.text_dim, head_hidden, head_layers, outputs),
    }
    if compact:
        counts["fusion"] = fusion_parameters(visual_channels)
    return {**counts, "total": sum(counts.values())}
