"""What all answers of the integrations surface have in common, and how its parameters are read."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Awaitable, Callable
from typing import Annotated, Any
from urllib.parse import unquote
from uuid import UUID

import msgspec
from litestar import Request
from litestar.params import QueryParameter

from app.http.wire import SnakeAnswer
from domain.errors import FieldError
from domain.integrations.ports import Part
from domain.values import clean_line

BASE = "/api/integrations/v1"
BODY_MAX = 10 * 1024 * 1024
DEFAULT_LIMIT, LIMIT_MAX = 50, 200
MAC_BYTES = 16

# Plain aliases: the framework does not look into `type` aliases for what a parameter is called. Both are texts, as
# a limit is never refused, and a cursor is told back to who sends a wrong one.
Limit = Annotated[
    str | None,
    QueryParameter(name="limit", description="1 to 200; what is beyond is taken as the nearest of them."),
]
Cursor = Annotated[
    str | None, QueryParameter(name="cursor", description="`pagination.next_cursor` of the part before.")
]


class Pagination(SnakeAnswer, frozen=True, kw_only=True):
    """`next_cursor` continues after the last item shown; null at the end."""

    limit: int
    next_cursor: str | None


class _Cursor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    c: str
    """Which list it is of."""
    i: UUID
    """The last item shown."""
    s: str
    """What only we can have made of both, for this key."""


def clamped(limit: str | None) -> int:
    """How many are wanted: anything is taken, and what cannot be had is the nearest that can."""
    text = (limit or "").strip()
    digits = text.removeprefix("-").removeprefix("+")
    if not (digits.isascii() and digits.isdigit()):
        return DEFAULT_LIMIT
    if text.startswith("-"):
        return 1
    return max(1, min(LIMIT_MAX, int(digits[:20])))


def write_cursor(request: Request[Any, Any, Any], listed: str, after: UUID | None) -> str | None:
    """An opaque place in a list, good for the key that it was given to."""
    if after is None:
        return None
    place = _Cursor(c=listed, i=after, s=_seal(request, listed, after))
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def read_cursor(request: Request[Any, Any, Any], listed: str, cursor: str | None) -> UUID | None:
    """The place that a cursor names.

    Raises:
        FieldError: it is not one that this key was given for this list.
    """
    if not cursor:
        return None
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        place = msgspec.json.decode(raw, type=_Cursor)
    except (binascii.Error, ValueError, msgspec.DecodeError):
        raise InvalidCursorError(cursor) from None
    # Only the one spelling that we write: another one would be a change that nobody notices.
    if place.c != listed or write_cursor(request, listed, place.i) != cursor:
        raise InvalidCursorError(cursor)
    return place.i


async def next_part[T](
    request: Request[Any, Any, Any],
    listed: str,
    limit: str | None,
    cursor: str | None,
    read: Callable[..., Awaitable[Part[T]]],
) -> tuple[Part[T], Pagination]:
    """The part of a list that a limit and a cursor ask for, and where it goes on."""
    size = clamped(limit)
    part = await read(after=read_cursor(request, listed, cursor), limit=size)
    return part, Pagination(limit=size, next_cursor=write_cursor(request, listed, part.after))


class InvalidCursorError(FieldError):
    def __init__(self, cursor: str) -> None:
        super().__init__(("cursor", f"Invalid cursor: '{cursor}'"))
        self.message = f"Invalid cursor: '{cursor}'"


def _seal(request: Request[Any, Any, Any], listed: str, after: UUID) -> str:
    # Made from the caller's own key: every process can, a copy of the database cannot, and there is no secret of
    # ours to keep (app/decisions/0006).
    secret = hashlib.sha256(b"cursor:" + request.headers["x-api-key"].strip().encode()).digest()
    digest = hmac.digest(secret, f"{listed}:{after}".encode(), "sha256")[:MAC_BYTES]
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def code_in(request: Request[Any, Any, Any], below: str) -> str | None:
    """The code that ends an address, percent-decoded; None for what can be no code.

    The server decodes slashes, too, so the address is read as it was sent.
    """
    raw = bytes(request.scope.get("raw_path") or b"").partition(b"?")[0].decode("ascii", "replace")
    _, found, rest = raw.partition(f"{below}/")
    if not found:
        rest = request.scope["path"].partition(f"{below}/")[2]
    try:
        return clean_line(unquote(rest.removesuffix("/"), errors="strict"), longest=200)
    except (ValueError, UnicodeDecodeError):
        return None
