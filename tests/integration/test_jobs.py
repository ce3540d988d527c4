"""Jobs: asked for in a transaction, done after it, and written down to their end."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

from domain.access.model import Permission
from domain.errors import DomainError, Reason
from domain.jobs.model import JobState
from domain.jobs.ports import Running, Superseded
from domain.jobs.service import cancel_job
from domain.values import new_id
from infra.access.provision import create_api_key, create_user, grant, revoke_api_key
from infra.db.errors import AWAY
from infra.db.work import SqlWork, beginning
from infra.jobs import runner as runner_module
from infra.jobs.attempts import SqlAttempts
from infra.jobs.work import JobSqlWork
from tests.jobs_lab import Shop, a_shop
from tests.lab import DatabaseUrls


@pytest.fixture(scope="module")
async def shop(database_urls: DatabaseUrls) -> AsyncGenerator[Shop]:
    async with a_shop(database_urls) as made:
        yield made


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts follow at once: how long they would wait is a pure function, tested elsewhere."""
    monkeypatch.setattr(runner_module, "retry_delay", lambda *_: timedelta(0))


async def echo(running: Running) -> Mapping[str, Any]:
    await running.step("thinking", 1, 2)
    return {"said": running.job.arguments["say"], "by": running.act.caller.actor}


async def test_a_job_is_done_after_the_transaction_that_asked_for_it(shop: Shop) -> None:
    async with shop.working({"echo": echo}):
        id_ = await shop.ask("echo", {"say": "hello"})
        job = await shop.until(id_)
        await shop.until_empty()

    assert job.state is JobState.SUCCEEDED
    assert job.result == {"said": "hello", "by": "Storekeeper"}
    assert (job.completed_steps, job.total_steps, job.attempt) == (2, 2, 1)
    assert job.started_at is not None
    assert job.completed_at is not None


async def test_a_transaction_that_is_rolled_back_asks_for_nothing(shop: Shop) -> None:
    id_ = new_id()

    async def change_ones_mind() -> None:
        async with beginning(shop.database, SqlWork)(shop.act) as work:
            await work.enqueue("echo", {"say": "nothing"}, description="D", id_=id_)
            raise LookupError

    with pytest.raises(LookupError):
        await change_ones_mind()

    with pytest.raises(AssertionError):
        await shop.job(id_)
    assert await shop.entries() == 0


async def test_an_error_is_overcome_by_another_attempt(shop: Shop) -> None:
    async def flaky(running: Running) -> Mapping[str, Any]:
        if running.job.attempt < 3:
            raise ConnectionResetError
        return {"attempt": running.job.attempt}

    async with shop.working({"flaky": flaky}):
        job = await shop.until(await shop.ask("flaky"))

    assert job.state is JobState.SUCCEEDED
    assert job.result == {"attempt": 3}
    assert job.error is None


async def test_a_job_whose_attempts_are_used_up_is_dead(shop: Shop) -> None:
    async def broken(running: Running) -> None:
        raise ZeroDivisionError

    async with shop.working({"broken": broken}):
        job = await shop.until(await shop.ask("broken", attempts_max=2))
        await shop.until_empty()

    assert (job.state, job.is_dead, job.attempt) == (JobState.FAILED, True, 2)
    assert job.error == "Something went wrong (ZeroDivisionError)"


async def test_a_refusal_fails_the_job_at_once_and_in_its_words(shop: Shop) -> None:
    async def refused(running: Running) -> None:
        raise DomainError(Reason.NO_CHANGE, "There is nothing to do")

    async with shop.working({"refused": refused}):
        job = await shop.until(await shop.ask("refused"))

    assert (job.state, job.is_dead, job.attempt) == (JobState.FAILED, False, 1)
    assert job.error == "There is nothing to do"


async def test_a_worker_that_does_not_know_a_type_leaves_it_to_others(shop: Shop) -> None:
    async with shop.working({}):
        id_ = await shop.ask("echo", {"say": "later"}, attempts_max=1)
        job = await shop.until(id_, JobState.QUEUED)
        while job.attempt == 0:
            job = await shop.until(id_, JobState.QUEUED)
    async with shop.database.unbound() as driver:
        await driver.execute("UPDATE queue.pgqueuer SET execute_after = now()")
    async with shop.working({"echo": echo}):
        job = await shop.until(id_)

    assert job.state is JobState.SUCCEEDED


async def test_what_two_attempts_do_is_kept_once(shop: Shop) -> None:
    """The first attempt is thought dead while it works; both reach the end of their transactions."""
    first_runs, second_done = asyncio.Event(), asyncio.Event()
    outcomes = []
    begin = beginning(shop.database, SqlWork)

    async def posting(running: Running) -> None:
        try:
            async with begin(running.act) as work:
                await work.record("test.done.v1", "job", running.job.id, {"attempt": running.job.attempt})
                if running.job.attempt == 1:
                    first_runs.set()
                    await second_done.wait()
                await running.finish_in(work, {"attempt": running.job.attempt})
        except Superseded:
            outcomes.append(f"{running.job.attempt} superseded")
            raise
        outcomes.append(f"{running.job.attempt} done")

    id_ = new_id()
    async with shop.working({"posting": posting}, hands=2):
        await shop.ask("posting", id_=id_)
        await first_runs.wait()
        # As a second process would, when the heartbeat is lost: the head of the feed is held by the first, so what
        # this one finishes has no event.
        attempts = SqlAttempts(shop.database)
        taken = await attempts.take_up(shop.tenant_id, id_)
        assert taken is not None
        await attempts.succeed(taken.job, {"attempt": taken.job.attempt})
        second_done.set()
        await shop.until_empty()

    job = await shop.job(id_)
    assert job.result == {"attempt": 2}
    assert outcomes == ["1 superseded"]
    async with shop.database.bound(shop.tenant_id) as driver:
        query = "SELECT count(*) FROM events WHERE tenant_id = $1 AND entity_id = $2"
        assert await driver.fetchval(query, shop.tenant_id, id_) == 0


async def test_a_job_whose_process_died_is_taken_up_by_another(shop: Shop) -> None:
    id_ = await shop.ask("echo", {"say": "again"})
    # As a process leaves them that was killed at its work.
    assert await SqlAttempts(shop.database).take_up(shop.tenant_id, id_) is not None
    async with shop.database.unbound() as driver:
        await driver.execute(
            "UPDATE queue.pgqueuer SET status = 'picked', queue_manager_id = $1, heartbeat = now() - $2::interval",
            new_id(),
            timedelta(days=1),
        )
    async with shop.working({"echo": echo}):
        job = await shop.until(id_)
        await shop.until_empty()

    assert (job.state, job.attempt) == (JobState.SUCCEEDED, 2)


async def test_a_job_that_kills_every_process_is_given_up(shop: Shop) -> None:
    id_ = await shop.ask("echo", attempts_max=1)
    attempts = SqlAttempts(shop.database)
    await attempts.take_up(shop.tenant_id, id_)

    taken = await attempts.take_up(shop.tenant_id, id_)

    assert taken is not None
    assert (taken.job.state, taken.job.is_dead) == (JobState.FAILED, True)
    assert await attempts.take_up(shop.tenant_id, id_) is None
    async with shop.working({"echo": echo}):
        await shop.until_empty()


async def test_a_worker_that_is_stopped_hands_back_what_it_cannot_end(shop: Shop) -> None:
    begun = asyncio.Event()

    async def slow(running: Running) -> Mapping[str, Any]:
        if running.job.attempt == 1:
            begun.set()
            await asyncio.Event().wait()
        return {"attempt": running.job.attempt}

    async with shop.working({"slow": slow}, grace=0.0):
        id_ = await shop.ask("slow", attempts_max=1)
        await begun.wait()
    handed_back = await shop.job(id_)
    async with shop.working({"slow": slow}):
        job = await shop.until(id_)

    assert handed_back.state is JobState.QUEUED
    assert job.result == {"attempt": 2}, "what was handed back does not count as an attempt"


async def test_a_worker_outlives_its_connection(shop: Shop) -> None:
    async with shop.working({"echo": echo}):
        await shop.until(await shop.ask("echo", {"say": "one"}))
        admin = await asyncpg.connect(shop.urls.admin_url)
        try:
            ended = await admin.fetch(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'storekeeper-jobs' AND datname = current_database()"
            )
        finally:
            await admin.close()
        job = await shop.until(await shop.ask("echo", {"say": "two"}))

    assert len(ended) == 1
    assert job.state is JobState.SUCCEEDED


async def test_a_job_outlives_the_database_connections_of_its_process(shop: Shop) -> None:
    """As a restart of PostgreSQL ends them: the worker's own, and those of the pool that the handler uses."""
    begun, ended = asyncio.Event(), asyncio.Event()

    async def cut_off(running: Running) -> Mapping[str, Any]:
        if running.job.attempt == 1:
            begun.set()
            await ended.wait()
            await running.step("on a connection that is gone", 1, 2)
        return {"attempt": running.job.attempt}

    async with shop.working({"cut-off": cut_off}):
        id_ = await shop.ask("cut-off")
        await begun.wait()
        admin = await asyncpg.connect(shop.urls.admin_url)
        try:
            await admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name LIKE 'storekeeper%' AND datname = current_database()"
            )
        finally:
            await admin.close()
        ended.set()
        while True:
            try:
                job = await shop.until(id_)
                break
            except (DomainError, asyncpg.PostgresError, *AWAY):
                continue
        await shop.until_empty()

    assert job.state is JobState.SUCCEEDED


async def test_a_job_is_not_done_for_who_is_no_longer_let_in(shop: Shop) -> None:
    gone = new_id()
    caller = msgspec.structs.replace(shop.act.caller, principal_id=gone, user_id=gone, actor="Somebody gone")
    act = msgspec.structs.replace(shop.act, caller=caller)
    async with beginning(shop.database, SqlWork)(act) as work:
        id_ = await work.enqueue("echo", {"say": "no"}, description="D")

    async with shop.working({"echo": echo}):
        job = await shop.until(id_)

    assert (job.state, job.error) == (JobState.FAILED, "Somebody gone is no longer let in")


async def rights(running: Running) -> Mapping[str, Any]:
    scope = running.act.scope
    return {"allows": sorted(running.act.caller.rights), "at": None if scope is None else sorted(scope)}


async def asked_by(shop: Shop, **who: Any) -> UUID:
    """A job of who could do everything when they asked for it."""
    caller = msgspec.structs.replace(shop.act.caller, **who)
    act = msgspec.structs.replace(shop.act, caller=caller, permission=Permission.INVENTORY_READ)
    async with beginning(shop.database, SqlWork)(act) as work:
        return await work.enqueue("rights", {}, description="")


async def test_a_job_has_the_rights_that_who_asked_for_it_has_when_it_is_done(shop: Shop) -> None:
    admin_url, tenant = shop.urls.admin_url, shop.tenant_id
    user = await create_user(admin_url, "viewer@jobs.example", "Viewer", "correct horse battery staple")
    await grant(admin_url, tenant, user, "viewer")
    key, _ = await create_api_key(admin_url, tenant, "ERP", [Permission.INVENTORY_READ])

    async with shop.working({"rights": rights}):
        of_user = await shop.until(await asked_by(shop, principal_id=user, user_id=user))
        of_key = await shop.until(await asked_by(shop, principal_id=key, key_id=key))
        await revoke_api_key(admin_url, tenant, key)
        too_late = await shop.until(await asked_by(shop, principal_id=key, key_id=key))

    assert of_user.result is not None
    assert "inventory.read" in of_user.result["allows"]
    assert "inventory.write" not in of_user.result["allows"]
    assert of_key.result == {"allows": ["inventory.read"], "at": None}
    assert (too_late.state, too_late.error) == (JobState.FAILED, "This API key has been revoked")


async def test_a_job_that_is_canceled_stops_at_its_next_step(shop: Shop) -> None:
    begun, asked = asyncio.Event(), asyncio.Event()

    async def long(running: Running) -> None:
        begun.set()
        await asked.wait()
        await running.step("more", 1, 2)

    async with shop.working({"long": long}):
        id_ = await shop.ask("long")
        await begun.wait()
        async with shop.database.bound(shop.tenant_id) as driver:
            await driver.execute(
                "UPDATE jobs SET cancel_requested = true WHERE tenant_id = $1 AND id = $2", shop.tenant_id, id_
            )
        asked.set()
        job = await shop.until(id_)

    assert job.state is JobState.CANCELED


async def test_a_job_that_was_to_be_canceled_is_not_left_waiting_for_another_attempt(shop: Shop) -> None:
    begun, asked = asyncio.Event(), asyncio.Event()

    async def failing(running: Running) -> None:
        begun.set()
        await asked.wait()
        raise ConnectionResetError

    async with shop.working({"failing": failing}):
        id_ = await shop.ask("failing")
        await begun.wait()
        async with beginning(shop.database, JobSqlWork)(shop.act) as work:
            await cancel_job(work, act=shop.act, job_id=id_, expected_version=None)
        asked.set()
        job = await shop.until(id_, JobState.QUEUED, JobState.CANCELED)
        await shop.until_empty()

    assert (job.state, job.attempt) == (JobState.CANCELED, 1)
    assert job.completed_at is not None
