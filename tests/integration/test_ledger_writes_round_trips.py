"""What the ledger's write routes cost: statements, and how their reads find their rows."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import date
from decimal import Decimal
from typing import Any

import asyncpg
import msgspec
import pytest

from domain.access.model import Permission
from domain.availability.supplies import SupplyFacts, announce
from domain.ledger.counting_whole import CountedLine, WholeCount, record_count
from domain.ledger.issuing import Issue, IssueLine, Purpose, issue_stock
from domain.ledger.lot_correction import LotMove, move_to_right_lot
from domain.ledger.model import Kind
from domain.ledger.receiving import Goods, GoodsLine, receive_goods
from domain.ledger.reversing import reverse_posting
from domain.replenishment.model import Source
from domain.replenishment.records import NewRecord, create_record, trigger
from infra.availability.supplies import ReceivingSqlWork
from infra.db.pool import Database
from infra.db.work import beginning
from infra.ledger import candidates, counts, goods, lot_moves, originals
from infra.ledger.answers import SqlAnswers
from infra.ledger.counts import CountSqlWork
from infra.ledger.grouping import GroupedLedger
from infra.replenishment.work import ReplenishmentSqlWork
from tests.e2e.ledger_writes.site import Site
from tests.lab import DatabaseUrls
from tests.plans.stock import Stock, make_stock

ADJUST, WRITE = Permission.INVENTORY_ADJUST, Permission.INVENTORY_WRITE


class Desk:
    """The services over one connection, whose statements are counted."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.ledger = GroupedLedger(database)
        self.answers = SqlAnswers(database)
        self.issue_reads = candidates.SqlIssueReads(database)
        self.goods_reads = goods.SqlGoodsReads(database)
        self.reversal_reads = originals.SqlReversalReads(database)
        self.lot_move_reads = lot_moves.SqlLotMoveReads(database)
        self.begin_lots = beginning(database, ReceivingSqlWork)
        self.begin_count = beginning(database, CountSqlWork)

    @asynccontextmanager
    async def counted(self, site: Site) -> AsyncGenerator[list[str]]:
        """The statements that are sent meanwhile."""
        sent: list[str] = []
        async with self.database.bound(site.tenant_id) as driver:
            connection = driver._con  # type: ignore[attr-defined]

        def note(query: Any) -> None:
            if "pg_catalog" not in query.query and "current_setting('jit')" not in query.query:
                sent.append(query.query)  # and not what the driver asks once about types

        connection.add_query_logger(note)
        try:
            yield sent
        finally:
            connection.remove_query_logger(note)


@pytest.fixture(scope="module")
async def admin(database_urls: DatabaseUrls) -> AsyncGenerator["asyncpg.Connection[Any]"]:
    connection = await asyncpg.connect(database_urls.admin_url)
    yield connection
    await connection.close()


@pytest.fixture(scope="module")
async def database(database_urls: DatabaseUrls) -> AsyncGenerator[Database]:
    database = await Database.connect(database_urls.app_url, size=1)
    yield database
    await database.close()


@pytest.fixture
async def site(admin: "asyncpg.Connection[Any]", database: Database) -> Site:
    return await Site(admin, database).build()


def some_goods(site: Site, sku: str, *, lot_number: str | None = None, expires_on: date | None = None) -> Goods:
    line = GoodsLine(product_id=site.ids[sku], quantity=Decimal(5), lot_number=lot_number, expires_on=expires_on)
    return Goods(kind=Kind.RECEIPT, location_id=site.ids["DC"], lines=[line], source_type="RECEIPT")


async def test_a_receipt_and_an_issue_are_two_statements_each_under_a_key_or_not(
    database: Database, site: Site
) -> None:
    desk = Desk(database)
    issue = Issue(
        location_id=site.ids["DC"],
        purpose=Purpose.CUSTOMER,
        lines=[IssueLine(product_id=site.ids["BOLT"], quantity=Decimal(2))],
    )
    for key in (None, "a key"):
        act = site.act(WRITE, key=key)
        async with desk.counted(site) as sent:
            await receive_goods(
                desk.goods_reads,
                desk.answers,
                desk.ledger,
                desk.begin_lots,
                act=act,
                goods=some_goods(site, "BOLT"),
            )
        assert len(sent) == 2, sent

        act = site.act(WRITE, key=key and f"{key} of an issue")
        async with desk.counted(site) as sent:
            await issue_stock(desk.issue_reads, desk.answers, desk.ledger, act=act, issue=issue)
        assert len(sent) == 2, sent


async def test_a_new_lot_adds_one_transaction_of_five(database: Database, site: Site) -> None:
    desk = Desk(database)
    milk = some_goods(site, "MILK", lot_number="M-1", expires_on=site.day(30))

    async with desk.counted(site) as sent:
        await receive_goods(
            desk.goods_reads,
            desk.answers,
            desk.ledger,
            desk.begin_lots,
            act=site.act(WRITE, key="a lot"),
            goods=milk,
        )

    # read; BEGIN, who acts, the lots, post, COMMIT
    assert len(sent) == 6, sent


async def test_a_supply_adds_four_to_the_transaction_and_a_record_costs_only_what_is_ordered_for_one(
    database: Database, site: Site
) -> None:
    desk = Desk(database)
    act, planner = site.act(WRITE), site.act(Permission.REPLENISHMENT_WRITE)
    facts = SupplyFacts(
        product_id=site.ids["BOLT"], location_id=site.ids["DC"], quantity=Decimal(5), due_on=site.day(3)
    )
    async with beginning(database, ReceivingSqlWork)(act) as work:
        alone = (await announce(work, act=act, supply=facts)).id
    new = NewRecord(
        product_id=site.ids["BOLT"], location_id=site.ids["DC"], quantity=Decimal(10), source=Source.SUPPLIER
    )
    async with beginning(database, ReplenishmentSqlWork)(planner) as planned:
        made = await create_record(planned, act=planner, new=new)
        record = await trigger(planned, act=planner, record_id=made.id, comment=None, expected_version=None)

    counts = []
    for supply_id in (alone, record.supply_id, record.supply_id):
        goods = some_goods(site, "BOLT")
        goods = msgspec.structs.replace(
            goods, lines=[msgspec.structs.replace(goods.lines[0], supply_id=supply_id)]
        )
        async with desk.counted(site) as sent:
            await receive_goods(desk.goods_reads, desk.answers, desk.ledger, desk.begin_lots, act=act, goods=goods)
        counts.append(len(sent))

    # read; BEGIN, who acts, lock, post, store, view, event, COMMIT. That ends one of them; the first part of the
    # other ends none; the rest of it has the record found, locked, moved, seen, its step and its event written.
    assert counts == [9, 9, 9 + 6]


async def test_a_reversal_and_a_lot_correction_are_two_statements_each(database: Database, site: Site) -> None:
    desk = Desk(database)
    for number in ("A", "B"):
        await site.a_lot("MILK", number, expires_in=30)
    line = await site.put("MILK", 5, lot="A")
    posted = await site.move(line, -1)

    async with desk.counted(site) as sent:
        await reverse_posting(
            desk.reversal_reads, desk.answers, desk.ledger, act=site.act(ADJUST), posting_id=posted.posting_id
        )
    assert len(sent) == 2, sent

    move = LotMove(line_id=line, quantity=Decimal(2), to_lot_number="B")
    async with desk.counted(site) as sent:
        await move_to_right_lot(
            desk.lot_move_reads, desk.answers, desk.ledger, desk.begin_lots, act=site.act(ADJUST), move=move
        )
    assert len(sent) == 2, sent


async def test_a_count_is_one_read_and_one_posting_in_a_transaction(database: Database, site: Site) -> None:
    desk = Desk(database)
    await site.put("BOLT", 5)
    act = site.act(ADJUST)
    count = WholeCount(
        product_id=site.ids["BOLT"],
        location_id=site.ids["DC"],
        complete=True,
        lines=[CountedLine(bin_id=site.ids["DC/MAIN"], counted=Decimal(4))],
    )

    async with desk.counted(site) as sent, desk.begin_count(act) as work:
        await record_count(work, act=act, count=count)

    # BEGIN, who acts, read, SAVEPOINT, post, RELEASE, COMMIT
    assert len(sent) == 7, sent


KEYS = """
    INSERT INTO idempotency_keys (tenant_id, principal_id, operation, key, fingerprint, status)
    SELECT $1, $1, 'test', 'key ' || n, '', 200 FROM generate_series(1, 5000) n
"""


@pytest.fixture(scope="module")
async def stock(database_urls: DatabaseUrls) -> Stock:
    made = await make_stock(database_urls.admin_url, 40_000)
    connection = await asyncpg.connect(database_urls.admin_url)
    await connection.execute(KEYS, made.tenant_id)
    await connection.execute("ANALYZE idempotency_keys")
    await connection.close()
    return made


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize("read", ["issue", "receipt", "count", "reversal", "lot move"])
async def test_no_read_grows_with_the_table(
    database_urls: DatabaseUrls, stock: Stock, read: str, mode: str
) -> None:
    key = (stock.tenant_id, stock.tenant_id, "test", "key")
    location = stock.locations[0]
    bin_ids, lot_ids, product_ids = [stock.bin_id], [stock.lot_id], [stock.product_id]
    at = await _a_week_ago(database_urls)
    arguments: dict[str, tuple[str, tuple[Any, ...]]] = {
        "issue": (
            candidates.FACTS,
            (*key, location, product_ids, [stock.line_id], bin_ids, lot_ids, True, None),
        ),
        "receipt": (
            goods.FACTS,
            (*key, location, product_ids, ["LOT-1"], lot_ids, bin_ids, True, None),
        ),
        "count": (
            counts.FACTS,
            (stock.tenant_id, stock.product_id, location, at, ["", "LOT-1"], bin_ids),
        ),
        "reversal": (originals.FACTS, (*key, stock.posting_id)),
        "lot move": (lot_moves.FACTS, (*key, stock.line_id, stock.lot_id, None)),
    }
    statement, given = arguments[read]
    connection = await asyncpg.connect(database_urls.app_url, server_settings={"plan_cache_mode": mode})
    await connection.execute("SELECT set_config('app.tenant', $1, false)", str(stock.tenant_id))
    try:
        plan = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", *given)
    finally:
        await connection.close()

    scans = list(_scans(msgspec.json.decode(plan)[0]["Plan"]))
    assert scans
    assert {s["Relation Name"] for s in scans if s["Node Type"] == "Seq Scan"}.isdisjoint(LARGE)
    assert max(scan["Actual Rows"] * scan["Actual Loops"] for scan in scans) < 500


LARGE = {"stock_lines", "movements", "postings", "products", "lots", "bins", "idempotency_keys"}


async def _a_week_ago(urls: DatabaseUrls) -> Any:
    connection = await asyncpg.connect(urls.admin_url)
    try:
        return await connection.fetchval("SELECT now() - interval '7 days'")
    finally:
        await connection.close()


def _scans(plan: dict[str, Any]) -> Any:
    if "Relation Name" in plan:
        yield plan
    for below in plan.get("Plans", []):
        yield from _scans(below)
