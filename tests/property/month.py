"""A month of stock requests at a warehouse that has too little: whatever the dice have its people do."""

import random
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import httpx

from infra.stock_requests.followups import BackorderFollowups
from tests.e2e.stock_requests.asking import PATH, Office, Person
from tests.property.evening import Evening

USUAL = {
    "DRAFT": {"submit": 7, "update": 2, "cancel": 1},
    "PENDING_APPROVAL": {"approve": 8, "reject": 1, "rollback": 1, "cancel": 1},
    "APPROVED": {"pick": 8, "rollback": 1, "cancel": 1},
    "REJECTED": {"rollback": 1},
    "PICKING": {"issue": 8, "pick": 2, "rollback": 1, "cancel": 1},
    "ISSUED": {"receive": 8, "rollback": 2},
}
"""What is done to a request in a state, and how often."""
EVERYTHING = {name for usual in USUAL.values() for name in usual} | {
    "allocated",
    "approved in part",
    "lost what was reserved",
    "overdue seen",
    "picked short",
    "received short",
    "substituted",
}

STAND = """
    SELECT p.id AS product_id, p.sku, s.bin_id, nullif(l.number, '') AS lot, s.on_hand, s.reserved
    FROM stock_lines s
    JOIN products p ON p.tenant_id = s.tenant_id AND p.id = s.product_id
    JOIN lots l ON l.tenant_id = s.tenant_id AND l.id = s.lot_id
    WHERE s.tenant_id = $1 AND s.location_id = $2 AND p.id = ANY ($3) AND s.on_hand > 0
    ORDER BY s.reserved DESC, p.sku, s.id
"""
# Days pass for what has been asked for; the ledger knows its own.
A_DAY_LATER = """
    UPDATE stock_requests SET submitted_at = submitted_at - interval '1 day', needed_by = needed_by - 1,
        deadline_at = deadline_at - interval '1 day', decided_at = decided_at - interval '1 day',
        issued_at = issued_at - interval '1 day', received_at = received_at - interval '1 day',
        canceled_at = canceled_at - interval '1 day'
    WHERE tenant_id = $1
"""
A_DAY_LATER_TIERS = """
    UPDATE stock_request_tiers SET started_at = started_at - interval '1 day',
        deadline_at = deadline_at - interval '1 day'
    WHERE tenant_id = $1 AND finished_at IS NULL
"""
# What only the records tell: backorders that were served later, and who decided.
TOLD = """
    SELECT (SELECT count(*) FROM document_history WHERE tenant_id = $1 AND action = 'allocate') AS allocated,
        (SELECT count(*) FROM stock_request_decisions WHERE tenant_id = $1 AND tier > 1) AS by_tier_two,
        (SELECT count(*) FROM stock_request_decisions WHERE tenant_id = $1 AND on_behalf_of IS NOT NULL)
            AS by_delegate
"""


class Warehouse(ABC):
    """What a month takes place in: an office with its people, and the little that they have of some products."""

    products: tuple[str, ...]
    quantities: tuple[Decimal, ...]
    destinations: tuple[str, ...]
    """One of them is asked for, each as often as it stands here."""
    office: Office
    receiver: httpx.AsyncClient
    """Who takes goods in."""
    keeper: httpx.AsyncClient
    """Who counts, and finds that some are lost."""
    waiting: tuple[Any, ...] = ()
    """Requests that are under way when the month begins."""

    @abstractmethod
    def decider(self, request: Any, dice: random.Random) -> Person:
        """Who comes to decide on it; not always one who may."""

    @abstractmethod
    def goods(self, sku: str, day: int) -> dict[str, Any]:
        """What a receipt says of a product, besides how much of it."""


class Month:
    """Day by day: requests, decisions, work, deliveries and losses."""

    def __init__(self, warehouse: Warehouse, followups: BackorderFollowups, dice: random.Random) -> None:
        self.warehouse = warehouse
        self.office = warehouse.office
        self.evening = Evening(self.office, self.office.boss)
        self.dice = dice
        self.open: list[Any] = list(warehouse.waiting)
        self.done: Counter[str] = Counter()
        self.days = 0
        self._followups = followups

    async def day(self, requests: int) -> None:
        """All that happens on a day; in the evening everything must agree."""
        self.days += 1
        await self._supply()
        for _ in range(requests):
            self.open.append(await self._ask())
        for n in self.dice.sample(range(len(self.open)), len(self.open)):
            if self.open[n]["state"] in {"APPROVED", "PICKING"}:
                self.open[n] = await self.office.asker.sees(self.open[n])  # more may have come for it
            for _ in range(self.dice.randint(1, 4)):
                if self.open[n]["state"] in USUAL:
                    self.open[n] = await self._step(self.open[n])
        self.open = [one for one in self.open if one["state"] in USUAL]
        await self._lose()
        await self._supply()
        counted = await self.evening.looks()
        self.done["overdue seen"] += counted["overdue"] > 0
        self.done["all to decide"] += counted["to_decide"] == counted["pending"] > 0
        site = self.office.site
        await site.admin.execute(A_DAY_LATER, site.tenant_id)
        await site.admin.execute(A_DAY_LATER_TIERS, site.tenant_id)

    async def told(self) -> Mapping[str, int]:
        """How often each thing was done."""
        row = await self.office.site.admin.fetchrow(TOLD, self.office.site.tenant_id)
        assert row is not None
        return self.done + Counter(dict(row))

    async def _supply(self) -> None:
        lines = [
            self.office.line(sku, self.dice.randint(1, 9)) | self.warehouse.goods(sku, self.days)
            for sku in self.dice.sample(self.warehouse.products, 2)
        ]
        answer = await self.warehouse.receiver.post(
            "/api/inventory/receipts", json={"locationId": str(self.office.site.ids["DC"]), "lines": lines}
        )
        assert answer.status_code == 200, answer.text
        await self._followups.settled()  # so that the same seed always makes the same month

    async def _lose(self) -> None:
        """Somebody counts less than there is, mostly of what is promised already."""
        site = self.office.site
        products = [site.ids[sku] for sku in self.warehouse.products]
        lines = await site.admin.fetch(STAND, site.tenant_id, site.ids["DC"], products)
        if not lines:
            return
        line = lines[min(int(self.dice.expovariate(1)), len(lines) - 1)]
        left = max(Decimal(0), line["on_hand"] - self.dice.randint(1, 3))
        counted = {"binId": str(line["bin_id"]), "lotNumber": line["lot"], "newQty": float(left)}
        answer = await self.warehouse.keeper.post(
            "/api/inventory/adjustments/record-stock",
            json={
                "productMasterId": str(line["product_id"]),
                "locationId": str(site.ids["DC"]),
                "complete": False,
                "lines": [counted],
            },
        )
        assert answer.status_code == 200, answer.text
        self.done["lost"] += 1
        self.done["lost what was reserved"] += left < line["reserved"]

    async def _ask(self) -> Any:
        wanted = [
            (sku, float(self.dice.choice(self.warehouse.quantities)))
            for sku in self.dice.sample(self.warehouse.products, self.dice.choice([1, 1, 2, 3]))
        ]
        where = self.dice.choice(self.warehouse.destinations)
        more: dict[str, Any] = {"destinationLocationId": str(self.office.site.ids[where])}
        if self.dice.random() < 0.25:
            more["neededBy"] = self.office.site.day(self.dice.randint(0, 3)).isoformat()
        self.done["create"] += 1
        return await self.office.draft(*wanted, **more)

    async def _step(self, request: Any) -> Any:
        usual = USUAL[request["state"]]
        action = self.dice.choices(list(usual), list(usual.values()))[0]
        answer = await getattr(self, f"_{action}")(request)
        if answer.status_code == httpx.codes.FORBIDDEN:  # only to decide may one come who is not asked
            assert action in {"approve", "reject", "rollback"}, answer.text
            assert answer.json()["details"]["code"] == "PERMISSION_DENIED", answer.text
        else:
            assert answer.status_code in {200, 400, 409}, answer.text
        if not answer.is_success:
            self.done["refused"] += 1
            return await self.office.asker.sees(request)
        self.done[action] += 1
        after = await self.office.asker.sees(request) if action == "update" else answer.json()["data"]
        self._note(action, after["lines"])
        return after

    def _note(self, action: str, lines: list[Any]) -> None:
        partly = {
            "approve": ("approved in part", "approved", "requested"),
            "pick": ("picked short", "picked", "reserved"),
            "receive": ("received short", "received", "issued"),
        }
        if action in partly:
            name, less, more = partly[action]
            self.done[name] += any((line[less] or 0) < line[more] for line in lines)
        self.done["substituted"] += action == "pick" and any(line["substitutesLineId"] for line in lines)

    def some(self, most: float) -> float:
        """All of it, mostly; or a half, or nothing."""
        part = self.dice.choices([Decimal(1), Decimal("0.5"), Decimal(0)], [6, 2, 1])[0]
        return float((Decimal(str(most)) * part).quantize(Decimal("0.0001")))

    async def _update(self, request: Any) -> httpx.Response:
        line = self.dice.choice(request["lines"])["id"]
        return await self.office.asker.http.patch(
            f"{PATH}/{request['id']}/lines/{line}",
            json={"quantity": float(self.dice.choice(self.warehouse.quantities))},
        )

    async def _submit(self, request: Any) -> httpx.Response:
        return await self.office.asker.tries("submit", request)

    async def _approve(self, request: Any) -> httpx.Response:
        lines = [
            {"lineId": line["id"], "approvedQty": self.some(_limit(line))}
            for line in request["lines"]
            if line["substitutesLineId"] is None
        ]
        decider = self.warehouse.decider(request, self.dice)
        return await decider.tries("approve", request, expectedVersion=request["version"], lines=lines)

    async def _reject(self, request: Any) -> httpx.Response:
        return await self.warehouse.decider(request, self.dice).tries("reject", request, comment="No")

    async def _rollback(self, request: Any) -> httpx.Response:
        person = {"ISSUED": self.office.hand, "PICKING": self.office.hand}.get(request["state"])
        if request["state"] in {"APPROVED", "REJECTED"}:
            person = self.warehouse.decider(request, self.dice)
        return await (person or self.office.asker).tries("rollback", request)

    async def _pick(self, request: Any) -> httpx.Response:
        lines = []
        others = sorted(set(self.warehouse.products) - {line["globalSku"] for line in request["lines"]})
        for line in request["lines"]:
            if line["open"] == 0:
                continue
            picked = self.some(line["reserved"])
            one: dict[str, Any] = {"lineId": line["id"], "pickedQty": picked, "reason": "so it was"}
            if others and picked < line["open"] and self.dice.random() < 0.3:
                left = float((Decimal(str(line["open"])) - Decimal(str(picked))).quantize(Decimal("0.0001")))
                one["substitute"] = self.office.line(others.pop(), left)
            lines.append(one)
        return await self.office.hand.tries(
            "status", request, action="pick", **({"lines": lines} if lines else {})
        )

    async def _issue(self, request: Any) -> httpx.Response:
        return await self.office.hand.tries("status", request, action="issue")

    async def _receive(self, request: Any) -> httpx.Response:
        lines = [
            {"lineId": line["id"], "receivedQty": self.some(line["issued"]), "reason": "so it came"}
            for line in request["lines"]
            if line["issued"]
        ]
        return await self.office.asker.tries("status", request, action="receive", lines=lines)

    async def _cancel(self, request: Any) -> httpx.Response:
        person = self.office.hand if request["state"] == "PICKING" else self.office.asker
        return await person.tries("status", request, action="cancel")


def _limit(line: Any) -> float:
    """No more than was approved before."""
    limit: float = line["requested"] if line["approved"] is None else line["approved"]
    return limit
