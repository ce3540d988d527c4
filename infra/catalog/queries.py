"""The catalog to read: each call is one statement, its rows straight into response-shaped structs."""

from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from typing import Annotated, Any
from uuid import UUID

import msgspec
from asyncpg import Record
from msgspec import Meta

from domain.access.model import Scope
from domain.catalog.views import Page, Window
from domain.errors import FieldError, not_found
from infra.catalog.kinds import (
    AREA,
    BIN,
    CATEGORY,
    CONVERSION,
    LOCATION,
    LOT,
    PRODUCT,
    UOM,
    Key,
    Kind,
)
from infra.db.pool import Database

LIMITS = (21, 51, 101, 201)
"""The limits that statements are made with (and one more row, to see whether there are others): literals, as plans
with a parameter for a limit are made for a tenth of the table."""


class SqlShelf[Q: msgspec.Struct, V: msgspec.Struct]:
    """The `Shelf` port for one kind."""

    def __init__(self, database: Database, kind: Kind) -> None:
        self._database = database
        self._kind = kind
        assert _KINDS.setdefault(kind.name, kind) is kind

    async def page(self, tenant_id: UUID, wanted: Q, window: Window, *, scope: Scope = None) -> Page[V]:
        kind = self._kind
        given = {name: value for name, value in msgspec.structs.asdict(wanted).items() if value is not None}
        sort, keys = window.sort.removeprefix("-"), kind.sorts[window.sort.removeprefix("-")]
        limited = kind.location is not None and scope is not None
        arguments: list[Any] = [tenant_id, *given.values()]
        if limited and scope is not None:
            arguments.append(list(scope))
        if window.after is None:
            arguments.append((window.page - 1) * window.limit)
        else:
            arguments += _place(keys, window.after)
        statement = _page_sql(
            kind.name,
            tuple(given),
            sort=sort,
            is_descending=window.sort.startswith("-"),
            is_limited=limited,
            is_after=window.after is not None,
            limit=next(size for size in LIMITS if size > window.limit),
        )
        async with self._database.bound(tenant_id) as driver:
            rows = await driver.fetch(statement, *arguments)
        total = rows[0]["total"] if window.after is None else None
        shown = [row for row in rows if row["id"] is not None]
        items = [_view(kind, row) for row in shown[: window.limit]]
        more = len(shown) > window.limit
        return Page(items=items, total=total, next_after=_key(keys, shown[window.limit - 1]) if more else None)

    async def one(self, tenant_id: UUID, id_: UUID, *, scope: Scope = None) -> V:
        kind = self._kind
        limited = kind.location is not None and scope is not None
        arguments = (tenant_id, id_, list(scope)) if limited and scope is not None else (tenant_id, id_)
        async with self._database.bound(tenant_id) as driver:
            row = await driver.fetchrow(_one_sql(kind.name, is_limited=limited), *arguments)
        if row is None:
            raise not_found(kind.name)
        view: V = _view(kind, row)
        return view


class SqlCatalogQueries:
    """The `CatalogQueries` port."""

    def __init__(self, database: Database) -> None:
        self.categories: SqlShelf[Any, Any] = SqlShelf(database, CATEGORY)
        self.uoms: SqlShelf[Any, Any] = SqlShelf(database, UOM)
        self.conversions: SqlShelf[Any, Any] = SqlShelf(database, CONVERSION)
        self.products: SqlShelf[Any, Any] = SqlShelf(database, PRODUCT)
        self.locations: SqlShelf[Any, Any] = SqlShelf(database, LOCATION)
        self.areas: SqlShelf[Any, Any] = SqlShelf(database, AREA)
        self.bins: SqlShelf[Any, Any] = SqlShelf(database, BIN)
        self.lots: SqlShelf[Any, Any] = SqlShelf(database, LOT)


_IN_CURSOR: dict[type, Any] = {
    date: date,
    int: Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)],
    str: Annotated[str, Meta(max_length=1000)],
    UUID: UUID,
}
_KINDS: dict[str, Kind] = {}
"""The kinds that there is a shelf of; other areas have kinds of their own."""


@lru_cache(maxsize=4096)
def _page_sql(
    name: str,
    filters: tuple[str, ...],
    *,
    sort: str,
    is_descending: bool,
    is_limited: bool,
    is_after: bool,
    limit: int,
) -> str:
    """A page by number with the total, or what comes after a place: the page first, what is joined to it then.

    Parameters: the tenant, the filters in their order, the locations, and the offset or the place.
    """
    kind = _KINDS[name]
    conditions = ["x.tenant_id = $1"]
    conditions += [kind.filters[name].format(f"${n}") for n, name in enumerate(filters, start=2)]
    n = len(filters) + 2
    if is_limited:
        conditions.append(kind.within(f"${n}"))
        n += 1
    where = " AND ".join(conditions)
    keys = kind.sorts[sort]
    direction = "DESC" if is_descending else "ASC"
    order = ", ".join(f"{key.expression} {direction}" for key in keys)
    if is_after:
        place = ", ".join(f"${n + i}" for i in range(len(keys)))
        row = ", ".join(key.expression for key in keys)
        where += f" AND ({row}) {'<' if is_descending else '>'} ({place})"
        rows = f"(SELECT * FROM {kind.table.name} x WHERE {where} ORDER BY {order} LIMIT {limit})"  # noqa: S608 - ours
        return f"{kind.select(rows)} ORDER BY {order}"
    rows = (
        f"(SELECT * FROM {kind.table.name} x WHERE {where} ORDER BY {order} "  # noqa: S608 - ours
        f"LIMIT {limit} OFFSET ${n})"
    )
    counted = f"SELECT count(*) AS total FROM {kind.table.name} x WHERE {where}"  # noqa: S608 - ours
    # One row at least, so that the total of a page beyond the end is known, too.
    return (
        f"SELECT t.total, x.* FROM ({counted}) t "  # noqa: S608 - ours
        f"LEFT JOIN LATERAL ({kind.select(rows)}) x ON true ORDER BY {order}"
    )


@lru_cache(maxsize=64)
def _one_sql(name: str, *, is_limited: bool) -> str:
    kind = _KINDS[name]
    within = f" AND {kind.within('$3')}" if is_limited else ""
    return f"{kind.select(kind.table.name)} WHERE x.tenant_id = $1 AND x.id = $2{within}"


def _view(kind: Kind, row: Record) -> Any:
    # What the database holds was checked when it came in: nothing is checked again on the way out.
    return kind.view(**{name: row[name] for name in kind.columns})


def _key(keys: Sequence[Key], row: Record) -> Sequence[str | int]:
    """The place of a row in its list, as a cursor can carry it."""
    values = []
    for key in keys:
        value = row[key.name]
        if key.type is date:
            value = (value or date.max).isoformat()
        values.append(value if isinstance(value, int) else str(value))
    return values


def _place(keys: Sequence[Key], after: Sequence[str | int]) -> list[Any]:
    """A place that a cursor named, as the database needs it.

    Raises:
        FieldError: the cursor is not one of this list.
    """
    try:
        return [msgspec.convert(value, _IN_CURSOR[key.type]) for key, value in zip(keys, after, strict=True)]
    except (ValueError, msgspec.ValidationError):
        raise FieldError(("cursor", "is not a cursor of this list")) from None
