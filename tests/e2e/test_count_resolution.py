"""What becomes of counted lines over HTTP: tolerance, recount, approval, rejection, and who may do none of it."""

import json
from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest

from domain.values import new_id
from tests.e2e.api.company import add_key, add_user, as_bearer, begin_session
from tests.e2e.claims import Connection, Desk, a_desk
from tests.lab import Served

COUNTS = "/api/inventory/cycle-count"
RESOLVE, APPROVE, VARIANCES = f"{COUNTS}/resolve", f"{COUNTS}/approve", f"{COUNTS}/variances"
TIERS = [{"above": 50, "approvals": 1}, {"above": 500, "approvals": 2}]


class Hand(msgspec.Struct, frozen=True):
    """Somebody of the company, by a session or a key."""

    desk: Desk
    id: UUID
    headers: dict[str, str]

    async def ask(self, method: str, path: str, status: int = 200, *, body: Any = None, **query: Any) -> Any:
        # As a request of its own: the client would send its key as well.
        request = httpx.Request(
            method,
            self.desk.http.base_url.join(path),
            params=self.desk.company.fill(query),
            json=self.desk.company.fill(body),
            headers=self.headers,
        )
        return self.desk.told(await self.desk.http.send(request), status)

    async def post(self, path: str, status: int = 200, **body: Any) -> Any:
        return await self.ask("POST", path, status, body=body)

    async def resolve(
        self, batch: Any, *lines: Any, action: str = "ACCEPT", status: int = 200, at: str = RESOLVE, **said: Any
    ) -> Any:
        said = {"reasonCodeId": "{reasonCodeId}", "comment": "Looked at", **said}
        resolutions = [{"lineId": line["id"], "action": action, **said} for line in lines]
        return await self.post(at, status, batchId=batch["id"], resolutions=resolutions)

    async def count(self, batch: Any, status: int = 200, **found: int) -> Any:
        """What was found, by the ids of lines."""
        counts = [{"lineId": line, "countedQty": number} for line, number in found.items()]
        return await self.post(f"{COUNTS}/{batch['id']}", status, action="record", counts=counts)


@pytest.fixture
async def desk(served: Served, admin: Connection) -> AsyncGenerator[Desk]:
    async with a_desk(served, admin) as found:
        yield found


async def somebody(desk: Desk, role: str = "operator") -> Hand:
    user_id = await add_user(desk.admin, desk.company, role)
    return Hand(desk, user_id, (await begin_session(desk.admin, desk.company, user_id)).headers)


async def a_key_of(hand: Hand, *permissions: str) -> Hand:
    id_ = new_id()
    key = await add_key(hand.desk.admin, hand.desk.company, permissions, key_id=id_)
    await hand.desk.admin.execute("UPDATE api_keys SET created_by = $1 WHERE id = $2", hand.id, id_)
    return Hand(hand.desk, hand.id, as_bearer(key))


async def decree(desk: Desk, **settings: object) -> None:
    await desk.admin.execute(
        "UPDATE tenants SET settings = settings || $2::jsonb WHERE id = $1",
        desk.company.tenant_id,
        json.dumps(settings),
    )


async def delegate(desk: Desk, giver: Hand, to: Hand) -> None:
    await giver.post(
        "/api/delegations",
        201,
        toUserId=str(to.id),
        permissions=["inventory.cyclecount.approve"],
        startsAt="2026-01-01T00:00:00Z",
        endsAt="{nextWeek}",
    )


async def a_count(
    desk: Desk, by: Hand, *counted: int, cost: int = 10, again: Hand | None = None, **fields: Any
) -> tuple[Any, list[Any]]:
    """A batch of positions of ten, closed with these counts; and counted again the same by another."""
    products = [await desk.a_product(unit_cost=cost) for _ in counted]
    for product in products:
        await desk.put(product, 10)
    body = {"locationId": "{locationId}", "type": "PARTIAL", "productMasterIds": products, "blind": False}
    batch = (await by.post(COUNTS, 201, **(body | fields)))["data"]
    await by.post(f"{COUNTS}/{batch['id']}", action="start")
    lines = {
        line["productMasterId"]: line for line in (await by.ask("GET", f"{COUNTS}/{batch['id']}"))["data"]["lines"]
    }
    found = {lines[product]["id"]: number for product, number in zip(products, counted, strict=True)}
    await by.count(batch, **found)
    closed = (await by.post(f"{COUNTS}/{batch['id']}", action="complete"))["data"]
    ordered = [lines[product] for product in products]
    if again is not None:
        await by.resolve(closed, *ordered, action="RECOUNT")
        await again.count(closed, **found)
    return closed, ordered


async def stands(desk: Desk, line: Any) -> float:
    found = await desk.admin.fetchval("SELECT on_hand FROM stock_lines WHERE id = $1", line["inventoryItemId"])
    return float(found)


async def state_of(desk: Desk, batch: Any) -> str:
    return str(await desk.admin.fetchval("SELECT state FROM cycle_counts WHERE id = $1", batch["id"]))


async def test_what_is_within_the_tolerance_is_accepted_by_itself(desk: Desk) -> None:
    await decree(desk, countToleranceUnits=2, countToleranceByClass={"A": {"units": 0}})
    counter = await somebody(desk)

    batch, lines = await a_count(desk, counter, 10, 8, 12, freeze=True)

    assert batch["status"] == "COMPLETED"
    assert [await stands(desk, line) for line in lines] == [10, 8, 12]
    assert batch["accuracy"] == 1
    rows = await desk.admin.fetch(
        "SELECT kind, source_type, source_id FROM postings WHERE source_id = $1", batch["id"]
    )
    assert [tuple(row) for row in rows] == [("COUNT", "CYCLE_COUNT", batch["id"])], "one posting for all"
    counted = "SELECT count(*) FROM stock_lines WHERE id = ANY ($1) AND counted_at IS NOT NULL"
    assert await desk.admin.fetchval(counted, [UUID(line["inventoryItemId"]) for line in lines]) == 3
    assert await desk.admin.fetchval("SELECT count(*) FROM bins WHERE frozen_by IS NOT NULL") == 0
    assert await desk.drifts() == ()


async def test_beyond_it_another_person_counts_again_before_somebody_else_accepts(desk: Desk) -> None:
    counter, other, third = [await somebody(desk) for _ in range(3)]
    batch, (line,) = await a_count(desk, counter, 7)
    assert batch["status"] == "REVIEW"

    refused = (await third.resolve(batch, line, status=409))["details"]
    assert refused["code"] == "INVALID_TRANSITION"
    assert (refused["needs"], refused["allowedActions"]) == ("RECOUNT", ["RECOUNT", "REJECT"])
    await third.resolve(batch, line, action="RECOUNT")
    assert (await counter.count(batch, 403, **{line["id"]: 7}))["details"]["code"] == "SELF_APPROVAL"
    await other.count(batch, **{line["id"]: 6})
    await desk.put(line["productMasterId"], 5)
    done = await third.resolve(batch, line, rootCause="Fell behind the rack")

    assert await stands(desk, line) == 11, "six were there, and five have come since"
    assert (done["batch"]["status"], done["lines"][0]["outcome"]) == ("COMPLETED", "POST")
    (moved,) = done["transactions"]
    assert (moved["deltaQty"], moved["qtyBefore"], moved["qtyAfter"]) == (-4, 15, 11)
    row = await desk.admin.fetchrow(
        "SELECT m.root_cause, m.comment, m.effective_at = c.counted_at AS is_as_of_the_count FROM movements m"
        " JOIN cycle_count_lines c ON c.posting_id = m.posting_id WHERE m.posting_id = $1",
        moved["id"],
    )
    assert row is not None
    assert tuple(row) == ("Fell behind the rack", "Looked at", True)
    assert (await third.resolve(batch, line, status=409))["details"]["code"] == "INVALID_TRANSITION"
    assert await stands(desk, line) == 11
    shown = (await third.ask("GET", f"{COUNTS}/{batch['id']}"))["data"]
    assert [step["action"] for step in shown["history"]][-4:] == ["recount", "record", "accept", "resolve"]


async def test_above_a_tier_one_proposes_and_others_approve(desk: Desk) -> None:
    await decree(desk, approvalTiers=TIERS)
    counter, other, clerk = [await somebody(desk) for _ in range(3)]
    boss, chief = [await somebody(desk, "supervisor") for _ in range(2)]
    batch, (line,) = await a_count(desk, counter, 4, again=other)

    proposed = await clerk.resolve(batch, line)
    assert (proposed["lines"][0]["outcome"], proposed["batch"]["status"]) == ("PROPOSE", "REVIEW")
    assert (await clerk.resolve(batch, line, status=403))["details"]["code"] == "PERMISSION_DENIED"
    (waiting,) = (await boss.ask("GET", VARIANCES, awaiting="me"))["data"]
    assert (waiting["lineId"], waiting["variance"], waiting["varianceValue"]) == (line["id"], -6, -60)
    assert (waiting["needs"], waiting["approvalsNeeded"], waiting["approvalsGiven"]) == ("APPROVAL", 1, 0)
    assert waiting["allowedActions"] == ["ACCEPT", "RECOUNT", "REJECT"]
    assert [said["action"] for said in waiting["approvals"]] == ["PROPOSE"]
    done = await boss.post(APPROVE, batchId=batch["id"], resolutions=[{"lineId": line["id"], "action": "ACCEPT"}])
    assert done["lines"][0]["outcome"] == "POST", "for the reason that was proposed"
    assert await stands(desk, line) == 4

    batch, (line,) = await a_count(desk, counter, 4, again=other, cost=100)
    first = await boss.resolve(batch, line, at=APPROVE)
    assert (first["lines"][0]["outcome"], first["lines"][0]["approvalsGiven"]) == ("APPROVE", 1)
    assert (await boss.ask("GET", VARIANCES, awaiting="me"))["data"] == []
    assert (await boss.resolve(batch, line, at=APPROVE, status=403))["details"]["code"] == "SELF_APPROVAL"
    assert (await chief.resolve(batch, line, at=APPROVE))["batch"]["status"] == "COMPLETED"


async def test_a_delegate_approves_in_the_other_s_place_and_the_record_shows_both(desk: Desk) -> None:
    await decree(desk, approvalTiers=TIERS)
    counter, other, clerk = [await somebody(desk) for _ in range(3)]
    boss = await somebody(desk, "supervisor")
    await delegate(desk, boss, clerk)
    batch, (line,) = await a_count(desk, counter, 4, again=other)

    assert len((await clerk.ask("GET", VARIANCES, awaiting="me"))["data"]) == 1
    done = await clerk.resolve(batch, line)

    assert (done["lines"][0]["outcome"], done["lines"][0]["onBehalfOf"]) == ("POST", str(boss.id))
    shown = (await clerk.ask("GET", f"{COUNTS}/{batch['id']}"))["data"]
    (step,) = [one for one in shown["history"] if one["action"] == "accept"]
    assert (step["actorId"], step["onBehalfOf"]) == (str(clerk.id), str(boss.id))
    kept = (
        "SELECT actor_id, on_behalf_of, delegation_id IS NOT NULL FROM cycle_count_approvals WHERE batch_id = $1"
    )
    assert [tuple(row) for row in await desk.admin.fetch(kept, batch["id"])] == [(clerk.id, boss.id, True)]


@pytest.mark.parametrize("cost", [1, 10])
async def test_a_delegate_who_may_only_look_approves_where_the_other_may(desk: Desk, cost: int) -> None:
    await decree(desk, approvalTiers=TIERS)
    counter, other = [await somebody(desk, "controller") for _ in range(2)]
    boss, viewer, friend = (
        await somebody(desk, "supervisor"),
        await somebody(desk, "viewer"),
        await somebody(desk, "viewer"),
    )
    batch, (line,) = await a_count(desk, counter, 4, again=other, cost=cost)
    assert (await viewer.resolve(batch, line, at=APPROVE, status=403))["details"]["code"] == "PERMISSION_DENIED"
    await delegate(desk, boss, viewer)
    await delegate(desk, counter, friend)

    assert (await friend.resolve(batch, line, at=APPROVE, status=403))["details"]["code"] == "SELF_APPROVAL"
    done = await viewer.resolve(batch, line, at=APPROVE)

    assert (done["lines"][0]["outcome"], done["lines"][0]["onBehalfOf"]) == ("POST", str(boss.id))
    assert await stands(desk, line) == 4


@pytest.mark.parametrize("cost", [1, 10])
async def test_nobody_decides_upon_their_own_count_by_any_way(desk: Desk, cost: int) -> None:
    """Below the tiers and above them, by session and key, in another's place and for another."""
    await decree(desk, approvalTiers=TIERS)
    first, second = [await somebody(desk, "controller") for _ in range(2)]
    batch, (line,) = await a_count(desk, first, 4, again=second, cost=cost)
    keys = [
        await a_key_of(hand, "inventory.cyclecount", "inventory.cyclecount.approve", "inventory.read")
        for hand in (first, second)
    ]

    for hand in (first, second, *keys):
        assert (await hand.ask("GET", VARIANCES, awaiting="me"))["data"] == []
        (shown,) = (await hand.ask("GET", VARIANCES, batchId=batch["id"]))["data"]
        assert (shown["allowedActions"], shown["awaitsYou"]) == (["RECOUNT"], False)
        for at in (RESOLVE, APPROVE):
            for action in ("ACCEPT", "REJECT"):
                refused = await hand.resolve(batch, line, action=action, at=at, status=403)
                assert refused["details"]["code"] == "SELF_APPROVAL"
    assert (await stands(desk, line), await state_of(desk, batch)) == (10, "REVIEW")


async def test_a_delegate_of_who_counted_does_not_approve_it(desk: Desk) -> None:
    await decree(desk, approvalTiers=TIERS)
    counter, other = [await somebody(desk, "controller") for _ in range(2)]
    clerk, boss = await somebody(desk), await somebody(desk, "supervisor")
    await delegate(desk, counter, clerk)
    await delegate(desk, boss, other)
    batch, (line,) = await a_count(desk, counter, 4, again=other)

    for hand in (clerk, other):
        assert (await hand.resolve(batch, line, status=403))["details"]["code"] == "SELF_APPROVAL"
        assert (await hand.ask("GET", VARIANCES, awaiting="me"))["data"] == []
    assert await stands(desk, line) == 10


async def test_what_cannot_be_posted_is_named_and_nothing_of_the_call_is_done(desk: Desk) -> None:
    counter, other, third = [await somebody(desk) for _ in range(3)]
    batch, (good, short, since) = await a_count(desk, counter, 9, 2, 9, again=other)
    await desk.post(
        "/api/inventory/adjustments",
        inventoryItemId=short["inventoryItemId"],
        newQtyOnHand=5,
        reasonCodeId="{reasonCodeId}",
        comment="Sold",
    )
    await desk.post(
        "/api/inventory/adjustments/record-stock",
        productMasterId=since["productMasterId"],
        locationId="{locationId}",
        complete=True,
        lines=[{"binId": "{binId}", "newQty": 9}],
    )

    for line, code in ((short, "INSUFFICIENT_STOCK"), (since, "COUNTED_SINCE")):
        refused = (await third.resolve(batch, good, line, status=409))["details"]
        assert (refused["code"], refused["lineId"], refused["index"]) == (code, line["id"], 1)
        (shown,) = [one for one in (await third.ask("GET", VARIANCES))["data"] if one["lineId"] == line["id"]]
        assert (shown["obstacle"], shown["allowedActions"]) == (code, ["RECOUNT", "REJECT"])
    assert [await stands(desk, line) for line in (good, short, since)] == [10, 5, 9]
    await third.resolve(batch, good)
    done = await third.resolve(batch, short, since, action="RECOUNT")
    assert [line["status"] for line in done["lines"]] == ["RECOUNT", "RECOUNT"]
    assert await desk.drifts() == ()


async def test_a_rejection_keeps_the_books_and_says_why(desk: Desk) -> None:
    counter, third = await somebody(desk), await somebody(desk)
    batch, (line, other) = await a_count(desk, counter, 7, 9)

    silent = [{"lineId": line["id"], "action": "REJECT"}]
    unsaid = (await third.post(RESOLVE, 400, batchId=batch["id"], resolutions=silent))["details"]
    assert unsaid["fields"][0]["path"] == "resolutions[0].comment"
    done = await third.resolve(batch, line, other, action="REJECT")

    assert done["batch"]["status"] == "COMPLETED"
    assert [await stands(desk, one) for one in (line, other)] == [10, 10]
    shown = (await third.ask("GET", f"{COUNTS}/{batch['id']}"))["data"]
    assert [(one["resolution"], one["comment"]) for one in shown["lines"]] == [("REJECT", "Looked at")] * 2
    assert shown["accuracy"] == 0


async def test_who_may_not_see_stock_learns_nothing_by_deciding(desk: Desk) -> None:
    await decree(desk, countToleranceUnits=1, approvalTiers=TIERS)
    counter, other, blind = await somebody(desk), await somebody(desk), await somebody(desk, "counter")
    batch, lines = await a_count(desk, counter, 8, 2, blind=True, again=other)

    for line in lines:
        for action in ("ACCEPT", "REJECT"):
            refused = await blind.resolve(batch, line, action=action, status=403)
            assert refused["details"] == {"code": "PERMISSION_DENIED", "permission": "inventory.read"} | {
                name: refused["details"][name] for name in ("lineId", "index")
            }
    await blind.ask("GET", VARIANCES, 403)
    asked = await blind.resolve(batch, lines[0], action="RECOUNT")
    assert asked["transactions"] == []
    assert {name for name in asked["lines"][0] if "ty" in name.lower() and "qty" in name.lower()} == set()


async def test_accuracy_is_told_by_location_class_batch_and_counter(desk: Desk) -> None:
    await decree(desk, countToleranceUnits=1)
    counter, other, third = [await somebody(desk) for _ in range(3)]
    # What the company came with: these four lines come on top of it.
    before = (await third.ask("GET", f"{COUNTS}/accuracy", locationId="{locationId}"))["overall"]
    first, _ = await a_count(desk, counter, 10, 9, 10)
    second, (line,) = await a_count(desk, counter, 5, again=other)
    await third.resolve(second, line)

    groups = ("batch", "class", "counter", "location")
    by = {
        name: await third.ask("GET", f"{COUNTS}/accuracy", by=name, locationId="{locationId}") for name in groups
    }
    counted, within = before["counted"] + 4, before["within"] + 3
    share = pytest.approx(within / counted, abs=0.0001)
    overall = {"counted": counted, "within": within, "accuracy": share, "id": None, "name": None}
    assert [found["overall"] for found in by.values()] == [overall] * len(groups)
    told = {
        name: {row["id"]: (row["counted"], row["within"]) for row in found["data"]} for name, found in by.items()
    }
    assert told["batch"].items() >= {first["id"]: (3, 3), second["id"]: (1, 0)}.items()
    assert told["counter"].items() >= {str(counter.id): (3, 3), str(other.id): (1, 0)}.items()
    assert told["location"] == {desk.fact("locationId"): (counted, within)}
    assert told["class"] == {None: (counted, within)}
    none = await third.ask("GET", f"{COUNTS}/accuracy", to="2020-01-01")
    assert (none["data"], none["overall"]["accuracy"]) == ([], None)


async def test_a_retry_under_a_key_resolves_once(desk: Desk) -> None:
    counter, other, third = [await somebody(desk) for _ in range(3)]
    batch, (line,) = await a_count(desk, counter, 7, again=other)
    keyed = Hand(desk, third.id, {**third.headers, "Idempotency-Key": "resolve-once"})

    first = await keyed.resolve(batch, line)
    again = await keyed.resolve(batch, line)

    assert again == first
    assert await stands(desk, line) == 7
