"""Cycle counts over HTTP, from their making to the review: lines, sittings, snapshots, found stock, waivers."""

from collections.abc import AsyncGenerator
from typing import Any

import asyncpg
import pytest

from tests.e2e.claims import Connection, Desk, a_desk
from tests.lab import DatabaseUrls, Served

COUNTS = "/api/inventory/cycle-count"


@pytest.fixture(scope="module")
async def admin(database_urls: DatabaseUrls) -> AsyncGenerator[Connection]:
    connection = await asyncpg.connect(database_urls.admin_url)
    yield connection
    await connection.close()


@pytest.fixture
async def desk(served: Served, admin: Connection) -> AsyncGenerator[Desk]:
    async with a_desk(served, admin) as found:
        yield found


async def a_batch(desk: Desk, *products: str, status: int = 201, **fields: Any) -> Any:
    body: dict[str, Any] = {
        "locationId": "{locationId}",
        "type": "PARTIAL",
        "productMasterIds": list(products),
        "blind": False,
    }
    return (await desk.post(COUNTS, status=status, **(body | fields)))["data"]


async def act(desk: Desk, batch: Any, action: str, **fields: Any) -> Any:
    return (await desk.post(f"{COUNTS}/{batch['id']}", action=action, **fields))["data"]


async def lines(desk: Desk, batch: Any, **query: Any) -> Any:
    return (await desk.get(f"{COUNTS}/{batch['id']}", **query))["data"]["lines"]


async def test_a_count_goes_from_draft_to_review_while_stock_moves(desk: Desk) -> None:
    product = await desk.a_product(unit_cost=3)
    line = await desk.put(product, 10)
    batch = await a_batch(desk, product)
    await desk.put(product, 5)
    started = await act(desk, batch, "start")
    (found,) = await lines(desk, batch)
    await desk.put(product, 2)
    recorded = await act(desk, batch, "record", counts=[{"lineId": found["id"], "countedQty": 16}])
    await desk.put(product, 1)

    closed = await act(desk, batch, "complete")

    assert (batch["status"], started["status"], closed["status"]) == ("DRAFT", "IN_PROGRESS", "REVIEW")
    assert batch["number"].startswith("CC-")
    assert (found["inventoryItemId"], found["snapshotQty"], found["status"]) == (line, 15, "PENDING")
    (counted,) = recorded["lines"]
    assert {
        name: counted[name] for name in ("snapshotQty", "movedQty", "expectedQty", "countedQty", "variance")
    } == {
        "snapshotQty": 15,
        "movedQty": 2,
        "expectedQty": 17,
        "countedQty": 16,
        "variance": -1,
    }
    moved = await desk.admin.fetchval(
        "SELECT sum(delta) FROM movements WHERE line_id = $1 AND position > $2 AND position <= $3",
        line,
        counted["snapshotPosition"],
        counted["countedPosition"],
    )
    assert moved == counted["movedQty"]
    (after,) = await lines(desk, batch)
    assert (after["status"], after["variance"], after["varianceValue"]) == ("VARIANCE", -1, -3)
    assert (closed["variances"], closed["accuracy"], closed["varianceValueGross"]) == (1, 0, 3)
    assert [step["action"] for step in closed["history"]] == ["create", "start", "record", "complete"]
