"""The form of a batch: one statement, which selects no quantity."""

from typing import Any

import msgspec

from domain.counting.form import FORM_MOST, Form, FormLine, FormWanted
from infra.db.pool import Database

# The page is cut before anything is joined to its lines, by the index on their walking order.
FORM = f"""
    SELECT c.id AS batch_id, c.number, c.location_id, l.code AS location_code, l.name AS location_name, c.type,
        c.state AS status, c.scheduled_for, c.created_at, n.total_lines, x.*
    FROM cycle_counts c
    JOIN locations l ON l.tenant_id = c.tenant_id AND l.id = c.location_id
    CROSS JOIN LATERAL (
        SELECT count(*)::int AS total_lines FROM cycle_count_lines s
        WHERE s.tenant_id = c.tenant_id AND s.batch_id = c.id AND (c.state <> 'REVIEW' OR s.state = 'RECOUNT')
    ) n
    LEFT JOIN LATERAL (
        SELECT s.id AS line_id, s.sequence, s.bin_id, b.code AS bin_code, b.name AS bin_name, b.zone,
            s.product_id AS product_master_id, p.sku AS global_sku, p.name AS product_name, p.barcode,
            u.code AS uom, nullif(o.number, '') AS lot_number, o.expires_on AS expiry_date
        FROM (
            SELECT t.id, t.sequence, t.bin_id, t.product_id, t.lot_id FROM cycle_count_lines t
            WHERE t.tenant_id = c.tenant_id AND t.batch_id = c.id AND (c.state <> 'REVIEW' OR t.state = 'RECOUNT')
            ORDER BY t.sequence, t.id OFFSET $4 LIMIT {FORM_MOST}
        ) s
        JOIN bins b ON b.tenant_id = c.tenant_id AND b.id = s.bin_id
        JOIN products p ON p.tenant_id = c.tenant_id AND p.id = s.product_id
        JOIN uoms u ON u.tenant_id = c.tenant_id AND u.id = p.uom_id
        JOIN lots o ON o.tenant_id = c.tenant_id AND o.id = s.lot_id
    ) x ON true
    WHERE c.tenant_id = $1 AND c.id = $2 AND ($3::uuid[] IS NULL OR c.location_id = ANY ($3))
    ORDER BY x.sequence, x.line_id
"""  # noqa: S608 - of constants
_LINE = FormLine.__struct_fields__


class SqlFormReads:
    """The `FormReads` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def form(self, wanted: FormWanted) -> Form | None:
        scope = None if wanted.scope is None else sorted(wanted.scope)
        async with self._database.bound(wanted.tenant_id) as driver:
            rows = await driver.fetch(
                FORM, wanted.tenant_id, wanted.batch_id, scope, (wanted.page - 1) * FORM_MOST
            )
        if not rows:
            return None
        head: dict[str, Any] = {name: value for name, value in dict(rows[0]).items() if name not in _LINE}
        lines = [FormLine(**{name: row[name] for name in _LINE}) for row in rows if row["line_id"] is not None]
        return Form(
            **msgspec.convert(head, dict[str, Any]),
            page=wanted.page,
            pages=max(1, -(-rows[0]["total_lines"] // FORM_MOST)),
            lines=lines,
        )
