"""What the curves fetch: the logged steps of one run, one metric of several, and all metrics as a table to keep.

    GET /mvla/runs/{run_id}/curves?points=4000&axis=epoch&begin=1.5&end=3
    GET /mvla/runs/{run_id}/predictions?after=0
    GET /mvla/runs/{run_id}/metrics.csv
    GET /mvla/overlay?runs=a,b&metric=epoch.val_loss&axis=epoch    -> 304 where nothing has changed

What a run gains while it trains is read by byte offset from its progress route (`routes`). All of these only read.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from app.answers import UnusableAddress, answering, run_named, whole_number
from app.session import data_root
from mvla_core.layout import RunFolder
from mvla_core.runs.columns import AXES, Axis
from mvla_core.runs.curves import MAX_POINTS, overlay, run_curves
from mvla_core.runs.export import metric_lines
from mvla_core.runs.predictions import read_predictions


def run_url(run_id: str) -> str:
    """Address below which a run's curves and progress are."""
    return f"/mvla/runs/{quote(run_id, safe='')}"


def csv_url(run_id: str) -> str:
    """Address of all metrics of a run as a table."""
    return f"{run_url(run_id)}/metrics.csv"


def overlay_url(run_ids: Sequence[str], metric: str, axis: str) -> str:
    """Address of one metric of several runs."""
    return f"/mvla/overlay?runs={quote(','.join(run_ids), safe=',')}&metric={quote(metric)}&axis={quote(axis)}"


def _axis(request: Request) -> Axis:
    asked = request.query_params.get("axis", "epoch")
    for axis in AXES:
        if asked == axis:
            return axis
    raise UnusableAddress(f"There is no axis {asked[:24]!r}: expected one of {', '.join(AXES)}.")


def _number(request: Request, name: str) -> float | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        value = float(text) if len(text) <= 40 and text.isascii() else math.nan
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UnusableAddress(f"The {name} {text[:24]!r} cannot be used: expected a number.")
    return value


@answering
def curves(request: Request) -> Response:
    """All curves of a run, or a stretch of them, thinned to about `points` logged steps."""
    run = run_named(request.path_params["run_id"])
    points = whole_number(request.query_params.get("points", str(MAX_POINTS)), "number of points", MAX_POINTS)
    begin, end = _number(request, "begin"), _number(request, "end")
    return JSONResponse(run_curves(data_root(), run, points=points, begin=begin, end=end, axis=_axis(request)))


@answering
def epoch_predictions(request: Request) -> Response:
    """What was predicted for the watched validation episodes in the epochs after `after`; {} before the first."""
    run = run_named(request.path_params["run_id"])
    after = whole_number(request.query_params.get("after", "0"), "epoch", 10**9)
    read = read_predictions(run)
    return JSONResponse({} if read is None else read.to_json(after))


@answering
def overlaid(request: Request) -> Response:
    """One metric of several runs."""
    names = request.query_params.get("runs", "").split(",")
    runs = [run_named(name) for name in dict.fromkeys(names)]
    metric, axis = request.query_params.get("metric", ""), _axis(request)
    tag = f'"{"-".join(_state(run) for run in runs)}"'
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers={"ETag": tag})
    answer = overlay(data_root(), runs, metric, axis=axis)
    # While there is more to read, the next answer differs although the files do not.
    return JSONResponse(answer, headers={} if answer["unread"] else {"ETag": tag})


def _state(run: RunFolder) -> str:
    try:
        found = run.progress.stat()
    except OSError:
        return "0"
    return f"{found.st_size:x}.{found.st_mtime_ns:x}"


@answering
def table(request: Request) -> Response:
    """All metrics of a run as comma-separated values, row by row as they are read."""
    run = run_named(request.path_params["run_id"])
    headers = {"Content-Disposition": f'attachment; filename="{run.run_id}-metrics.csv"'}
    return StreamingResponse(metric_lines([run]), media_type="text/csv; charset=utf-8", headers=headers)


METRICS_ROUTES = [
    Route("/mvla/runs/{run_id}/curves", curves, methods=["GET"]),
    Route("/mvla/runs/{run_id}/predictions", epoch_predictions, methods=["GET"]),
    Route("/mvla/runs/{run_id}/metrics.csv", table, methods=["GET"]),
    Route("/mvla/overlay", overlaid, methods=["GET"]),
]
