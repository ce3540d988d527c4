"""Stocklists: who keeps them, what they suggest, and the requests that follow from them."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from domain.access.model import Permission
from domain.stock_requests.generating import generate_due
from domain.stock_requests.states import Decider
from infra.db.pool import Database
from infra.db.work import beginning
from infra.stock_requests.generating import GeneratingSqlWork
from tests.e2e.stock_requests.asking import ALL, PATH, READ, WRITE, Office, Person

LISTS = "/api/stocklists"


async def made(office: Office, *lines: dict[str, Any], by: Person | None = None, **more: Any) -> Any:
    answer = await tried(office, *lines, by=by, **more)
    assert answer.status_code == 201, answer.text
    return answer.json()["data"]


async def tried(office: Office, *lines: dict[str, Any], by: Person | None = None, **more: Any) -> httpx.Response:
    body = {
        "code": "WEEKLY",
        "name": "Weekly",
        "originLocationId": str(office.site.ids["DC"]),
        "destinationLocationId": str(office.site.ids["STORE"]),
        "lines": lines,
    }
    return await (by or office.asker).http.post(LISTS, json=body | more)


def keeps(office: Office, sku: str, maximum: float, **more: Any) -> dict[str, Any]:
    return {"productMasterId": str(office.site.ids[sku]), "maximum": maximum, **more}


async def suggested(office: Office, person: Person | None = None) -> dict[str, Any]:
    ids = office.site.ids
    ends = {"originLocationId": str(ids["DC"]), "destinationLocationId": str(ids["STORE"])}
    answer = await (person or office.asker).http.get(f"{PATH}/products/stocklist", params=ends)
    assert answer.status_code == 200, answer.text
    return {line["sku"]: line for line in answer.json()["data"]}


async def test_a_stocklist_is_made_read_changed_and_its_lines_are_set(office: Office) -> None:
    stocklist = await made(office, keeps(office, "BOLT", 40), keeps(office, "NUT", 10), reviewPeriodDays=7)
    path = f"{LISTS}/{stocklist['id']}"
    renamed = await office.asker.http.patch(path, json={"name": "Every week", "expectedVersion": 1})
    stale = await office.asker.http.patch(path, json={"name": "X", "expectedVersion": 1})
    lines = [keeps(office, "NUT", 12, minimum=2, packMultiple=4)]
    put = await office.asker.http.put(f"{path}/lines", json={"lines": lines})
    one = (await office.asker.http.get(path)).json()["data"]
    listed = (await office.asker.http.get(LISTS, params={"search": "every"})).json()

    assert (stocklist["mode"], stocklist["lineCount"], stocklist["version"]) == ("PULL", 2, 1)
    assert stocklist["nextDueAt"] is not None
    assert renamed.status_code == 200
    assert stale.json()["details"]["code"] == "STALE_VERSION"
    assert put.json()["data"] == one
    assert [(x["sku"], x["maximum"], x["minimum"], x["packMultiple"]) for x in one["lines"]] == [("NUT", 12, 2, 4)]
    assert (one["version"], one["name"]) == (3, "Every week")
    assert [x["id"] for x in listed["data"]] == [stocklist["id"]]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"maximum": 0}, "lines[0].maximum"),
        ({"maximum": 5, "minimum": 6}, "lines[0].minimum"),
        ({"maximum": 5, "packMultiple": 0}, "lines[0].packMultiple"),
    ],
)
async def test_a_line_that_cannot_be_meant_is_refused(office: Office, change: dict[str, Any], path: str) -> None:
    answer = await tried(office, keeps(office, "BOLT", 5) | change)

    assert answer.status_code == 400
    assert [field["path"] for field in answer.json()["details"]["fields"]] == [path]


async def test_what_else_cannot_be_is_refused(office: Office) -> None:
    twice = await tried(office, keeps(office, "BOLT", 5), keeps(office, "BOLT", 6))
    nowhere = await tried(office, destinationLocationId=str(office.site.ids["DC"]))
    unknown = await tried(office, {"productMasterId": str(office.site.tenant_id), "maximum": 1})
    await made(office)
    again = await tried(office)

    assert twice.json()["details"]["fields"][0]["path"] == "lines[1].productMasterId"
    assert nowhere.json()["details"]["fields"][0]["path"] == "destinationLocationId"
    assert (unknown.status_code, unknown.json()["details"]["code"]) == (404, "NOT_FOUND")
    assert (again.status_code, again.json()["details"]["field"]) == (409, "code")


async def test_it_is_kept_by_the_end_that_acts_on_it_and_seen_by_both(office: Office) -> None:
    at_store = await office.person(READ, WRITE, at="STORE")
    at_dc = await office.person(READ, WRITE, at="DC")
    await office.site.a_location("WARD")
    elsewhere = await office.person(READ, WRITE, at="WARD")

    pulled = await made(office, keeps(office, "BOLT", 5), code="PULL")
    pushed = await made(office, keeps(office, "BOLT", 5), code="PUSH", mode="PUSH")
    kept = [
        await at_store.http.patch(f"{LISTS}/{pulled['id']}", json={"name": "Ours"}),
        await at_dc.http.put(f"{LISTS}/{pushed['id']}/lines", json={"lines": [keeps(office, "NUT", 3)]}),
        await at_store.http.post(f"{LISTS}/{pulled['id']}/generate"),
    ]
    denied = [
        await tried(office, by=at_dc, code="X"),
        await tried(office, by=at_store, code="X"),
        await at_store.http.post(f"{LISTS}/{pushed['id']}/generate"),
        await at_dc.http.patch(f"{LISTS}/{pulled['id']}", json={"name": "Mine now"}),
        await at_store.http.patch(f"{LISTS}/{pulled['id']}", json={"mode": "PUSH"}),
    ]
    seen = [(await who.http.get(LISTS)).json() for who in (at_store, at_dc, elsewhere)]
    unseen = await elsewhere.http.get(f"{LISTS}/{pushed['id']}")

    assert [answer.status_code for answer in kept] == [200, 200, 201]
    assert {answer.json()["details"]["code"] for answer in denied} == {"LOCATION_DENIED"}
    assert [one["pagination"]["total"] for one in seen] == [2, 2, 0]
    assert unseen.status_code == 404


async def test_it_suggests_what_is_missing_after_what_is_there_coming_and_asked_for(office: Office) -> None:
    await made(
        office, keeps(office, "BOLT", 40, packMultiple=5), keeps(office, "NUT", 10), keeps(office, "PILL", 3)
    )
    await office.site.put("BOLT", 9, at="STORE")
    await office.site.put("BOLT", 100)
    await office.row(
        "supplies",
        id=office.site.reason_id,
        product_id=office.site.ids["BOLT"],
        location_id=office.site.ids["STORE"],
        quantity=6,
        due_on=office.site.today,
    )
    await office.pending(("BOLT", 4))
    await office.draft(("NUT", 7))

    whole = await suggested(office)
    at_dc = await suggested(office, await office.person(READ, at="DC"))

    bolt = whole["BOLT"]
    assert (bolt["onHand"], bolt["available"], bolt["inbound"], bolt["requested"]) == (9, 9, 6, 4)
    assert bolt["suggestedQuantity"] == 20, "40 - 9 - 6 - 4 = 21, in whole fives"
    assert bolt["originAvailable"] == 100
    assert whole["NUT"]["suggestedQuantity"] == 10, "a draft asks for nothing yet"
    assert at_dc["BOLT"]["originAvailable"] == 100
    assert (at_dc["BOLT"]["onHand"], at_dc["BOLT"]["suggestedQuantity"]) == (None, None)


async def test_what_is_pulled_becomes_a_draft_and_what_is_pushed_is_submitted(office: Office) -> None:
    pulled = await made(office, keeps(office, "BOLT", 5), keeps(office, "NUT", 2), code="PULL")
    pushed = await made(office, keeps(office, "PILL", 3), code="PUSH", mode="PUSH")

    draft = await office.asker.http.post(f"{LISTS}/{pulled['id']}/generate")
    again = await office.asker.http.post(f"{LISTS}/{pulled['id']}/generate")
    sent = await office.asker.http.post(f"{LISTS}/{pushed['id']}/generate")
    nothing = await office.asker.http.post(f"{LISTS}/{pushed['id']}/generate")
    of_list = (await office.asker.http.get(PATH, params={"stocklistId": pulled["id"]})).json()

    made_of = draft.json()["data"]
    assert (made_of["type"], made_of["state"], made_of["stocklistId"]) == ("E_REQUEST", "DRAFT", pulled["id"])
    assert {(x["globalSku"], x["requested"]) for x in made_of["lines"]} == {("BOLT", 5), ("NUT", 2)}
    assert (again.status_code, again.json()["details"]["requestId"]) == (409, made_of["id"])
    assert sent.json()["data"]["state"] == "PENDING_APPROVAL"
    assert (nothing.status_code, nothing.json()["details"]["code"]) == (400, "NO_CHANGE")
    assert [one["id"] for one in of_list["data"]] == [made_of["id"]]


async def test_what_is_due_is_generated_each_for_itself_and_once_a_period(
    office: Office, database: Database
) -> None:
    first = await made(office, keeps(office, "BOLT", 5), code="A", reviewPeriodDays=7)
    empty = await made(office, code="B", reviewPeriodDays=7)
    await made(office, keeps(office, "BOLT", 5), code="C")
    now = await office.site.admin.fetchval("SELECT now()")
    decider = Decider(caller=office.site.caller(ALL), at=now)
    begin = beginning(database, GeneratingSqlWork)

    runs = []
    for days in (6, 8, 9):
        async with begin(office.site.act(Permission.STOCKREQUESTS_WRITE)) as work:
            runs.append(await generate_due(work, decider=decider, now=now + timedelta(days=days)))

    early, due, _ = runs
    assert early == []
    assert [(str(one.stocklist_id), one.reason) for one in due] == [
        (first["id"], None),
        (empty["id"], "NO_CHANGE"),
    ]
    assert due[0].request_id is not None
