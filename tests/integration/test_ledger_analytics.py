"""Analytics over a small history that was added up by hand."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from domain.access.model import Permission, Scope
from domain.errors import DomainError, Reason
from domain.ledger.analytics import Analytics, analyse
from domain.ledger.counting_whole import CountedLine, WholeCount, record_count
from domain.ledger.figures import AnalyticsWanted
from domain.ledger.model import Entry, Kind, Posted, Posting
from domain.values import new_id
from infra.db.pool import Database
from infra.db.work import beginning
from infra.ledger.counts import CountSqlWork
from infra.ledger.queries.analytics import SqlAnalyticsReads
from tests.e2e.ledger_writes.site import Site
from tests.lab import DatabaseUrls
from tests.ledger.builders import a_reversal


@pytest.fixture(scope="module")
async def admin(database_urls: DatabaseUrls) -> AsyncGenerator["asyncpg.Connection[Any]"]:
    connection = await asyncpg.connect(database_urls.admin_url)
    yield connection
    await connection.close()


@pytest.fixture(scope="module")
async def database(database_urls: DatabaseUrls) -> AsyncGenerator[Database]:
    database = await Database.connect(database_urls.app_url)
    yield database
    await database.close()


def row(*values: object) -> tuple[object, ...]:
    return values


class History:
    """A site, and what happened there on which day from today."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def noon(self, day: int, hour: int = 12) -> datetime:
        return datetime.combine(self.site.day(day), time(hour), UTC)

    async def post(self, day: int | None, sku: str, quantity: int, **more: Any) -> Posted:
        kind, at, lot = more.get("kind", Kind.RECEIPT), more.get("at", "DC"), more.get("lot", "")
        entry = Entry(
            kind=kind,
            product_id=self.site.ids[sku],
            location_id=self.site.ids[at],
            lot_id=self.site.ids[f"{sku}/{lot}"],
            delta=Decimal(quantity),
            reason_code_id=self.site.reason_id if kind is Kind.ADJUSTMENT else None,
            effective_at=None if day is None else self.noon(day, more.get("hour", 12)),
        )
        posting = Posting(id=new_id(), kind=kind, entries=(entry,))
        return await self.site.ledger.post(posting, tenant_id=self.site.tenant_id)

    async def undo(self, posted: Posted, day: int) -> Posted:
        entries = tuple(
            Entry(kind=Kind.REVERSAL, line_id=e.line_id, delta=e.delta, effective_at=self.noon(day))
            for e in a_reversal(posted).entries
        )
        undo = Posting(id=new_id(), kind=Kind.REVERSAL, entries=entries, reverses_id=posted.posting_id)
        return await self.site.ledger.post(undo, tenant_id=self.site.tenant_id)

    async def count(self, day: int, sku: str, **counted: int) -> None:
        """All of a product at the distribution centre, by bin."""
        count = WholeCount(
            product_id=self.site.ids[sku],
            location_id=self.site.ids["DC"],
            lines=[
                CountedLine(bin_id=self.site.ids[f"DC/{bin_}"], counted=Decimal(number))
                for bin_, number in counted.items()
            ],
            complete=True,
            counted_at=self.noon(day),
        )
        act = self.site.act(Permission.INVENTORY_ADJUST)
        async with beginning(self.site.database, CountSqlWork)(act) as work:
            await record_count(work, act=act, count=count)

    async def category(self, code: str, *skus: str, parent: str | None = None) -> None:
        site, id_ = self.site, new_id()
        site.ids[code] = id_
        await site.admin.execute(
            "INSERT INTO categories (tenant_id, id, code, name, parent_id) VALUES ($1, $2, $3, $3, $4)",
            site.tenant_id,
            id_,
            code,
            site.ids[parent] if parent else None,
        )
        await site.admin.execute(
            "UPDATE products SET category_id = $2 WHERE tenant_id = $1 AND sku = ANY ($3)",
            site.tenant_id,
            id_,
            list(skus),
        )

    async def look(
        self, *, scope: Scope = None, days: tuple[int, int] | None = (-10, -1), **wanted: Any
    ) -> Analytics:
        found, position = await analyse(
            SqlAnalyticsReads(self.site.database),
            AnalyticsWanted(
                tenant_id=self.site.tenant_id,
                scope=scope,
                from_day=self.site.day(days[0]) if days else None,
                to_day=self.site.day(days[1]) if days else None,
                **wanted,
            ),
        )
        head = await self.site.admin.fetchval(
            "SELECT position FROM ledger_heads WHERE tenant_id = $1", self.site.tenant_id
        )
        assert position == head
        return found


@pytest.fixture(scope="module")
async def history(admin: "asyncpg.Connection[Any]", database: Database) -> History:
    """Bolts at 2, nuts at 10, milk at 1; ten days, with what came before and after them."""
    made = History(site := await Site(admin, database).build())
    for sku, cost in {"BOLT": 2, "NUT": 10, "MILK": 1}.items():
        await admin.execute(
            "UPDATE products SET unit_cost = $3 WHERE tenant_id = $1 AND sku = $2", site.tenant_id, sku, cost
        )
    await made.category("PARTS", "NUT")
    await made.category("FIXINGS", "BOLT", parent="PARTS")
    await made.post(-100, "BOLT", 100)
    for lot, expires_in, quantity in (("L1", -2, 4), ("L2", 10, 6), ("L3", 200, 8)):
        await site.a_lot("MILK", lot, expires_in=expires_in)
        await made.post(-30, "MILK", quantity, lot=lot)
    await made.post(-20, "BOLT", 50)
    # The period begins here.
    await made.post(-9, "NUT", 10)
    await made.post(-8, "BOLT", -40, kind=Kind.ISSUE)
    await made.post(-7, "BOLT", -5, kind=Kind.ADJUSTMENT)
    await made.post(-6, "BOLT", 7, at="STORE")
    await made.count(-5, "BOLT", MAIN=103, PICK=0)
    await made.post(-4, "NUT", -10, kind=Kind.ISSUE)
    await made.undo(await made.post(-3, "BOLT", 20), -3)
    await made.post(-2, "BOLT", -7, kind=Kind.ISSUE, at="STORE")
    # It has ended.
    await made.post(None, "NUT", 5)
    await made.post(None, "BOLT", -3, kind=Kind.ISSUE)
    return made


async def test_flows_are_those_of_the_period_without_what_was_reversed(history: History) -> None:
    found = await history.look()

    flows = {
        name: row(flow.movements, flow.quantity, flow.value)
        for name in ("receipts", "issues", "adjustments", "opening", "transfers", "destructions")
        for flow in [getattr(found, name)]
    }
    assert flows == {
        "receipts": (4, 17, 114),
        "issues": (3, 57, 194),
        "adjustments": (2, -7, -14),
        "opening": (0, 0, 0),
        "transfers": (0, 0, 0),
        "destructions": (0, 0, 0),
    }
    assert [
        row(r.reason_code, r.transaction_type, r.quantity_in, r.quantity_out, r.quantity, r.value)
        for r in found.adjustments.by_reason
    ] == [("FOUND", "ADJUSTMENT", 0, 5, -5, -10), (None, "COUNT", 0, 2, -2, -4)]
    assert row(found.shrinkage.quantity, found.shrinkage.value) == (7, 14)
    assert found.shrinkage.rate == Decimal("0.0324")  # 14 of 318 + 114


async def test_stock_is_valued_at_each_days_end(history: History) -> None:
    found = await history.look()

    assert [day.closing_value for day in found.series] == [318, 418, 338, 328, 342, 338, 238, 238, 224, 224]
    valuation = found.valuation
    assert row(valuation.start_quantity, valuation.start_value) == (168, 318)
    assert row(valuation.end_quantity, valuation.end_value) == (121, 224)
    assert valuation.average_value == Decimal("300.6")
    assert found.turns == Decimal("0.6454")  # 194 of 300.6
    assert found.turns_per_year == Decimal("23.5562")
    assert found.days_of_supply == Decimal("21.2281")  # 121 at 5.7 a day


async def test_stock_ages_from_its_latest_receipts_that_stand(history: History) -> None:
    found = await history.look()

    assert [row(b.from_days, b.quantity, b.value) for b in found.ageing if b.quantity] == [
        (0, 68, 118),  # 50 bolts of the later receipt, 18 milk
        (91, 53, 106),
    ]
    assert [row(b.from_days, b.to_days, b.quantity, b.value) for b in found.expiring] == [
        (None, -1, 4, 4),
        (0, 30, 6, 6),
        (31, 60, 0, 0),
        (61, 90, 0, 0),
    ]


async def test_running_out_counts_from_the_day_that_ends_with_nothing(history: History) -> None:
    outs = (await history.look()).stock_outs

    assert (outs.begun, outs.products, outs.days, outs.at_end) == (2, 2, 6, 2)
    assert outs.rate == Decimal("0.15")  # 6 of 4 products on 10 days


async def test_accuracy_is_the_share_of_counted_lines_that_were_right(history: History) -> None:
    accuracy = (await history.look()).count_accuracy

    assert (accuracy.counts, accuracy.lines_counted, accuracy.lines_accurate) == (1, 2, 1)
    assert accuracy.accuracy == Decimal("0.5")
    assert (await history.look(days=(-4, -1))).count_accuracy.accuracy is None


async def test_a_caller_sees_the_locations_of_the_scope_alone(history: History) -> None:
    store = history.site.ids["STORE"]

    scoped, asked = await history.look(scope=frozenset({store})), await history.look(location_id=store)

    assert row(scoped.receipts.value, scoped.issues.value) == (14, 14)
    assert [day.closing_quantity for day in scoped.series] == [0, 0, 0, 0, 7, 7, 7, 7, 0, 0]
    assert scoped.adjustments.by_reason == []
    assert scoped.count_accuracy.accuracy is None
    assert (scoped.stock_outs.begun, scoped.stock_outs.days) == (1, 2)
    assert sum(b.quantity for b in scoped.expiring) == 0
    assert (scoped.series, scoped.ageing, scoped.turns) == (asked.series, asked.ageing, asked.turns)


async def test_a_scope_of_nowhere_is_empty_and_divides_by_nothing(history: History) -> None:
    found = await history.look(scope=frozenset())

    assert (found.turns, found.turns_per_year, found.days_of_supply, found.shrinkage.rate) == (None,) * 4
    assert row(found.stock_outs.rate, found.valuation.average_value) == (None, 0)


@pytest.mark.parametrize(("category", "received", "counted"), [("PARTS", 114, 2), ("FIXINGS", 14, 2)])
async def test_a_category_has_its_subcategories_in_it(
    history: History, category: str, received: int, counted: int
) -> None:
    found = await history.look(category_id=history.site.ids[category])

    assert row(found.receipts.value, found.count_accuracy.lines_counted) == (received, counted)
    assert sum(b.quantity for b in found.expiring) == 0


async def test_what_is_not_the_callers_is_not_there(
    history: History, admin: "asyncpg.Connection[Any]", database: Database
) -> None:
    other = await Site(admin, database).build()
    store = frozenset({history.site.ids["STORE"]})
    for wanted in (
        {"location_id": other.ids["DC"]},
        {"location_id": history.site.ids["DC"], "scope": store},
        {"category_id": new_id()},
        {"location_id": history.site.ids["DC"], "category_id": other.ids["DC"]},
    ):
        with pytest.raises(DomainError) as refused:
            await history.look(**wanted)
        assert refused.value.reason is Reason.NOT_FOUND


async def test_without_dates_the_thirty_days_end_with_the_last_movement(history: History) -> None:
    both = await history.look(days=None)
    store = await history.look(days=None, location_id=history.site.ids["STORE"])

    assert (both.period.from_date, both.period.to_date) == (history.site.day(-29), history.site.day(0))
    assert (store.period.to_date, store.period.days, len(store.series)) == (history.site.day(-2), 30, 30)


async def test_days_are_those_of_the_location_or_of_utc_where_there_are_several(
    admin: "asyncpg.Connection[Any]", database: Database
) -> None:
    made = History(site := await Site(admin, database).build())
    await site.a_location("TOKYO", time_zone="Asia/Tokyo")
    await made.post(-5, "BOLT", 3, at="TOKYO", hour=20)

    tokyo, all_ = await made.look(location_id=site.ids["TOKYO"]), await made.look()

    assert (tokyo.period.time_zone, all_.period.time_zone) == ("Asia/Tokyo", "UTC")
    for found, day in ((tokyo, -4), (all_, -5)):
        assert [d.date for d in found.series if d.receipts_quantity] == [site.day(day)]


async def test_a_reversal_that_was_reversed_leaves_the_original(
    admin: "asyncpg.Connection[Any]", database: Database
) -> None:
    made = History(await Site(admin, database).build())
    received = await made.post(-40, "BOLT", 9)
    await made.undo(await made.undo(received, -40), -40)

    found = await made.look(days=(-45, -1))

    assert row(found.receipts.quantity, found.adjustments.quantity) == (9, 0)
    assert [row(b.from_days, b.quantity) for b in found.ageing if b.quantity] == [(31, 9)]
