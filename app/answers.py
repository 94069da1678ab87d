"""What all routes share: who may ask, and how a refusal reads."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from app.session import data_root
from mvla_core.errors import MvlaError, RunError, UserInputError
from mvla_core.files import check_identifier
from mvla_core.layout import RunFolder

Handler = Callable[[Request], Response]

FOREVER = "private, max-age=31536000, immutable"
NEVER = "no-store"
HEADERS = {"X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin"}


class UnusableAddress(UserInputError):
    """A part of an address cannot be what it stands for, whatever there is on the disk."""


def foreign(request: Request) -> bool:
    """Whether another site's page makes the request: by what the browser says of it, and by the origin where one is told.

    The name of this machine in `Host` was checked before (`TrustedHostMiddleware`), so an origin that is the same is ours.
    What is not a browser tells neither, and is no page of another site.
    """
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return True
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc.lower() != request.headers.get("host", "").lower()


def sentence(text: str, status: int) -> Response:
    """A refusal."""
    return PlainTextResponse(text, status_code=status, headers={"Cache-Control": NEVER, **HEADERS})


def whole_number(text: str, name: str, highest: int) -> int:
    """A number that came in an address.

    Raises:
        UnusableAddress: It is not a whole number from 0 to `highest`.
    """
    # Alone, isdecimal() would let other scripts' digits through, and thousands of them.
    if not (text.isascii() and text.isdecimal() and len(text) <= 18) or int(text) > highest:
        raise UnusableAddress(f"The {name} {text[:24]!r} cannot be used: expected a whole number from 0 to {highest}.")
    return int(text)


def identifier(text: str, what: str) -> str:
    """A name that came in an address.

    Raises:
        UnusableAddress: It cannot be a name.
    """
    try:
        return check_identifier(text, what)
    except UserInputError as error:
        raise UnusableAddress(str(error)) from error


def run_named(text: str) -> RunFolder:
    """The run that an address names.

    Raises:
        UnusableAddress: It cannot be a run's name.
        RunError: There is no such run.
    """
    run = data_root().run(identifier(text, "run name"))
    if not run.path.is_dir():
        raise RunError(f"There is no run {run.run_id}; choose one on the page Runs.")
    return run


def answering(handler: Handler) -> Handler:
    """Refuse foreign requests, and turn what the user can cause into a sentence: 400 where the address can never be right, 404
    where what it names is not there or cannot be read. What names no caching of its own is kept by nobody."""

    @wraps(handler)
    def answer(request: Request) -> Response:
        if foreign(request):
            return sentence("This address answers only to the workbench's own pages.", 403)
        try:
            response = handler(request)
        except UnusableAddress as error:
            return sentence(str(error), 400)
        except MvlaError as error:
            return sentence(str(error), 404)
        for name, value in {**HEADERS, "Cache-Control": NEVER}.items():
            response.headers.setdefault(name, value)
        return response

    return answer
