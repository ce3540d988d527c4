"""A month of a warehouse that has too little: after each day the books, the claims and the dashboards agree."""

import random
from collections import Counter
from collections.abc import AsyncGenerator
from datetime import datetime
from decimal import Decimal
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest

from app.session_api.approval_rules import ApprovalRuleController
from app.session_api.receipts import ReceiptController
from app.session_api.stock_request_acts import StockRequestActController
from app.session_api.stock_request_dashboards import StockRequestDashboardController
from app.session_api.stock_requests import StockRequestController
from domain.access.model import Permission
from infra.db.pool import Database
from infra.ledger.verify import verify
from infra.stock_requests.followups import BackorderFollowups
from infra.stock_requests.lists import IS_OVERDUE
from tests.e2e.ledger_writes.site import Site, an_api
from tests.e2e.stock_requests.asking import ALL, PATH, Office, Person
from tests.e2e.transfers.moving import in_transit
from tests.lab import DatabaseUrls
from tests.ledger.promises import show

CONTROLLERS = (
    ApprovalRuleController,
    ReceiptController,
    StockRequestActController,
    StockRequestController,
    StockRequestDashboardController,
)
PRODUCTS = ("BOLT", "NUT", "PILL")
QUANTITIES = [Decimal("0.5"), Decimal(1), Decimal("2.25"), Decimal(4), Decimal(9)]
USUAL = {
    "DRAFT": {"submit": 7, "update": 2, "cancel": 1},
    "PENDING_APPROVAL": {"approve": 8, "reject": 1, "rollback": 1, "cancel": 1},
    "APPROVED": {"pick": 8, "rollback": 1, "cancel": 1},
    "REJECTED": {"rollback": 1},
    "PICKING": {"issue": 8, "pick": 2, "rollback": 1, "cancel": 1},
    "ISSUED": {"receive": 8, "rollback": 2},
}
"""What is done to a request in a state, and how often."""
SUMS = """
    SELECT p.sku, sum(l.reserved) AS lines, (
        SELECT coalesce(sum(c.open_quantity), 0) FROM reservations c
        WHERE c.tenant_id = $1 AND c.product_id = p.id AND c.state = 'LIVE'
    ) AS claims, (
        SELECT coalesce(sum(s.reserved), 0) FROM stock_lines s WHERE s.tenant_id = $1 AND s.product_id = p.id
    ) AS stock
    FROM products p JOIN stock_request_lines l ON l.tenant_id = $1 AND l.product_id = p.id
    WHERE p.tenant_id = $1 GROUP BY p.id, p.sku
"""
ODD = """
    SELECT r.state, l.* FROM stock_request_lines l
    JOIN stock_requests r ON r.tenant_id = l.tenant_id AND r.id = l.request_id
    WHERE l.tenant_id = $1 AND (
        l.requested <> l.issued + l.open + l.canceled OR l.reserved > coalesce(l.approved, 0)
        OR r.state IN ('APPROVED', 'PICKING') AND l.reserved + l.backordered <> l.open
        OR r.state NOT IN ('APPROVED', 'PICKING') AND l.reserved + l.backordered <> 0
    )
"""
# What was issued and has neither arrived nor been written off.
UNDER_WAY = """
    SELECT p.sku, trim_scale(sum(l.issued - l.received - x.lost)) AS quantity
    FROM stock_requests r
    JOIN stock_request_lines l ON l.tenant_id = r.tenant_id AND l.request_id = r.id
    JOIN products p ON p.tenant_id = l.tenant_id AND p.id = l.product_id
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(k.lost), 0) AS lost FROM transfer_lines t
        JOIN transfer_picks k ON k.tenant_id = t.tenant_id AND k.line_id = t.id
        WHERE t.tenant_id = r.tenant_id AND t.transfer_id = r.transfer_id AND t.product_id = l.product_id
    ) x
    WHERE r.tenant_id = $1 AND r.transfer_id IS NOT NULL AND r.state = ANY ($2)
    GROUP BY p.sku HAVING sum(l.issued - l.received - x.lost) <> 0
"""
# $2 is the moment of the dashboard, $3 the beginning of its period. Nothing here is deleted.
COUNTED = f"""
    WITH asked AS (SELECT * FROM stock_requests r WHERE r.tenant_id = $1),
    lines AS (SELECT * FROM stock_request_lines l WHERE l.tenant_id = $1),
    issued AS (SELECT a.id FROM asked a WHERE a.issued_at >= $3),
    received AS (SELECT a.received_at - a.submitted_at AS took FROM asked a WHERE a.received_at >= $3)
    SELECT jsonb_build_object(
        'total', (SELECT count(*) FROM asked),
        'by_state', (SELECT jsonb_object_agg(s.state, s.n) FROM (
            SELECT a.state, count(*) AS n FROM asked a GROUP BY a.state) s),
        'pending', (SELECT count(*) FROM asked a WHERE a.state = 'PENDING_APPROVAL'),
        'overdue', (SELECT count(*) FROM asked x
            JOIN locations d ON d.tenant_id = $1 AND d.id = x.destination_location_id WHERE {IS_OVERDUE}),
        'ageing', (SELECT jsonb_agg(b.n ORDER BY b.low) FROM (
            SELECT w.low, count(a.id) AS n
            FROM (VALUES (0, 1), (1, 3), (3, 7), (7, 14), (14, 99999)) AS w (low, high)
            LEFT JOIN asked a ON a.state = 'PENDING_APPROVAL'
                AND (w.low = 0 OR a.submitted_at < $2::timestamptz - make_interval(days => w.low))
                AND a.submitted_at >= $2::timestamptz - make_interval(days => w.high)
            GROUP BY w.low) b),
        'submitted', (SELECT jsonb_object_agg(d.day, d.n) FROM (
            SELECT (a.submitted_at AT TIME ZONE 'UTC')::date AS day, count(*) AS n FROM asked a
            WHERE a.submitted_at >= $3 GROUP BY 1) d),
        'issued', (SELECT jsonb_object_agg(d.day, d.n) FROM (
            SELECT (a.issued_at AT TIME ZONE 'UTC')::date AS day, count(*) AS n FROM asked a
            WHERE a.issued_at >= $3 GROUP BY 1) d),
        'received', (SELECT jsonb_object_agg(d.day, d.n) FROM (
            SELECT (a.received_at AT TIME ZONE 'UTC')::date AS day, count(*) AS n FROM asked a
            WHERE a.received_at >= $3 GROUP BY 1) d),
        'cycle', jsonb_build_object('requests', (SELECT count(*) FROM received),
            'hours', (SELECT round(avg(extract(epoch FROM w.took)) / 3600, 2) FROM received w)),
        'fill', jsonb_build_object('requests', (SELECT count(*) FROM issued),
            'requested', (SELECT coalesce(sum(l.requested), 0) FROM lines l JOIN issued i ON i.id = l.request_id
                WHERE l.substitutes_line_id IS NULL),
            'issued', (SELECT coalesce(sum(l.issued), 0) FROM lines l JOIN issued i ON i.id = l.request_id)),
        'top', (SELECT jsonb_object_agg(t.sku, jsonb_build_array(t.requested, t.n)) FROM (
            SELECT p.sku, sum(l.requested) AS requested, count(DISTINCT l.request_id) AS n
            FROM (SELECT a.id FROM asked a WHERE a.submitted_at >= $3
                ORDER BY a.submitted_at DESC, a.id DESC LIMIT 250) a
            JOIN lines l ON l.request_id = a.id JOIN products p ON p.tenant_id = $1 AND p.id = l.product_id
            GROUP BY p.sku) t),
        'uncategorized', (SELECT jsonb_build_array(count(DISTINCT l.request_id), sum(l.requested)) FROM lines l)
    )
"""
# Days pass for what has been asked for; the ledger knows its own.
A_DAY_LATER = """
    UPDATE stock_requests SET submitted_at = submitted_at - interval '1 day', needed_by = needed_by - 1,
        deadline_at = deadline_at - interval '1 day', decided_at = decided_at - interval '1 day',
        issued_at = issued_at - interval '1 day', received_at = received_at - interval '1 day',
        canceled_at = canceled_at - interval '1 day'
    WHERE tenant_id = $1
"""
_figures = msgspec.json.Decoder(float_hook=Decimal)
ALLOCATED = "SELECT count(*) FROM document_history WHERE tenant_id = $1 AND action = 'allocate'"


class Month:
    """A warehouse, a store and a ward, and whatever the dice have them do."""

    def __init__(self, office: Office, followups: BackorderFollowups, dice: random.Random) -> None:
        self.office = office
        self.followups = followups
        self.dice = dice
        self.open: list[Any] = []
        self.done: Counter[str] = Counter()
        self.days = 0

    async def begin(self) -> None:
        site = self.office.site
        self.receiver = site_client(self.office)
        self.boss = await self.office.person(*ALL, role="supervisor")
        self.asker = self.office.asker
        await site.a_location("WARD")
        await site.admin.execute(
            "UPDATE locations SET capabilities = '{}' WHERE tenant_id = $1 AND code = 'WARD'", site.tenant_id
        )
        await self.office.rules({"name": "All", "approvers": {"role": "supervisor"}, "deadlineHours": 36})

    async def day(self, requests: int) -> None:
        self.days += 1
        await self._supply()
        for _ in range(requests):
            self.open.append(await self._ask())
        for n in self.dice.sample(range(len(self.open)), len(self.open)):
            if self.open[n]["state"] in {"APPROVED", "PICKING"}:
                self.open[n] = await self.asker.sees(self.open[n])  # more may have come for it
            for _ in range(self.dice.randint(1, 4)):
                if self.open[n]["state"] in USUAL:
                    self.open[n] = await self._step(self.open[n])
        self.open = [one for one in self.open if one["state"] in USUAL]
        await self._supply()

    async def _supply(self) -> None:
        lines = [
            self.office.line(sku, self.dice.randint(1, 9))
            | ({"lotNumber": f"AB{self.days:03}"} if sku == "PILL" else {})
            for sku in self.dice.sample(PRODUCTS, 2)
        ]
        answer = await self.receiver.post(
            "/api/inventory/receipts", json={"locationId": str(self.office.site.ids["DC"]), "lines": lines}
        )
        assert answer.status_code == 200, answer.text
        await self.followups.settled()  # so that the same seed always makes the same month

    async def _ask(self) -> Any:
        wanted = [
            (sku, float(self.dice.choice(QUANTITIES)))
            for sku in self.dice.sample(PRODUCTS, self.dice.choice([1, 1, 2, 3]))
        ]
        more: dict[str, Any] = {}
        if self.dice.random() < 0.25:
            more["destinationLocationId"] = str(self.office.site.ids["WARD"])
        if self.dice.random() < 0.25:
            more["neededBy"] = self.office.site.day(self.dice.randint(0, 3)).isoformat()
        self.done["create"] += 1
        return await self.office.draft(*wanted, **more)

    async def _step(self, request: Any) -> Any:
        usual = USUAL[request["state"]]
        action = self.dice.choices(list(usual), list(usual.values()))[0]
        answer = await getattr(self, f"_{action}")(request)
        assert answer.status_code in {200, 400, 409}, answer.text
        if not answer.is_success:
            self.done["refused"] += 1
            return await self.asker.sees(request)
        self.done[action] += 1
        after = await self.asker.sees(request) if action == "update" else answer.json()["data"]
        self.done["approved in part"] += action == "approve" and any(
            line["approved"] < line["requested"] for line in after["lines"]
        )
        self.done["substituted"] += action == "pick" and any(line["substitutesLineId"] for line in after["lines"])
        self.done["picked short"] += action == "pick" and any(
            line["picked"] < line["reserved"] for line in after["lines"]
        )
        self.done["received short"] += action == "receive" and any(
            line["received"] < line["issued"] for line in after["lines"]
        )
        return after

    def some(self, most: float) -> float:
        """All of it, mostly; or a half, or nothing."""
        part = self.dice.choices([Decimal(1), Decimal("0.5"), Decimal(0)], [6, 2, 1])[0]
        return float((Decimal(str(most)) * part).quantize(Decimal("0.0001")))

    async def _update(self, request: Any) -> httpx.Response:
        line = self.dice.choice(request["lines"])["id"]
        return await self.asker.http.patch(
            f"{PATH}/{request['id']}/lines/{line}", json={"quantity": float(self.dice.choice(QUANTITIES))}
        )

    async def _submit(self, request: Any) -> httpx.Response:
        return await self.asker.tries("submit", request)

    async def _approve(self, request: Any) -> httpx.Response:
        lines = [
            {"lineId": line["id"], "approvedQty": self.some(line["requested"])}
            for line in request["lines"]
            if line["substitutesLineId"] is None
        ]
        return await self.boss.tries("approve", request, expectedVersion=request["version"], lines=lines)

    async def _reject(self, request: Any) -> httpx.Response:
        return await self.boss.tries("reject", request, comment="No")

    async def _rollback(self, request: Any) -> httpx.Response:
        person: Person = self.boss if request["state"] in {"APPROVED", "REJECTED"} else self.asker
        return await person.tries("rollback", request)

    async def _pick(self, request: Any) -> httpx.Response:
        lines = []
        others = sorted(set(PRODUCTS) - {line["globalSku"] for line in request["lines"]})
        for line in request["lines"]:
            if line["open"] == 0:
                continue
            picked = self.some(line["reserved"])
            one: dict[str, Any] = {"lineId": line["id"], "pickedQty": picked, "reason": "so it was"}
            if others and picked < line["open"] and self.dice.random() < 0.3:
                left = float((Decimal(str(line["open"])) - Decimal(str(picked))).quantize(Decimal("0.0001")))
                one["substitute"] = self.office.line(others.pop(), left)
            lines.append(one)
        return await self.asker.tries("status", request, action="pick", **({"lines": lines} if lines else {}))

    async def _issue(self, request: Any) -> httpx.Response:
        return await self.asker.tries("status", request, action="issue")

    async def _receive(self, request: Any) -> httpx.Response:
        lines = [
            {"lineId": line["id"], "receivedQty": self.some(line["issued"]), "reason": "so it came"}
            for line in request["lines"]
            if line["issued"]
        ]
        return await self.asker.tries("status", request, action="receive", lines=lines)

    async def _cancel(self, request: Any) -> httpx.Response:
        return await self.asker.tries("status", request, action="cancel")

    async def balance(self) -> None:
        """All that must hold in the evening."""
        site = self.office.site
        assert await site.admin.fetch(ODD, site.tenant_id) == []
        assert await self.office.odd_lines() == []
        for row in await site.admin.fetch(SUMS, site.tenant_id):
            assert row["lines"] == row["claims"] == row["stock"], row
        under_way = await in_transit(site)
        for states in (["ISSUED"], ["ISSUED", "RECEIVED"]):
            rows = await site.admin.fetch(UNDER_WAY, site.tenant_id, states)
            assert {row["sku"]: row["quantity"] for row in rows} == under_way
        assert (await verify(site.admin, site.tenant_id)).drifts == ()
        await self.tiles_equal_rows()

    async def tiles_equal_rows(self) -> None:
        board = await self._board("dashboard?days=92")
        row = await self.office.site.admin.fetchval(
            COUNTED, self.office.site.tenant_id, _time(board["asOf"]), _time(board["from"])
        )
        counted: Any = _figures.decode(row)
        assert board["total"]["requests"] == counted["total"]
        assert _filled(board["byState"], "state") == counted["by_state"]
        assert board["pending"]["requests"] == board["toDecide"]["requests"] == counted["pending"]
        assert board["overdue"]["requests"] == counted["overdue"]
        assert [tile["requests"] for tile in board["ageing"]] == counted["ageing"]
        for what in ("submitted", "issued", "received"):
            days = {day["day"]: day[what]["requests"] for day in board["daily"] if day[what]["requests"]}
            assert days == (counted[what] or {}), what
        cycle, fill, top = board["cycleTime"], board["fillRate"], board["topProducts"]["products"]
        assert cycle["requests"] == counted["cycle"]["requests"]
        assert cycle["averageHours"] == pytest.approx(counted["cycle"]["hours"], abs=Decimal("0.011"))
        assert {name: fill[name] for name in ("requests", "requested", "issued")} == counted["fill"]
        assert {tile["sku"]: [tile["requested"], tile["requests"]] for tile in top} == (counted["top"] or {})
        (category,) = await self._board("by-category")
        assert [category["requests"], category["requested"]] == counted["uncategorized"]
        assert _filled(category["byState"], "state") == counted["by_state"]
        self.done["overdue seen"] += counted["overdue"] > 0

    async def _board(self, path: str) -> Any:
        answer = await self.boss.http.get(f"{PATH}/{path}")
        assert answer.status_code == 200, answer.text
        return answer.json(parse_float=Decimal, parse_int=Decimal)["data"]


def site_client(office: Office) -> httpx.AsyncClient:
    """Who takes goods in."""
    return office.api.client(office.site.caller([Permission.INVENTORY_WRITE]))


def _filled(tiles: list[Any], name: str) -> dict[str, Any]:
    return {tile[name]: tile["requests"] for tile in tiles if tile["requests"]}


def _time(text: str) -> datetime:
    return msgspec.convert(text, type=datetime)


@pytest.fixture
async def month(database_urls: DatabaseUrls) -> AsyncGenerator[Month]:
    admin = await asyncpg.connect(database_urls.admin_url)
    database = await Database.connect(database_urls.app_url, size=4)
    followups = BackorderFollowups(database)
    try:
        api = an_api(database, CONTROLLERS, followups=followups)
        month = Month(await Office.open(api, await Site(admin, database).build()), followups, random.Random(7))
        await month.begin()
        yield month
        await followups.finish()
    finally:
        await database.close()
        await admin.close()


@pytest.mark.parametrize(("days", "requests"), [(7, 6), pytest.param(30, 40, marks=pytest.mark.long)])
async def test_after_each_day_the_books_the_claims_and_the_dashboards_agree(
    month: Month, days: int, requests: int
) -> None:
    for _ in range(days):
        await month.day(requests)
        await month.balance()
        await month.office.site.admin.execute(A_DAY_LATER, month.office.site.tenant_id)
    month.done["allocated"] = await month.office.site.admin.fetchval(ALLOCATED, month.office.site.tenant_id)

    missed = {name for usual in USUAL.values() for name in usual} | {"allocated", "overdue seen", "substituted"}
    missed |= {"approved in part", "picked short", "received short"}
    assert not [name for name in missed if not month.done[name]], month.done
    show("a month of requests", days=days, requests=month.done["create"], done=month.done, differences=0, drift=0)
