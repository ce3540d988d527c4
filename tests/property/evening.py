"""All that must hold in the evening of a day of stock requests: books, claims, and what the dashboards show."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from domain.stock_requests.dashboard import CONSIDERED, TOP
from infra.ledger.verify import verify
from infra.stock_requests.lists import IS_OVERDUE
from tests.e2e.stock_requests.asking import PATH, Office, Person
from tests.e2e.transfers.moving import in_transit

# Of each product: what lines of requests reserve, what requests claim, what anybody claims, what stock says of it.
SUMS = """
    SELECT p.sku, sum(l.reserved) AS lines, (
        SELECT coalesce(sum(c.open_quantity), 0) FROM reservations c
        WHERE c.tenant_id = $1 AND c.product_id = p.id AND c.state = 'LIVE' AND c.document_id IN (
            SELECT r.id FROM stock_requests r WHERE r.tenant_id = $1
        )
    ) AS claims, (
        SELECT coalesce(sum(c.open_quantity), 0) FROM reservations c
        WHERE c.tenant_id = $1 AND c.product_id = p.id AND c.state = 'LIVE'
    ) AS all_claims, (
        SELECT coalesce(sum(s.reserved), 0) FROM stock_lines s WHERE s.tenant_id = $1 AND s.product_id = p.id
    ) AS stock, (
        SELECT coalesce(sum(t.reserved), 0) FROM stock_totals t WHERE t.tenant_id = $1 AND t.product_id = p.id
    ) AS totals
    FROM products p JOIN stock_request_lines l ON l.tenant_id = $1 AND l.product_id = p.id
    WHERE p.tenant_id = $1 GROUP BY p.id, p.sku
"""
ODD_TOTALS = """
    SELECT t.product_id, t.location_id, t.on_hand, s.on_hand AS of_lines FROM stock_totals t
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(x.on_hand), 0) AS on_hand FROM stock_lines x
        WHERE x.tenant_id = t.tenant_id AND x.product_id = t.product_id AND x.location_id = t.location_id
    ) s
    WHERE t.tenant_id = $1 AND t.on_hand <> s.on_hand
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
                ORDER BY a.submitted_at DESC, a.id DESC LIMIT {CONSIDERED}) a
            JOIN lines l ON l.request_id = a.id JOIN products p ON p.tenant_id = $1 AND p.id = l.product_id
            GROUP BY p.sku) t),
        'categories', (SELECT jsonb_agg(jsonb_build_array(c.code, c.state, c.n, c.requested)) FROM (
            SELECT k.code, a.state, count(DISTINCT a.id) AS n, sum(l.requested) AS requested
            FROM asked a JOIN lines l ON l.request_id = a.id
            JOIN products p ON p.tenant_id = $1 AND p.id = l.product_id
            LEFT JOIN categories k ON k.tenant_id = $1 AND k.id = p.category_id
            GROUP BY k.code, a.state) c)
    )
"""
_figures = msgspec.json.Decoder(float_hook=Decimal)
PERIOD = "dashboard?days=92"


class Evening:
    """Looks at an office when the day's work is done; finding something wrong, it says what."""

    def __init__(self, office: Office, supervisor: Person) -> None:
        self._office = office
        self._admin = office.site.admin
        self._tenant_id = office.site.tenant_id
        self._supervisor = supervisor
        self._others: Counter[str] = Counter()
        """What was under way for others than these requests when the month began."""

    async def begin(self) -> None:
        self._others = Counter(await in_transit(self._office.site))
        self._others.subtract(await self._under_way("ISSUED"))

    async def looks(self) -> Any:
        """Compare all of it; what was counted for the dashboards."""
        assert await self._admin.fetch(ODD, self._tenant_id) == []
        assert await self._admin.fetch(ODD_TOTALS, self._tenant_id) == []
        assert await self._office.odd_lines() == []
        for row in await self._admin.fetch(SUMS, self._tenant_id):
            assert row["lines"] == row["claims"], row
            assert row["all_claims"] == row["stock"] == row["totals"], row
        found = _some(Counter(await in_transit(self._office.site)))
        for states in (["ISSUED"], ["ISSUED", "RECEIVED"]):
            expected = self._others.copy()
            expected.update(await self._under_way(*states))
            assert found == _some(expected)
        assert (await verify(self._admin, self._tenant_id)).drifts == ()
        return await self._tiles_equal_rows()

    async def _under_way(self, *states: str) -> Mapping[str, Any]:
        rows = await self._admin.fetch(UNDER_WAY, self._tenant_id, states)
        return {row["sku"]: row["quantity"] for row in rows}

    async def _tiles_equal_rows(self) -> Any:
        board = (await self._shown(PERIOD))["data"]
        row = await self._admin.fetchval(COUNTED, self._tenant_id, _time(board["asOf"]), _time(board["from"]))
        counted: Any = _figures.decode(row)
        assert board["total"]["requests"] == counted["total"]
        assert _filled(board["byState"], "state") == counted["by_state"]
        waiting = await self._shown("pending-approvals?limit=1")
        assert board["toDecide"]["requests"] == waiting["pagination"]["total"] <= counted["pending"]
        assert board["pending"]["requests"] == counted["pending"]
        assert board["overdue"]["requests"] == counted["overdue"]
        assert [tile["requests"] for tile in board["ageing"]] == counted["ageing"]
        for what in ("submitted", "issued", "received"):
            days = {day["day"]: day[what]["requests"] for day in board["daily"] if day[what]["requests"]}
            assert days == (counted[what] or {}), what
        cycle, fill = board["cycleTime"], board["fillRate"]
        assert cycle["requests"] == counted["cycle"]["requests"]
        assert cycle["averageHours"] == pytest.approx(counted["cycle"]["hours"], abs=Decimal("0.011"))
        assert {name: fill[name] for name in ("requests", "requested", "issued")} == counted["fill"]
        _compare_top(board["topProducts"]["products"], counted["top"] or {})
        _compare_categories((await self._shown("by-category"))["data"], counted["categories"])
        counted["to_decide"] = board["toDecide"]["requests"]
        return counted

    async def _shown(self, path: str) -> Any:
        answer = await self._supervisor.http.get(f"{PATH}/{path}")
        assert answer.status_code == 200, answer.text
        return answer.json(parse_float=Decimal, parse_int=Decimal)


def _compare_top(tiles: list[Any], counted: Mapping[str, Any]) -> None:
    assert len(tiles) == min(TOP, len(counted))
    assert all([tile["requested"], tile["requests"]] == counted[tile["sku"]] for tile in tiles)
    most = sorted((requested for requested, _ in counted.values()), reverse=True)
    assert [tile["requested"] for tile in tiles] == most[:TOP]


def _compare_categories(tiles: list[Any], counted: list[Any]) -> None:
    by_state: dict[str | None, dict[str, Any]] = {}
    requested: Counter[str | None] = Counter()
    for code, state, requests, quantity in counted:
        by_state.setdefault(code, {})[state] = requests
        requested[code] += quantity
    assert {tile["categoryCode"]: _filled(tile["byState"], "state") for tile in tiles} == by_state
    assert {tile["categoryCode"]: tile["requested"] for tile in tiles} == requested
    assert all(tile["requests"] == sum(by_state[tile["categoryCode"]].values()) for tile in tiles)


def _filled(tiles: list[Any], name: str) -> dict[str, Any]:
    return {tile[name]: tile["requests"] for tile in tiles if tile["requests"]}


def _some(quantities: Counter[str]) -> dict[str, Any]:
    return {sku: quantity for sku, quantity in quantities.items() if quantity}


def _time(text: str) -> datetime:
    return msgspec.convert(text, type=datetime)
