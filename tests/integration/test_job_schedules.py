"""Regular work: each turn of each tenant is taken once, and what is to be done is done."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

from domain.jobs.model import JobState
from domain.jobs.rules import FIRST_DELAY, LONGEST_DELAY, retry_delay
from domain.ledger.model import Entry, Kind, Posted, Posting
from domain.values import new_id
from infra.access.provision import create_tenant
from infra.access.store import SqlAccess
from infra.authz.lazy import LazyPolicy
from infra.jobs.handlers import system_handlers
from infra.jobs.operating import run_job
from infra.jobs.regular import REGULAR, Regular, next_turn
from infra.jobs.schedules import Scheduler
from infra.ledger.post import post
from tests.e2e.api.company import found_company
from tests.jobs_lab import Shop, a_shop
from tests.lab import DatabaseUrls
from tests.neighbours import insert

type Connection = asyncpg.Connection[Any]

BY_TYPE = {work.type: work for work in REGULAR}
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)  # a Friday
ALWAYS = {"ledger-verify", "abc-run"}
"""What is done whenever its turn comes, whether it finds anything or not."""


@pytest.fixture(scope="module")
async def shop(database_urls: DatabaseUrls) -> AsyncGenerator[Shop]:
    async with a_shop(database_urls, "regular") as made:
        yield made


@pytest.fixture
async def admin(shop: Shop) -> AsyncGenerator[Connection]:
    connection = await asyncpg.connect(shop.urls.admin_url)
    await connection.execute("SELECT set_config('app.tenant', $1, false)", str(shop.tenant_id))
    yield connection
    await connection.close()


async def done(shop: Shop, type_: str) -> dict[str, Any]:
    """What regular work found, asked for by hand."""
    policy = LazyPolicy(SqlAccess(shop.database))
    async with shop.working(system_handlers(shop.database, policy)):
        id_ = await run_job(shop.urls.app_url, shop.urls.admin_url, tenant=shop.slug, type_=type_)
        job = await shop.until(id_)
    assert (job.state, job.error) == (JobState.SUCCEEDED, None)
    assert job.result is not None
    return dict(job.result)


@pytest.mark.parametrize(
    ("work", "after"),
    [
        (BY_TYPE["request-escalation"], NOON + timedelta(minutes=5)),
        (BY_TYPE["ledger-verify"], datetime(2026, 11, 21, 2, tzinfo=UTC)),
        (BY_TYPE["abc-run"], datetime(2026, 11, 22, 2, tzinfo=UTC)),
    ],
    ids=["every so often", "every night", "on the night of a day of the week"],
)
def test_the_next_turn_follows_from_the_clock(work: Regular, after: datetime) -> None:
    assert next_turn(work, NOON, night_hour=2) == after


def test_attempts_wait_twice_as_long_each_time_and_never_too_long() -> None:
    assert [retry_delay(n, 0) / FIRST_DELAY for n in (1, 2, 3, 4)] == [1, 2, 4, 8]
    assert retry_delay(1, 1) == FIRST_DELAY / 2
    assert retry_delay(99, 0) == LONGEST_DELAY


async def test_a_turn_is_taken_once_however_many_look(shop: Shop) -> None:
    schedulers = [Scheduler(shop.database) for _ in range(4)]
    assert await schedulers[0].look() == 0, "what has just been made has its first turn to come"
    async with shop.database.unbound() as driver:
        await driver.execute("UPDATE queue.schedules SET next_at = now() - interval '1 hour'")

    taken = await asyncio.gather(*(scheduler.look() for scheduler in schedulers))

    assert sum(taken) == len(REGULAR)
    async with shop.database.bound(shop.tenant_id) as driver:
        rows = await driver.fetch(
            "SELECT type, creator FROM jobs WHERE tenant_id = $1 AND created_by = $1", shop.tenant_id
        )
    assert sorted(row["type"] for row in rows) == sorted(ALWAYS), "nothing is asked for that has nothing to do"
    assert {row["creator"] for row in rows} == {"Storekeeper"}


async def test_an_entry_that_the_queue_has_lost_comes_back(shop: Shop) -> None:
    async with shop.database.unbound() as driver:
        await driver.execute("DELETE FROM queue.pgqueuer")
        await driver.execute("UPDATE queue.schedules SET next_at = now() - interval '1 hour'")

    await Scheduler(shop.database).look()

    assert await shop.entries() == len(ALWAYS)


@pytest.mark.parametrize("work", REGULAR, ids=lambda work: work.type)
async def test_regular_work_with_nothing_to_do_does_nothing(shop: Shop, work: Regular) -> None:
    found = await done(shop, work.type)

    assert not any(value for name, value in found.items() if name not in {"movements", "lines"})


async def test_a_balance_that_has_drifted_is_told_in_the_feed(shop: Shop, admin: Connection) -> None:
    await admin.execute(
        "UPDATE ledger_heads SET quantity_in = quantity_in + 7 WHERE tenant_id = $1", shop.tenant_id
    )
    try:
        found = await done(shop, "ledger-verify")
    finally:
        await admin.execute(
            "UPDATE ledger_heads SET quantity_in = quantity_in - 7 WHERE tenant_id = $1", shop.tenant_id
        )

    assert found["driftCount"] == 2
    told = await admin.fetchval(
        "SELECT count(*) FROM events WHERE tenant_id = $1 AND type = 'ledger.drift_found.v1'", shop.tenant_id
    )
    assert told == 1


async def a_line(admin: Connection, shop: Shop, *, expires_on: object) -> UUID:
    """A stock line of a lot, past the ledger: what it is made of does not matter here."""
    ids = {name: new_id() for name in ("uom", "product", "location", "bin", "lot", "line")}
    mark = ids["product"].hex
    of = {"tenant_id": shop.tenant_id}
    named = {"code": mark, "name": mark}
    for table, row in (
        ("uoms", {"id": ids["uom"], **named}),
        ("products", {"id": ids["product"], "sku": mark, "name": mark, "uom_id": ids["uom"]}),
        ("locations", {"id": ids["location"], **named, "type": "WAREHOUSE", "time_zone": "UTC"}),
        ("bins", {"id": ids["bin"], "location_id": ids["location"], **named, "is_default": True}),
        ("lots", {"id": ids["lot"], "product_id": ids["product"], "number": "L", "expires_on": expires_on}),
    ):
        await insert(admin, table, {**of, **row})
    entry = Entry(
        kind=Kind.OPENING,
        product_id=ids["product"],
        location_id=ids["location"],
        bin_id=ids["bin"],
        lot_id=ids["lot"],
        delta=Decimal(10),
    )
    async with shop.database.bound(shop.tenant_id) as driver:
        (posted,) = await post(driver, [Posting(id=new_id(), kind=Kind.OPENING, entries=(entry,))])
    assert isinstance(posted, Posted)
    return posted.movements[0].line_id


async def test_stock_that_has_expired_is_marked_once(shop: Shop, admin: Connection) -> None:
    yesterday = (await admin.fetchval("SELECT now()")).date() - timedelta(days=1)
    await a_line(admin, shop, expires_on=yesterday)
    await a_line(admin, shop, expires_on=yesterday + timedelta(days=30))

    first = await done(shop, "expiry-marking")
    await admin.execute("UPDATE holds SET state = 'RELEASED' WHERE tenant_id = $1", shop.tenant_id)
    second = await done(shop, "expiry-marking")

    assert first == {"lines": 1, "refused": []}
    assert second == {"lines": 0, "refused": []}, "what somebody has released stays so"


@pytest.fixture(scope="module")
async def company(shop: Shop) -> Shop:
    """A company with something of everything."""
    connection = await asyncpg.connect(shop.urls.admin_url)
    try:
        made = await found_company(connection, "company")
    finally:
        await connection.close()
    return msgspec.structs.replace(shop, tenant_id=made.tenant_id, slug=made.slug)


async def test_a_request_past_its_deadline_is_told_of_once(company: Shop, admin: Connection) -> None:
    await admin.execute(
        "UPDATE stock_request_tiers SET deadline_at = now() - interval '1 hour', escalate_role = 'manager'"
    )
    await admin.execute(
        "UPDATE stock_requests SET deadline_at = now() - interval '1 hour' WHERE state = 'PENDING_APPROVAL'"
    )

    first = await done(company, "request-escalation")
    second = await done(company, "request-escalation")

    waiting = await admin.fetch("SELECT number FROM stock_requests WHERE state = 'PENDING_APPROVAL'")
    assert waiting
    assert sorted(first["requests"]) == sorted(row["number"] for row in waiting)
    assert second == {"requests": []}
    told = await admin.fetchval("SELECT count(*) FROM events WHERE type = 'stock_request.escalated.v1'")
    assert told == len(waiting)


async def test_claims_whose_time_has_run_out_are_let_go(company: Shop, admin: Connection) -> None:
    soft = "state = 'LIVE' AND kind = 'SOFT'"
    lapsed = await admin.execute(f"UPDATE reservations SET expires_at = now() - interval '1 minute' WHERE {soft}")

    found = await done(company, "reservation-sweep")

    assert lapsed != "UPDATE 0"
    assert found["positions"]
    assert await admin.fetchval(f"SELECT count(*) FROM reservations WHERE {soft}") == 0
    assert (await done(company, "ledger-verify"))["driftCount"] == 0


async def test_stocklists_that_are_due_become_requests(company: Shop, admin: Connection) -> None:
    await admin.execute("UPDATE stocklists SET generated_at = now() - interval '400 days'")

    found = await done(company, "stocklist-generation")
    again = await done(company, "stocklist-generation")

    made = await admin.fetchval("SELECT count(*) FROM stock_requests WHERE requester = 'Storekeeper'")
    assert len(found["requestIds"]) == made
    assert again == {"requestIds": [], "refused": []}, "their turn is over"


async def test_what_moved_is_classified_at_each_location_that_has_stock(company: Shop, admin: Connection) -> None:
    found = await done(company, "abc-run")

    runs = await admin.fetchval("SELECT count(*) FROM abc_runs WHERE actor = 'Storekeeper'")
    assert found["locations"] == runs > 0


async def test_a_tenant_whose_turn_breaks_does_not_keep_the_others_from_theirs(shop: Shop) -> None:
    other = await create_tenant(shop.urls.admin_url, "unbroken", "Unbroken")
    breaks = f"SELECT 1 / CASE WHEN $1 = '{shop.tenant_id}'::uuid THEN 0 ELSE 1 END = 1"
    work = msgspec.structs.replace(BY_TYPE["reservation-sweep"], type="breaking", is_due=breaks)
    scheduler = Scheduler(shop.database, regular=[work])
    await scheduler.look()
    async with shop.database.unbound() as driver:
        # The broken one has waited longest.
        await driver.execute(
            "UPDATE queue.schedules SET next_at = now() - CASE tenant_id WHEN $1 THEN 2 ELSE 1 END "
            "* interval '1 hour' WHERE type = 'breaking'",
            shop.tenant_id,
        )

    await scheduler.look()

    async with shop.database.bound(other) as driver:
        asked_for = await driver.fetchval(
            "SELECT count(*) FROM jobs WHERE tenant_id = $1 AND type = 'breaking'", other
        )
    assert asked_for == 1
