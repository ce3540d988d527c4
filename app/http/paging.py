"""Pages by number, with a total, and by cursor, without a cost that grows with the page."""

import base64
import binascii
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from app.http.wire import Answer
from domain.errors import FieldError

type PageNumber = Annotated[int, Meta(ge=1, le=1_000_000)]


class Pagination(Answer, frozen=True, kw_only=True):
    """`page` from 1. `nextCursor` continues after the last item shown; null at the end."""

    page: int
    page_size: int
    total: int
    total_pages: int
    next_cursor: str | None = None


def pagination(*, page: int, limit: int, total: int, next_cursor: str | None) -> Pagination:
    return Pagination(
        page=page,
        page_size=limit,
        total=total,
        total_pages=-(-total // limit),
        next_cursor=next_cursor,
    )


def write_cursor(*key: Any) -> str:
    """An opaque place in a list: the sort key of the last item shown."""
    return base64.urlsafe_b64encode(msgspec.json.encode(key)).decode().rstrip("=")


def read_cursor[T](cursor: str | None, wanted: type[T]) -> T | None:
    """The place that a cursor names.

    Raises:
        FieldError: it is not one of ours.
    """
    if cursor is None:
        return None
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        return msgspec.json.decode(raw, type=wanted)
    except (binascii.Error, ValueError, msgspec.DecodeError):
        raise FieldError(("cursor", "is not a cursor of this list")) from None
