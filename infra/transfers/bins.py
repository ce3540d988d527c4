"""The bins of a location with what they hold: a page of bins first, then what is in them. One statement."""

from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec

from domain.access.model import Scope
from domain.catalog.views import Page, Window
from domain.errors import FieldError
from domain.transfers.bins import ITEMS_SHOWN, BinsWanted, TransferBin
from infra.db.pool import Database
from infra.ledger.queries.sql import AVAILABLE, ON_HOLD, Query, size_for

_PAGE = """
    SELECT {total} AS total, i.code, i.walk_order, i.body
    FROM (
        SELECT x.id, (now() AT TIME ZONE x.time_zone)::date AS today FROM locations x
        WHERE x.tenant_id = :tenant AND x.id = :location AND (:scope::uuid[] IS NULL OR x.id = ANY (:scope))
    ) l
    LEFT JOIN LATERAL (
        SELECT b.code, b.walk_order, jsonb_build_object(
            'binId', b.id, 'binCode', b.code, 'binName', b.name, 'type', b.type, 'zone', b.zone,
            'walkOrder', b.walk_order, 'default', b.is_default, 'frozen', b.frozen_by IS NOT NULL,
            'active', b.is_active, 'qtyOnHand', trim_scale(k.on_hand), 'qtyReserved', trim_scale(k.reserved),
            'qtyOnHold', trim_scale(k.held), 'qtyAvailable', trim_scale(k.available), 'itemCount', k.lines,
            'items', k.items) AS body
        FROM (
            SELECT * FROM bins b WHERE b.tenant_id = :tenant AND b.location_id = l.id {where} {after}
            ORDER BY b.walk_order, b.code LIMIT {size} {offset}
        ) b
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(q.on_hand), 0) AS on_hand, coalesce(sum(q.reserved), 0) AS reserved,
                coalesce(sum(q.on_hold), 0) AS held, coalesce(sum(q.available), 0) AS available,
                count(*) AS lines, coalesce(jsonb_agg(jsonb_build_object(
                    'inventoryItemId', q.id, 'productMasterId', q.product_id, 'globalSku', q.sku,
                    'productName', q.name, 'lotId', q.lot_id, 'lotNumber', q.lot_number,
                    'expiryDate', q.expires_on, 'qtyOnHand', trim_scale(q.on_hand),
                    'qtyReserved', trim_scale(q.reserved), 'qtyOnHold', trim_scale(q.on_hold),
                    'qtyAvailable', trim_scale(q.available)) ORDER BY q.n) FILTER (WHERE q.n <= {shown}),
                    '[]') AS items
            FROM (
                SELECT s.id, s.product_id, p.sku, p.name, s.lot_id, nullif(t.number, '') AS lot_number,
                    t.expires_on, s.on_hand, s.reserved, {on_hold} AS on_hold,
                    CASE WHEN b.frozen_by IS NULL THEN {available} ELSE 0 END AS available,
                    row_number() OVER (ORDER BY p.sku, t.expires_on NULLS LAST, s.id) AS n
                FROM (
                    SELECT * FROM stock_lines x
                    WHERE x.tenant_id = :tenant AND x.bin_id = b.id AND x.on_hand > 0 {of_lines} OFFSET 0
                ) s
                CROSS JOIN LATERAL (
                    SELECT x.sku, x.name FROM products x
                    WHERE x.tenant_id = :tenant AND x.id = s.product_id OFFSET 0
                ) p
                CROSS JOIN LATERAL (
                    SELECT x.number, x.status, x.expires_on FROM lots x
                    WHERE x.tenant_id = :tenant AND x.id = s.lot_id OFFSET 0
                ) t
            ) q
        ) k
    ) i ON true
    ORDER BY i.walk_order, i.code
"""
_TOTAL = "(SELECT count(*) FROM bins b WHERE b.tenant_id = :tenant AND b.location_id = l.id {where})"
_HOLDING = """AND EXISTS (
    SELECT FROM stock_lines x WHERE x.tenant_id = :tenant AND x.product_id = :product AND x.location_id = l.id
        AND x.bin_id = b.id AND x.on_hand > 0)
"""
_decode = msgspec.json.Decoder(TransferBin).decode


class SqlTransferBins:
    """The `TransferBins` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, tenant_id: UUID, wanted: BinsWanted, window: Window, *, scope: Scope
    ) -> Page[TransferBin] | None:
        values: dict[str, Any] = {
            "tenant": tenant_id,
            "location": wanted.location_id,
            "scope": None if scope is None else sorted(scope),
            "product": wanted.product_id,
            "offset": (window.page - 1) * window.limit,
        }
        if window.after is not None:
            values["walk"], values["code"] = _place(window)
        query = _listed(
            size_for(window.limit),
            of_product=wanted.product_id is not None,
            is_continued=window.after is not None,
        )
        async with self._database.bound(tenant_id) as driver:
            rows = await query.fetch(driver, values)
        if not rows:
            return None
        shown = [] if rows[0]["body"] is None else rows[: window.limit]
        last = shown[-1] if len(rows) > window.limit else None
        return Page(
            items=[_decode(row["body"]) for row in shown],
            total=rows[0]["total"],
            next_after=None if last is None else [last["walk_order"], last["code"]],
        )


def _place(window: Window) -> tuple[int, str]:
    match list(window.after or ()):
        case [int(walk), str(code)] if abs(walk) < 2**31:
            return walk, code
        case _:
            raise FieldError(("cursor", "is not a cursor of this list"))


@lru_cache(maxsize=64)
def _listed(size: int, *, of_product: bool, is_continued: bool) -> Query:
    where = _HOLDING if of_product else ""
    return Query(
        _PAGE,
        total="NULL::bigint" if is_continued else _TOTAL.format(where=where),
        where=where,
        after="AND (b.walk_order, b.code) > (:walk::int, :code::text)" if is_continued else "",
        size=str(size),
        offset="" if is_continued else "OFFSET :offset",
        of_lines="AND x.product_id = :product" if of_product else "",
        shown=str(ITEMS_SHOWN),
        on_hold=ON_HOLD,
        available=AVAILABLE,
    )
