"""The training recipe. Each field is defined once, here: form, `--help`, checks and documents are made from it.

Torch-free: the launch form and the command line read it without loading a deep-learning library.
"""

# ruff: noqa: RUF009 - `setting` returns a dataclass field, as `dataclasses.field` does.

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self, cast

from mvla_core.datasets.normalise import NormaliserKind
from mvla_core.datasets.split import SPLITS, SplitBy
from mvla_core.datasets.windows import ChunkEnds, ShortEpisodes, WindowSpec
from mvla_core.errors import RecipeError, did_you_mean
from mvla_core.policies.spec import (
    ACTION_HEADS,
    BACKBONES,
    LORA_TARGETS,
    TUNINGS,
    ActionHeadName,
    BackboneName,
    LoraTargets,
    Tuning,
)
from mvla_core.training.choices import (
    CURRICULA,
    ENDS,
    NORMALISERS,
    PRECISIONS,
    SCHEDULES,
    SHORT,
    Curriculum,
    Precision,
    Schedule,
)
from mvla_core.training.combinations import check_combination
from mvla_core.training.settings import RecipeField, check_value, convert_value, setting


@dataclass(frozen=True)
class Recipe:
    """Every setting of a training. The defaults are those of the preset `compact`.

    Raises:
        RecipeError: A value is of the wrong kind, out of range, or contradicts another one.
    """

    backbone: BackboneName = setting(
        "compact", "Backbone", "The pretrained model to build on.", "policy", choices=BACKBONES
    )
    base_model: str = setting(
        "",
        "Base weights",
        "Hub id or local folder of Kosmos-2 weights; empty takes the published ones. Other backbones bring their own.",
        "policy",
    )
    window_size: int = setting(
        4, "Window", "How many frames the policy sees at a time.", "policy", unit="frames", between=(1, 64)
    )
    chunk_size: int = setting(
        10, "Chunk", "How many future actions it predicts at a time.", "policy", unit="actions", between=(1, 100)
    )
    action_head: ActionHeadName = setting(
        "regression",
        "Action head",
        "What the LSTM's last state is turned into; both are measured by the same errors in physical units.",
        "policy",
        choices=ACTION_HEADS,
    )
    head_hidden: int = setting(
        256, "Head width", "Width of the LSTM that joins the frames.", "policy", between=(8, 4096)
    )
    head_layers: int = setting(1, "Head layers", "Layers of that LSTM.", "policy", between=(1, 8))
    head_dropout: float = setting(
        0.3, "Head dropout", "Share of the head's inputs hidden at random in training.", "policy", between=(0.0, 0.9)
    )
    visual_channels: int = setting(
        32,
        "Picture channels",
        "Width of the trainable picture branch, a multiple of 8; backbone compact only.",
        "policy",
        between=(8, 512),
    )
    feature_dropout: float = setting(
        0.2,
        "Feature dropout",
        "Share of picture feature channels hidden at random in training; backbone compact only.",
        "policy",
        between=(0.0, 0.9),
    )
    backbone_dropout: float = setting(
        0.0,
        "Backbone dropout",
        "Dropout inside the frozen language model while training.",
        "policy",
        between=(0.0, 0.9),
    )
    tuning: Tuning = setting(
        "lora", "Tuning", "Which weights of the pretrained model are trained.", "lora", choices=TUNINGS
    )
    lora_rank: int = setting(16, "LoRA rank", "Rank of the low-rank updates.", "lora", between=(1, 256))
    lora_alpha: int = setting(16, "LoRA alpha", "The updates are scaled by alpha / rank.", "lora", between=(1, 1024))
    lora_dropout: float = setting(
        0.1, "LoRA dropout", "Dropout on the input of the low-rank updates.", "lora", between=(0.0, 0.9)
    )
    lora_targets: LoraTargets = setting(
        "text_all", "LoRA targets", "Which linear layers get a low-rank update.", "lora", choices=LORA_TARGETS
    )
    lora_top_layers: int = setting(
        0,
        "LoRA top layers",
        "Only so many of the language model's last layers get a low-rank update; 0 means all. What the frozen layers below "
        "give is then computed once for each frame and instruction, and kept on the disk.",
        "lora",
        unit="layers",
        between=(0, 96),
    )
    normaliser: NormaliserKind = setting(
        "mean_std",
        "Normalisation",
        "How actions are scaled for the network; fitted on the training episodes, undone in every prediction.",
        "data",
        choices=NORMALISERS,
    )
    chunk_ends: ChunkEnds = setting(
        "mask",
        "Chunk ends",
        "What happens where an episode ends before the chunk does.",
        "data",
        choices=ENDS,
    )
    short_episodes: ShortEpisodes = setting(
        "leave_out",
        "Short episodes",
        "What happens with episodes that are too short for one window and what must follow it.",
        "data",
        choices=SHORT,
    )
    split_by: SplitBy = setting(
        "episode",
        "Split by",
        "What is never divided between training, validation and test.",
        "data",
        choices={str(by): asks for by, asks in SPLITS.items()},
    )
    windows_per_item: int = setting(
        64,
        "Windows an item",
        "Consecutive windows that share their frames in one training item; 1 encodes every window by itself.",
        "data",
        unit="windows",
        between=(1, 512),
    )
    augmentation: str = setting(
        "",
        "Augmentation",
        "Name of a stored augmentation recipe: its copies of the training episodes teach as well; empty for none.",
        "data",
    )
    epochs: int = setting(
        60, "Epochs", "Passes over the training episodes, at most.", "optimisation", between=(1, 10_000)
    )
    patience: int = setting(
        20,
        "Patience",
        "Stop after so many epochs without a better validation loss; 0 never stops early.",
        "optimisation",
        unit="epochs",
        between=(0, 10_000),
    )
    learning_rate: float = setting(
        1e-3, "Learning rate", "Of AdamW, at its highest.", "optimisation", between=(1e-7, 1.0)
    )
    weight_decay: float = setting(0.01, "Weight decay", "Of AdamW.", "optimisation", between=(0.0, 1.0))
    schedule: Schedule = setting(
        "cosine", "Schedule", "How the learning rate changes after the warm-up.", "optimisation", choices=SCHEDULES
    )
    warmup_steps: int = setting(
        20,
        "Warm-up",
        "Steps in which the learning rate rises from zero.",
        "optimisation",
        unit="steps",
        between=(0, 100_000),
    )
    batch_size: int = setting(
        4, "Batch", "Training items in one forward pass.", "optimisation", unit="items", between=(1, 1024)
    )
    gradient_accumulation: int = setting(
        1,
        "Accumulation",
        "Forward passes whose gradients make one optimiser step.",
        "optimisation",
        unit="passes",
        between=(1, 1024),
    )
    gradient_clip: float = setting(
        1.0,
        "Gradient clip",
        "Longest gradient, as a norm; 0 leaves it as it is.",
        "optimisation",
        between=(0.0, 1000.0),
    )
    huber_delta: float = setting(
        1.0,
        "Huber delta",
        "Where the loss turns from square to linear.",
        "optimisation",
        unit="normalised action",
        between=(0.01, 100.0),
    )
    ema_decay: float = setting(
        0.0,
        "EMA decay",
        "Validation and the best adapter use a moving average of the trained weights that keeps this share at each step, "
        "less in the first steps; 0 uses the weights themselves.",
        "optimisation",
        between=(0.0, 0.99999),
    )
    curriculum: Curriculum = setting(
        "none", "Curriculum", "Which training episodes the first epochs use.", "optimisation", choices=CURRICULA
    )
    curriculum_epochs: int = setting(
        4,
        "Curriculum epochs",
        "Epochs until all training episodes take part, with the curriculum simple_first; each epoch has the same number of "
        "steps, so the simplest episodes are seen more often.",
        "optimisation",
        unit="epochs",
        between=(1, 10_000),
    )
    seed: int = setting(
        0, "Seed", "Of the split, the fresh weights and the order of items.", "optimisation", between=(0, 2**31 - 1)
    )
    precision: Precision = setting("fp32", "Precision", "Number format of the products.", "machine", choices=PRECISIONS)
    gradient_checkpointing: bool = setting(
        False,
        "Gradient checkpointing",
        "Compute activations again instead of keeping them: less memory, more time, the same gradient.",
        "machine",
    )

    def __post_init__(self) -> None:
        for described in recipe_fields():
            check_value(described, getattr(self, described.name))
        check_combination(self)

    @property
    def window(self) -> WindowSpec:
        """How episodes are cut into items."""
        return WindowSpec(self.window_size, self.chunk_size, self.chunk_ends, self.short_episodes)

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read a recipe; keys that are left out keep their default.

        Raises:
            RecipeError: A key is unknown (the nearest is suggested) or a value cannot be used.
        """
        return cls(**_read(value))

    def changed(self, overrides: Mapping[str, Any]) -> Recipe:
        """Return a recipe with some values replaced; texts, as the command line gives them, are converted.

        Raises:
            RecipeError: As `from_json`.
        """
        return dataclasses.replace(self, **_read(overrides))


def recipe_fields() -> tuple[RecipeField, ...]:
    """Return every setting in the order of the form."""
    return _FIELDS


_FIELDS: tuple[RecipeField, ...] = tuple(
    dataclasses.replace(cast(RecipeField, each.metadata["setting"]), name=each.name) for each in fields(Recipe)
)
_BY_NAME = {described.name: described for described in _FIELDS}


def _read(value: Mapping[str, Any]) -> dict[str, Any]:
    for name in value:
        if name not in _BY_NAME:
            raise RecipeError(f"The recipe has no setting {name!r}.{did_you_mean(name, _BY_NAME)}")
    return {name: convert_value(_BY_NAME[name], given) for name, given in value.items()}


@dataclass(frozen=True)
class Preset:
    """A recipe with a name and a reason."""

    name: str
    title: str
    description: str
    recipe: Recipe


_BRIEFING = Recipe(
    backbone="kosmos2",
    head_hidden=512,
    head_layers=1,
    head_dropout=0.0,
    feature_dropout=0.0,
    backbone_dropout=0.1,
    lora_rank=32,
    lora_alpha=16,
    lora_dropout=0.1,
    lora_targets="text_all",
    normaliser="clamp",
    chunk_ends="drop",
    windows_per_item=1,
    epochs=20,
    patience=0,
    learning_rate=1e-4,
    weight_decay=0.01,
    schedule="cosine",
    warmup_steps=0,
    batch_size=1,
    gradient_accumulation=8,
    gradient_clip=1.0,
    seed=123,
    precision="fp16",
)
_FAST = dataclasses.replace(
    _BRIEFING,
    backbone_dropout=0.0,
    normaliser="mean_std",
    chunk_ends="mask",
    windows_per_item=8,
    gradient_accumulation=1,
    patience=5,
    precision="bf16",
)

PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            "compact",
            "Laptop",
            "Pretrained EfficientNet-Lite0 and MiniLM with LoRA, FiLM and an LSTM head: about a minute on two cores for a "
            "few hundred frames, no GPU, no download.",
            Recipe(),
        ),
        Preset(
            "briefing",
            "Briefing",
            "Kosmos-2 with the briefing's settings to the letter: LoRA on all linear layers of the language model, actions "
            "clamped, window by window, fp16. Needs a CUDA GPU and the Kosmos-2 weights.",
            _BRIEFING,
        ),
        Preset(
            "briefing-fast",
            "Briefing, faster",
            "The briefing's policy with windows that share frames, bf16, nothing clamped and no dropout inside the frozen "
            "model: the same loss for a fraction of the work. Needs the Kosmos-2 weights.",
            _FAST,
        ),
        Preset(
            "top-layers",
            "Top layers",
            "LoRA on the last 8 layers of Kosmos-2's language model; what the 16 below give is computed once and kept on the "
            "disk (about 0.35 MB a frame): the fastest way to train Kosmos-2. Needs the Kosmos-2 weights.",
            dataclasses.replace(_FAST, lora_top_layers=8, windows_per_item=16),
        ),
        Preset(
            "full",
            "Full fine-tuning",
            "Every weight of Kosmos-2 is trained, the vision too, as RoboVLMs does: no LoRA. Weights, gradients and optimiser "
            "take about 25 GiB, an adapter 6.7 GB. Needs a large GPU and the Kosmos-2 weights.",
            dataclasses.replace(_FAST, tuning="full", learning_rate=2e-5, warmup_steps=50, gradient_checkpointing=True),
        ),
        Preset(
            "tiny",
            "Plumbing",
            "A random miniature Kosmos-2 that trains in seconds and proves that the way works; it learns next to nothing.",
            Recipe(
                backbone="tiny",
                head_hidden=32,
                head_dropout=0.0,
                feature_dropout=0.0,
                lora_rank=4,
                lora_alpha=4,
                lora_dropout=0.0,
                epochs=3,
                patience=0,
                warmup_steps=0,
            ),
        ),
    )
}
"""The recipes that are offered, by name."""
