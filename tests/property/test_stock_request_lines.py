"""Whatever is done to a request in whatever order: its lines add up, and what is reserved was approved."""

import random
from collections.abc import AsyncGenerator
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from app.session_api.approval_rules import ApprovalRuleController
from app.session_api.stock_request_acts import StockRequestActController
from app.session_api.stock_requests import StockRequestController
from infra.db.pool import Database
from tests.e2e.ledger_writes.site import Site, an_api
from tests.e2e.stock_requests.asking import ALL, PATH, Office, Person
from tests.lab import DatabaseUrls

CONTROLLERS = (ApprovalRuleController, StockRequestActController, StockRequestController)
STEPS = 25
QUANTITIES = [Decimal("0.5"), Decimal(1), Decimal("2.25"), Decimal(4), Decimal(9)]
# Of all stock, wherever it is: it changes by what the test itself puts there, and by what a receipt was short of.
TOTAL = "SELECT coalesce(sum(on_hand), 0) FROM stock_lines WHERE tenant_id = $1"


@pytest.fixture
async def office(database_urls: DatabaseUrls) -> AsyncGenerator[Office]:
    admin = await asyncpg.connect(database_urls.admin_url)
    database = await Database.connect(database_urls.app_url, size=4)
    try:
        yield await Office.open(an_api(database, CONTROLLERS), await Site(admin, database).build())
    finally:
        await database.close()
        await admin.close()


class Wanderer:
    """Does what is allowed with a request, in amounts that the dice give."""

    def __init__(self, office: Office, dice: random.Random, asker: Person, boss: Person) -> None:
        self.office = office
        self.dice = dice
        self.asker = asker
        self.boss = boss
        self.lost = Decimal(0)

    async def step(self, request: Any) -> Any:
        allowed = set(request["allowedActions"]) | ({"approve", "reject"} & await self.boss.may(request))
        choices = sorted(allowed - {"comment", "delete"} - ({"cancel"} if self.dice.random() < 0.9 else set()))
        if not choices:
            return None
        action = self.dice.choice(choices)
        answer = await getattr(self, f"_{action}")(request)
        assert answer.status_code in {200, 201, 400, 409}, answer.text
        if answer.is_success and action == "receive":
            said = answer.json(parse_float=Decimal, parse_int=Decimal)["data"]["lines"]
            self.lost += sum((line["issued"] - line["received"] for line in said), Decimal(0))
        return await self.asker.sees(request)

    def some(self, most: float) -> float:
        return float(
            self.dice.choice([Decimal(0), Decimal(str(most)) / 2, Decimal(str(most))]).quantize(Decimal("0.0001"))
        )

    async def _update(self, request: Any) -> Any:
        line = self.dice.choice(request["lines"])["id"]
        return await self.asker.http.patch(
            f"{PATH}/{request['id']}/lines/{line}", json={"quantity": float(self.dice.choice(QUANTITIES))}
        )

    async def _submit(self, request: Any) -> Any:
        return await self.asker.tries("submit", request)

    async def _approve(self, request: Any) -> Any:
        lines = [
            {"lineId": line["id"], "approvedQty": self.some(line["requested"])}
            for line in request["lines"]
            if line["substitutesLineId"] is None and self.dice.random() < 0.5
        ]
        return await self.boss.tries("approve", request, expectedVersion=request["version"], lines=lines)

    async def _reject(self, request: Any) -> Any:
        return await self.boss.tries("reject", request, comment="No")

    async def _rollback(self, request: Any) -> Any:
        person = self.boss if request["state"] in {"APPROVED", "REJECTED"} else self.asker
        return await person.tries("rollback", request)

    async def _pick(self, request: Any) -> Any:
        lines = []
        for line in request["lines"]:
            if line["open"] == 0:
                continue
            picked = self.some(line["reserved"])
            one: dict[str, Any] = {"lineId": line["id"], "pickedQty": picked, "reason": "so it was"}
            if self.dice.random() < 0.3:
                left = float(Decimal(str(line["open"])) - Decimal(str(picked)))
                one["substitute"] = self.office.line("NUT", left)
            lines.append(one)
        return await self.asker.tries("status", request, action="pick", **({"lines": lines} if lines else {}))

    async def _issue(self, request: Any) -> Any:
        return await self.asker.tries("status", request, action="issue")

    async def _receive(self, request: Any) -> Any:
        lines = [
            {"lineId": line["id"], "receivedQty": self.some(line["issued"]), "reason": "so it came"}
            for line in request["lines"]
            if line["issued"]
        ]
        return await self.asker.tries("status", request, action="receive", lines=lines)

    async def _cancel(self, request: Any) -> Any:
        return await self.asker.tries("status", request, action="cancel")


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(n, marks=pytest.mark.long) for n in range(2, 100))])
async def test_the_lines_add_up_after_every_step_and_no_stock_comes_or_goes_by_itself(
    office: Office, seed: int
) -> None:
    dice = random.Random(seed)
    for sku in ("BOLT", "NUT"):
        await office.site.put(sku, 30)
    asker, boss = await office.person(*ALL), await office.person(*ALL, role="supervisor")
    wanderer = Wanderer(office, dice, asker, boss)
    request, steps = None, 0
    for _ in range(STEPS):
        if request is None:
            request = await office.draft(("BOLT", float(dice.choice(QUANTITIES))), by=asker)
        request = await wanderer.step(request)
        steps += 1
        await adds_up(office, request)
    total = await office.site.admin.fetchval(TOTAL, office.site.tenant_id)

    assert steps == STEPS
    assert total == 60 - wanderer.lost
    assert await office.site.drift() == []


async def adds_up(office: Office, request: Any) -> None:
    for line in request["lines"] if request else ():
        exact = {
            name: Decimal(str(line[name] or 0))
            for name in (
                "requested",
                "approved",
                "reserved",
                "backordered",
                "picked",
                "issued",
                "open",
                "canceled",
            )
        }
        assert exact["requested"] == exact["issued"] + exact["open"] + exact["canceled"], line
        assert exact["reserved"] <= exact["approved"], line
        if request["state"] in {"APPROVED", "PICKING"}:
            assert exact["reserved"] + exact["backordered"] == exact["open"], line
    assert await office.odd_lines() == []
