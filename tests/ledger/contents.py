"""What is in the books, for comparing before with after and one tenant with another."""

from typing import Any
from uuid import UUID

import asyncpg

TABLES = (
    "stock_lines",
    "stock_totals",
    "stock_counts",
    "ledger_heads",
    "postings",
    "movements",
    "events",
    "idempotency_keys",
)
_PRINT = " UNION ALL ".join(
    f"SELECT '{table}', count(*), coalesce(sum(hashtextextended(t::text, 0)), 0) FROM {table} t"
    " WHERE tenant_id = $1"
    for table in TABLES
)
_BALANCES = """
    SELECT product_id, location_id, bin_id, lot_id, on_hand, version, reserved, held, counted_at
    FROM stock_lines WHERE tenant_id = $1 ORDER BY 1, 2, 3, 4
"""
_TOTALS = """
    SELECT product_id, location_id, on_hand, sellable, reserved, held
    FROM stock_totals WHERE tenant_id = $1 ORDER BY 1, 2
"""
_MOVEMENTS = """
    SELECT m.position, m.posting_id, s.product_id, s.location_id, s.bin_id, s.lot_id, m.line_version, m.kind,
        m.delta, m.balance_after
    FROM movements m JOIN stock_lines s ON s.tenant_id = m.tenant_id AND s.id = m.line_id
    WHERE m.tenant_id = $1 ORDER BY m.position
"""
_POSTINGS = """
    SELECT first_position, id, kind, movement_count, reverses_id FROM postings WHERE tenant_id = $1 ORDER BY 1, 2
"""
_EVENTS = "SELECT position, type, entity_id FROM events WHERE tenant_id = $1 ORDER BY 1"
_HEADS = "SELECT position, event_position, quantity_in, quantity_out FROM ledger_heads WHERE tenant_id = $1"

type Books = dict[str, list[tuple[Any, ...]]]


async def fingerprint(admin: "asyncpg.Connection[Any]", tenant_id: UUID) -> dict[str, tuple[int, int]]:
    """For each table the number of a tenant's rows and a sum over what is in them."""
    return {name: (rows, sum_) for name, rows, sum_ in await admin.fetch(_PRINT, tenant_id)}


async def books(admin: "asyncpg.Connection[Any]", tenant_id: UUID) -> Books:
    """All of it that does not depend on when it was written or how lines are numbered."""
    queries = {
        "balances": _BALANCES,
        "totals": _TOTALS,
        "movements": _MOVEMENTS,
        "postings": _POSTINGS,
        "events": _EVENTS,
        "heads": _HEADS,
    }
    return {name: [tuple(row) for row in await admin.fetch(sql, tenant_id)] for name, sql in queries.items()}
