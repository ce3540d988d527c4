"""Housekeeping: what is no longer kept goes, and nothing that is younger, at work, or somebody else's."""

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

from domain.errors import DomainError, Reason
from domain.imports.model import FileKind
from domain.jobs.model import JobState
from domain.values import new_id
from infra.access.provision import create_tenant
from infra.access.store import SqlAccess
from infra.authz.lazy import LazyPolicy
from infra.db.pool import Database
from infra.imports.reads import SqlImportReads
from infra.jobs.handlers import system_handlers
from infra.jobs.housekeeping import AT_ONCE, IS_LITTERED, JOBS
from tests.imports_lab import Site, a_record
from tests.jobs_lab import Shop
from tests.lab import DatabaseUrls
from tests.ledger.conftest import admin, database
from tests.neighbours import insert, settle

__all__ = ["admin", "database"]
type Connection = asyncpg.Connection[Any]

KEPT = 90
LITTER = ("jobs", "imports", "importFiles", "deadLetters", "deliveryAttempts", "idempotencyKeys", "sessions")
IN_LITTER = (
    *("jobs", "imports", "import_files", "webhook_deliveries", "webhook_attempts", "idempotency_keys"),
    "sessions",
)
TABLES = (
    *("idempotency_keys", "import_files", "import_layers", "import_rows", "imports", "jobs", "sessions"),
    *("webhook_attempts", "webhook_deliveries"),
)
A_JOB = """
    INSERT INTO jobs (tenant_id, id, type, description, arguments, attempts_max, created_by, creator, permission,
        request_id, state, is_dead, created_at, completed_at)
    SELECT $1, $2, 't', 'D', '{}', 1, $1, 'C', 'inventory.read', 'r', $4, $5, at,
        CASE WHEN $4 NOT IN ('QUEUED', 'RUNNING') THEN at END
    FROM (SELECT now() - make_interval(days => $3) AS at) t
"""
AGED = """
    UPDATE jobs SET state = 'SUCCEEDED', completed_at = now() - {days} WHERE tenant_id = {tenant};
    UPDATE imports SET created_at = now() - {days} WHERE tenant_id = {tenant};
    UPDATE import_files SET created_at = now() - {days} WHERE tenant_id = {tenant};
    UPDATE webhook_deliveries SET updated_at = now() - {days} WHERE tenant_id = {tenant};
    UPDATE idempotency_keys SET created_at = now() - {days} WHERE tenant_id = {tenant};
    UPDATE sessions SET expires_at = now() - {days}, created_at = now() - {days} WHERE tenant_id = {tenant};
    UPDATE webhook_attempts SET id = (
        lpad(to_hex((extract(epoch FROM now() - {days}) * 1000)::bigint), 12, '0')
            || '7' || substr(md5(id::text), 1, 19)
    )::uuid WHERE tenant_id = {tenant};
"""


class House(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant with something of everything, and a worker."""

    shop: Shop
    admin: Any

    @property
    def tenant_id(self) -> UUID:
        return self.shop.tenant_id

    def of(self, tenant_id: UUID) -> "House":
        return House(shop=msgspec.structs.replace(self.shop, tenant_id=tenant_id), admin=self.admin)

    async def aged(self, days: int) -> None:
        """All that it has is so many days old, and its jobs have ended."""
        await self.admin.execute(AGED.format(days=f"interval '{days} days'", tenant=f"'{self.tenant_id}'"))

    async def kept(self) -> dict[str, int]:
        of = "WHERE tenant_id = $1 AND ($2 <> 'jobs' OR to_jsonb(t) ->> 'type' <> 'housekeeping')"
        return {
            table: await self.admin.fetchval(f"SELECT count(*) FROM {table} t {of}", self.tenant_id, table)
            for table in TABLES
        }

    async def tidied(self) -> dict[str, int]:
        """What the worker has removed."""
        job = await self.shop.until(await self.shop.ask("housekeeping"))
        assert (job.state, job.error) == (JobState.SUCCEEDED, None)
        assert job.result is not None
        assert job.result.keys() == set(LITTER)
        return {name: count for name, count in job.result.items() if count}

    async def a_job(self, days: int, state: str = "SUCCEEDED", *, is_dead: bool = False) -> UUID:
        """One that ended so many days ago, or was asked for then and has not ended."""
        id_ = new_id()
        await self.admin.execute(A_JOB, self.tenant_id, id_, days, state, is_dead)
        return id_

    async def jobs(self) -> set[UUID]:
        rows = await self.admin.fetch("SELECT id FROM jobs WHERE tenant_id = $1 AND type = 't'", self.tenant_id)
        return {row["id"] for row in rows}

    async def set_retention(self, days: int) -> None:
        settings = json.dumps({"jobRetentionDays": days})
        await self.admin.execute("UPDATE tenants SET settings = $2 WHERE id = $1", self.tenant_id, settings)


@pytest.fixture(scope="module")
async def shop(database_urls: DatabaseUrls, database: Database) -> AsyncGenerator[Shop]:
    shop = Shop(database=database, urls=database_urls, tenant_id=new_id())
    async with shop.working(system_handlers(database, LazyPolicy(SqlAccess(database)))):
        yield shop


@pytest.fixture
async def house(shop: Shop, admin: Connection, database: Database) -> House:
    return House(shop=shop, admin=admin).of((await settle(shop.urls.admin_url, database, new_id().hex)).tenant_id)


async def site_of(house: House, database: Database) -> Site:
    """A tenant to import into, whose house is kept."""
    return await Site.made(house.admin, database)


async def old(house: House, job_id: UUID, *, ended: bool = True) -> None:
    """An import that is no longer kept, and its job, which has ended or is to be done once more."""
    await house.admin.execute(
        "UPDATE imports SET created_at = now() - interval '91 days' WHERE job_id = $1", job_id
    )
    await house.admin.execute(
        """
        UPDATE jobs SET state = CASE WHEN $2 THEN 'SUCCEEDED' ELSE 'QUEUED' END,
            completed_at = CASE WHEN $2 THEN now() - interval '91 days' END
        WHERE id = $1
        """,
        job_id,
        ended,
    )


async def left_of(house: House, job_id: UUID) -> tuple[str, int, int]:
    row = await house.admin.fetchrow(
        """
        SELECT (SELECT kept FROM imports WHERE job_id = $1), (SELECT count(*) FROM import_rows WHERE job_id = $1),
            (SELECT count(*) FROM import_layers WHERE job_id = $1)
        """,
        job_id,
    )
    return row[0], row[1], row[2]


@pytest.fixture
async def bare(shop: Shop, admin: Connection) -> House:
    slug = new_id().hex
    return House(shop=shop, admin=admin).of(await create_tenant(shop.urls.admin_url, slug, slug))


async def test_what_is_old_goes_and_nobody_elses(house: House, shop: Shop, database: Database) -> None:
    other = house.of((await settle(shop.urls.admin_url, database, new_id().hex)).tenant_id)
    for one in (house, other):
        await one.aged(KEPT + 1)
    before, theirs = await house.kept(), await other.kept()

    removed = await house.tidied()
    again = await house.tidied()

    assert all(before.values()), "there is something of everything"
    assert removed == {name: before[table] for name, table in zip(LITTER, IN_LITTER, strict=True)}
    assert await house.kept() == {**dict.fromkeys(TABLES, 0), "imports": before["imports"]}, "summaries stay"
    assert again == {}
    assert await other.kept() == theirs


async def test_what_is_younger_stays(house: House) -> None:
    await house.aged(KEPT - 1)
    await house.admin.execute(
        "UPDATE idempotency_keys SET created_at = now() - interval '29 days' WHERE tenant_id = $1", house.tenant_id
    )
    before = await house.kept()

    assert await house.tidied() == {}
    assert await house.kept() == before


async def test_a_tenant_may_keep_it_for_longer(house: House) -> None:
    await house.aged(KEPT + 1)
    await house.set_retention(KEPT + 2)

    assert (await house.tidied()).keys() == {"idempotencyKeys", "sessions"}, "which are not the setting's"


async def test_jobs_that_have_not_ended_stay_however_old_they_are(bare: House) -> None:
    live = {await bare.a_job(4_000, state) for state in ("QUEUED", "RUNNING")}
    young = {await bare.a_job(KEPT - 1, "FAILED", is_dead=True)}
    for state in ("SUCCEEDED", "FAILED", "CANCELED"):
        await bare.a_job(KEPT + 1, state)
    await bare.a_job(KEPT + 1, "FAILED", is_dead=True)

    removed = await bare.tidied()

    assert removed["jobs"] == 4
    assert await bare.jobs() == live | young


async def test_a_job_that_somebody_is_at_stays(bare: House) -> None:
    held, free = await bare.a_job(KEPT + 1, "FAILED"), await bare.a_job(KEPT + 1)
    connection = await asyncpg.connect(bare.shop.urls.admin_url)
    try:
        async with connection.transaction():
            await connection.execute("SELECT FROM jobs WHERE id = $1 FOR UPDATE", held)
            first = await bare.tidied()
    finally:
        await connection.close()

    assert first["jobs"] == 1
    assert held in await bare.jobs()
    assert free not in await bare.jobs()


async def test_the_database_lets_nothing_go_that_has_not_ended(house: House, database: Database) -> None:
    live, old_one = await house.a_job(4_000, "RUNNING"), await house.a_job(31)
    await house.admin.execute(
        "UPDATE idempotency_keys SET created_at = now() - interval '29 days' WHERE tenant_id = $1",
        house.tenant_id,
    )
    before = await house.kept()

    async with database.bound(house.tenant_id) as driver:
        for table in ("idempotency_keys", "import_files", "jobs", "sessions"):
            await driver.execute(f"DELETE FROM {table} WHERE tenant_id = $1", house.tenant_id)

    assert await house.kept() == {**before, "jobs": before["jobs"] - 1}
    assert live in await house.jobs()
    assert old_one not in await house.jobs()


async def test_that_they_are_gone_is_not_told_in_the_trail(house: House) -> None:
    await house.aged(KEPT + 1)

    await house.tidied()

    told = await house.admin.fetch(
        "SELECT action FROM audit_log WHERE tenant_id = $1 AND entity_type IN ('job', 'session', 'import')",
        house.tenant_id,
    )
    assert {row["action"] for row in told} == {"job.created", "import.created", "session.created"}


async def test_very_many_go_a_part_at_a_time(bare: House) -> None:
    await bare.admin.execute(
        """
        INSERT INTO idempotency_keys (tenant_id, principal_id, operation, key, fingerprint, created_at)
        SELECT $1, $1, 'op', n::text, '', now() - interval '31 days' FROM generate_series(1, $2::int) n
        """,
        bare.tenant_id,
        2 * AT_ONCE + 1,
    )
    for _ in range(3):
        await bare.a_job(KEPT + 1)

    async with bare.shop.database.bound(bare.tenant_id) as driver:
        part = await driver.execute(msgspec.structs.replace(JOBS, at_once=2).remove, bare.tenant_id)
    removed = await bare.tidied()

    assert part == "DELETE 2"
    assert removed == {"jobs": 1, "idempotencyKeys": 2 * AT_ONCE + 1}


async def test_two_at_the_same_time_do_not_hinder_each_other(house: House) -> None:
    await house.aged(KEPT + 1)
    before = await house.kept()

    found = await asyncio.gather(house.tidied(), house.tidied())

    assert sum(one.get("jobs", 0) for one in found) == before["jobs"]
    assert await house.kept() == {**dict.fromkeys(TABLES, 0), "imports": before["imports"]}


async def test_it_is_due_only_where_something_is_old(house: House, database: Database) -> None:
    async def is_due() -> bool:
        async with database.bound(house.tenant_id) as driver:
            found: bool = await driver.fetchval(IS_LITTERED, house.tenant_id)
            return found

    before = await is_due()
    await house.aged(KEPT + 1)
    littered = await is_due()
    await house.tidied()

    assert (before, littered, await is_due()) == (False, True, False)


async def test_an_import_whose_rows_are_gone_is_not_undone_and_keeps_its_summary(
    bare: House, database: Database
) -> None:
    site = await site_of(bare, database)
    before, young = await site.imported(a_record(0, 10)), await site.imported(a_record(1, 5))
    await old(bare, before.job_id)

    removed = await bare.of(site.tenant_id).tidied()
    with pytest.raises(DomainError) as refused:
        await site.undone(before.job_id)
    status = await SqlImportReads(database).status(site.act(), before.job_id)

    assert removed == {"jobs": 1, "imports": 1}
    assert await left_of(bare, before.job_id) == ("SUMMARY", 0, 0)
    assert refused.value.reason is Reason.INVALID_TRANSITION
    assert (refused.value.facts["state"], refused.value.facts["allowedActions"]) == ("NO_LONGER_KEPT", [])
    assert status is not None
    assert (status.state, status.created, status.is_kept, status.can_undo, status.files) == (
        *("SUCCEEDED", 1, False, False),
        (),
    )
    assert (await site.of(0)).on_hand == 10, "the stock is none of its business"
    assert (await site.undone(young.job_id)).restored == 1


async def test_an_import_that_was_left_half_empty_is_not_undone_and_is_emptied(
    bare: House, database: Database
) -> None:
    site = await site_of(bare, database)
    half = await site.imported(a_record(0, 10))
    await old(bare, half.job_id)
    await bare.admin.execute("UPDATE imports SET kept = 'GOING' WHERE job_id = $1", half.job_id)
    await bare.admin.execute("DELETE FROM import_layers WHERE job_id = $1", half.job_id)

    with pytest.raises(DomainError) as refused:
        await site.undone(half.job_id)
    status = await SqlImportReads(database).status(site.act(), half.job_id)
    await bare.of(site.tenant_id).tidied()

    assert refused.value.facts["state"] == "NO_LONGER_KEPT"
    assert status is not None
    assert FileKind.STAGING not in status.files
    assert await left_of(bare, half.job_id) == ("SUMMARY", 0, 0)


async def test_an_import_stays_as_long_as_its_job(bare: House, database: Database) -> None:
    site = await site_of(bare, database)
    mine = bare.of(site.tenant_id)
    job_id = (await site.imported(a_record(0, 10))).job_id
    file = {"tenant_id": site.tenant_id, "job_id": job_id, "name": "a", "content": b"a"}
    await insert(bare.admin, "import_files", file)
    await bare.admin.execute("UPDATE import_files SET created_at = now() - interval '91 days'")
    await old(bare, job_id, ended=False)

    before = await mine.tidied()
    await old(bare, job_id)
    after = await mine.tidied()

    assert before == {}
    assert after == {"jobs": 1, "imports": 1, "importFiles": 1}


async def test_what_still_waits_to_be_delivered_stays(house: House) -> None:
    await house.aged(KEPT + 1)
    await house.admin.execute(
        "UPDATE webhook_deliveries SET state = 'PENDING' WHERE tenant_id = $1", house.tenant_id
    )

    removed = await house.tidied()

    assert "deadLetters" not in removed
    assert (await house.kept())["webhook_deliveries"] == 1
