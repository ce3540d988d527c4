"""`verify` finds every kind of drift, where it is, and none where there is none."""

import asyncio
import random
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import psutil
import pytest

from domain.errors import DomainError, Reason
from domain.ledger.model import Kind, Posted
from domain.values import new_id
from infra.db.pool import BIND, Database
from infra.db.work import encoded
from infra.ledger import verify as verifying
from infra.ledger.grouping import GroupedLedger
from infra.ledger.verify import Progress, verify
from tests.ledger.builders import Warehouse, a_move, a_posting, a_reversal, a_transfer, a_warehouse, an_entry
from tests.ledger.bulk import a_large_ledger
from tests.ledger.drifts import DRIFTS, ONE_LINE
from tests.ledger.promises import show

type Admin = asyncpg.Connection[Any]

# Of one product at one location, in the order of lots, the first of them of one lot.
SELLABLE = """
    SELECT s.* FROM stock_lines s JOIN bins b ON b.tenant_id = $1 AND b.id = s.bin_id
    WHERE s.tenant_id = $1 AND b.type NOT IN ('HOLD', 'QUARANTINE', 'DAMAGE')
    ORDER BY s.product_id, s.location_id, s.lot_id, s.id LIMIT 4
"""


async def a_ledger_with_history(admin: Admin, database: Database, *, postings: int = 60) -> Warehouse:
    """Receipts, issues, transfers, counts with and without a difference, refusals and a reversal."""
    warehouse = await a_warehouse(admin, products=4, lots=2, locations=2, bins=3)
    ledger, tenant_id, chance = GroupedLedger(database), warehouse.tenant_id, random.Random(3)
    shelves = warehouse.shelves()
    first = await ledger.post(
        a_posting(*(an_entry(s, 50, kind=Kind.RECEIPT) for s in shelves)), tenant_id=tenant_id
    )
    lines = [moved.line_id for moved in first.movements]
    acts = [a_transfer(warehouse.shelf(bin_=0), warehouse.shelf(bin_=1), 5)]
    for _ in range(postings):
        one, other = chance.sample(lines, 2)
        count = an_entry(one, kind=Kind.COUNT, target=chance.choice([50, 49]))
        acts += [
            a_posting(an_entry(one, chance.randint(1, 9)), an_entry(other, -chance.randint(1, 80))),
            a_posting(count, unchanged_ok=True),
        ]
    answers = await ledger.post_many(acts, tenant_id=tenant_id)
    assert any(isinstance(answer, DomainError) for answer in answers)
    posted = [answer for answer in answers if isinstance(answer, Posted) and answer.movements]
    await ledger.post(a_reversal(posted[-1]), tenant_id=tenant_id)
    await _bind(admin, warehouse)
    await ledger.post(a_move(shelves[-1], 1), tenant_id=tenant_id)
    return warehouse


async def _bind(admin: Admin, warehouse: Warehouse) -> None:
    """A promise over two lines, an allocation on a third, a hold on a part of a line and one on a lot."""
    lines = await admin.fetch(SELLABLE, warehouse.tenant_id)
    assert len(lines) == 4
    product, location = lines[0]["product_id"], lines[0]["location_id"]
    what = {"group_id": new_id(), "product_id": product, "location_id": location, "ttl_seconds": 600}
    claims = [
        {
            **what,
            "id": new_id(),
            "kind": kind,
            "quantity": 2 * len(some),
            "lines": [{"line_id": line["id"], "quantity": 2} for line in some],
        }
        for kind, some in (("SOFT", lines[:2]), ("HARD", lines[2:3]))
    ]
    hold = {"type": "QUALITY", "reason": "Looked at"}
    holds = [
        {**hold, "id": new_id(), "scope": "LINE", "line_id": lines[0]["id"], "quantity": 3},
        {**hold, "id": new_id(), "scope": "LOT", "lot_id": lines[3]["lot_id"]},
    ]
    await admin.execute(BIND, str(warehouse.tenant_id))
    await admin.execute("SELECT claim_make($1::text::jsonb, '{}')", encoded(claims))
    for one in holds:
        await admin.execute("SELECT hold_change($1::text::jsonb, '{}')", encoded(one))


@pytest.fixture(params=[None, 7], ids=["one range", "many ranges"])
def ranges(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same with ranges so small that everything lies at an edge of one."""
    if request.param:
        monkeypatch.setattr(verifying, "RANGE", request.param)
        monkeypatch.setattr(verifying, "LINES_A_RANGE", 3)
        monkeypatch.setattr(verifying, "PRODUCTS_A_RANGE", 1)


async def inject(admin: Admin, statement: str, tenant_id: UUID) -> None:
    """Change the books as only a superuser can who puts the guards to sleep."""
    async with admin.transaction():
        await admin.execute("SET LOCAL session_replication_role = replica")
        status = await admin.execute(statement, tenant_id)
    assert not status.endswith(" 0"), "nothing was injected"


async def whats(where: Admin, tenant_id: UUID) -> set[str]:
    return {drift.what for drift in (await verify(where, tenant_id)).drifts}


@pytest.mark.usefixtures("ranges")
async def test_no_drift_is_found_where_there_is_none(admin: Admin, database: Database) -> None:
    warehouse = await a_ledger_with_history(admin, database)

    report = await verify(admin, warehouse.tenant_id)

    assert report.drifts == ()
    assert report.is_clean
    expected = await admin.fetchrow(
        """
        SELECT (SELECT count(*) FROM stock_lines WHERE tenant_id = $1) AS lines,
            (SELECT count(*) FROM postings WHERE tenant_id = $1) AS postings,
            (SELECT count(*) FROM movements WHERE tenant_id = $1) AS movements,
            (SELECT count(*) FROM events WHERE tenant_id = $1) AS events
        """,
        warehouse.tenant_id,
    )
    found = msgspec.structs.asdict(report)
    assert expected is not None
    assert dict(expected) == {name: found[name] for name in ("lines", "postings", "movements", "events")}


@pytest.mark.usefixtures("ranges")
@pytest.mark.parametrize("name", DRIFTS)
async def test_drift_is_found(admin: Admin, database: Database, name: str) -> None:
    statement, expected = DRIFTS[name]
    warehouse = await a_ledger_with_history(admin, database)
    await inject(admin, statement, warehouse.tenant_id)

    found = await whats(admin, warehouse.tenant_id)

    assert found >= expected


@pytest.mark.usefixtures("ranges")
async def test_movements_in_each_others_place_are_found(admin: Admin, database: Database) -> None:
    warehouse = await a_ledger_with_history(admin, database)
    tenant_id = warehouse.tenant_id
    last = await admin.fetchval("SELECT position FROM ledger_heads WHERE tenant_id = $1", tenant_id)
    for old, new in ((6, -1), (last, 6), (-1, last)):
        move = f"UPDATE movements SET position = {new} WHERE tenant_id = $1 AND position = {old}"
        await inject(admin, move, tenant_id)

    assert await whats(admin, tenant_id) >= {"posting.first_position", "posting.scattered"}


async def test_a_drift_names_the_line_and_both_figures(admin: Admin, database: Database) -> None:
    warehouse = await a_ledger_with_history(admin, database)
    line_id = await admin.fetchval(f"SELECT {ONE_LINE}", warehouse.tenant_id)
    right = await admin.fetchval("SELECT on_hand FROM stock_lines WHERE id = $1", line_id)
    await inject(admin, DRIFTS["a balance"][0], warehouse.tenant_id)

    report = await verify(admin, warehouse.tenant_id)

    (drift,) = [drift for drift in report.drifts if drift.what == "line.on_hand"]
    assert (drift.key, drift.expected, drift.found) == (str(line_id), str(right), str(right + 1))


async def test_all_tenants_are_read_and_only_the_bad_one_is_named(
    admin: Admin, database: Database, database_urls: Any
) -> None:
    good, bad = [await a_ledger_with_history(admin, database) for _ in range(2)]
    before = await verify(database_urls.admin_url)
    await inject(admin, DRIFTS["the head's quantity_out"][0], bad.tenant_id)

    report = await verify(database_urls.admin_url)

    assert report.tenants == before.tenants >= 2
    new = set(report.drifts) - set(before.drifts)
    assert {drift.tenant_id for drift in new} == {bad.tenant_id}
    assert good.tenant_id not in {drift.tenant_id for drift in report.drifts}


async def test_the_application_may_verify_one_tenant_and_not_all(admin: Admin, database: Database) -> None:
    warehouse = await a_ledger_with_history(admin, database)
    other = await a_ledger_with_history(admin, database)
    async with database.bound(other.tenant_id) as driver:
        report = await verify(driver, warehouse.tenant_id)

        assert report.is_clean
        assert report.movements > 0
        with pytest.raises(DomainError) as refused:
            await verify(driver)
        assert refused.value.reason is Reason.PERMISSION_DENIED
        # The connection is still bound to whom it was bound to.
        assert await driver.fetchval("SELECT current_setting('app.tenant')") == str(other.tenant_id)


@pytest.mark.usefixtures("ranges")
async def test_it_runs_beside_the_traffic(admin: Admin, database: Database, database_urls: Any) -> None:
    warehouse = await a_ledger_with_history(admin, database)
    ledger, shelves = GroupedLedger(database), warehouse.shelves()
    is_over = asyncio.Event()

    async def write() -> None:
        while not is_over.is_set():
            await asyncio.gather(
                *(ledger.post(a_move(shelf, 1), tenant_id=warehouse.tenant_id) for shelf in shelves[:8])
            )

    writer = asyncio.create_task(write())
    reports = [await verify(database_urls.admin_url, warehouse.tenant_id) for _ in range(3)]
    is_over.set()
    await writer

    assert [report.drifts for report in reports] == [(), (), ()]
    assert reports[0].movements < reports[-1].movements


@pytest.mark.parametrize(
    ("movements", "lines"), [(30_000, 1_000), pytest.param(1_000_000, 50_000, marks=pytest.mark.long)]
)
async def test_a_hundred_drifts_are_found_in_a_large_ledger_in_flat_memory(
    admin: Admin, database_urls: Any, movements: int, lines: int
) -> None:
    warehouse = await a_large_ledger(admin, movements=movements, lines=lines)
    told: list[Progress] = []
    process = psutil.Process()

    clean = await verify(database_urls.admin_url, warehouse.tenant_id, told.append)
    before = process.memory_info().rss
    positions = random.Random(5).sample(range(1, lines), 100)  # each on a line of its own
    await inject(
        admin,
        f"UPDATE movements SET delta = delta + 1 WHERE tenant_id = $1 AND position IN ({str(positions)[1:-1]})",
        warehouse.tenant_id,
    )
    dirty = await verify(database_urls.admin_url, warehouse.tenant_id)
    grown = process.memory_info().rss - before

    assert clean.drifts == ()
    assert clean.movements == movements
    assert {(step.step, step.done) for step in told} >= {
        ("movements by line", movements),
        ("movements by position", movements),
        ("events", movements // 5),
    }
    where = "tenant_id = $1 AND position = ANY ($2)"
    altered = await admin.fetch(f"SELECT line_id FROM movements WHERE {where}", warehouse.tenant_id, positions)
    named = {drift.key.split()[0] for drift in dirty.drifts if drift.what == "movement.balance_after"}
    assert named == {str(row["line_id"]) for row in altered}
    assert clean.seconds <= 60 * movements / 1_000_000 + 5
    show(
        "P-04",
        movements=movements,
        seconds=round(clean.seconds, 2),
        movements_a_minute=round(movements / clean.seconds * 60),
        drifts_found=len(named),
        drifts_injected=len(positions),
        memory_grown_mib=round(grown / 2**20, 1),
    )
    assert grown < 16 * 2**20
