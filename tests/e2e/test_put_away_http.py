"""Put-away over HTTP: what waits, where it should go and why, and what becomes of a task."""

from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from domain.values import new_id
from tests.e2e.claims import Connection, Desk, a_desk
from tests.lab import DatabaseUrls, Served

PUT_AWAY = "/api/inventory/put-away"
UNKNOWN = "00000000-0000-7000-8000-000000000000"


@pytest.fixture(scope="module")
async def admin(database_urls: DatabaseUrls) -> AsyncGenerator[Connection]:
    connection = await asyncpg.connect(database_urls.admin_url)
    yield connection
    await connection.close()


@pytest.fixture
async def desk(served: Served, admin: Connection) -> AsyncGenerator[Desk]:
    async with a_desk(served, admin) as found:
        yield found


async def a_bin(desk: Desk, code: str, **fields: object) -> str:
    id_ = new_id()
    place = {"location_id": desk.fact("locationId"), "code": code, "name": code}
    await desk.row("bins", **{"id": id_, **place, **fields})
    return str(id_)


async def waiting(desk: Desk, quantity: float, *, lot: str | None = None, product: str | None = None) -> str:
    """A line in the receiving bin."""
    return await desk.put(product or await desk.a_product(), quantity, lot=lot, bin_="receivingBinId")


async def made(desk: Desk, item: str, **body: Any) -> Any:
    return (await desk.post(PUT_AWAY, status=201, inventoryItemId=item, **body))["data"]


async def act(desk: Desk, task: Any, action: str, **body: Any) -> Any:
    return (await desk.post(f"{PUT_AWAY}/{task['id']}", action=action, **body))["data"]


def placed(data: Any) -> list[tuple[str, str, float]]:
    return [(task["suggestedBinCode"], task["strategy"], task["quantity"]) for task in data["tasks"]]


async def on_hand(desk: Desk, product: str) -> dict[str, float]:
    """By the code of the bin."""
    rows = await desk.admin.fetch(
        "SELECT b.code, s.on_hand FROM stock_lines s JOIN bins b ON b.tenant_id = s.tenant_id AND b.id = s.bin_id "
        "WHERE s.tenant_id = $1 AND s.product_id = $2 AND s.on_hand > 0",
        desk.company.tenant_id,
        product,
    )
    return {row["code"]: float(row["on_hand"]) for row in rows}


async def events(desk: Desk, task: Any) -> list[str]:
    rows = await desk.admin.fetch(
        "SELECT type FROM events WHERE tenant_id = $1 AND entity_id = $2 ORDER BY position",
        desk.company.tenant_id,
        UUID(task["id"]),
    )
    return [row["type"] for row in rows]


async def test_a_task_claims_its_stock_says_why_and_brings_it_to_the_suggested_bin(desk: Desk) -> None:
    product = await desk.a_product()
    await a_bin(desk, "NEAR", walk_order=1, capacity_units=4)
    await a_bin(desk, "FAR", walk_order=2)
    item = await waiting(desk, 10, product=product)

    data = await made(desk, item, quantity=6)
    near, far = data["tasks"]
    claimed = await desk.lines(product)
    started = await act(desk, near, "start", expectedVersion=1)
    part = await act(desk, near, "complete", quantity=3)
    rest = await act(desk, near, "complete")
    whole = await desk.get(f"{PUT_AWAY}/{near['id']}")
    done = await act(desk, far, "complete")

    assert placed(data) == [("NEAR", "OVERFLOW", 4), ("FAR", "OVERFLOW", 2)]
    assert data["unplaced"] == []
    assert [one["strategy"] for one in near["explanation"]["tried"]][-1] == "OVERFLOW"
    assert claimed == {item: (10, 6, 0)}
    assert (started["task"]["status"], started["task"]["version"]) == ("IN_PROGRESS", 2)
    assert (part["task"]["status"], part["task"]["openQuantity"]) == ("IN_PROGRESS", 1)
    assert part["task"]["reservationId"] != near["reservationId"]
    assert (rest["task"]["status"], rest["task"]["doneQuantity"], rest["task"]["reservationId"]) == (
        "COMPLETED",
        4,
        None,
    )
    assert [step["action"] for step in whole["data"]["history"]] == ["create", "start", "complete", "complete"]
    assert whole["data"]["allowedActions"] == []
    assert done["ledgerPosition"] > part["ledgerPosition"]
    assert await on_hand(desk, product) == {"NEAR": 4, "FAR": 2, f"DOCK-{desk.company.mark}": 4}
    assert (await desk.lines(product))[item] == (4, 0, 0)
    assert await events(desk, near) == [
        "put_away.created.v1",
        "put_away.started.v1",
        "put_away.completed.v1",
        "put_away.completed.v1",
    ]
    assert await desk.drifts() == ()
