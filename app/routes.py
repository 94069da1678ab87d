"""What the browser fetches beside the pages: frames as JPEG, the progress of a run, the curation of a data set.

Clients send identifiers, never paths; each is checked before it becomes part of one. All routes answer only to host names on
the allow-list (a page of another site that points its own name at this machine gets nothing) and refuse requests that
another site makes. They only read, but for the uploads and the questions to a policy.
Metrics, reports, augmented frames, the overlay and uploads have modules of their own (`metrics_routes`, `report_routes`,
`augmented_frames`, `overlay_routes`, `upload_routes`). Errors are one sentence of plain text.

    GET /mvla/frames/{dataset}/{episode_id}/{index}.jpg?w=640&v=<mtime>
    GET /mvla/strips/{dataset}/{episode_id}.jpg?v=<mtime>
    GET /mvla/curation/{dataset}.json                -> the curation, to be kept
    GET /mvla/runs/{run_id}/progress?offset=N         -> {"offset", "rows"}
"""

from __future__ import annotations

import json
from urllib.parse import quote

from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from streamlit import config as streamlit_config

from app.annotated import as_shown
from app.answers import FOREVER, NEVER, answering, identifier, run_named, whole_number
from app.augmented_frames import AUGMENTED_ROUTES
from app.catalogues import find_episode
from app.metrics_routes import METRICS_ROUTES
from app.overlay_routes import OVERLAY_ROUTES
from app.report_routes import REPORT_ROUTES
from app.session import data_root
from app.upload_routes import UPLOAD_ROUTES
from mvla_core.episodes.annotations import export_json
from mvla_core.episodes.dataset import named_dataset
from mvla_core.episodes.pictures import frame_jpeg
from mvla_core.episodes.thumbnails import make_strip, thumbnail_strip
from mvla_core.errors import EpisodeError
from mvla_core.files import read_json_lines
from mvla_core.schema import ColorOrder, EpisodeInfo

MAX_WIDTH_PX = 1920
PROGRESS_EVENTS = frozenset({"step", "epoch", "stage", "note"})
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")


def frame_url(info: EpisodeInfo) -> str:
    """Address of an episode's frames with `{index}` and `{width}` left open; it changes when the file does."""
    return (
        f"/mvla/frames/{quote(info.dataset, safe='')}/{quote(info.episode_id, safe='')}/{{index}}.jpg"
        f"?w={{width}}&v={_version(info)}"
    )


def strip_url(info: EpisodeInfo) -> str:
    """Address of an episode's picture strip; it changes when the file does."""
    return f"/mvla/strips/{quote(info.dataset, safe='')}/{quote(info.episode_id, safe='')}.jpg?v={_version(info)}"


def picture_in_order(address: str, order: ColorOrder) -> str:
    """The address of a strip whose colours are stored in another order than its file tells."""
    return address.removesuffix("rgb").removesuffix("bgr") + order


def _version(info: EpisodeInfo) -> str:
    """What the pictures of an episode depend on: its file, and the order of its colours, which a user may correct."""
    return f"{info.file_mtime_ns}{info.color_order}"


def curation_url(dataset: str) -> str:
    """Address of a data set's curation as a file."""
    return f"/mvla/curation/{quote(dataset, safe='')}.json"


@answering
def frame(request: Request) -> Response:
    """One frame as JPEG, at most `w` pixels wide. With `v` it never changes, so the browser may keep it for good."""
    width = whole_number(request.query_params.get("w", str(MAX_WIDTH_PX)), "width", 100_000)
    index = whole_number(request.path_params["index"], "frame", 10**9)
    root = data_root()
    dataset = identifier(request.path_params["dataset"], "data set name")
    info = as_shown(root, find_episode(root, dataset, request.path_params["episode_id"]))
    if index >= info.num_frames:
        raise EpisodeError(
            "missing_key", f"The episode {info.episode_id} has {info.num_frames} frames; there is no frame {index}."
        )
    picture = frame_jpeg(root, info, index, max(16, min(width, MAX_WIDTH_PX)))
    return _picture(request, info, picture)


@answering
def strip(request: Request) -> Response:
    """A few frames of an episode side by side, small, as JPEG."""
    root = data_root()
    dataset = identifier(request.path_params["dataset"], "data set name")
    info = as_shown(root, find_episode(root, dataset, request.path_params["episode_id"]))
    return _picture(request, info, thumbnail_strip(root, info) or make_strip(root, info))


def _picture(request: Request, info: EpisodeInfo, picture: bytes) -> Response:
    fresh = request.query_params.get("v") == _version(info)
    return Response(picture, media_type="image/jpeg", headers={"Cache-Control": FOREVER if fresh else NEVER})


@answering
def curation(request: Request) -> Response:
    """What was said of a data set, as a file to keep.

    An address of its own and not a download button: what stands behind such a button is thrown away in each rerun of the page,
    and a click that comes before the new button has arrived is lost.
    """
    ref = named_dataset(data_root(), identifier(request.path_params["dataset"], "data set name"))
    text = json.dumps(export_json(data_root(), ref), ensure_ascii=False, indent=2) + "\n"
    headers = {"Cache-Control": NEVER, "Content-Disposition": f'attachment; filename="{ref.name}-curation.json"'}
    return Response(text, media_type="application/json", headers=headers)


@answering
def progress(request: Request) -> Response:
    """The events of a run's progress file from byte `offset` on; a file that does not exist yet reads as empty."""
    offset = whole_number(request.query_params.get("offset", "0"), "offset", 10**15)
    run = run_named(request.path_params["run_id"])
    rows, offset = read_json_lines(run.progress, offset)
    kept = [row for row in rows if row.get("event") in PROGRESS_EVENTS]
    return JSONResponse({"offset": offset, "rows": kept}, headers={"Cache-Control": NEVER})


ROUTES = [
    Route("/mvla/frames/{dataset}/{episode_id}/{index}.jpg", frame, methods=["GET"]),
    Route("/mvla/strips/{dataset}/{episode_id}.jpg", strip, methods=["GET"]),
    Route("/mvla/curation/{dataset}.json", curation, methods=["GET"]),
    Route("/mvla/runs/{run_id}/progress", progress, methods=["GET"]),
    *METRICS_ROUTES,
    *REPORT_ROUTES,
    *AUGMENTED_ROUTES,
    *OVERLAY_ROUTES,
    *UPLOAD_ROUTES,
]


def allowed_hosts() -> list[str]:
    """The loopback names and what `server.allowedHosts` in `.streamlit/config.toml` adds."""
    configured = [str(host) for host in streamlit_config.get_option("server.allowedHosts")]
    bracketed = [f"[{host}]" if ":" in host else host for host in configured]
    return list(dict.fromkeys([*LOOPBACK_HOSTS, *bracketed]))


MIDDLEWARE = [Middleware(TrustedHostMiddleware, allowed_hosts=allowed_hosts(), www_redirect=False)]
