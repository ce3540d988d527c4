"""Lists of transfers and single ones: one statement each."""

from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec

from domain.access.model import Scope
from domain.catalog.views import Page, Window
from domain.errors import FieldError
from domain.transfers.model import Transfer, TransferSummary
from domain.transfers.ports import TransferFilter
from infra.db.pool import Database
from infra.ledger.queries.sql import Query, like, size_for
from infra.transfers.rows import ENDS, SUMMARY, SUMS, TRANSFER, decode_summary, decode_transfer

_PAGE = """
    SELECT {total} AS total, i.id, i.body
    FROM (SELECT 1) one
    LEFT JOIN LATERAL (
        SELECT t.id, {summary} AS body
        FROM (SELECT t.* FROM transfers t WHERE t.tenant_id = :tenant {where} {after} ORDER BY t.id {order}
            LIMIT {size} {offset}) t
        {ends}
        CROSS JOIN LATERAL (
            SELECT count(*) AS lines, coalesce(sum(x.quantity), 0) AS quantity FROM transfer_lines x
            WHERE x.tenant_id = :tenant AND x.transfer_id = t.id
        ) c
        CROSS JOIN LATERAL (
            SELECT {sums} FROM transfer_picks p WHERE p.tenant_id = :tenant AND p.transfer_id = t.id
        ) s
    ) i ON true
    ORDER BY i.id {order}
"""
_TOTAL = "(SELECT count(*) FROM transfers t WHERE t.tenant_id = :tenant {where})"
_FILTERS = {
    "state": "AND t.state = :state",
    "type": "AND t.type = :type",
    "location_id": "AND (t.origin_location_id = :location_id OR t.destination_location_id = :location_id)",
    "origin_id": "AND t.origin_location_id = :origin_id",
    "destination_id": "AND t.destination_location_id = :destination_id",
    "product_id": "AND EXISTS (SELECT FROM transfer_lines x WHERE x.tenant_id = :tenant AND x.transfer_id = t.id "
    "AND x.product_id = :product_id)",
    "source_id": "AND t.source_id = :source_id",
    "is_overdue": "AND :is_overdue::bool = (coalesce(t.due_on < (SELECT (now() AT TIME ZONE x.time_zone)::date "
    "FROM locations x WHERE x.tenant_id = :tenant AND x.id = t.destination_location_id), false) "
    "AND t.state NOT IN ('RECEIVED', 'COMPLETED', 'CANCELED'))",
    "search": "AND (t.number ILIKE :search OR t.reference ILIKE :search)",
    "scope": "AND (t.origin_location_id = ANY (:scope::uuid[]) "
    "OR t.destination_location_id = ANY (:scope::uuid[]))",
}
_ONE = f"""{TRANSFER}
    AND ($3::uuid[] IS NULL OR t.origin_location_id = ANY ($3) OR t.destination_location_id = ANY ($3))
"""


class SqlTransferQueries:
    """The `TransferQueries` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, tenant_id: UUID, wanted: TransferFilter, window: Window, *, scope: Scope
    ) -> Page[TransferSummary]:
        given = {name: value for name, value in msgspec.structs.asdict(wanted).items() if value is not None}
        if wanted.search is not None:
            given["search"] = like(wanted.search)
        if scope is not None:
            given["scope"] = sorted(scope)
        is_continued = window.after is not None
        query = _listed(
            frozenset(given),
            size=size_for(window.limit),
            is_descending=window.sort.startswith("-"),
            is_continued=is_continued,
        )
        values: dict[str, Any] = given | {"tenant": tenant_id, "offset": (window.page - 1) * window.limit}
        if window.after is not None:
            values["after"] = _place(window)
        async with self._database.bound(tenant_id) as driver:
            rows = await query.fetch(driver, values)
        shown = [] if rows[0]["id"] is None else rows[: window.limit]
        return Page(
            items=[decode_summary(row["body"]) for row in shown],
            total=rows[0]["total"],
            next_after=[str(shown[-1]["id"])] if len(rows) > window.limit else None,
        )

    async def transfer(self, tenant_id: UUID, transfer_id: UUID, *, scope: Scope) -> Transfer | None:
        within = None if scope is None else sorted(scope)
        async with self._database.bound(tenant_id) as driver:
            body = await driver.fetchval(_ONE, tenant_id, transfer_id, within)
        return None if body is None else decode_transfer(body)


def _place(window: Window) -> UUID:
    try:
        (text,) = window.after or ()
        return UUID(str(text))
    except ValueError:
        raise FieldError(("cursor", "is not a cursor of this list")) from None


@lru_cache(maxsize=256)
def _listed(filters: frozenset[str], *, size: int, is_descending: bool, is_continued: bool) -> Query:
    where = " ".join(_FILTERS[name] for name in sorted(filters))
    return Query(
        _PAGE,
        total="NULL::bigint" if is_continued else _TOTAL.format(where=where),
        summary=SUMMARY,
        where=where,
        after=f"AND t.id {'<' if is_descending else '>'} :after" if is_continued else "",
        order="DESC" if is_descending else "",
        size=str(size),
        offset="" if is_continued else "OFFSET :offset",
        ends=ENDS,
        sums=SUMS,
    )
