"""Reports of a run: HTML (one file that works offline) and Markdown with PNG figures, in English or Korean.

A report computes nothing: every figure in it is read from the run folder, so that the page, the file and the JSON agree.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup, escape

from mvla_core.errors import UserInputError, did_you_mean
from mvla_core.evaluation.wording import LANGUAGES, Language
from mvla_core.files import replacing, write_text
from mvla_core.layout import DataRoot
from mvla_core.progress import SILENT, Progress
from mvla_core.reports.background import gather_background
from mvla_core.reports.build import WHOLE_REPORT, build_document
from mvla_core.reports.choice import MOST_RUNS, ReportChoice
from mvla_core.reports.document import Document, Figures
from mvla_core.reports.drawing import draw_png, draw_svg, korean_font
from mvla_core.reports.language import Words
from mvla_core.reports.page_script import script, script_hash
from mvla_core.reports.stored import read_stored

_NO_BREAK = re.compile(r"(?<=\d) (?=(?:%|m/s|rad/s|ms)(?:\W|$))")
_BOLD = re.compile(r"\*\*(.+?)\*\*")
_MARKDOWN_SIGNS = re.compile(r"([\\`*_\[\]#|~])")


def write_report(
    root: DataRoot,
    run_ids: str | Sequence[str],
    *,
    lang: Language,
    out: Path,
    choice: ReportChoice = WHOLE_REPORT,
    progress: Progress = SILENT,
) -> list[Path]:
    """Gather what a report needs, then write `report.html`, `report.md` and `figures/*.png` into a folder.

    Args:
        root: The data root.
        run_ids: An evaluated run, or several: the report is about the first and puts the others beside it.
        lang: "en" or "ko".
        out: The folder; it is made if need be, and files of an earlier report in it are replaced.
        choice: Sections and foreword.
        progress: Told of each stage.

    Returns:
        What was written, the HTML file first.

    Raises:
        UserInputError: The language is unknown, or a run is named twice, or too many are.
        RunError: There is no such run, or it is not evaluated.
    """
    names = _run_names(run_ids)
    _check_language(lang)
    for name in names:
        gather_background(root, name, progress)
    progress.stage("Draw and write the report")
    document = read_document(root, names, lang, choice)
    page = out / "report.html"
    write_text(page, render_html(document))
    text = out / "report.md"
    figures = _write_figures(document, out / "figures")
    write_text(text, render_markdown(document))
    return [page, text, *figures]


def run_report_job(root: DataRoot, config: Mapping[str, Any], progress: Progress = SILENT) -> dict[str, Any]:
    """Write the report that a job asks for into the run's own folder.

    Args:
        root: The data root.
        config: `run_id`, `lang`, and optionally `others` (further runs), `sections` and `foreword`.
        progress: Told of each stage.

    Returns:
        `{"files": [...]}`.
    """
    run_id, lang = config["run_id"], config["lang"]
    names = [run_id, *config.get("others", ())]
    out = root.run(run_id).report / lang
    files = write_report(root, names, lang=lang, out=out, choice=ReportChoice.from_json(config), progress=progress)
    return {"files": [str(file) for file in files]}


def read_document(
    root: DataRoot, run_ids: str | Sequence[str], lang: Language, choice: ReportChoice = WHOLE_REPORT
) -> Document:
    """Read evaluated runs, for which a report was gathered, as a document of one language; raises as `write_report` does."""
    _check_language(lang)
    several = [read_stored(root, name) for name in _run_names(run_ids)]
    words = Words(lang)
    # A page brings its reader's own fonts; a PNG has only those that are installed here.
    drawable = words if lang == "en" or korean_font() else Words("en")
    return build_document(several, words, drawable, choice)


def _check_language(lang: str) -> None:
    if lang not in LANGUAGES:
        raise UserInputError(
            f"The language {lang!r} is unknown: expected one of {', '.join(LANGUAGES)}.{did_you_mean(lang, LANGUAGES)}"
        )


def _run_names(run_ids: str | Sequence[str]) -> list[str]:
    names = [run_ids] if isinstance(run_ids, str) else list(run_ids)
    if not 1 <= len(names) <= MOST_RUNS:
        raise UserInputError(f"A report is about 1 to {MOST_RUNS} runs; found {len(names)}.")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UserInputError(f"The run {twice!r} is named twice; a report names each run once.")
    return names


def render_html(document: Document) -> str:
    """Return the report as one HTML file with everything inside."""
    environment = _environment()
    environment.finalize = lambda value: _NO_BREAK.sub("\N{NO-BREAK SPACE}", value) if type(value) is str else value
    environment.filters["bold"] = lambda text: Markup(_BOLD.sub(r"<strong>\1</strong>", str(escape(text))))
    # Both are our own: the style is a file of this package, and matplotlib escapes the texts within a drawing.
    return environment.get_template("report.html.j2").render(
        document=document,
        style=Markup(_template("style.css")),
        svg=lambda panel: Markup(draw_svg(panel, document.lang)),
        script=Markup(script()),
        script_hash=script_hash(),
    )


def render_markdown(document: Document) -> str:
    """Return the report as Markdown that refers to `figures/<name>.png`."""
    environment = _environment()
    # What a macro returns is marked as done, and so escaped once only.
    environment.finalize = lambda value: Markup(_escape_markdown(value)) if type(value) is str else value
    environment.filters["raw"] = Markup
    environment.filters["fenced"] = lambda text: Markup(text.replace("```", "'''"))
    text = environment.get_template("report.md.j2").render(
        document=document, png=lambda block: Markup(_figure_name(block))
    )
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _escape_markdown(text: str) -> str:
    """Make a text mean itself in Markdown, which may hold HTML."""
    plain = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKDOWN_SIGNS.sub(r"\\\1", plain)


def _environment() -> Environment:
    return Environment(
        loader=FunctionLoader(_template), undefined=StrictUndefined, keep_trailing_newline=True, autoescape=True
    )


@cache
def _template(name: str) -> str:
    return resources.files("mvla_core.reports").joinpath("templates", name).read_text(encoding="utf-8")


def _figure_name(block: Figures) -> str:
    return f"figures/{block.name}.png"


def _write_figures(document: Document, folder: Path) -> list[Path]:
    written: list[Path] = []
    for earlier in folder.glob("*.png"):
        earlier.unlink()
    blocks: list[Any] = [block for section in document.sections for block in section.blocks if block.kind == "figures"]
    for block in blocks:
        path = folder / f"{block.name}.png"
        with replacing(path) as temporary:
            temporary.write_bytes(draw_png(block.panels, block.columns))
        written.append(path)
    return written
