"""The files of a written report, to show and to download."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

from mvla_core.layout import RunFolder


@dataclass(frozen=True)
class ReportFiles:
    """A report on the disk.

    Attributes:
        folder: Holds the page, the Markdown text and its figures.
        page: The HTML file, complete in itself.
        version: Changes when the report is written again.
    """

    folder: Path
    page: Path
    version: int


def report_of(run: RunFolder, language: str) -> ReportFiles | None:
    """The run's report in a language, or None where none was written."""
    folder = run.report / language
    page = next(iter(sorted(folder.glob("*.html"))), None)
    return ReportFiles(folder, page, page.stat().st_mtime_ns) if page is not None else None


def zipped(report: ReportFiles) -> bytes:
    """The Markdown text with its figures as a zip archive, without the HTML page."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(report.folder.rglob("*")):
            if path.is_file() and path != report.page:
                archive.write(path, path.relative_to(report.folder))
    return buffer.getvalue()


def outdated(report: ReportFiles, run: RunFolder) -> bool:
    """Whether the run was evaluated again after its report was written."""
    results = run.evaluation_results
    return results.is_file() and results.stat().st_mtime_ns > report.version
