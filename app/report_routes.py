"""What the page Report links to: a run's report to look at, and its files to keep.

    GET /mvla/runs/{run_id}/report/{lang}/page.html    -> the report, in a sandbox in which only its own script may run
    GET /mvla/runs/{run_id}/report/{lang}/report.html  -> the same file, to keep
    GET /mvla/runs/{run_id}/report/{lang}/report.zip   -> the Markdown text with its figures, to keep

Addresses of their own and not download buttons: what stands behind such a button is thrown away in each rerun of the page, and a
click that comes before the new button has arrived is lost. All of these only read.
"""

from __future__ import annotations

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.answers import NEVER, UnusableAddress, answering, identifier
from app.report_files import ReportFiles, report_of, zipped
from app.session import data_root
from mvla_core.errors import RunError
from mvla_core.reports.page_script import script_hash
from mvla_core.wording import LANGUAGES

_HTML = "text/html; charset=utf-8"


def report_address(run_id: str, lang: str, name: str, version: int) -> str:
    """Address of a report's file: "page.html" to look at, "report.html" or "report.zip" to keep.

    Args:
        run_id: The run.
        lang: "en" or "ko".
        name: One of the three.
        version: Changes when the report is written again.
    """
    return f"/mvla/runs/{quote(run_id, safe='')}/report/{lang}/{name}?v={version}"


def _found(request: Request) -> tuple[str, ReportFiles]:
    """The run's name with its report in the language that the address names."""
    lang = request.path_params["lang"]
    if lang not in LANGUAGES:
        raise UnusableAddress(
            f"There is no report in the language {lang[:12]!r}: expected one of {', '.join(LANGUAGES)}."
        )
    run_id = identifier(request.path_params["run_id"], "run name")
    report = report_of(data_root().run(run_id), lang)
    if report is None:
        raise RunError(f"The run {run_id} has no report in this language; write it on the page Report.")
    return run_id, report


def _kept(name: str) -> dict[str, str]:
    return {"Cache-Control": NEVER, "Content-Disposition": f'attachment; filename="{name}"'}


@answering
def shown(request: Request) -> Response:
    """The report to look at. Its own script may run, by its hash; whatever a recording's texts may hold may not."""
    _, report = _found(request)
    policy = (
        "sandbox allow-scripts allow-modals; default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src '{script_hash()}'"
    )
    headers = {"Cache-Control": NEVER, "Content-Security-Policy": policy}
    return Response(report.page.read_bytes(), media_type=_HTML, headers=headers)


@answering
def page(request: Request) -> Response:
    """The report as one file."""
    run_id, report = _found(request)
    name = f"{run_id}-{request.path_params['lang']}.html"
    return Response(report.page.read_bytes(), media_type=_HTML, headers=_kept(name))


@answering
def markdown(request: Request) -> Response:
    """The Markdown text with its figures as a zip archive."""
    run_id, report = _found(request)
    name = f"{run_id}-{request.path_params['lang']}.zip"
    return Response(zipped(report), media_type="application/zip", headers=_kept(name))


REPORT_ROUTES = [
    Route("/mvla/runs/{run_id}/report/{lang}/page.html", shown, methods=["GET"]),
    Route("/mvla/runs/{run_id}/report/{lang}/report.html", page, methods=["GET"]),
    Route("/mvla/runs/{run_id}/report/{lang}/report.zip", markdown, methods=["GET"]),
]
