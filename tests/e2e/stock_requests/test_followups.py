"""What waits for supply is served by itself when supply comes, by whatever door."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import asyncpg
import httpx
import pytest

from app.session_api.put_away import PutAwayController
from app.session_api.receipts import ReceiptController
from app.session_api.record_stock import RecordStockController
from app.session_api.stock_request_acts import StockRequestActController
from app.session_api.stock_requests import StockRequestController
from app.session_api.transfers import TransferController
from domain.access.model import Permission
from domain.errors import DomainError, Reason
from domain.stock_requests.allocating import allocate_backorders
from infra.db.pool import Database
from infra.stock_requests.followups import BackorderFollowups
from tests.e2e.ledger_writes.site import Api, Site, an_api
from tests.e2e.stock_requests.asking import WRITE, Office, quantities
from tests.e2e.transfers.moving import Clerk

CONTROLLERS = (
    PutAwayController,
    ReceiptController,
    RecordStockController,
    StockRequestActController,
    StockRequestController,
    TransferController,
)
MODULE = "infra.stock_requests.followups"


@pytest.fixture(scope="module")
async def followups(database: Database) -> AsyncGenerator[BackorderFollowups]:
    followups = BackorderFollowups(database)
    yield followups
    await followups.finish()


@pytest.fixture(scope="module")
def api(database: Database, followups: BackorderFollowups) -> Api:
    return an_api(database, CONTROLLERS, followups=followups)


@pytest.fixture
async def office(admin: "asyncpg.Connection[Any]", database: Database, api: Api) -> Office:
    return await Office.open(api, await Site(admin, database).build())


@pytest.fixture
async def storekeeper(office: Office) -> httpx.AsyncClient:
    """Who takes goods in, and has no right to any stock request."""
    return (await office.person(Permission.INVENTORY_WRITE, at="DC")).http


async def brings(
    office: Office, http: httpx.AsyncClient, sku: str, quantity: int, *, door: str = "receipts", **line: Any
) -> httpx.Response:
    lines = [office.line(sku, quantity) | line]
    return await http.post(
        f"/api/inventory/{door}", json={"locationId": str(office.site.ids["DC"]), "lines": lines}
    )


async def served(office: Office, request: Any) -> tuple[float, float]:
    line = quantities(await office.asker.sees(request))["BOLT"]
    return line.get("reserved", 0), line.get("backordered", 0)


async def test_a_receipt_serves_those_who_wait_the_oldest_first_in_the_name_of_who_took_it_in(
    office: Office, storekeeper: httpx.AsyncClient, followups: BackorderFollowups
) -> None:
    first, second = await office.approved(("BOLT", 6)), await office.approved(("BOLT", 3))
    answer = await brings(office, storekeeper, "BOLT", 7)
    await followups.settled()
    stands = await office.asker.sees(first)

    assert answer.status_code == 200
    assert [await served(office, one) for one in (first, second)] == [(6, 0), (1, 2)]
    assert (stands["history"][-1]["action"], stands["history"][-1]["details"]) == ("allocate", {"reserved": 6})
    assert stands["history"][-1]["actor"] != stands["history"][-2]["actor"]
    assert stands["history"][-1]["actor"].startswith("Somebody")
    assert await office.odd_lines() == []


async def test_stock_of_another_product_or_at_another_place_serves_nobody(
    office: Office, storekeeper: httpx.AsyncClient, followups: BackorderFollowups
) -> None:
    waiting = await office.approved(("BOLT", 6))
    await office.site.put("BOLT", 9)  # it is there, and nobody was told
    await brings(office, storekeeper, "NUT", 7)
    everywhere = office.api.client(office.site.caller([Permission.INVENTORY_WRITE]))
    elsewhere = {"locationId": str(office.site.ids["STORE"]), "lines": [office.line("BOLT", 1)]}
    assert (await everywhere.post("/api/inventory/receipts", json=elsewhere)).is_success
    await followups.settled()

    assert await served(office, waiting) == (0, 6)
    assert (await office.asker.sees(waiting))["version"] == waiting["version"]


async def _opened(office: Office, http: httpx.AsyncClient) -> None:
    assert (await brings(office, http, "BOLT", 5, door="record-stock")).is_success


async def _transferred(office: Office, _: httpx.AsyncClient) -> None:
    await office.site.put("BOLT", 5, at="STORE")
    clerk = Clerk(office.api, office.site)
    transfer = await clerk.sends(("BOLT", 5), origin="STORE", to="DC")
    await clerk.does(transfer, "receive", lines=[{"lineId": transfer["lines"][0]["id"], "quantity": 5}])


async def _brought_back(office: Office, _: httpx.AsyncClient) -> None:
    await office.site.put("BOLT", 5)
    clerk = Clerk(office.api, office.site)
    await clerk.does(await clerk.sends(("BOLT", 5)), "cancel")


async def _requested(office: Office, _: httpx.AsyncClient) -> None:
    await office.site.put("BOLT", 5, at="STORE")
    ends: dict[str, Any] = {
        "originLocationId": str(office.site.ids["STORE"]),
        "destinationLocationId": str(office.site.ids["DC"]),
    }
    approved = await office.boss.approves(await office.pending(("BOLT", 5), **ends))
    issued = await office.hand.moves("issue", await office.hand.moves("pick", approved))
    await office.asker.moves("receive", issued)


async def _put_away(office: Office, http: httpx.AsyncClient) -> None:
    await office.site.admin.execute(
        "UPDATE bins SET type = 'RECEIVING' WHERE tenant_id = $1 AND id = $2",
        office.site.tenant_id,
        office.site.ids["DC/PICK"],
    )
    line_id = await office.site.put("BOLT", 5, bin_="PICK")
    made = await http.post("/api/inventory/put-away", json={"inventoryItemId": str(line_id)})
    task = made.json()["data"]["tasks"][0]
    done = await http.post(f"/api/inventory/put-away/{task['id']}", json={"action": "complete"})
    assert done.is_success, done.text


@pytest.mark.parametrize("arrives", [_opened, _transferred, _brought_back, _requested, _put_away])
async def test_stock_that_comes_by_another_door_serves_those_who_wait_as_well(
    office: Office,
    storekeeper: httpx.AsyncClient,
    followups: BackorderFollowups,
    arrives: Callable[[Office, httpx.AsyncClient], Awaitable[None]],
) -> None:
    waiting = await office.approved(("BOLT", 6))
    await arrives(office, storekeeper)
    await followups.settled()

    assert await served(office, waiting) == (5, 1)
    assert await office.odd_lines() == []


async def test_more_requests_than_are_served_at_once_are_all_served(
    office: Office,
    storekeeper: httpx.AsyncClient,
    followups: BackorderFollowups,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waiting = [await office.approved(("BOLT", 1)) for _ in range(3)]

    async def two(work: Any, **asked: Any) -> Any:
        return await allocate_backorders(work, limit=2, **asked)

    monkeypatch.setattr(f"{MODULE}.AT_ONCE", 2)
    monkeypatch.setattr(f"{MODULE}.allocate_backorders", two)
    await brings(office, storekeeper, "BOLT", 3)
    await followups.settled()

    assert [await served(office, one) for one in waiting] == [(1, 0)] * 3


async def test_what_fails_afterwards_does_not_fail_the_receipt_and_the_next_one_makes_up_for_it(
    office: Office,
    storekeeper: httpx.AsyncClient,
    followups: BackorderFollowups,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waiting = await office.approved(("BOLT", 6))

    async def fails(*_: Any, **__: Any) -> Any:
        raise DomainError(Reason.UNAVAILABLE, "Not now")

    with monkeypatch.context() as broken:
        broken.setattr(f"{MODULE}.allocate_backorders", fails)
        answer = await brings(office, storekeeper, "BOLT", 4)
        await followups.settled()
    before = await served(office, waiting)
    await brings(office, storekeeper, "BOLT", 1)
    await followups.settled()

    assert answer.status_code == 200
    assert (before, await served(office, waiting)) == ((0, 6), (5, 1))


async def test_what_has_arrived_is_followed_before_the_process_ends(
    office: Office, database: Database, followups: BackorderFollowups
) -> None:
    waiting = await office.approved(("BOLT", 6))
    await office.site.put("BOLT", 5)
    last = BackorderFollowups(database)
    last.arrived(office.site.act(WRITE), office.site.ids["DC"], [office.site.ids["BOLT"]])
    await last.finish()
    await followups.settled()

    assert await served(office, waiting) == (5, 1)
