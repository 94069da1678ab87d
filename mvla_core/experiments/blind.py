"""The policy's own architecture without its eyes, and without its ears: what the rest of it can do on this data.

Both are trained with the run's recipe on the run's training part, for fewer epochs, and chosen by its validation part. The one sees
the same mid-grey picture at every frame: of the present it knows nothing, so that the mean action of the instruction is the best
that it can learn. The other hears no instruction. They lie in the run's evaluation folder and are used again while recipe, data and
beginning stay the same.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from mvla_core.datasets.split import Split
from mvla_core.episodes.annotations import frozen
from mvla_core.episodes.catalogue import load_sequences
from mvla_core.episodes.curation import scan_curated
from mvla_core.episodes.dataset import resolve_dataset
from mvla_core.episodes.frame_features import frame_features
from mvla_core.evaluation.ablations import GREY, Frames, LastFrames, Policy
from mvla_core.evaluation.results import Chunks
from mvla_core.files import read_json, sha256_file
from mvla_core.layout import DataRoot, RunFolder
from mvla_core.policies.adapter import DESCRIPTION, LoadedPolicy, load_policy, read_description, save_policy
from mvla_core.policies.build import BuiltPolicy, build_policy
from mvla_core.policies.spec import PolicySpec
from mvla_core.progress import SILENT, Progress
from mvla_core.schema import EpisodeInfo
from mvla_core.training.recipe import Recipe
from mvla_core.training.segments import Collator, PreparedEpisode, Segment, cut_segments
from mvla_core.training.validation import validate

Sense = Literal["picture", "instruction"]
SENSES: tuple[Sense, ...] = ("picture", "instruction")
EPOCH_SHARE, MOST_EPOCHS = 3, 20
"""A third of the recipe's epochs, at most 20: what cannot look has little to learn."""


@dataclass(frozen=True)
class PictureBlind:
    """Predicts as if every picture were mid-grey."""

    policy: LoadedPolicy

    def predict_episode(
        self, root: DataRoot, info: EpisodeInfo, last_frames: LastFrames, instruction: str | None = None
    ) -> Chunks:
        return self._answer(info.instruction if instruction is None else instruction, len(last_frames))

    def predict_frames(self, frames: Frames, instruction: str, last_frames: LastFrames) -> Chunks:
        return self._answer(instruction, len(last_frames))

    def _answer(self, instruction: str, windows: int) -> Chunks:
        # All windows look the same, so that one prediction serves all.
        size = self.policy.spec.window_size
        features = np.repeat(self.policy.encode_frames(_grey()), size, axis=0)
        one = self.policy.predict_features(features, instruction, np.array([size - 1]))
        return np.repeat(one, windows, axis=0)


@dataclass(frozen=True)
class InstructionBlind:
    """Predicts without any instruction."""

    policy: LoadedPolicy

    def predict_episode(
        self, root: DataRoot, info: EpisodeInfo, last_frames: LastFrames, instruction: str | None = None
    ) -> Chunks:
        return self.policy.predict_episode(root, info, last_frames, "")

    def predict_frames(self, frames: Frames, instruction: str, last_frames: LastFrames) -> Chunks:
        return self.policy.predict_frames(frames, "", last_frames)


def blind_policies(root: DataRoot, run: RunFolder, progress: Progress = SILENT) -> dict[str, Policy]:
    """Return the run's architecture without pictures and without instruction, trained now or before.

    Args:
        root: The data root.
        run: A run with an adapter.
        progress: Told of each epoch; a request to stop ends the training, and what was not finished begins anew the next time.

    Returns:
        "picture_blind", and "instruction_blind" where the data has more than one instruction; none for a backbone of billions of
        parameters without a GPU, where it would take hours: a note says so.

    Raises:
        EpisodeError: An episode cannot be read.
        Stopped: The user asked.
    """
    spec = PolicySpec.from_json(read_description(run.adapter)["spec"])
    if _too_large(spec):
        progress.note(
            "The blind versions of this policy are not trained: Kosmos-2 would take hours without a GPU.", "warning"
        )
        return {}
    config, split = read_json(run.config), Split.from_json(read_json(run.split))
    recipe = Recipe.from_json(config["recipe"])
    data = scan_curated(root, resolve_dataset(root, config["dataset_folder"]), annotations=frozen(run.path))
    train, validation = ([data.by_id(name) for name in part] for part in (split.train, split.validation))
    told = {info.instruction for info in train}
    digest = _digest(run, spec)
    for sense in SENSES:
        if sense == "instruction" and len(told) < 2:
            continue
        folder = _folder(run, sense)
        if not _is_of(folder, digest):
            progress.stage(f"Train the same policy without its {sense}s, epochs")
            policy = build_policy(spec, recipe.seed)
            policy.encoder.to(_device())
            policy.network.to(_device())
            taught, judged = (_prepared(root, policy, infos, sense) for infos in (train, validation))
            fit(policy, taught, judged, recipe, folder, {"digest": digest, "sense": sense}, progress)
    return kept_blind_policies(run)


def kept_blind_policies(run: RunFolder) -> dict[str, Policy]:
    """Return those blind versions of a run's policy that were trained before and still belong to it; nothing is trained.

    Raises:
        PolicyError: One that lies there cannot be loaded.
    """
    trained = [sense for sense in SENSES if (_folder(run, sense) / DESCRIPTION).is_file()]
    if not trained or not run.adapter.is_dir():
        return {}
    spec = PolicySpec.from_json(read_description(run.adapter)["spec"])
    if _too_large(spec):
        return {}
    digest = _digest(run, spec)
    found: dict[str, Policy] = {}
    for sense in trained:
        if _is_of(_folder(run, sense), digest):
            loaded = load_policy(_folder(run, sense))
            found[f"{sense}_blind"] = PictureBlind(loaded) if sense == "picture" else InstructionBlind(loaded)
    return found


def _too_large(spec: PolicySpec) -> bool:
    """Whether a backbone of billions of parameters would have to be computed without a GPU."""
    return spec.backbone == "kosmos2" and not torch.cuda.is_available()


def _folder(run: RunFolder, sense: Sense) -> Path:
    return run.evaluation / "blind" / sense


def _digest(run: RunFolder, spec: PolicySpec) -> str:
    """What a blind version depends on: a policy that is trained anew, on other episodes, or from elsewhere needs others."""
    recipe = Recipe.from_json(read_json(run.config)["recipe"])
    start = sorted(path for path in run.start.rglob("*") if path.is_file()) if run.start.is_dir() else []
    origin = {
        "of": spec.to_json(),
        "recipe": recipe.to_json(),
        "split": read_json(run.split),
        "curation": frozen(run.path).to_json(),
        "start": [[str(path.relative_to(run.start)), sha256_file(path)] for path in start],
        "epochs": blind_epochs(recipe),
    }
    return hashlib.sha256(json.dumps(origin, sort_keys=True).encode()).hexdigest()


def blind_epochs(recipe: Recipe) -> int:
    """How many epochs the blind versions of a recipe are trained."""
    return max(1, min(MOST_EPOCHS, math.ceil(recipe.epochs / EPOCH_SHARE)))


def fit(
    policy: BuiltPolicy,
    train: Sequence[PreparedEpisode],
    validation: Sequence[PreparedEpisode],
    recipe: Recipe,
    folder: Path,
    extra: dict[str, Any],
    progress: Progress,
) -> None:
    """Train a policy by the recipe's optimiser and write the best epoch's, once all epochs are done, to a folder.

    Raises:
        Stopped: The user asked; nothing is written.
    """
    epochs, normaliser = blind_epochs(recipe), policy.spec.normaliser
    network = policy.network
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    segments = cut_segments(train, recipe.window, recipe.windows_per_item, normaliser)
    steps = epochs * math.ceil(len(segments) / recipe.batch_size)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, steps, recipe))
    collate, generator = Collator(policy.encode_instructions), torch.Generator().manual_seed(recipe.seed)
    best, kept = math.inf, 0
    weights: dict[str, torch.Tensor] = {}
    for epoch in range(1, epochs + 1):
        network.train()
        for batch in _batches(segments, recipe.batch_size, generator):
            progress.check()
            inputs = {name: value.to(_device()) for name, value in collate(batch).items()}
            network(**inputs).loss.backward()
            if recipe.gradient_clip:
                torch.nn.utils.clip_grad_norm_(parameters, recipe.gradient_clip)
            optimiser.step()
            schedule.step()
            optimiser.zero_grad()
        network.eval()
        measured = validate(network.get_base_model(), validation, recipe.window, normaliser, policy.encode_instructions)
        if measured.loss < best:
            best, kept = measured.loss, epoch
            weights = {
                name: value.detach().clone() for name, value in network.named_parameters() if value.requires_grad
            }
        progress.update(epoch, epochs)
    network.load_state_dict(weights, strict=False)
    save_policy(policy, folder, {**extra, "epoch": kept, "epochs": epochs, "val_loss": best, "recipe": asdict(recipe)})


def _prepared(root: DataRoot, policy: BuiltPolicy, infos: Sequence[EpisodeInfo], sense: Sense) -> list[PreparedEpisode]:
    """Episodes as one who lacks a sense meets them."""
    sequences = load_sequences(infos)
    if sense == "instruction":
        encoder = policy.training_encoder("")
        return [
            PreparedEpisode(replace(sequence, instruction=""), frame_features(root, encoder, info))
            for info, sequence in zip(infos, sequences, strict=True)
        ]
    longest = max(sequence.num_frames for sequence in sequences)
    grey = {
        text: np.repeat(policy.training_encoder(text).encode(_grey()), longest, axis=0)
        for text in {sequence.instruction for sequence in sequences}
    }
    return [PreparedEpisode(sequence, grey[sequence.instruction][: sequence.num_frames]) for sequence in sequences]


def _batches(segments: Sequence[Segment], size: int, generator: torch.Generator) -> Iterator[list[Segment]]:
    order = torch.randperm(len(segments), generator=generator).tolist()
    for begin in range(0, len(order), size):
        yield [segments[place] for place in order[begin : begin + size]]


def _rate(step: int, steps: int, recipe: Recipe) -> float:
    """The learning rate's share: rises over the warm-up, then falls along half a cosine where the recipe says so."""
    warm = min(recipe.warmup_steps, steps // 4)
    if step < warm:
        return (step + 1) / warm
    if recipe.schedule == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def _grey() -> Frames:
    return np.full((1, 224, 224, 3), GREY, dtype=np.uint8)


def _device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _is_of(folder: Path, digest: str) -> bool:
    return (folder / DESCRIPTION).is_file() and read_json(folder / DESCRIPTION)["extra"].get("digest") == digest
