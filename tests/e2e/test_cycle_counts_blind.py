"""Who counts blind can learn no quantity anywhere: not from answers, errors, totals, headers or lists."""

import re
from collections.abc import AsyncGenerator
from typing import Any

import httpx
import pytest

from tests.e2e.api.company import Session, add_user, begin_session
from tests.e2e.claims import Connection, Desk, a_desk
from tests.lab import Served

COUNTS = "/api/inventory/cycle-count"
BOOKED, MOVED, OTHER = 73119, 4057, 61331
"""Quantities that stand nowhere by accident: they are looked for as whole numbers."""
TELLING = {
    *("snapshotQty", "movedQty", "expectedQty", "variance", "varianceValue", "varianceValueGross", "unitCost"),
    *("accuracy", "variances", "inventoryItemId", "isFound", "countedPosition", "totals", "value"),
}


@pytest.fixture(scope="module")
async def desk(served: Served, admin: Connection) -> AsyncGenerator[Desk]:
    async with a_desk(served, admin) as found:
        yield found


class Blind:
    """Somebody who counts, and all that they were told."""

    def __init__(self, desk: Desk, session: Session) -> None:
        self._desk = desk
        self._session = session
        self.heard: list[httpx.Response] = []

    async def ask(self, method: str, path: str, *, body: Any = None, **query: Any) -> Any:
        # As a request of its own: the client would send its key as well.
        request = httpx.Request(
            method,
            self._desk.http.base_url.join(path),
            params=self._desk.company.fill(query),
            json=self._desk.company.fill(body),
            headers=self._session.headers,
        )
        answer = await self._desk.http.send(request)
        self.heard.append(answer)
        return answer.json() if "json" in answer.headers["content-type"] else answer.text

    def learned(self, *quantities: int) -> set[str]:
        """Every quantity that was said, and every field that would say one."""
        found = set()
        for answer in self.heard:
            text = f"{answer.headers} {answer.text}"
            found |= {str(number) for number in quantities if re.search(rf"(?<![\w-]){number}(?![\w-])", text)}
            found |= {name for name in TELLING if f'"{name}"' in answer.text}
        return found


async def somebody(desk: Desk, role: str) -> Blind:
    return Blind(
        desk, await begin_session(desk.admin, desk.company, await add_user(desk.admin, desk.company, role))
    )


async def a_count(desk: Desk, *, blind: bool, **fields: Any) -> tuple[Any, str]:
    """A batch of two positions, one of them with stock that came after the start."""
    product = await desk.a_product(unit_cost=7)
    await desk.put(product, BOOKED)
    await desk.put(product, OTHER, bin_="otherBinId")
    body = {"locationId": "{locationId}", "type": "PARTIAL", "productMasterIds": [product], "blind": blind}
    return (await desk.http.post(COUNTS, json=desk.company.fill(body | fields))).json()["data"], product


@pytest.mark.parametrize("is_blind", [True, False])
async def test_a_counter_learns_no_quantity_from_any_route_of_counting(desk: Desk, *, is_blind: bool) -> None:
    batch, product = await a_count(desk, blind=is_blind)
    counter = await somebody(desk, "counter")
    path = f"{COUNTS}/{batch['id']}"
    await counter.ask("POST", path, body={"action": "complete"})
    await counter.ask("POST", path, body={"action": "start"})
    await desk.put(product, MOVED)
    seen = await counter.ask("GET", path, limit=10)
    one, two = [line["id"] for line in seen["data"]["lines"]]

    for body in (
        {"action": "record", "counts": [{"lineId": one, "countedQty": 1}]},
        {"action": "record", "counts": [{"lineId": one, "countedQty": 2}, {"lineId": two, "countedQty": 3}]},
        {"action": "record", "counts": [{"lineId": two, "countedQty": None}]},
        {"action": "record", "counts": [{"lineId": two, "countedQty": -1}]},
        {"action": "record", "counts": [{"lineId": two, "countedQty": 1e15}]},
        {"action": "record", "counts": [{"lineId": batch["id"], "countedQty": 1}]},
        {
            "action": "record",
            "counts": [{"binId": "{spareBinId}", "productMasterId": product, "countedQty": 1}],
        },
        {"action": "record", "counts": [{"lineId": one, "countedQty": 1}], "expectedVersion": 1},
        {"action": "complete"},
        {"action": "waive", "waive": [{"lineId": two, "reason": "Behind a pallet"}]},
        {"action": "assign", "assigneeIds": []},
        {"action": "complete"},
        {"action": "record", "counts": [{"lineId": one, "countedQty": 1}]},
        {"action": "start"},
    ):
        await counter.ask("POST", path, body=body)
    await counter.ask("POST", path, body={"action": "cancel", "expectedVersion": 1})
    for query in ({"limit": 1}, {"limit": 1, "page": 2}, {"limit": 500}, {"fields": "all"}, {"blind": "false"}):
        await counter.ask("GET", path, **query)
    for query in ({}, {"status": "REVIEW"}, {"locationId": "{locationId}"}, {"sort": "accuracy"}):
        await counter.ask("GET", COUNTS, **query)
    spot = {"locationId": "{locationId}", "type": "SPOT", "productMasterIds": [product], "blind": False}
    await counter.ask("POST", COUNTS, body=spot)
    for form in ("json", "csv", "html"):
        await counter.ask("GET", f"{COUNTS}/blind-form", batchId=batch["id"], format=form)
    resolution = {"lineId": one, "action": "ACCEPT", "reasonCodeId": "{reasonCodeId}"}
    await counter.ask("POST", f"{COUNTS}/resolve", body={"batchId": batch["id"], "resolutions": [resolution]})
    await counter.ask("GET", f"{COUNTS}/abc", locationId="{locationId}")
    await counter.ask("GET", f"{COUNTS}/tasks")
    final = await counter.ask("GET", path)

    assert counter.learned(BOOKED, BOOKED + MOVED, MOVED, OTHER) == set()
    assert final["data"]["status"] == "REVIEW"
    assert {answer.status_code for answer in counter.heard} <= {200, 201, 400, 403, 404, 409}
    assert {line["status"] for line in final["data"]["lines"]} == {"CLOSED"}


@pytest.mark.parametrize("is_blind", [True, False])
async def test_a_counter_has_no_other_way_to_ask_for_stock(desk: Desk, *, is_blind: bool) -> None:
    batch, product = await a_count(desk, blind=is_blind)
    counter = await somebody(desk, "counter")

    for path in (
        "/api/inventory",
        "/api/inventory/availability",
        "/api/inventory/movements",
        "/api/inventory/locations",
        "/api/inventory/analytics",
        "/api/inventory/exceptions",
        f"/api/products/{product}",
        f"/api/products/{product}/inventory-levels",
        "/api/events",
        "/api/audit",
    ):
        await counter.ask("GET", path)

    assert {answer.status_code for answer in counter.heard} == {403}
    assert counter.learned(BOOKED, OTHER) == set()
    assert batch["status"] == "DRAFT"


async def test_who_reads_stock_counts_a_blind_batch_blind_all_the_same(desk: Desk) -> None:
    batch, product = await a_count(desk, blind=True)
    path = f"{COUNTS}/{batch['id']}"
    operator = await somebody(desk, "operator")
    await operator.ask("GET", path)
    await operator.ask("POST", path, body={"action": "start"})
    await desk.put(product, MOVED)
    seen = await operator.ask("GET", path)
    counts = [{"lineId": line["id"], "countedQty": 5} for line in seen["data"]["lines"]]
    recorded = await operator.ask("POST", path, body={"action": "record", "counts": counts})
    (listed,) = [one for one in (await operator.ask("GET", COUNTS))["data"] if one["id"] == batch["id"]]
    operator.heard.pop()  # others in the list are not blind
    while_counting = operator.learned(BOOKED, BOOKED + MOVED, MOVED, OTHER)

    reviewed = (await operator.ask("POST", path, body={"action": "complete"}))["data"]
    shown = await operator.ask("GET", path)

    assert (recorded["data"]["view"], {line["view"] for line in recorded["data"]["lines"]}) == ("BLIND", {"BLIND"})
    assert (listed["view"], while_counting) == ("BLIND", set())
    assert (reviewed["view"], reviewed["variances"]) == ("FULL", 2)
    assert {line["view"] for line in shown["data"]["lines"]} == {"FULL"}
    assert sorted(line["expectedQty"] for line in shown["data"]["lines"]) == [OTHER, BOOKED + MOVED]


async def test_who_is_not_among_those_that_count_may_look_on(desk: Desk) -> None:
    batch, _ = await a_count(desk, blind=True, assigneeIds=["{userId}"])
    operator = await somebody(desk, "operator")

    seen = await operator.ask("GET", f"{COUNTS}/{batch['id']}")
    (listed,) = [one for one in (await operator.ask("GET", COUNTS))["data"] if one["id"] == batch["id"]]

    assert (seen["data"]["view"], listed["view"]) == ("FULL", "FULL")
    assert sorted(line["snapshotQty"] for line in seen["data"]["lines"]) == [OTHER, BOOKED]


async def test_who_counts_blind_sees_their_own_count_and_nobody_else_s(desk: Desk) -> None:
    batch, _ = await a_count(desk, blind=True)
    path = f"{COUNTS}/{batch['id']}"
    one, other = await somebody(desk, "counter"), await somebody(desk, "counter")
    await one.ask("POST", path, body={"action": "start"})
    line = (await one.ask("GET", path))["data"]["lines"][0]["id"]
    await one.ask(
        "POST", path, body={"action": "record", "counts": [{"lineId": line, "countedQty": 88, "note": "x"}]}
    )

    mine, theirs = [(await who.ask("GET", path))["data"]["lines"][0] for who in (one, other)]

    assert (mine["countedQty"], mine["note"], mine["isCounted"]) == (88, "x", True)
    assert (theirs["countedQty"], theirs["note"], theirs["isCounted"]) == (None, None, True)


async def test_a_blind_recount_is_blind_again(desk: Desk) -> None:
    batch, _ = await a_count(desk, blind=True)
    path = f"{COUNTS}/{batch['id']}"
    first, second = await somebody(desk, "operator"), await somebody(desk, "operator")
    await first.ask("POST", path, body={"action": "start"})
    found = (await first.ask("GET", path))["data"]["lines"]
    counts = [{"lineId": line["id"], "countedQty": 5} for line in found]
    await first.ask("POST", path, body={"action": "record", "counts": counts})
    await first.ask("POST", path, body={"action": "complete"})
    again, reviewed = found[0]["id"], found[1]["id"]
    await desk.admin.execute("UPDATE cycle_count_lines SET state = 'RECOUNT', round = 2 WHERE id = $1", again)

    shown = {line["id"]: line for line in (await second.ask("GET", path))["data"]["lines"]}

    assert (shown[again]["view"], shown[again]["status"], shown[again]["countedQty"]) == ("BLIND", "RECOUNT", None)
    assert (shown[reviewed]["view"], shown[reviewed]["status"]) == ("FULL", "VARIANCE")
