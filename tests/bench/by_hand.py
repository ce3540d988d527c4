"""The limits of what comes in bulk: the same rows by the least SQL that keeps balances and movements.

They write to tables of their own, which begin with the stock that the ledger begins with; their movements have the
ledger's indexes, and foreign keys to what they moved and to a posting. What they leave out: row-level security and
the roles' rights, authentication, permissions and scope, the judging of rows one by one with their errors, holds,
claims and frozen bins, totals, counts, positions without gaps, postings of their own with details, events, audit,
idempotency, and reports that can be read later.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import date
from decimal import Decimal
from io import BytesIO
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from infra.db.pool import APP_ROLE

SCHEMA = f"""
CREATE SCHEMA by_hand;
CREATE TABLE by_hand.places (code text PRIMARY KEY, name text NOT NULL UNIQUE, bin_id uuid, location_id uuid);
INSERT INTO by_hand.places SELECT code, name, id, location_id FROM bins WHERE tenant_id = '{{tenant}}';
CREATE TABLE by_hand.items (sku text PRIMARY KEY, name text NOT NULL UNIQUE, product_id uuid);
INSERT INTO by_hand.items SELECT sku, name, id FROM products WHERE tenant_id = '{{tenant}}';
CREATE TABLE by_hand.lots (product_id uuid, number text, lot_id uuid, PRIMARY KEY (product_id, number));
INSERT INTO by_hand.lots SELECT product_id, number, id FROM lots WHERE tenant_id = '{{tenant}}';
CREATE TABLE by_hand.units (name text PRIMARY KEY);
INSERT INTO by_hand.units SELECT name FROM uoms WHERE tenant_id = '{{tenant}}';
CREATE TABLE by_hand.balances (
    product_id uuid, bin_id uuid, lot_id uuid, day date, location_id uuid NOT NULL,
    quantity numeric(18, 4) NOT NULL, version bigint NOT NULL DEFAULT 1,
    line_id uuid NOT NULL UNIQUE DEFAULT uuidv7(),
    PRIMARY KEY (product_id, bin_id, lot_id, day)
);
INSERT INTO by_hand.balances
SELECT product_id, bin_id, lot_id, '-infinity', location_id, on_hand, version, id
FROM stock_lines WHERE tenant_id = '{{tenant}}' ORDER BY 1, 2, 3;
CREATE INDEX ON by_hand.balances (location_id);
CREATE TABLE by_hand.movements (LIKE movements INCLUDING DEFAULTS INCLUDING INDEXES);
ALTER TABLE by_hand.movements ALTER tenant_id SET DEFAULT '{{tenant}}', ALTER posting_id SET DEFAULT '{{posting}}',
    ALTER position ADD GENERATED ALWAYS AS IDENTITY,
    ADD FOREIGN KEY (line_id) REFERENCES by_hand.balances (line_id),
    ADD FOREIGN KEY (tenant_id, posting_id) REFERENCES postings (tenant_id, id);
GRANT USAGE ON SCHEMA by_hand TO {APP_ROLE};
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA by_hand TO {APP_ROLE};
VACUUM ANALYZE by_hand.places, by_hand.items, by_hand.lots, by_hand.units, by_hand.balances, by_hand.movements;
"""

_STORE = """
, stored AS (
    INSERT INTO by_hand.balances AS b (product_id, bin_id, lot_id, day, location_id, quantity)
    SELECT product_id, bin_id, lot_id, day, location_id, quantity FROM wanted
    ORDER BY product_id, bin_id, lot_id, day
    ON CONFLICT (product_id, bin_id, lot_id, day)
        DO UPDATE SET quantity = excluded.quantity, version = b.version + 1 WHERE b.quantity <> excluded.quantity
    RETURNING b.line_id, b.version, b.product_id, b.location_id, b.quantity,
        b.quantity - coalesce(old.quantity, 0) AS delta
), moved AS (
    INSERT INTO by_hand.movements (
        line_id, line_version, product_id, location_id, kind, delta, balance_after, effective_at, recorded_at
    )
    SELECT line_id, version, product_id, location_id, 'IMPORT', delta, quantity, now(), now() FROM stored
    WHERE delta <> 0
    RETURNING 1
)
SELECT count(*) FROM moved
"""
SET = f"""
WITH wanted AS MATERIALIZED (
    SELECT i.product_id, p.bin_id, l.lot_id, date '-infinity' AS day, p.location_id, w.quantity
    FROM unnest($1::text[], $2::text[], $3::bigint[]) AS w(code, sku, quantity)
    JOIN by_hand.places p ON p.code = w.code
    JOIN by_hand.items i ON i.sku = w.sku
    JOIN by_hand.lots l ON l.product_id = i.product_id AND l.number = ''
)
{_STORE}
"""
_NAMED = """
    SELECT i.product_id, p.bin_id, l.lot_id, w.day, p.location_id, w.quantity
    FROM {rows}
    JOIN by_hand.places p ON p.name = w.bin
    JOIN by_hand.items i ON i.name = w.item
    JOIN by_hand.lots l ON l.product_id = i.product_id AND l.number = w.lot
    JOIN by_hand.units u ON u.name = w.unit
"""
_ROWS = (
    "unnest($1::text[], $2::text[], $3::text[], $4::date[], $5::numeric[], $6::text[])"
    " AS w(item, bin, lot, day, quantity, unit)"
)
IMPORT = f"WITH wanted AS MATERIALIZED ({_NAMED.format(rows=_ROWS)}) {_STORE}"
GIVEN = """
CREATE TEMPORARY TABLE IF NOT EXISTS given (
    item text, bin text, lot text, day date, quantity numeric(18, 4), unit text
) ON COMMIT DELETE ROWS
"""
# What stands at the place and was not given is set to nothing.
REFRESH = f"""
WITH named AS MATERIALIZED ({_NAMED.format(rows="given AS w")}), wanted AS (
    SELECT product_id, bin_id, lot_id, day, coalesce(w.location_id, b.location_id) AS location_id,
        coalesce(w.quantity, 0) AS quantity
    FROM named w
    FULL JOIN (SELECT * FROM by_hand.balances WHERE location_id = $1) b USING (product_id, bin_id, lot_id, day)
)
{_STORE}
"""
EMPTY_LINE = b"\r\n\r\n"

type Connection = asyncpg.pool.PoolConnectionProxy[Any]
type ByHand = Callable[[Connection, bytes, UUID], Awaitable[int]]
"""Does what a request asks for; the UUID is the location that is refreshed. How many movements it made."""


class _SetRow(msgspec.Struct):
    location_code: str
    sku_code: str
    quantity: int


class _Set(msgspec.Struct):
    inventory: list[_SetRow]


class _Record(msgspec.Struct):
    item_name: str
    bin_name: str
    lot_name: str
    date_filled: date
    quantity: Decimal
    uom: str


class _Import(msgspec.Struct):
    payload: list[_Record]


_set = msgspec.json.Decoder(_Set)
_import = msgspec.json.Decoder(_Import)


async def set_rows(connection: Connection, content: bytes, location: UUID) -> int:
    """Decode, and one statement."""
    rows = _set.decode(content).inventory
    moved: int = await connection.fetchval(
        SET,
        [row.location_code for row in rows],
        [row.sku_code for row in rows],
        [row.quantity for row in rows],
    )
    return moved


async def import_rows(connection: Connection, content: bytes, location: UUID) -> int:
    """Decode, and one statement."""
    rows = _import.decode(content).payload
    moved: int = await connection.fetchval(
        IMPORT,
        [row.item_name for row in rows],
        [row.bin_name for row in rows],
        [row.lot_name for row in rows],
        [row.date_filled for row in rows],
        [row.quantity for row in rows],
        [row.uom for row in rows],
    )
    return moved


async def refresh(connection: Connection, content: bytes, location: UUID) -> int:
    """The file of a form as it is to COPY, and one statement."""
    boundary = content[: content.index(b"\r\n")]
    part = content.index(b'name="file"')
    file = content[content.index(EMPTY_LINE, part) + len(EMPTY_LINE) : content.index(b"\r\n" + boundary, part)]
    async with connection.transaction():
        await connection.execute(GIVEN)
        # An item without lots has an empty one: that is a text here, and not nothing.
        await connection.copy_to_table("given", source=BytesIO(file), format="csv", header=True, null="\\N")
        await connection.execute("ANALYZE given")
        moved: int = await connection.fetchval(REFRESH, location)
        return moved


BY_HAND: Mapping[str, ByHand] = {
    "/bulk-set-1000": set_rows,
    "/import-json-1000": import_rows,
    "/csv-100k": refresh,
}
"""By the path of the bare server."""


async def make_by_hand(admin_url: str, tenant: UUID) -> None:
    """The tables of all of this, in a made ledger."""
    connection = await asyncpg.connect(admin_url)
    try:
        await connection.execute("SET synchronous_commit = off")
        posting = await connection.fetchval("SELECT id FROM postings WHERE tenant_id = $1 LIMIT 1", tenant)
        for statement in SCHEMA.format(tenant=tenant, posting=posting).split(";\n"):
            if statement.strip():
                await connection.execute(statement, timeout=600)
    finally:
        await connection.close()
