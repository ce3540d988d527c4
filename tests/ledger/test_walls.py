"""What the database itself refuses, should anybody write past the ledger's statement."""

from collections.abc import AsyncGenerator
from typing import Any

import asyncpg
import pytest

from domain.ledger.model import Posted
from infra.db.pool import Database
from infra.ledger.grouping import GroupedLedger
from tests.lab import DatabaseUrls
from tests.ledger.builders import Warehouse, a_move, a_warehouse
from tests.ledger.promises import show

type Admin = asyncpg.Connection[Any]
BY_HAND = """
    INSERT INTO movements (tenant_id, position, posting_id, line_id, line_version, product_id, location_id, kind,
        delta, balance_after, effective_at, recorded_at)
    SELECT $1, 1000 + n, p.id, s.id, 1000 + n, s.product_id, s.location_id, $2, d.delta, 5, now(), now()
    FROM (SELECT * FROM postings WHERE tenant_id = $1 LIMIT 1) p,
        (SELECT * FROM stock_lines WHERE tenant_id = $1 LIMIT 1) s,
        unnest($3::numeric[]) WITH ORDINALITY AS d(delta, n)
"""
UNBALANCED: list[list[int]] = [[-5, 6], [5], [-1, -1, 3], [1, 1, -1]]


@pytest.fixture(scope="module")
async def warehouse(admin: Admin, database: Database) -> Warehouse:
    warehouse = await a_warehouse(admin)
    posted = await GroupedLedger(database).post(a_move(warehouse.shelf(), 5), tenant_id=warehouse.tenant_id)
    assert isinstance(posted, Posted)
    return warehouse


@pytest.fixture
async def writer(admin: Admin, warehouse: Warehouse) -> AsyncGenerator[Admin]:
    """In a transaction, with the rights of the ledger's statement, and undone."""
    transaction = admin.transaction()
    await transaction.start()
    await admin.execute("SELECT set_config('app.tenant', $1, true)", str(warehouse.tenant_id))
    await admin.execute("SET LOCAL ROLE storekeeper_ledger")
    yield admin
    await transaction.rollback()


@pytest.mark.parametrize("kind", ["TRANSFER_OUT", "TRANSFER_IN", "PUT_AWAY", "LOT_CORRECTION"])
@pytest.mark.parametrize("deltas", UNBALANCED, ids=str)
async def test_what_moves_inside_must_add_up_to_zero(
    writer: Admin, warehouse: Warehouse, kind: str, deltas: list[int]
) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="do not add up to zero"):
        await writer.execute(BY_HAND, warehouse.tenant_id, kind, deltas)


async def test_what_adds_up_to_zero_may_move_inside(writer: Admin, warehouse: Warehouse) -> None:
    assert await writer.execute(BY_HAND, warehouse.tenant_id, "PUT_AWAY", [-5, 2, 3]) == "INSERT 0 3"
    show("P-03", unbalanced_tried=4 * len(UNBALANCED), unbalanced_stored=0)


@pytest.mark.parametrize("table", ["movements", "postings", "events"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {table} SET recorded_at = now()",
        "UPDATE {table} SET recorded_at = now() WHERE false",
        "DELETE FROM {table}",
        "TRUNCATE {table} CASCADE",
    ],
)
async def test_history_is_written_once_even_for_a_superuser(
    admin: Admin, warehouse: Warehouse, table: str, statement: str
) -> None:
    with pytest.raises(asyncpg.RestrictViolationError, match="compensating posting"):
        await admin.execute(statement.format(table=table))


@pytest.mark.parametrize(
    ("column", "value"), [("on_hand", "-0.0001"), ("on_hand", "'NaN'"), ("reserved", "-1"), ("held", "'NaN'")]
)
@pytest.mark.parametrize("table", ["stock_lines", "stock_totals"])
async def test_a_balance_is_a_number_and_not_below_zero(
    admin: Admin, warehouse: Warehouse, table: str, column: str, value: str
) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await admin.execute(f"UPDATE {table} SET {column} = {value}")


@pytest.mark.parametrize(
    "table",
    [
        "stock_lines",
        "stock_totals",
        "stock_counts",
        "ledger_heads",
        "postings",
        "movements",
        "events",
    ],
)
async def test_the_application_may_not_write_stock_itself(
    database: Database, warehouse: Warehouse, table: str
) -> None:
    async with database.bound(warehouse.tenant_id) as driver:
        for statement in (
            f"INSERT INTO {table} SELECT * FROM {table}",
            f"UPDATE {table} SET tenant_id = tenant_id",
            f"DELETE FROM {table}",
            f"TRUNCATE {table}",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await driver.execute(statement)


async def test_without_a_tenant_the_statement_does_nothing(database_urls: DatabaseUrls) -> None:
    connection = await asyncpg.connect(database_urls.app_url)
    try:
        for setting in ("SELECT 1", "SELECT set_config('app.tenant', '', false)"):
            await connection.execute(setting)  # never set; and as it is after a transaction's own setting
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="no tenant is bound"):
                await connection.fetch("SELECT * FROM ledger_post('[]', '[]')")
    finally:
        await connection.close()


async def test_another_tenants_line_does_not_exist(admin: Admin, database: Database, warehouse: Warehouse) -> None:
    other = await a_warehouse(admin)
    line_id = await admin.fetchval("SELECT id FROM stock_lines WHERE tenant_id = $1", warehouse.tenant_id)
    ledger = GroupedLedger(database)

    foreign = await ledger.post_many([a_move(line_id, 1)], tenant_id=other.tenant_id)
    by_keys = await ledger.post_many([a_move(warehouse.shelf(), 1)], tenant_id=other.tenant_id)

    assert [str(answer) for answer in [*foreign, *by_keys]] == ["Something that this names does not exist"] * 2
