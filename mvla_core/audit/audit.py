"""Audit a data set on the disk: read its actions, then `audit_episodes`."""

from __future__ import annotations

from mvla_core.audit.analysis import audit_episodes
from mvla_core.audit.result import AuditResult
from mvla_core.datasets.windows import WindowSpec
from mvla_core.episodes.catalogue import load_sequences, scan
from mvla_core.episodes.dataset import resolve_dataset
from mvla_core.layout import DataRoot
from mvla_core.progress import SILENT, Progress


def audit_dataset(
    root: DataRoot,
    dataset: str,
    *,
    window: WindowSpec = WindowSpec(),  # noqa: B008 - frozen, so that sharing it is safe
    seed: int = 0,
    progress: Progress = SILENT,
) -> AuditResult:
    """Audit a data set on the disk.

    Args:
        root: Where data sets lie.
        dataset: A name under the root, or the path of a folder.
        window: The windows a training would use.
        seed: The seed of its split.
        progress: Told what is done.

    Raises:
        UserInputError: There is no such data set.
    """
    ref = resolve_dataset(root, dataset)
    progress.stage(f"Reading the episodes of {ref.name}")
    catalogue = scan(root, ref, progress)
    sequences = load_sequences(catalogue.episodes)
    progress.stage("Comparing with predictors that do not look")
    progress.check()
    return audit_episodes(ref.name, catalogue.episodes, sequences, catalogue.findings, window=window, seed=seed)
