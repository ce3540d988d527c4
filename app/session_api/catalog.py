"""What the catalog's controllers share: the unit of work, lists by page and by cursor, answers, changes."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Annotated, Any, Protocol
from uuid import UUID

import msgspec
from litestar.params import QueryParameter
from msgspec import UNSET, Meta

from app.http.acts import Begin, Work
from app.http.paging import PageNumber, pagination, read_cursor, write_cursor
from app.http.wire import Answer, Body
from domain.catalog.ports import CatalogWork
from domain.catalog.rules import path_of
from domain.catalog.views import Page, Window
from domain.errors import FieldError
from domain.values import Quantity, clean_line

DEFAULT_LIMIT, LIMIT_MAX = 50, 200
SEARCH_LENGTH = 100


class CatalogUnit(CatalogWork, Work, Protocol):
    """The catalog's unit of work as the HTTP layer needs it, with idempotency."""


type BeginCatalog = Begin[CatalogUnit]

# Plain aliases: the framework does not look into `type` aliases for what a parameter is called.
Limit = Annotated[int, QueryParameter(name="limit", ge=1, le=LIMIT_MAX)]
PageAt = Annotated[int | None, QueryParameter(name="page", ge=1, le=1_000_000, description="From 1.")]
Cursor = Annotated[
    str | None,
    QueryParameter(name="cursor", description="`pagination.nextCursor` of the part before, in place of `page`."),
]
Active = Annotated[bool | None, QueryParameter(name="active", description="Only what is active, or is not.")]
Search = Annotated[
    str | None,
    QueryParameter(
        name="search", max_length=SEARCH_LENGTH, description="A part of the code or name, in any case."
    ),
]


class DeletedItem(Answer, frozen=True, kw_only=True):
    id: UUID
    deleted: bool = True


class Deleted(Answer, frozen=True, kw_only=True):
    data: DeletedItem


class _Place(msgspec.Struct, frozen=True, array_like=True):
    """A cursor: where it goes on, and what was known then, so that nothing is counted again."""

    sort: str
    page: PageNumber
    total: Annotated[int, Meta(ge=0, le=2**53)]
    after: list[str | int]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a list that a request asks for."""

    window: Window
    page: int
    total: int | None


def asked(*, sort: str, page: int | None, limit: int, cursor: str | None) -> Asked:
    """A page by its number, or what follows a cursor.

    Raises:
        FieldError: both are given, or the cursor is of another list or order.
    """
    place = read_cursor(cursor, _Place)
    if place is None:
        return Asked(window=Window(sort=sort, limit=limit, page=page or 1), page=page or 1, total=None)
    if page is not None:
        raise FieldError(("cursor", "stands in place of page: send one of them"))
    if place.sort != sort:
        raise FieldError(("cursor", f"belongs to the order {place.sort}"[:100]))
    return Asked(window=Window(sort=sort, limit=limit, after=place.after), page=place.page, total=place.total)


def listed[V, A](kind: Callable[..., A], wanted: Asked, page: Page[V]) -> A:
    """A part of a list as an answer of its kind."""
    total = page.total if page.total is not None else wanted.total
    assert total is not None, "it was counted now, or when the cursor was made"
    cursor = None
    if page.next_after is not None:
        cursor = write_cursor(wanted.window.sort, wanted.page + 1, total, page.next_after)
    return kind(
        data=page.items,
        pagination=pagination(page=wanted.page, limit=wanted.window.limit, total=total, next_cursor=cursor),
    )


def searched(text: str | None) -> str | None:
    """What is searched for, cleaned as what is stored was; nothing at all is no search."""
    if text is None or not text.strip():
        return None
    try:
        return clean_line(text, longest=SEARCH_LENGTH)
    except ValueError as problem:
        raise FieldError(("search", str(problem))) from None


def facts_in(body: Body, *, without: Sequence[str] = ()) -> dict[str, Any]:
    """What a body says, by attribute: neither what it leaves out nor what is no fact of the thing."""
    return {
        name: _exact(value)
        for name in body.__struct_fields__
        if name not in {"expected_version", *without} and (value := getattr(body, name)) is not UNSET
    }


def changes_in(body: Body) -> dict[str, Any]:
    """What a body changes; null is a value, what is left out stays.

    Raises:
        FieldError: nothing.
    """
    changes = facts_in(body)
    if not changes:
        fields = ", ".join(path_of(name) for name in body.__struct_fields__ if name != "expected_version")
        raise FieldError(("", f"names nothing to change; there are {fields}"))
    return changes


def _exact(value: object) -> object:
    # Beyond the boundary a number is a number: what was checked in is a plain decimal.
    return Decimal(value) if isinstance(value, Quantity) else value
