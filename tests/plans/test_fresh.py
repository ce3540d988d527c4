"""Plans in a new installation, of whose tables the planner knows nothing yet."""

import asyncpg
import pytest

from tests.lab import DatabaseUrls

ID = "'00000000-0000-7000-8000-000000000000'::uuid"
WHOLE_KEYS = {
    "stock_lines": ("tenant_id", "product_id", "location_id", "bin_id", "lot_id"),
    "bins": ("tenant_id", "location_id", "id"),
    "lots": ("tenant_id", "product_id", "id"),
}


@pytest.mark.parametrize(("table", "key"), WHOLE_KEYS.items())
async def test_what_is_looked_up_by_a_whole_key_is_not_sought_among_all_of_its_tenant(
    database_urls: DatabaseUrls, table: str, key: tuple[str, ...]
) -> None:
    asked = f"EXPLAIN SELECT FROM {table} WHERE {' AND '.join(f'{name} = {ID}' for name in key)}"
    connection = await asyncpg.connect(database_urls.admin_url)
    try:
        plan = [row[0].strip() for row in await connection.fetch(asked)]
    finally:
        await connection.close()

    (sought,) = [line for line in plan if line.startswith("Index Cond")]
    assert f"({key[-1]} = " in sought
