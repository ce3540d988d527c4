"""A full refresh is atomic: readers see the old stock or the new, whatever happens to who refreshes (P-12)."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import suppress
from itertools import cycle
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from app.http.csv import written
from domain.access.model import Act
from domain.errors import DomainError
from domain.imports.csv import Layout
from domain.imports.model import COLUMNS, ImportType
from domain.imports.running import import_arguments, job_handlers, refresh_arguments
from domain.jobs.model import Job, JobState
from domain.jobs.ports import FinishingWork, JobCanceled, Result
from domain.values import new_id
from infra.db.pool import Database
from infra.db.work import beginning
from infra.imports.work import ImportSqlWork
from infra.jobs.attempts import SqlAttempts
from infra.ledger.verify import verify
from tests.imports_lab import ALL_OR_NOTHING, DAY, EVERYTHING, Site
from tests.lab import DatabaseUrls
from tests.ledger.conftest import admin, database
from tests.ledger.promises import show

__all__ = ["admin", "database"]

EXACT = Layout(headers_match_exactly=True)
SEEN = """
    SELECT (SELECT sum(on_hand) FROM stock_lines WHERE tenant_id = $1) AS lines,
        (SELECT sum(on_hand) FROM stock_totals WHERE tenant_id = $1) AS totals,
        (SELECT count(*) FROM stock_lines WHERE tenant_id = $1 AND on_hand > 0) AS standing
"""
POINTS = ("look_up", "lines_by_names", "lock", "post_bulk", "write_layers", "keep", "finish_job")
"""Where who refreshes dies: after each thing that it asks of the database."""


class Mortal(ImportSqlWork):
    """Its connection is killed after what `dies_after` names, once."""

    dies_after: str | None = None

    def __getattribute__(self, name: str) -> Any:
        asked = super().__getattribute__(name)
        if name != Mortal.dies_after:
            return asked

        async def last(*args: Any, **kwargs: Any) -> None:
            await asked(*args, **kwargs)
            Mortal.dies_after = None
            await self.driver.execute("SELECT pg_terminate_backend(pg_backend_pid())")

        return last


class Attempt:
    """The port `Running`, on real rows."""

    def __init__(self, attempts: SqlAttempts, job: Job, act: Act) -> None:
        self.attempts = attempts
        self.job = job
        self.act = act

    async def step(self, current: str, completed: int, total: int) -> None:
        await self.attempts.step(self.job, current, completed, total)

    async def finish_in(self, work: FinishingWork, result: Result | None = None) -> None:
        await work.finish_job(self.job, result)


class Jobs:
    """Jobs of one site, attempted when told to."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.attempts = SqlAttempts(site.database)
        self.begin = beginning(site.database, Mortal)
        self.handlers = job_handlers(self.begin)

    async def ask(self, type_: ImportType, content: bytes) -> UUID:
        job_id = new_id()
        arguments = (
            refresh_arguments(
                layout=EXACT,
                options=ALL_OR_NOTHING,
                file_name="a.csv",
                scope=EVERYTHING,
                max_change_percent=None,
            )
            if type_ is ImportType.REFRESH
            else import_arguments(layout=EXACT, options=ALL_OR_NOTHING, file_name="a.csv")
        )
        async with self.begin(self.site.act()) as work:
            await work.store_input(job_id, "a.csv", content)
            await work.enqueue(type_, arguments, description="A test", id_=job_id, attempts_max=100)
        return job_id

    async def attempt(self, job_id: UUID) -> None:
        """One attempt, as a worker makes it, without what a worker writes of its failure: it may be dead."""
        taken = await self.attempts.take_up(self.site.tenant_id, job_id)
        assert taken is not None
        await self.handlers[taken.job.type](Attempt(self.attempts, taken.job, self.site.act()))

    async def state(self, job_id: UUID) -> tuple[str, int]:
        async with self.site.database.bound(self.site.tenant_id) as driver:
            row = await driver.fetchrow(
                "SELECT state, attempt FROM jobs WHERE tenant_id = $1 AND id = $2", self.site.tenant_id, job_id
            )
        assert row is not None
        return row["state"], row["attempt"]


def a_file(items: int, quantity: int, lot: str = "LOT-1") -> bytes:
    rows = [[f"Product {n}", "Bin 0", lot, DAY, quantity, "EA"] for n in range(items)]
    return written([COLUMNS, *rows])


@pytest.fixture
def deaths() -> Iterator[None]:
    yield
    Mortal.dies_after = None


@pytest.fixture
async def reader(database_urls: DatabaseUrls) -> AsyncGenerator["asyncpg.Connection[Any]"]:
    connection = await asyncpg.connect(database_urls.admin_url)
    yield connection
    await connection.close()


@pytest.mark.parametrize(("items", "refreshes"), [(40, 9), pytest.param(10_000, 50, marks=pytest.mark.long)])
async def test_readers_see_the_old_stock_or_the_new_though_refreshes_are_killed(
    *,
    admin: "asyncpg.Connection[Any]",
    database: Database,
    database_urls: DatabaseUrls,
    reader: "asyncpg.Connection[Any]",
    deaths: None,
    items: int,
    refreshes: int,
) -> None:
    site = await Site.made(admin, database, products=items, lots=3)
    jobs, points = Jobs(site), cycle(POINTS)
    # Other lots each time: stock that is replaced, not only changed.
    files = cycle([a_file(items, 3, "LOT-2"), a_file(items, 1, "LOT-1")])
    await jobs.attempt(await jobs.ask(ImportType.REFRESH, a_file(items, 1, "LOT-1")))
    seen: list[Any] = []
    ended = asyncio.Event()

    async def watch() -> None:
        while not ended.is_set():
            seen.append(await reader.fetchrow(SEEN, site.tenant_id))

    watching = asyncio.create_task(watch())
    attempts = 0
    for _ in range(refreshes):
        job_id = await jobs.ask(ImportType.REFRESH, next(files))
        Mortal.dies_after = next(points)
        with suppress(DomainError):
            await jobs.attempt(job_id)
        if (await jobs.state(job_id))[0] == JobState.RUNNING:
            await jobs.attempt(job_id)
        state, attempt = await jobs.state(job_id)
        assert state == JobState.SUCCEEDED
        attempts += attempt
    ended.set()
    await watching

    whole = {(items, items, items), (3 * items, 3 * items, items)}
    mixed = [row for row in seen if (row["lines"], row["totals"], row["standing"]) not in whole]
    assert not mixed
    assert attempts == 2 * refreshes, "each was killed once, and done by the next attempt"
    assert (await verify(database_urls.admin_url, site.tenant_id)).is_clean
    show("P-12", refreshes=refreshes, rows=items, killed=refreshes, observations=len(seen), mixed=0)


async def test_an_import_is_applied_once_wherever_it_is_killed(
    admin: "asyncpg.Connection[Any]", database: Database, deaths: None
) -> None:
    site = await Site.made(admin, database)
    jobs = Jobs(site)
    for n, point in enumerate(("input", "look_up", "lines_of", "post_bulk", "write_layers", "keep", "finish_job")):
        job_id = await jobs.ask(ImportType.IMPORT, a_file(3, n + 1))
        Mortal.dies_after = point
        with suppress(DomainError):
            await jobs.attempt(job_id)
        assert (await site.of(0)).on_hand == n, "nothing of it is there"
        await jobs.attempt(job_id)

        assert await jobs.state(job_id) == (JobState.SUCCEEDED, 2)
        assert (await site.of(0)).on_hand == n + 1
        assert await jobs.attempts.take_up(site.tenant_id, job_id) is None


async def test_an_import_that_is_to_be_canceled_stops_at_its_next_step_and_changes_nothing(
    admin: "asyncpg.Connection[Any]", database: Database
) -> None:
    site = await Site.made(admin, database)
    jobs = Jobs(site)
    job_id = await jobs.ask(ImportType.IMPORT, a_file(3, 1))

    class Canceled(Mortal):
        async def post_bulk(self, posting: Any) -> Any:
            posted = await super().post_bulk(posting)
            await admin.execute("UPDATE jobs SET cancel_requested = true WHERE id = $1", job_id)
            return posted

    taken = await jobs.attempts.take_up(site.tenant_id, job_id)
    assert taken is not None
    handler = job_handlers(beginning(database, Canceled))[ImportType.IMPORT]
    with pytest.raises(JobCanceled):
        await handler(Attempt(jobs.attempts, taken.job, site.act()))

    assert (await site.of(0)).on_hand == 0


async def test_an_import_with_bad_rows_fails_and_tells_of_them(
    admin: "asyncpg.Connection[Any]", database: Database
) -> None:
    site = await Site.made(admin, database)
    jobs = Jobs(site)
    job_id = await jobs.ask(ImportType.IMPORT, a_file(4, 1))

    with pytest.raises(DomainError) as refused:
        await jobs.attempt(job_id)

    assert refused.value.message == "1 of 4 rows are wrong: nothing was changed"
    assert (await site.of(0)).on_hand == 0
