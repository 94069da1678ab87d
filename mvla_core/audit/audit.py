"""Audit a data set on the disk: read its actions, then `audit_episodes`."""

from __future__ import annotations

from dataclasses import replace

from mvla_core.audit.analysis import audit_episodes
from mvla_core.audit.clock_store import ClockStore
from mvla_core.audit.duplicate_files import check_duplicate_files
from mvla_core.audit.picture_store import PictureStore, picture_digest
from mvla_core.audit.pictures import audit_pictures, picture_audit_findings
from mvla_core.audit.result import AuditResult, worst_first
from mvla_core.audit.split_strategies import SplitOption, compare_splits
from mvla_core.audit.table import PresetSize
from mvla_core.audit.thresholds import load_thresholds
from mvla_core.datasets.windows import WindowSpec
from mvla_core.episodes.catalogue import load_sequences
from mvla_core.episodes.curation import scan_curated
from mvla_core.episodes.dataset import resolve_dataset
from mvla_core.episodes.looks import load_looks
from mvla_core.episodes.measured_pictures import load_all_facts
from mvla_core.episodes.notes import Annotations
from mvla_core.episodes.picture_findings import facts_findings
from mvla_core.layout import DataRoot
from mvla_core.progress import SILENT, Progress
from mvla_core.schema import EpisodeInfo


def audit_dataset(
    root: DataRoot,
    dataset: str,
    *,
    window: WindowSpec = WindowSpec(),  # noqa: B008 - frozen, so that sharing it is safe
    seed: int = 0,
    progress: Progress = SILENT,
    annotations: Annotations | None = None,
    preset: PresetSize | None = None,
) -> AuditResult:
    """Audit a data set on the disk as it was curated; its pictures as far as the jobs "pictures" and "features"
    have looked at them.

    Args:
        root: Where data sets lie.
        dataset: A name under the root, or the path of a folder.
        window: The windows a training would use.
        seed: The seed of its split.
        progress: Told what is done.
        annotations: The curation to apply; None takes what holds now.
        preset: Adds the training windows for each of its trainable parameters.

    Raises:
        UserInputError: There is no such data set.
        MvlaError: Its stored annotations or the user's thresholds file are damaged.
        EpisodeError: A file was removed while it was audited.
    """
    thresholds = load_thresholds(root)
    ref = resolve_dataset(root, dataset)
    progress.stage(f"Reading the episodes of {ref.name}")
    data = scan_curated(root, ref, progress, annotations=annotations)
    sequences = load_sequences(data.episodes, root)
    progress.stage("Comparing with predictors that do not look")
    progress.check()
    facts = load_all_facts(root, data.episodes)
    of_pictures = facts_findings(ref.name, facts, {sequence.episode_id: sequence.actions for sequence in sequences})
    copies = check_duplicate_files(ref.name, data.episodes, sequences)
    result = audit_episodes(
        ref.name,
        data.episodes,
        sequences,
        (*data.findings, *copies, *of_pictures),
        window=window,
        seed=seed,
        thresholds=thresholds,
        preset=preset,
        store=ClockStore.of(root, progress),
    )
    return _with_pictures(root, result, seed, progress)


def _with_pictures(root: DataRoot, result: AuditResult, seed: int, progress: Progress) -> AuditResult:
    """Add what the pictures say, as far as the job "features" has looked at them."""
    if result.action_space is None:
        return result
    space, split, window, sequences = result.action_space, result.split, result.window, result.sequences
    infos = _analysed(result)
    looks = load_looks(root, infos)
    if looks:
        progress.stage("Comparing pictures")
    pictures = PictureStore.of(root, progress).audit(
        picture_digest(infos, sequences, looks, split, window, seed),
        lambda: audit_pictures(infos, sequences, looks, split, window, space, seed=seed, progress=progress),
    )
    found = picture_audit_findings(result.dataset, pictures, result.thresholds)
    return replace(result, pictures=pictures, findings=worst_first((*result.findings, *found)))


def splits_of(root: DataRoot, result: AuditResult) -> tuple[SplitOption, ...]:
    """Put the ways to split an audited data set side by side; nothing for one without an episode."""
    if result.action_space is None:
        return ()
    infos = _analysed(result)
    return compare_splits(
        infos,
        result.sequences,
        result.window,
        result.action_space,
        seed=result.split.seed if result.split else 0,
        looks=load_looks(root, infos),
        likeness_needed=result.pictures.same_view if result.pictures else None,
    )


def _analysed(result: AuditResult) -> list[EpisodeInfo]:
    """The episodes whose actions were analysed, in the order of `result.sequences`."""
    analysed = {sequence.episode_id for sequence in result.sequences}
    return [info for info in result.episodes if info.episode_id in analysed]
