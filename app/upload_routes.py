"""Recordings that the browser sends: written to the disk block by block, then imported by a job.

    POST   /mvla/uploads?bytes=N&dataset=N           -> {"batch"}; refused where there is no room, or the name cannot be one
    POST   /mvla/uploads/{batch}?name=N              the body is the file -> {"name", "bytes"}
    POST   /mvla/uploads/{batch}/import?dataset=N&length=50 -> {"jobs"}
    DELETE /mvla/uploads/{batch}                     cancelled: what arrived is deleted

The limit for a file is `server.maxUploadSize` in `.streamlit/config.toml`. A request that breaks off leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from streamlit import config as streamlit_config

from app.answers import foreign, sentence, whole_number
from app.session import data_root
from mvla_core.episodes.uploads import (
    MAX_FILES,
    IncomingFile,
    NoRoom,
    UploadTooLarge,
    batch_folder,
    discard,
    open_batch,
    sources,
)
from mvla_core.errors import MvlaError, UserInputError
from mvla_core.files import check_identifier
from mvla_core.jobs.folders import new_job_folder
from mvla_core.jobs.queue import JobQueue

BLOCK_BYTES = 1 << 20
"""Collected before it is written: the network brings 64 kB at a time."""
MAX_EPISODE_LENGTH = 10_000
_STATUS: dict[type[MvlaError], int] = {UploadTooLarge: 413, NoRoom: 507}

Handler = Callable[[Request], Awaitable[Response]]


def upload_limit_bytes() -> int:
    """What one file may have."""
    return int(streamlit_config.get_option("server.maxUploadSize")) * 1_000_000


def _answering(handler: Handler) -> Handler:
    @wraps(handler)
    async def answer(request: Request) -> Response:
        if foreign(request):
            return sentence("This address answers only to the workbench's own pages.", 403)
        try:
            return await handler(request)
        except MvlaError as error:
            return sentence(str(error), _STATUS.get(type(error), 400))
        except OSError as error:
            return sentence(f"The upload cannot be written ({error.strerror or error}); check the disk.", 507)

    return answer


def _json(value: dict[str, object]) -> Response:
    return JSONResponse(value, headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"})


@_answering
async def begin(request: Request) -> Response:
    """Open a batch for the files that the user chose; the name is checked now, not after an hour of uploading."""
    check_identifier(request.query_params.get("dataset", ""), "data set name")
    total = whole_number(request.query_params.get("bytes", "0"), "number of bytes", 10**15)
    return _json({"batch": await run_in_threadpool(open_batch, data_root(), total)})


@_answering
async def receive(request: Request) -> Response:
    """Write the body to the disk as it arrives."""
    announced = request.headers.get("content-length")
    size = None if announced is None else whole_number(announced, "length of the upload", 10**15)
    root, batch = data_root(), request.path_params["batch"]
    if sum(1 for _ in batch_folder(root, batch).rglob("*")) > MAX_FILES:
        raise UserInputError(f"More than {MAX_FILES:,} files cannot be uploaded at once; pack them into an archive.")
    with IncomingFile(root, batch, request.query_params.get("name", ""), upload_limit_bytes(), size) as incoming:
        waiting = bytearray()
        try:
            async for block in request.stream():
                waiting += block
                if len(waiting) >= BLOCK_BYTES:
                    await run_in_threadpool(incoming.write, bytes(waiting))
                    waiting.clear()
        except ClientDisconnect:
            return sentence("The upload was broken off.", 400)
        await run_in_threadpool(incoming.write, bytes(waiting))
        kept = incoming.finish()
    return _json({"name": kept.name, "bytes": incoming.received})


@_answering
async def take_in(request: Request) -> Response:
    """Queue the import of what was uploaded: one job for the single recordings, one for each archive."""
    dataset = check_identifier(request.query_params.get("dataset", ""), "data set name")
    length = whole_number(request.query_params.get("length", "50"), "number of frames", MAX_EPISODE_LENGTH)
    root = data_root()
    jobs = []
    for source in sources(root, request.path_params["batch"]):
        config = {"source": str(source), "dataset": dataset, "episode_length": length}
        what = "the uploaded recordings" if source.is_dir() else source.name
        folder = new_job_folder(root, "import")
        job = await run_in_threadpool(JobQueue(root).submit, "import", folder, config, title=f"Import {what}")
        jobs.append(job.id)
    return _json({"jobs": jobs})


@_answering
async def cancel(request: Request) -> Response:
    """Delete what arrived of a batch."""
    await run_in_threadpool(discard, data_root(), request.path_params["batch"])
    return _json({})


UPLOAD_ROUTES = [
    Route("/mvla/uploads", begin, methods=["POST"]),
    Route("/mvla/uploads/{batch}", receive, methods=["POST"]),
    Route("/mvla/uploads/{batch}/import", take_in, methods=["POST"]),
    Route("/mvla/uploads/{batch}", cancel, methods=["DELETE"]),
]
