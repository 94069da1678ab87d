"""What a frame and a step of a training cost on a CPU, by a formula on measured figures. Torch-free.

A frame's cost follows from what is trained. Frozen parts at the bottom (the vision tower, and below the top layers the language
model) are computed once and kept; the rest is passed forward and backward. With low-rank updates the backward pass is
about as long as the forward pass; with every weight trained it computes the weights' gradients too, which is one more; gradient
checkpointing computes the forward pass once more. The figures of Kosmos-2 with low-rank updates on the language model are those of
docs/training.md; of full tuning and of checkpointing only this arithmetic is known.
"""

from __future__ import annotations

from dataclasses import dataclass

from mvla_core.policies.parameters import SHAPES, trainable_parameters
from mvla_core.policies.spec import TEXT_ONLY_TARGETS
from mvla_core.training.recipe import Recipe


@dataclass(frozen=True)
class Costs:
    """Measured costs of a recipe on a CPU.

    Attributes:
        start_s: Loading libraries and weights.
        feature_core_s: Core-seconds to compute a frame's frozen features, once.
        frame_core_s: Core-seconds for a frame forward and backward.
        step_core_s: Core-seconds of an optimiser step besides its frames: the text model, the optimiser.
        epoch_s: Seconds of an epoch besides its steps and validation: saving and telling.
        feature_bytes: Disk space of a frame's features.
    """

    start_s: float
    feature_core_s: float
    frame_core_s: float
    step_core_s: float
    epoch_s: float
    feature_bytes: int


@dataclass(frozen=True)
class _Parts:
    """The same of the parts of a Kosmos-2: core-seconds of a frame.

    Attributes:
        start_s: As in `Costs`.
        look: Prepare the pixels.
        vision_once: The frozen vision tower forward.
        text_once: The whole language model forward.
        vision: The vision tower with low-rank updates, forward and backward.
        text: The language model likewise.
        parameter_s: Core-seconds of the optimiser for a trained parameter.
        epoch_s: As in `Costs`.
        side: Of the picture it sees, pixels.
        words: Positions of a sequence besides the picture's, for an instruction of usual length.
    """

    start_s: float
    look: float
    vision_once: float
    text_once: float
    vision: float
    text: float
    parameter_s: float
    epoch_s: float
    side: int
    words: int


_COMPACT = Costs(8.0, 0.022, 0.0006, 0.04, 0.08, 112 * 14 * 14 * 2)
_KOSMOS2 = _Parts(60.0, 0.01, 1.2, 1.5, 3.5, 4.1, 5e-9, 5.0, 224, 21)
_TINY = _Parts(8.0, 0.001, 0.003, 0.001, 0.003, 0.004, 2e-7, 0.05, 56, 21)


def costs_of(recipe: Recipe) -> Costs:
    """Return what a frame and a step of this recipe cost."""
    if recipe.backbone == "compact":
        return _COMPACT
    parts, shape = (_KOSMOS2 if recipe.backbone == "kosmos2" else _TINY), SHAPES[recipe.backbone]
    full = recipe.tuning == "full"
    number = 4 if recipe.precision == "fp32" else 2
    share = 1.0
    if full or recipe.lora_targets not in TEXT_ONLY_TARGETS:
        once, work, kept = parts.look, parts.vision + parts.text, 3 * parts.side**2
    elif recipe.lora_top_layers:
        share = min(recipe.lora_top_layers, shape.text_layers) / shape.text_layers
        once = parts.vision_once + (1 - share) * parts.text_once
        work, kept = share * parts.text, (shape.slots + parts.words) * shape.text_dim * number
    else:
        once, work, kept = parts.vision_once, parts.text, shape.slots * shape.text_dim * number
    # In passes of the length of one forward pass: forward, backward, the weights' gradients, forward again.
    passes = 2 + full + recipe.gradient_checkpointing
    trained = parameters_of(recipe, 2)["total"]
    return Costs(parts.start_s, once, work * passes / 2, trained * parts.parameter_s, parts.epoch_s, kept)


def parameters_of(recipe: Recipe, outputs: int) -> dict[str, int]:
    """Count the trainable parameters of a recipe by part, and in "total".

    Args:
        recipe: What to train.
        outputs: Numbers that its head gives for each predicted step: action dimensions, or classes to choose from.
    """
    return trainable_parameters(
        recipe.backbone,
        rank=recipe.lora_rank,
        targets=recipe.lora_targets,
        head_hidden=recipe.head_hidden,
        head_layers=recipe.head_layers,
        outputs=recipe.chunk_size * outputs,
        visual_channels=recipe.visual_channels,
        tuning=recipe.tuning,
        top_layers=recipe.lora_top_layers,
    )
