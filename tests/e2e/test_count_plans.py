"""ABC classes, due dates, tasks and forms of counting over HTTP."""

import asyncio
import csv
import io
import re
from collections.abc import AsyncGenerator
from contextlib import suppress
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest

from domain.counting.tasks import report_short_pick
from domain.errors import DomainError, not_found
from domain.ledger.model import Entry, Kind, Posted, Posting
from domain.values import new_id
from infra.counting.tasks import TaskSqlWork
from infra.db.pool import BIND, Database
from infra.db.work import beginning
from infra.ledger.post import post
from tests.e2e.api.company import add_key
from tests.e2e.claims import Connection, Desk, a_desk
from tests.lab import DatabaseUrls, Served
from tests.ledger.builders import an_act

COUNTS = "/api/inventory/cycle-count"
ABC, TASKS, FORM = f"{COUNTS}/abc", f"{COUNTS}/tasks", f"{COUNTS}/blind-form"
HERE = "{locationId}"


@pytest.fixture
async def desk(served: Served, admin: Connection) -> AsyncGenerator[Desk]:
    """A company without stock but its own tests'."""
    async with a_desk(served, admin) as found:
        yield found


@pytest.fixture
async def counter(desk: Desk, served: Served) -> AsyncGenerator[httpx.AsyncClient]:
    """Somebody who may count, and not read stock."""
    key = await add_key(desk.admin, desk.company, ["inventory.cyclecount"])
    async with httpx.AsyncClient(
        base_url=served.url, headers={"Authorization": f"Bearer {key}"}, timeout=30
    ) as client:
        yield client


async def take(desk: Desk, line: str, quantity: float, *, kind: Kind = Kind.ISSUE) -> Posted:
    entry = Entry(kind=kind, line_id=line, delta=Decimal(-quantity))  # type: ignore[arg-type] # the driver takes texts of ids as well
    await desk.admin.execute(BIND, str(desk.company.tenant_id))
    posting = Posting(id=new_id(), kind=kind, entries=(entry,))
    (posted,) = await post(desk.admin, [posting])  # type: ignore[arg-type] # a connection is what a proxy stands for
    assert isinstance(posted, Posted), posted
    return posted


async def sold(desk: Desk, *, cost: float, pieces: float, left: float = 50, lines: int = 1) -> str:
    """A product at the location of which so much was issued."""
    product = await desk.a_product(unit_cost=Decimal(str(cost)))
    line = await desk.put(product, pieces + left)
    for _ in range(lines):
        await take(desk, line, pieces / lines)
    return product


async def rows(desk: Desk, **query: Any) -> dict[str, Any]:
    """The table by product, as far as something went out."""
    found = await desk.get(ABC, locationId=HERE, limit=500, **query)
    return {row["productMasterId"]: row for row in found["data"] if row["metric"]}


async def test_classes_come_from_what_was_issued_by_value_lines_or_quantity(desk: Desk) -> None:
    dear = await sold(desk, cost=80, pieces=10)  # 800
    usual = await sold(desk, cost=1.5, pieces=100, lines=4)  # 150
    cheap = await sold(desk, cost=0.1, pieces=500, lines=2)  # 50

    by_value = await rows(desk)
    by_lines = await rows(desk, by="VELOCITY")
    by_quantity = await rows(desk, by="QUANTITY")
    whole = await desk.get(ABC, locationId=HERE, limit=1)

    assert [
        (row["productMasterId"], row["metric"], row["share"], row["cumulativeShare"], row["abcClass"], row["rank"])
        for row in by_value.values()
    ] == [(dear, 800, 80, 80, "A", 1), (usual, 150, 15, 95, "B", 2), (cheap, 50, 5, 100, "C", 3)]
    assert {row["productMasterId"]: row["metric"] for row in by_lines.values()} == {dear: 1, usual: 4, cheap: 2}
    assert [(row["productMasterId"], row["metric"]) for row in by_quantity.values()] == [
        (cheap, 500),
        (usual, 100),
        (dear, 10),
    ]
    sums = {one["abcClass"]: (one["metric"], one["share"]) for one in whole["classes"]}
    assert sums == {"A": (800, 80), "B": (150, 15), "C": (50, 5)}
    assert whole["thresholds"] == {"a": 80, "b": 95}
    assert (whole["period"]["days"], whole["countEveryDays"]) == (365, {"a": 30, "b": 90, "c": 180})


async def test_what_was_taken_back_counts_as_if_it_had_not_been_and_what_is_elsewhere_not_at_all(
    desk: Desk,
) -> None:
    product = await desk.a_product(unit_cost=Decimal(2))
    line = await desk.put(product, 100)
    await take(desk, line, 10)
    undone = await take(desk, line, 30)
    await desk.post(f"/api/inventory/transactions/{undone.posting_id}/reverse", comment="Wrong line")
    elsewhere = await desk.put(product, 100, bin_="elsewhereBinId", at="otherLocationId")
    await take(desk, elsewhere, 7)

    here = (await rows(desk))[product]
    lines = (await rows(desk, by="VELOCITY"))[product]
    everywhere = await desk.get(ABC, limit=500)

    assert (here["metric"], lines["metric"]) == (20, 1)
    assert {row["productMasterId"]: row["metric"] for row in everywhere["data"]}[product] == 34
    assert everywhere["proposal"] is None


async def test_a_class_set_by_hand_stands_until_it_is_given_back(desk: Desk) -> None:
    product = await sold(desk, cost=1, pieces=10)
    body = {"productMasterId": product, "locationId": desk.fact("locationId")}

    set_ = desk.told(await desk.http.put(f"{ABC}/overrides", json=body | {"abcClass": "B"}))
    overridden = (await rows(desk))[product]
    desk.told(await desk.http.put(f"{ABC}/overrides", json=body | {"abcClass": None}))
    given_back = (await rows(desk))[product]

    assert set_["data"]["version"] == 1
    assert (overridden["abcClass"], overridden["override"], overridden["computedClass"]) == ("B", "B", "C")
    assert (given_back["abcClass"], given_back["override"]) == ("C", None)


async def test_a_kept_run_shows_the_same_table_whatever_happens_later(desk: Desk) -> None:
    one, other = await sold(desk, cost=8, pieces=10), await sold(desk, cost=2, pieces=10)
    before = await rows(desk)
    run = (await desk.post(f"{ABC}/runs", status=201, locationId=HERE))["data"]
    line = next(iter(await desk.lines(other)))
    await take(desk, line, 40)

    kept, now = await rows(desk, runId=run["id"]), await rows(desk)
    listed = (await desk.get(f"{ABC}/runs", locationId=HERE, limit=1))["data"]

    assert {id_: row["metric"] for id_, row in kept.items()} == {one: 80, other: 20}
    assert [row["share"] for row in kept.values()] == [row["share"] for row in before.values()]
    assert now[other]["metric"] == 100
    assert listed == [run]


async def test_the_table_is_filtered_and_walked_page_by_page(desk: Desk) -> None:
    products = [await sold(desk, cost=n + 1, pieces=10) for n in range(7)]
    whole = await desk.get(ABC, locationId=HERE, limit=500)

    walked: list[str] = []
    page = await desk.get(ABC, locationId=HERE, limit=3)
    while True:
        walked += [row["productMasterId"] for row in page["data"]]
        if page["pagination"]["nextCursor"] is None:
            break
        page = await desk.get(ABC, locationId=HERE, limit=3, cursor=page["pagination"]["nextCursor"])
    of_class = await desk.get(ABC, locationId=HERE, limit=500, **{"class": "A"})
    second = await desk.get(ABC, locationId=HERE, limit=3, page=2)

    assert walked == [row["productMasterId"] for row in whole["data"]]
    assert set(products) <= set(walked)
    assert {row["abcClass"] for row in of_class["data"]} == {"A"}
    assert [row["productMasterId"] for row in second["data"]] == walked[3:6]
    assert whole["pagination"]["total"] == len(walked) == second["pagination"]["total"]


async def test_products_fall_due_by_their_class_and_a_count_moves_the_day_on(desk: Desk) -> None:
    often = await sold(desk, cost=90, pieces=10)
    seldom = await sold(desk, cost=4, pieces=10)
    never = await sold(desk, cost=6, pieces=10)
    await desk.admin.execute(
        "UPDATE stock_lines SET counted_at = now() - interval '40 days' WHERE product_id = ANY ($1)",
        [often, seldom],
    )
    before = await rows(desk)
    await desk.admin.execute("UPDATE stock_lines SET counted_at = now() WHERE product_id = $1", often)
    after = await rows(desk)

    assert {id_: (before[id_]["abcClass"], before[id_]["isDue"]) for id_ in (often, seldom, never)} == {
        often: ("B", False),
        seldom: ("C", False),
        never: ("C", True),
    }
    assert before[often]["dueOn"] == (await desk.day(50)).isoformat()
    assert before[seldom]["dueOn"] == (await desk.day(140)).isoformat()
    assert after[often]["dueOn"] == (await desk.day(90)).isoformat()
    await desk.http.patch("/api/admin/settings", json={"countEveryDays": {"A": 1, "B": 2, "C": 10}})
    assert (await rows(desk))[seldom]["isDue"]


async def test_the_proposed_batch_is_made_as_it_stands_and_leaves_out_what_is_counted_already(desk: Desk) -> None:
    dear, cheap = await sold(desk, cost=9, pieces=10), await sold(desk, cost=1, pieces=10)
    proposal = (await desk.get(ABC, locationId=HERE))["proposal"]

    made = await desk.post(ABC, status=201, **proposal["request"])
    batch = await desk.get(f"{COUNTS}/{made['data']['id']}", limit=500)
    left = (await desk.get(ABC, locationId=HERE))["proposal"]

    lines = await desk.admin.fetch(
        "SELECT product_id, abc_class FROM cycle_count_lines WHERE batch_id = $1", made["data"]["id"]
    )
    classes = {str(row["product_id"]): row["abc_class"] for row in lines}
    assert set(proposal["productMasterIds"]) == set(classes) >= {dear, cheap}
    assert (classes[dear], classes[cheap]) == ("B", "C")
    assert (made["data"]["origin"], made["data"]["blind"], made["data"]["type"]) == ("ABC", True, "PARTIAL")
    assert made["selection"] | {"products": 0} == {
        "classes": ["A", "B", "C"],
        "dueOnly": True,
        "sampleSize": 100,
        "seed": None,
        "products": 0,
    }
    assert batch["data"]["progress"]["lines"] == len(lines)
    assert left["products"] == 0
    assert (await desk.refused(ABC, 400, **proposal["request"]))["code"] == "VALIDATION_ERROR"


async def test_a_sample_is_drawn_the_same_by_everybody_who_knows_its_seed(desk: Desk) -> None:
    for n in range(12):
        await sold(desk, cost=n + 1, pieces=1)

    drawn = []
    for seed in ("tuesday", "tuesday", "wednesday", None):
        made = await desk.post(ABC, status=201, locationId=HERE, sampleSize=4, seed=seed)
        found = await desk.admin.fetch(
            "SELECT DISTINCT product_id FROM cycle_count_lines WHERE batch_id = $1", made["data"]["id"]
        )
        drawn.append(({row["product_id"] for row in found}, made["selection"]["seed"], made["data"]["note"]))
        await desk.post(f"{COUNTS}/{made['data']['id']}", action="cancel")

    assert drawn[0] == drawn[1]
    assert drawn[2][0] != drawn[0][0]
    assert all(len(products) == 4 for products, _, _ in drawn)
    assert drawn[3][1] is not None
    assert drawn[3][1] in drawn[3][2]


async def test_classes_and_dates_are_all_that_a_counter_without_the_right_to_read_is_shown(
    desk: Desk, counter: httpx.AsyncClient
) -> None:
    await sold(desk, cost=77777, pieces=3)

    told = (await counter.get(ABC, params={"locationId": desk.fact("locationId")})).json()

    assert told["data"]
    assert {name for row in told["data"] for name in row} == {
        *("view", "productMasterId", "globalSku", "productName", "rank", "abcClass", "computedClass"),
        *("override", "lastCountedAt", "dueOn", "isDue"),
    }
    assert {name for one in told["classes"] for name in one} == {"view", "abcClass", "products", "due"}
    assert "77777" not in str(told)
    assert "233331" not in str(told)


async def open_tasks(desk: Desk, **query: Any) -> list[Any]:
    return list((await desk.get(TASKS, locationId=HERE, limit=200, **query))["data"])


async def test_a_bin_that_an_issue_empties_is_a_task_until_it_is_filled_counted_or_dismissed(desk: Desk) -> None:
    lines = {}
    for name in ("stays", "filled", "counted", "dismissed", "adjusted", "half"):
        product = await desk.a_product()
        lines[name] = (product, await desk.put(product, 5))
    for name in ("stays", "filled", "counted", "dismissed"):
        await take(desk, lines[name][1], 5)
    await take(desk, lines["half"][1], 4)
    await desk.post(
        "/api/inventory/adjustments",
        inventoryItemId=lines["adjusted"][1],
        newQtyOnHand=0,
        reasonCodeId="{reasonCodeId}",
    )
    await desk.put(lines["filled"][0], 1)
    await desk.admin.execute("UPDATE stock_lines SET counted_at = now() WHERE id = $1", lines["counted"][1])
    found = {task["productMasterId"]: task for task in await open_tasks(desk, reason="EMPTIED_BIN")}
    task = found[lines["dismissed"][0]]

    dismissed = await desk.post(f"{TASKS}/{task['id']}", action="dismiss", comment="Seen empty")
    again = await desk.refused(f"{TASKS}/{task['id']}", 409, action="dismiss", comment="Once more")
    left = [task["productMasterId"] for task in await open_tasks(desk, reason="EMPTIED_BIN")]

    assert set(found) == {lines["stays"][0], lines["dismissed"][0]}
    assert (task["reason"], task["sourceType"], task["state"]) == ("EMPTIED_BIN", "POSTING", "OPEN")
    assert task["allowedActions"] == ["batch", "dismiss"]
    assert (dismissed["data"]["state"], dismissed["data"]["closingComment"]) == ("DISMISSED", "Seen empty")
    assert (again["code"], again["state"], again["allowedActions"]) == ("INVALID_TRANSITION", "DISMISSED", [])
    assert left == [lines["stays"][0]]


async def test_of_many_who_dismiss_a_task_one_does(desk: Desk) -> None:
    product = await desk.a_product()
    await take(desk, await desk.put(product, 5), 5)
    (task,) = await open_tasks(desk, reason="EMPTIED_BIN")

    answers = await asyncio.gather(
        *(
            desk.http.post(f"{TASKS}/{task['id']}", json={"action": "dismiss", "comment": f"Number {n}"})
            for n in range(6)
        )
    )

    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409, 409]


async def test_what_somebody_asks_for_waits_once_and_a_batch_of_tasks_does_it(desk: Desk) -> None:
    emptied, odd = await desk.a_product(), await desk.a_product()
    await take(desk, await desk.put(emptied, 5, bin_="otherBinId"), 5)
    await desk.put(odd, 3, bin_="otherBinId")
    asked = [
        (await desk.post(TASKS, status=201, binId="{otherBinId}", productMasterId=odd, note="Torn label"))["data"]
        for _ in range(2)
    ]
    ids = [task["id"] for task in await open_tasks(desk, binId="{otherBinId}")]

    made = await desk.post(f"{TASKS}/batch", status=201, locationId=HERE, taskIds=ids, blind=False)
    batch = made["data"]
    refused = await desk.refused(f"{TASKS}/batch", 409, locationId=HERE, taskIds=ids)
    batched = await open_tasks(desk, status="BATCHED", binId="{otherBinId}")
    await desk.post(f"{COUNTS}/{batch['id']}", action="cancel")
    reopened = await open_tasks(desk, binId="{otherBinId}")
    batch = (await desk.post(f"{TASKS}/batch", status=201, locationId=HERE, taskIds=ids, blind=False))["data"]
    await desk.post(f"{COUNTS}/{batch['id']}", action="start")
    lines = (await desk.get(f"{COUNTS}/{batch['id']}"))["data"]["lines"]
    counts = [{"lineId": line["id"], "countedQty": line["snapshotQty"]} for line in lines]
    await desk.post(f"{COUNTS}/{batch['id']}", action="record", counts=counts)
    closed = (await desk.post(f"{COUNTS}/{batch['id']}", action="complete"))["data"]
    done = await open_tasks(desk, status="DONE", binId="{otherBinId}")

    assert asked[0]["id"] == asked[1]["id"]
    assert len(ids) == 2
    assert sorted(made["taskIds"]) == sorted(ids)
    assert (made["data"]["origin"], made["data"]["type"]) == ("TASK", "SPOT")
    assert refused["code"] == "INVALID_TRANSITION"
    assert {task["id"] for task in batched} == {task["id"] for task in reopened} == set(ids)
    assert {line["productMasterId"] for line in lines} == {emptied, odd}
    assert closed["status"] == "COMPLETED"
    assert {task["id"] for task in done} == set(ids)


async def test_a_short_pick_is_a_task_once_and_goes_with_the_transaction_that_tells_it(
    desk: Desk, database_urls: DatabaseUrls
) -> None:
    product = await desk.a_product()
    line = await desk.put(product, 5)
    database = await Database.connect(database_urls.app_url, size=1)
    begin, act = beginning(database, TaskSqlWork), an_act(desk.company.tenant_id)

    async def tell(source: str, *, fails: bool = False) -> None:
        with suppress(DomainError):
            async with begin(act) as work:
                await report_short_pick(work, line_id=UUID(line), source_type="TRANSFER", source_id=source)
                if fails:
                    raise not_found("what was to be picked")

    try:
        await tell("first", fails=True)
        undone = await open_tasks(desk, reason="SHORT_PICK")
        await tell("second")
        await tell("third")
    finally:
        await database.close()
    (task,) = await open_tasks(desk, reason="SHORT_PICK")

    assert undone == []
    assert (task["productMasterId"], task["binId"]) == (product, desk.fact("binId"))
    assert (task["sourceType"], task["sourceId"]) == ("TRANSFER", "second")


async def test_a_counter_without_the_right_to_read_is_told_where_to_count_and_not_why(
    desk: Desk, counter: httpx.AsyncClient
) -> None:
    product = await desk.a_product()
    await take(desk, await desk.put(product, 5), 5)

    told = (await counter.get(TASKS, params={"locationId": desk.fact("locationId")})).json()
    refused = await counter.get(TASKS, params={"reason": "EMPTIED_BIN"})

    seen = next(task for task in told["data"] if task["productMasterId"] == product)
    assert seen["view"] == "COUNTER"
    assert not {"reason", "note", "sourceType", "sourceId", "version"} & set(seen)
    assert {task["id"][14] for task in told["data"]} == {"7"}
    assert refused.status_code == 403


async def test_a_form_names_bins_products_and_lots_in_walking_order_and_no_quantity_in_any_format(
    desk: Desk, counter: httpx.AsyncClient
) -> None:
    product = await desk.a_product(unit_cost=Decimal("31337.25"))
    lot = await desk.a_lot(product, expires_in=90)
    await desk.put(product, 48271)
    await desk.put(product, 59263, lot=lot, bin_="otherBinId")
    name = '<img src=x onerror="alert(1)">&'
    await desk.admin.execute("UPDATE products SET name = $2 WHERE id = $1", product, name)
    await desk.admin.execute("UPDATE bins SET walk_order = 3 WHERE id = $1", desk.fact("binId"))
    batch = (
        await desk.post(
            COUNTS, status=201, locationId=HERE, type="PARTIAL", productMasterIds=[product], blind=True
        )
    )["data"]

    answers = {
        format_: await counter.get(FORM, params={"batchId": batch["id"], "format": format_})
        for format_ in ("json", "html", "csv")
    }

    told = answers["json"].json()["data"]
    assert [line["sequence"] for line in told["lines"]] == [1, 2]
    assert told["lines"][0]["binId"] == desk.fact("otherBinId")
    assert told["lines"][0]["lotNumber"].startswith("N-")
    assert {field.lower() for line in told["lines"] for field in line} & {
        "quantity",
        "countedqty",
        "unitcost",
    } == set()
    page = answers["html"]
    assert page.headers["content-type"].startswith("text/html")
    assert "<img" not in page.text
    assert "&lt;img src=x onerror=&quot;alert(1)&quot;&gt;&amp;" in page.text
    assert f"<title>{batch['number']}</title><path" in page.text
    policy = page.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert re.fullmatch(r"default-src 'none'; style-src 'sha256-[^']+'; .*frame-ancestors 'none'", policy)
    assert " style=" not in page.text
    assert "<script" not in page.text
    table = list(csv.DictReader(io.StringIO(answers["csv"].text)))
    assert [row["countedQty"] for row in table] == ["", ""]
    assert [row["sequence"] for row in table] == ["1", "2"]
    for answer in answers.values():
        assert answer.status_code == 200
        assert not any(number in answer.text for number in ("48271", "59263", "31337"))


async def test_a_form_has_a_thousand_lines(desk: Desk) -> None:
    await desk.admin.execute(BIND, str(desk.company.tenant_id))
    products = [
        (desk.company.tenant_id, new_id(), f"K-{n:04}-{new_id().hex[:8]}", "Thing", desk.fact("uomId"))
        for n in range(1000)
    ]
    await desk.admin.executemany(
        "INSERT INTO products (tenant_id, id, sku, name, uom_id) VALUES ($1, $2, $3, $4, $5)", products
    )
    await desk.admin.executemany(
        "INSERT INTO lots (tenant_id, id, product_id, number, is_default) VALUES ($1, $2, $3, '', true)",
        [(tenant, new_id(), product) for tenant, product, *_ in products],
    )
    entries = tuple(
        Entry(
            kind=Kind.RECEIPT,
            product_id=product,
            location_id=desk.fact("locationId"),  # type: ignore[arg-type] # the driver takes texts of ids as well
            bin_id=desk.fact("otherBinId"),  # type: ignore[arg-type] # likewise
            delta=Decimal(7),
        )
        for _, product, *_ in products
    )
    await post(desk.admin, [Posting(id=new_id(), kind=Kind.RECEIPT, entries=entries)])  # type: ignore[arg-type] # a connection is what a proxy stands for
    wanted = [str(product) for _, product, *_ in products]
    batch = await desk.post(
        COUNTS, status=201, locationId=HERE, type="PARTIAL", productMasterIds=wanted, blind=True
    )

    told = await desk.get(FORM, batchId=batch["data"]["id"])
    page = await desk.http.get(FORM, params={"batchId": batch["data"]["id"], "format": "html"})

    assert len(told["data"]["lines"]) == told["data"]["totalLines"] == 1000
    assert page.text.count('<td class="sku">') == 1000
