"""What waits for a decider: the requests that the guard lets them decide, whoever they are, in whosever name."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import msgspec
import pytest

from domain.access.delegations import Delegation
from domain.access.model import Caller, Scope
from domain.stock_requests.model import RequestAction
from domain.stock_requests.states import FLOW, Decider, Granted, Standing
from domain.values import new_id
from infra.db.pool import Database
from infra.stock_requests.pending import MINE, SqlPendingReads, asking
from infra.stock_requests.reads import SqlStockRequestReads
from tests.e2e.stock_requests.asking import APPROVE, PATH, READ, Office

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
REQUESTS, DECIDERS = 40, 60
ROLES = ("supervisor", "manager", "operator")
PLACES = ("DC", "STORE", "WARD")


class Dice:
    """People, requests that wait, and deciders, as chance has them."""

    def __init__(self, office: Office, seed: int) -> None:
        self.office = office
        self.roll = random.Random(seed)
        self.people = [new_id() for _ in range(6)]

    def some(self, most: int) -> list[UUID]:
        return self.roll.sample(self.people, self.roll.randint(0, most))

    def place(self) -> UUID:
        return self.office.site.ids[self.roll.choice(PLACES)]

    def scope(self) -> Scope:
        return None if self.roll.random() < 0.5 else frozenset({self.place(), self.place()})

    def moment(self) -> datetime | None:
        return self.roll.choice([None, NOW, NOW - timedelta(hours=3), NOW + timedelta(hours=3)])

    async def request(self) -> UUID:
        id_, authors, round_ = new_id(), self.some(2) or [new_id()], self.roll.randint(1, 2)
        tiers = self.roll.randint(1, 3)
        deadline = self.moment()
        await self.office.row(
            "stock_requests",
            id=id_,
            number=f"SR-{id_.hex[-12:]}",
            type="STOCK",
            state="PENDING_APPROVAL",
            origin_location_id=self.place(),
            destination_location_id=self.place(),
            requester_id=self.roll.choice([*authors, *self.people]),
            requester="Somebody",
            author_ids=authors,
            round=round_,
            current_tier=self.roll.randint(1, tiers),
            deadline_at=deadline,
            submitted_at=NOW,
        )
        for round_no in range(1, round_ + 1):
            for tier in range(1, tiers + 1):
                await self.tier(id_, round_no, tier)
                await self.decisions(id_, round_no, tier)
        return id_

    async def tier(self, request_id: UUID, round_: int, tier: int) -> None:
        await self.office.row(
            "stock_request_tiers",
            request_id=request_id,
            round=round_,
            tier=tier,
            name=f"Tier {tier}",
            role=self.roll.choice([None, *ROLES]),
            user_ids=self.some(2) if self.roll.random() < 0.4 else [],
            escalate_role=self.roll.choice([None, None, *ROLES]),
            escalate_user_ids=self.some(1) if self.roll.random() < 0.3 else [],
            deadline_at=self.moment(),
        )

    async def decisions(self, request_id: UUID, round_: int, tier: int) -> None:
        for person in self.some(1) if self.roll.random() < 0.3 else []:
            await self.office.row(
                "stock_request_decisions",
                id=new_id(),
                request_id=request_id,
                round=round_,
                tier=tier,
                decision="APPROVED",
                decider_id=person,
                decider="Somebody",
                decider_ids=[person],
                on_behalf_of=self.roll.choice([None, *self.people]),
                version_seen=1,
                withdrawn_at=self.roll.choice([None, NOW]),
            )

    def decider(self) -> Decider:
        me = self.roll.choice(self.people)
        is_key = self.roll.random() < 0.2
        rights = {READ: self.scope()} | ({APPROVE: self.scope()} if self.roll.random() < 0.8 else {})
        caller = Caller(
            tenant_id=self.office.site.tenant_id,
            tenant_slug="site",
            tenant_name="Site",
            principal_id=new_id() if is_key else me,
            user_id=None if is_key else me,
            actor="Somebody",
            session_id=None,
            key_id=None,
            makers=frozenset({me}) if is_key else frozenset(),
            roles=(),
            rights=rights,
        )
        givers = [] if is_key else [one for one in self.some(3) if one != me]
        grants = {
            person: [Granted(role, self.roll.choice([None, self.place()])) for role in self.roll.sample(ROLES, 2)]
            for person in [*givers, *([] if is_key else [me])]
        }
        given = tuple(self.delegation(giver, me) for giver in givers)
        return Decider(caller=caller, at=NOW, delegations=given, grants=grants)

    def delegation(self, giver: UUID, taker: UUID) -> Delegation:
        return Delegation(
            id=new_id(),
            from_user_id=giver,
            to_user_id=taker,
            permissions=frozenset({APPROVE}),
            starts_at=NOW - timedelta(days=1),
            ends_at=NOW + timedelta(days=self.roll.choice([-1, 0, 1, 1, 1])) + timedelta(hours=1),
            rights={APPROVE: self.scope()} if self.roll.random() < 0.9 else {},
        )


@pytest.mark.parametrize("seed", [1, 2])
async def test_the_set_and_the_guard_are_one_predicate(office: Office, database: Database, seed: int) -> None:
    await office.site.a_location("WARD")
    dice = Dice(office, seed)
    tenant_id = office.site.tenant_id
    reads = SqlStockRequestReads(database)
    ids = [await dice.request() for _ in range(REQUESTS)]
    requests = [await reads.request(tenant_id, id_, None) for id_ in ids]
    deciders = [dice.decider() for _ in range(DECIDERS)]

    different, decidable = [], 0
    for n, decider in enumerate(deciders):
        async with database.bound(tenant_id) as driver:
            rows = await driver.fetch(f"SELECT m.id FROM ({MINE}) m", tenant_id, *asking(decider))
        by_guard = set()
        for request in requests:
            assert request is not None
            if RequestAction.APPROVE in FLOW.allowed(request.state, Standing(request=request, decider=decider)):
                by_guard.add(request.id)
        by_set = {row["id"] for row in rows}
        decidable += len(by_guard)
        if by_set != by_guard:
            different.append((n, by_set ^ by_guard))
        assert await SqlPendingReads(database).count(decider) == len(by_guard)

    assert different == []
    assert REQUESTS < decidable < REQUESTS * DECIDERS / 2


async def test_the_oldest_comes_first_with_what_approving_it_would_take(office: Office) -> None:
    await office.site.put("BOLT", 10)
    first = await office.pending(("BOLT", 8), ("NUT", 2))
    second = await office.pending(("BOLT", 4))
    own = await office.pending(("BOLT", 1), by=office.boss)

    answer = (await office.boss.http.get(f"{PATH}/pending-approvals")).json()
    paged = (await office.boss.http.get(f"{PATH}/pending-approvals", params={"limit": 1})).json()
    following = await office.boss.http.get(
        f"{PATH}/pending-approvals", params={"limit": 1, "cursor": paged["pagination"]["nextCursor"]}
    )

    assert [one["id"] for one in answer["data"]] == [first["id"], second["id"]]
    assert own["id"] not in {one["id"] for one in answer["data"]}
    assert answer["pagination"]["total"] == 2
    lines = {line["sku"]: line for line in answer["data"][0]["lines"]}
    assert (lines["BOLT"]["available"], lines["BOLT"]["taken"], lines["BOLT"]["short"]) == (10, 8, 0)
    assert (lines["NUT"]["available"], lines["NUT"]["taken"], lines["NUT"]["short"]) == (0, 0, 2)
    assert Decimal(str(answer["data"][0]["ageHours"])) >= 0
    assert (answer["data"][0]["tierName"], answer["data"][0]["tierCount"]) == ("Approval", 1)
    assert [one["id"] for one in paged["data"]] == [first["id"]]
    assert [one["id"] for one in following.json()["data"]] == [second["id"]]


async def test_a_decided_request_waits_for_nobody_and_a_delegate_sees_what_waits_for_the_giver(
    office: Office,
) -> None:
    request = await office.pending(("BOLT", 2))
    deputy = await office.person(READ)
    other = msgspec.json.decode((await deputy.http.get(f"{PATH}/pending-approvals")).content)
    await office.boss.approves(request)
    after = (await office.boss.http.get(f"{PATH}/pending-approvals")).json()

    assert other["details"]["code"] == "PERMISSION_DENIED"
    assert after["data"] == []
