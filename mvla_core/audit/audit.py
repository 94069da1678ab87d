"""Audit a data set on the disk: read its actions, then `audit_episodes`."""

from __future__ import annotations

from mvla_core.audit.analysis import audit_episodes
from mvla_core.audit.result import AuditResult
from mvla_core.datasets.windows import WindowSpec
from mvla_core.episodes.catalogue import load_sequences
from mvla_core.episodes.curation import scan_curated
from mvla_core.episodes.dataset import resolve_dataset
from mvla_core.episodes.measured_pictures import load_all_facts
from mvla_core.episodes.notes import Annotations
from mvla_core.episodes.picture_findings import facts_findings
from mvla_core.layout import DataRoot
from mvla_core.progress import SILENT, Progress


def audit_dataset(
    root: DataRoot,
    dataset: str,
    *,
    window: WindowSpec = WindowSpec(),  # noqa: B008 - frozen, so that sharing it is safe
    seed: int = 0,
    progress: Progress = SILENT,
    annotations: Annotations | None = None,
) -> AuditResult:
    """Audit a data set on the disk as it was curated; its pictures too, where the job "pictures" has measured them.

    Args:
        root: Where data sets lie.
        dataset: A name under the root, or the path of a folder.
        window: The windows a training would use.
        seed: The seed of its split.
        progress: Told what is done.
        annotations: The curation to apply; None takes what holds now.

    Raises:
        UserInputError: There is no such data set.
        MvlaError: Its stored annotations are damaged.
    """
    ref = resolve_dataset(root, dataset)
    progress.stage(f"Reading the episodes of {ref.name}")
    data = scan_curated(root, ref, progress, annotations=annotations)
    sequences = load_sequences(data.episodes, root)
    progress.stage("Comparing with predictors that do not look")
    progress.check()
    facts = load_all_facts(root, data.episodes)
    of_pictures = facts_findings(ref.name, facts, {sequence.episode_id: sequence.actions for sequence in sequences})
    findings = (*data.findings, *of_pictures)
    return audit_episodes(ref.name, data.episodes, sequences, findings, window=window, seed=seed)
