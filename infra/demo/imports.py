"""The demonstration's import: a planning system that says of what days some stock is, a line of it wrong."""

from datetime import date
from uuid import UUID

import msgspec

from domain.access.model import Act, Permission
from domain.imports.csv import Layout, parse_csv
from domain.imports.model import COLUMNS, RECORDS_MAX, Options
from domain.imports.service import process
from domain.values import new_id
from infra.db.pool import Database
from infra.db.work import beginning
from infra.demo.places import DC
from infra.demo.plan import Plan
from infra.imports.work import ImportSqlWork

IS_DONE = "SELECT EXISTS (SELECT FROM imports WHERE tenant_id = $1)"
# Names that need no quotes and that nothing else has.
LINES = """
    SELECT p.name AS item_name, b.name AS bin_name, t.number AS lot_name, u.code AS uom
    FROM stock_lines s
    JOIN products p ON p.tenant_id = $1 AND p.id = s.product_id AND p.is_active AND p.name ~ '^[A-Za-z0-9 ]+$'
    JOIN bins b ON b.tenant_id = $1 AND b.id = s.bin_id AND b.is_active AND b.frozen_by IS NULL
    JOIN lots t ON t.tenant_id = $1 AND t.id = s.lot_id
    JOIN uoms u ON u.tenant_id = $1 AND u.id = p.uom_id
    WHERE s.tenant_id = $1 AND s.location_id = $2 AND s.on_hand > 0 AND b.type = 'PICKING'
        AND NOT EXISTS (SELECT FROM products x WHERE x.tenant_id = $1 AND x.name = p.name AND x.id <> p.id)
        AND NOT EXISTS (SELECT FROM bins x WHERE x.tenant_id = $1 AND x.name = b.name AND x.id <> b.id)
    ORDER BY t.number = '', p.sku, t.number LIMIT 12
"""
FILE, DESCRIPTION = "planning.csv", "Fill dates from the planning system"
WRONG = "Widget of the planning system"
OPTIONS = Options(allow_record_creation=True, allow_record_update=True, should_continue_on_error=True)


async def import_some(
    database: Database, act: Act, plan: Plan, *, locations: list[UUID] | tuple[UUID, ...]
) -> None:
    """Do it once, as the API does a file."""
    act = msgspec.structs.replace(act, permission=Permission.IMPORTS_WRITE)
    async with beginning(database, ImportSqlWork)(act) as work:
        if await work.driver.fetchval(IS_DONE, act.tenant_id):
            return
        lines = [dict(row) for row in await work.driver.fetch(LINES, act.tenant_id, locations[DC])]
        if not lines:
            return
        content = _file([*lines, {**lines[0], "item_name": WRONG}], plan.assortment.last)
        layout, job_id = Layout(headers_match_exactly=True), new_id()
        records = parse_csv(content, file_name=FILE, layout=layout, max_records=RECORDS_MAX)
        await work.store_input(job_id, FILE, content)
        await process(work, act=act, job_id=job_id, records=records, options=OPTIONS, description=DESCRIPTION)


def _file(lines: list[dict[str, str]], day: date) -> bytes:
    rows = [
        [line["item_name"], line["bin_name"], line["lot_name"], day.isoformat(), str(6 + n), line["uom"]]
        for n, line in enumerate(lines)
    ]
    return "".join(f"{','.join(row)}\r\n" for row in [list(COLUMNS), *rows]).encode()
