"""A year of stock requests within a made ledger, set by set: what dashboards and lists are measured on."""

from typing import Any
from uuid import UUID

import asyncpg

from domain.values import new_id
from infra.db.pool import BIND
from tests.plans.requests import COUNTED, LINES, PEOPLE, REQUESTS, TIERS
from tests.plans.selling import product_id
from tests.plans.stock import LINES_PER_PRODUCT, Stock

LINES_PER_REQUEST = 5
"""Stock lines for one request: 200,000 requests in a ledger of a million lines."""
WAITING = 150
_ORIGINS = 3
_PRODUCTS = 400

# Numbers go on behind those that were made, and whoever asks needs somebody's approval.
_READY = """
INSERT INTO document_numbers (tenant_id, type, last) VALUES ('{tenant}', 'STOCK_REQUEST', {count});
UPDATE locations SET capabilities = '{{APPROVES_REQUESTS,PICKS,RECEIVES,SHIPS}}' WHERE tenant_id = '{tenant}';
"""
_TABLES = (
    "stock_requests",
    "stock_request_categories",
    "stock_request_counts",
    "stock_request_lines",
    "stock_request_tiers",
)


async def make_asked(admin_url: str, stock: Stock) -> None:
    """Requests of three lines over a year, in step with the ledger; as many of them wait whatever its size."""
    count = stock.lines // LINES_PER_REQUEST
    connection: asyncpg.Connection[Any] = await asyncpg.connect(admin_url)
    try:
        await connection.execute(BIND, str(stock.tenant_id))
        # Rows that no trigger looks at: what they would keep is made below, at once.
        await connection.execute("SET session_replication_role = replica")
        await connection.execute("SET synchronous_commit = off")
        await _make(connection, stock, count)
        await connection.execute(_READY.format(tenant=stock.tenant_id, count=count))
        await connection.execute(f"VACUUM ANALYZE {', '.join(_TABLES)}", timeout=600)
    finally:
        await connection.close()


async def _make(connection: "asyncpg.Connection[Any]", stock: Stock, count: int) -> None:
    tenant, places = stock.tenant_id, stock.locations
    people: list[UUID] = [new_id() for _ in range(PEOPLE)]
    products = [product_id(n) for n in range(min(_PRODUCTS, stock.lines // LINES_PER_PRODUCT))]
    waiting = min(WAITING, count // 4)
    origins, destinations = places[:_ORIGINS], places[_ORIGINS:]
    await connection.execute(REQUESTS, tenant, origins, destinations, people, count, waiting, timeout=600)
    await connection.execute(LINES, tenant, products, timeout=600)
    await connection.execute(TIERS, tenant, timeout=600)
    await connection.execute(COUNTED, tenant, timeout=600)
