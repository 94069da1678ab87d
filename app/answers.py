"""What all routes share: who may ask, and how a refusal reads."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from mvla_core.errors import UserInputError

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
