"""Lists of stock requests, and the values to narrow them by.

Totals come from the counts that are kept when a request changes, where they know what is asked for: by state,
type, ends, requester or category. So no page of these lists takes longer for a longer past. Others are counted.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec
from asyncpg import Record

from domain.access.model import Scope
from domain.catalog.views import Page, Window
from domain.errors import FieldError
from domain.stock_requests.reading import Choice, FilterChoices, NamedChoice, RequestFilter, RequestItem
from infra.catalog.queries import LIMITS
from infra.db.pool import Database

# A day is over at one end of the earth before it is at the other: first what may be late, then what is.
OVERDUE = """
    SELECT q.id FROM stock_requests q
    WHERE q.tenant_id = $1 AND q.state = 'PENDING_APPROVAL' AND q.deadline_at IS NOT NULL AND q.deadline_at < now()
    UNION
    SELECT q.id FROM stock_requests q
    JOIN locations w ON w.tenant_id = q.tenant_id AND w.id = q.destination_location_id
    WHERE q.tenant_id = $1 AND q.state IN ('PENDING_APPROVAL', 'APPROVED', 'PICKING') AND q.needed_by IS NOT NULL
        AND q.needed_by < (now() AT TIME ZONE 'UTC' + interval '14 hours')::date
        AND q.needed_by < (now() AT TIME ZONE w.time_zone)::date
"""
IS_OVERDUE = """(
    x.state = 'PENDING_APPROVAL' AND coalesce(x.deadline_at < now(), false)
    OR x.state IN ('PENDING_APPROVAL', 'APPROVED', 'PICKING')
        AND coalesce(x.needed_by < (now() AT TIME ZONE d.time_zone)::date, false)
)"""
NOWHERE = UUID(int=0)
"""What stands for products without a category."""
_FILTERS = {
    "state": "x.state = {}::text",
    "type": "x.type = {}::text",
    "origin_id": "x.origin_location_id = {}::uuid",
    "destination_id": "x.destination_location_id = {}::uuid",
    "requester_id": "x.requester_id = {}::uuid",
    "category_id": "EXISTS (SELECT FROM stock_request_categories k WHERE k.tenant_id = x.tenant_id "
    "AND k.request_id = x.id AND k.category_id = {}::uuid)",
    "product_id": "x.id IN (SELECT k.request_id FROM stock_request_lines k WHERE k.tenant_id = $1 "
    "AND k.product_id = {}::uuid)",
    "stocklist_id": "x.stocklist_id = {}::uuid",
    "priority": "x.priority = {}::text",
    "created_from": "x.created_at >= {}::timestamptz",
    "created_to": "x.created_at < {}::timestamptz",
    "submitted_from": "x.submitted_at >= {}::timestamptz",
    "submitted_to": "x.submitted_at < {}::timestamptz",
    "issued_from": "x.issued_at >= {}::timestamptz",
    "issued_to": "x.issued_at < {}::timestamptz",
    "received_from": "x.received_at >= {}::timestamptz",
    "received_to": "x.received_at < {}::timestamptz",
    "is_overdue": f"(x.id IN ({OVERDUE}) AND {{}}::boolean)",
    "is_in_time": f"(x.id NOT IN ({OVERDUE}) AND {{}}::boolean)",
    "of_people": "x.requester_id = ANY ({}::uuid[])",
    "search": "strpos(lower(x.number || ' ' || x.requester || ' ' || coalesce(x.description, '')), "
    "lower({}::text)) > 0",
}
_COUNTED = {
    "state": "c.state = {}::text",
    "type": "c.type = {}::text",
    "origin_id": "c.origin_location_id = {}::uuid",
    "destination_id": "c.destination_location_id = {}::uuid",
    "requester_id": "c.ref = {}::uuid",
    "category_id": "c.ref = {}::uuid",
}
_ENDS = frozenset({"origin_id", "destination_id"})
_WITHIN = "(x.origin_location_id = ANY ({0}::uuid[]) OR x.destination_location_id = ANY ({0}::uuid[]))"
COUNTED_WITHIN = """(
    $2::uuid[] IS NULL OR c.origin_location_id = ANY ($2::uuid[]) OR c.destination_location_id = ANY ($2::uuid[])
)"""
_SHOWN = {
    "origin_location_code": "o.code",
    "origin_location_name": "o.name",
    "destination_location_code": "d.code",
    "destination_location_name": "d.name",
    "value": "trim_scale(x.value)",
    "line_count": "(SELECT count(*) FROM stock_request_lines n WHERE n.tenant_id = x.tenant_id "
    "AND n.request_id = x.id)",
    "is_overdue": IS_OVERDUE,
}
COLUMNS = tuple(RequestItem.__struct_fields__)


def column(name: str) -> str:
    """What is shown under a name of request `x` with the ends `o` and `d`."""
    return _SHOWN.get(name, f"x.{name}")


SHOWN = ", ".join(f"{column(name)} AS {name}" for name in COLUMNS)
ENDS = """
    JOIN locations o ON o.tenant_id = x.tenant_id AND o.id = x.origin_location_id
    JOIN locations d ON d.tenant_id = x.tenant_id AND d.id = x.destination_location_id
"""
CHOICES = f"""
    WITH cells AS MATERIALIZED (
        SELECT c.measure, c.state, c.type, c.origin_location_id, c.destination_location_id, c.ref,
            sum(c.requests)::bigint AS requests
        FROM stock_request_counts c
        WHERE c.tenant_id = $1 AND c.measure IN ('STATE', 'REQUESTER', 'CATEGORY') AND {COUNTED_WITHIN}
        GROUP BY c.measure, c.state, c.type, c.origin_location_id, c.destination_location_id, c.ref
    ), named AS (
        SELECT 'statuses' AS list, NULL::uuid AS id, c.state AS code, c.state AS name, sum(c.requests)::bigint AS n
        FROM cells c WHERE c.measure = 'STATE' GROUP BY c.state
        UNION ALL
        SELECT 'types', NULL, c.type, c.type, sum(c.requests)::bigint
        FROM cells c WHERE c.measure = 'STATE' GROUP BY c.type
        UNION ALL
        SELECT 'origins', l.id, l.code, l.name, c.n
        FROM (SELECT origin_location_id AS id, sum(requests)::bigint AS n FROM cells WHERE measure = 'STATE'
            GROUP BY 1) c
        JOIN locations l ON l.tenant_id = $1 AND l.id = c.id
        UNION ALL
        SELECT 'destinations', l.id, l.code, l.name, c.n
        FROM (SELECT destination_location_id AS id, sum(requests)::bigint AS n FROM cells WHERE measure = 'STATE'
            GROUP BY 1) c
        JOIN locations l ON l.tenant_id = $1 AND l.id = c.id
        UNION ALL
        SELECT 'requesters', c.ref, NULL, r.requester, c.n
        FROM (SELECT ref, sum(requests)::bigint AS n FROM cells WHERE measure = 'REQUESTER' GROUP BY ref) c
        CROSS JOIN LATERAL (
            SELECT x.requester FROM stock_requests x
            WHERE x.tenant_id = $1 AND x.requester_id = c.ref AND NOT x.is_deleted ORDER BY x.id DESC LIMIT 1
        ) r
        UNION ALL
        SELECT 'categories', c.ref, k.code, coalesce(k.name, '(none)'), c.n
        FROM (SELECT ref, sum(requests)::bigint AS n FROM cells WHERE measure = 'CATEGORY' GROUP BY ref) c
        LEFT JOIN categories k ON k.tenant_id = $1 AND k.id = c.ref
    )
    SELECT * FROM named WHERE n > 0 ORDER BY list, code, name, id
"""  # noqa: S608 - ours


class SqlRequestLists:
    """The `RequestLists` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, tenant_id: UUID, wanted: RequestFilter, window: Window, *, scope: Scope
    ) -> Page[RequestItem]:
        given = _given(wanted)
        arguments: list[Any] = [tenant_id, *given.values()]
        if scope is not None:
            arguments.append(list(scope))
        is_after = window.after is not None
        arguments.append(_place(window.after) if is_after else (window.page - 1) * window.limit)
        statement = page_sql(
            tuple(given),
            is_descending=window.sort.startswith("-"),
            is_limited=scope is not None,
            is_after=is_after,
            limit=next(size for size in LIMITS if size > window.limit),
        )
        async with self._database.bound(tenant_id) as driver:
            rows = await driver.fetch(statement, *arguments)
        total = None if is_after else rows[0]["total"]
        shown = [row for row in rows if row["id"] is not None]
        items = [item(row) for row in shown[: window.limit]]
        more = len(shown) > window.limit
        return Page(items=items, total=total, next_after=[str(items[-1].id)] if more else None)

    async def choices(self, tenant_id: UUID, *, scope: Scope) -> FilterChoices:
        async with self._database.bound(tenant_id) as driver:
            rows = await driver.fetch(CHOICES, tenant_id, None if scope is None else list(scope))
        lists: dict[str, list[Any]] = {name: [] for name in FilterChoices.__struct_fields__}
        for row in rows:
            if row["id"] is None:
                lists[row["list"]].append(Choice(value=row["code"], requests=row["n"]))
            else:
                lists[row["list"]].append(
                    NamedChoice(id=row["id"], code=row["code"], name=row["name"], requests=row["n"])
                )
        return FilterChoices(**lists)


def item(row: Record) -> RequestItem:
    return RequestItem(**{name: row[name] for name in COLUMNS})


def _given(wanted: RequestFilter) -> dict[str, Any]:
    values = {name: value for name, value in msgspec.structs.asdict(wanted).items() if value is not None}
    if values.pop("is_uncategorized", None):
        values.setdefault("category_id", NOWHERE)
    if values.get("is_overdue") is False:
        values["is_in_time"] = not values.pop("is_overdue")
    return values


def _place(after: Sequence[str | int] | None) -> UUID:
    try:
        (place,) = after or ()
        return UUID(str(place))
    except ValueError:
        raise FieldError(("cursor", "is not a cursor of this list")) from None


@lru_cache(maxsize=1024)
def page_sql(
    filters: tuple[str, ...], *, is_descending: bool, is_limited: bool, is_after: bool, limit: int
) -> str:
    """A page by number with the total, or what comes after a place: the page first, what is joined to it then.

    Parameters: the tenant, the filters in their order, the locations, and the offset or the place.
    """
    conditions = ["x.tenant_id = $1", "NOT x.is_deleted"]
    conditions += [_FILTERS[name].format(f"${n}") for n, name in enumerate(filters, start=2)]
    n = len(filters) + 2
    if is_limited:
        conditions.append(_WITHIN.format(f"${n}"))
        n += 1
    where = " AND ".join(conditions)
    direction, beyond = ("DESC", "<") if is_descending else ("ASC", ">")
    order = f"x.id {direction}"
    if is_after:
        rows = (
            f"(SELECT * FROM stock_requests x WHERE {where} AND x.id {beyond} ${n}::uuid "  # noqa: S608 - ours
            f"ORDER BY {order} LIMIT {limit})"
        )
        return f"SELECT {SHOWN} FROM {rows} x {ENDS} ORDER BY {order}"  # noqa: S608 - ours
    rows = f"(SELECT * FROM stock_requests x WHERE {where} ORDER BY {order} LIMIT {limit} OFFSET ${n})"  # noqa: S608 - ours
    counted = counted_sql(filters, is_limited=is_limited)
    if counted is None:
        counted = f"SELECT count(*) AS total FROM stock_requests x WHERE {where}"  # noqa: S608 - ours
    # One row at least, so that the total of a page beyond the end is known, too.
    return (
        f"SELECT t.total, x.* FROM ({counted}) t "  # noqa: S608 - ours
        f"LEFT JOIN LATERAL (SELECT {SHOWN} FROM {rows} x {ENDS}) x ON true ORDER BY {order}"
    )


def counted_sql(filters: tuple[str, ...], *, is_limited: bool) -> str | None:
    """The total from what is kept, where it knows what is asked for; the parameters are those of the page."""
    asked = frozenset(filters)
    if asked <= _ENDS | {"state", "type"}:
        measure = "STATE"
    elif asked <= _ENDS | {"requester_id"}:
        measure = "REQUESTER"
    elif asked <= _ENDS | {"category_id", "state"}:
        measure = "CATEGORY"
    else:
        return None
    conditions = ["c.tenant_id = $1", f"c.measure = '{measure}'"]
    conditions += [_COUNTED[name].format(f"${n}") for n, name in enumerate(filters, start=2)]
    if is_limited:
        ends = f"${len(filters) + 2}::uuid[]"
        conditions.append(f"(c.origin_location_id = ANY ({ends}) OR c.destination_location_id = ANY ({ends}))")
    where = " AND ".join(conditions)
    return f"SELECT coalesce(sum(c.requests), 0)::bigint AS total FROM stock_request_counts c WHERE {where}"  # noqa: S608 - ours
