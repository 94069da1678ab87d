"""What the overlay fetches: a run's predictions for one episode, and answers of the policy under another instruction.

    GET  /mvla/evaluated/{run_id}/{episode_id}.json?v=<stamp>     -> see `overlay_data.overlay_entry`
    POST /mvla/ask  {"run_id", "episode_id", "frame", "instruction"}  -> {"job", "name"}
    GET  /mvla/answers/{job}/{name}.json    -> 200 the answer; 202 {"text"} not yet; 410 the worker ended, ask again

The policy runs in a worker of its own (`mvla_core.evaluation.questions`); asking writes a small file into that worker's folder and
nothing else. The rest only reads.
"""

from __future__ import annotations

import json
from dataclasses import fields
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.answers import FOREVER, HEADERS, NEVER, UnusableAddress, answering, foreign, run_named, sentence, whole_number
from app.catalogues import find_episode
from app.overlay_data import overlay_entry
from app.session import data_root
from mvla_core.errors import MvlaError, UserInputError
from mvla_core.evaluation.questions import Question, Ticket, Waiting, look, put
from mvla_core.files import read_object
from mvla_core.layout import RunFolder

ASK_URL = "/mvla/ask"
ANSWERS_URL = "/mvla/answers"
MAX_QUESTION_BYTES = 8_000
ANSWER_WAIT_S = 0.4
"""How long one look waits for an answer, so that a quick one needs no second look."""


def evaluated_url(run: RunFolder, episode_id: str) -> str:
    """Address of a run's predictions for an episode; it changes when the run is evaluated again."""
    return f"/mvla/evaluated/{quote(run.run_id, safe='')}/{quote(episode_id, safe='')}.json?v={_version(run)}"


def _version(run: RunFolder) -> str:
    return f"{run.evaluation_results.stat().st_mtime_ns}" if run.evaluation_results.is_file() else "0"


def _refused(error: MvlaError) -> Response:
    return sentence(str(error), 400 if isinstance(error, UserInputError) else 404)


@answering
def evaluated(request: Request) -> Response:
    """What a run predicted for one of its held-out episodes."""
    root = data_root()
    run = run_named(request.path_params["run_id"])
    dataset = read_object(run.config)["dataset"]
    info = find_episode(root, dataset, request.path_params["episode_id"])
    fresh = request.query_params.get("v") == _version(run)
    return JSONResponse(overlay_entry(run, info), headers={"Cache-Control": FOREVER if fresh else NEVER})


async def ask(request: Request) -> Response:
    """Put a question to the worker that keeps policies loaded; it is started where none runs."""
    if foreign(request):
        return sentence("This address answers only to the workbench's own pages.", 403)
    # A form of another site cannot send this type without asking first.
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        return sentence("A question must be sent as application/json.", 415)
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_QUESTION_BYTES:
            return sentence(f"A question has at most {MAX_QUESTION_BYTES:,} bytes.", 413)
    try:
        question = _question(body)
        ticket = await run_in_threadpool(put, data_root(), question)
    except MvlaError as error:
        return _refused(error)
    return JSONResponse({"job": ticket.job_id, "name": ticket.name}, headers={**HEADERS, "Cache-Control": NEVER})


def _question(body: bytes) -> Question:
    names = {field.name: str if field.name != "frame" else int for field in fields(Question)}
    try:
        value = json.loads(body)
        # A lone surrogate is JSON, but no text that a file could hold.
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        value = None
    if (
        not isinstance(value, dict)
        or value.keys() != names.keys()
        or any(type(value[name]) is not kind for name, kind in names.items())
    ):
        raise UnusableAddress(f"A question is one JSON object with {', '.join(names)}.")
    return Question(**value)


@answering
def answered(request: Request) -> Response:
    """The answer to a question, as soon as it is there."""
    job = whole_number(request.path_params["job"], "job", 10**9)
    found = look(data_root(), Ticket(job, request.path_params["name"]), wait_s=ANSWER_WAIT_S)
    if isinstance(found, Waiting):
        return JSONResponse({"text": found.text}, status_code=410 if found.gone else 202)
    return JSONResponse(found.to_json())


OVERLAY_ROUTES = [
    Route("/mvla/evaluated/{run_id}/{episode_id}.json", evaluated, methods=["GET"]),
    Route(ASK_URL, ask, methods=["POST"]),
    Route(f"{ANSWERS_URL}/{{job}}/{{name}}.json", answered, methods=["GET"]),
]
