"""Lists and dashboards of stock requests do not grow with the past, nor the search for products with the catalog.

A year of requests in two sizes, with as much that is open in both.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import datetime

import asyncpg
import msgspec
import pytest

from domain.access.model import Caller, Permission, Scope
from domain.catalog.views import Window
from domain.stock_requests.dashboard import Period
from domain.stock_requests.model import RequestState
from domain.stock_requests.reading import RequestFilter
from domain.stock_requests.states import Decider, Granted
from domain.values import new_id
from infra.db.pool import BIND, Database
from infra.postgres import Running
from infra.stock_requests.dashboard import SqlDashboardReads
from infra.stock_requests.followups import WAITED_FOR
from infra.stock_requests.lists import SqlRequestLists
from infra.stock_requests.pending import SqlPendingReads
from tests.lab import DatabaseUrls, a_database
from tests.plans.explain import Explainer, Plan, listening
from tests.plans.requests import Asked, make_products, make_requests

FEW, MANY, WAITING = 1_500, 9_000, 60
GROWTH = 3.0
BOUND = 5_000
"""Six times as many requests make at most so much more to read; or what there is to read has an end: the days of a
period by the pairs of locations, and the latest requests.
"""
SMALL_CATALOG, LARGE_CATALOG = 2_000, 20_000


class Company(msgspec.Struct, frozen=True, kw_only=True):
    asked: Asked
    now: datetime
    database: Database
    explain: Explainer


type Ask = Callable[[Company, Scope], Awaitable[object]]


@pytest.fixture(scope="module")
def request_urls(cluster: Running, template: str) -> Iterator[DatabaseUrls]:
    with a_database(cluster, template) as urls:
        yield urls


@pytest.fixture(scope="module")
async def companies(request_urls: DatabaseUrls) -> AsyncGenerator[tuple[Company, Company]]:
    """One of few requests, one of many."""
    async with AsyncExitStack() as stack:
        made = []
        for count in (FEW, MANY):
            asked = await make_requests(request_urls.admin_url, count, waiting=WAITING, slug=f"asks-{count}")
            database = await Database.connect(request_urls.app_url, size=1)
            stack.push_async_callback(database.close)
            explain = await stack.enter_async_context(Explainer.opened(request_urls.app_url, asked.tenant_id))
            now = await SqlDashboardReads(database).now(asked.tenant_id)
            made.append(Company(asked=asked, now=now, database=database, explain=explain))
        few, many = made
        yield few, many


def decider(company: Company, scope: Scope) -> Decider:
    id_ = new_id()
    caller = Caller(
        tenant_id=company.asked.tenant_id,
        tenant_slug="t",
        tenant_name="T",
        principal_id=id_,
        user_id=id_,
        actor="a test",
        session_id=None,
        key_id=None,
        roles=(),
        rights=dict.fromkeys(Permission, scope),
    )
    return Decider(caller=caller, at=company.now, grants={id_: [Granted("manager", None)]})


async def the_dashboard(company: Company, scope: Scope) -> object:
    period = Period.last(30, company.now)
    return await SqlDashboardReads(company.database).counted(company.asked.tenant_id, period, scope=scope)


async def the_categories(company: Company, scope: Scope) -> object:
    return await SqlDashboardReads(company.database).by_category(company.asked.tenant_id, scope=scope)


async def the_filters(company: Company, scope: Scope) -> object:
    return await SqlRequestLists(company.database).choices(company.asked.tenant_id, scope=scope)


async def what_waits(company: Company, scope: Scope) -> object:
    window = Window(sort="submittedAt", limit=20)
    return await SqlPendingReads(company.database).waiting(decider(company, scope), window)


async def a_page(company: Company, scope: Scope) -> object:
    window = Window(sort="-createdAt", limit=20)
    return await SqlRequestLists(company.database).page(
        company.asked.tenant_id, RequestFilter(), window, scope=scope
    )


async def a_state(company: Company, scope: Scope) -> object:
    window = Window(sort="-createdAt", limit=20)
    wanted = RequestFilter(state=RequestState.RECEIVED)
    return await SqlRequestLists(company.database).page(company.asked.tenant_id, wanted, window, scope=scope)


async def what_is_late(company: Company, scope: Scope) -> object:
    window = Window(sort="-createdAt", limit=20)
    wanted = RequestFilter(is_overdue=True)
    return await SqlRequestLists(company.database).page(company.asked.tenant_id, wanted, window, scope=scope)


ASKED: dict[str, Ask] = {
    "dashboard": the_dashboard,
    "by-category": the_categories,
    "filters": the_filters,
    "pending-approvals": what_waits,
    "a page": a_page,
    "a page of a state": a_state,
    "overdue": what_is_late,
}


async def plan_of(company: Company, ask: Ask, scope: Scope) -> Plan:
    async with listening(company.database) as sent:
        await ask(company, scope)
    assert len(sent) == 1, "one statement"
    statement, arguments = sent[0]
    return await company.explain.fresh(statement, arguments)


@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize("limited", [False, True], ids=["everywhere", "one place"])
async def test_it_reads_no_more_of_a_longer_past(
    companies: tuple[Company, Company], *, name: str, limited: bool
) -> None:
    few, many = companies
    plans = [
        await plan_of(one, ASKED[name], frozenset(one.asked.destinations[:1]) if limited else None)
        for one in (few, many)
    ]

    few_rows, many_rows = (plan.examined for plan in plans)
    assert many_rows <= max(few_rows * GROWTH + 200, BOUND if name == "dashboard" else 0), (few_rows, many_rows)
    assert "stock_requests" not in plans[1].scans


async def test_what_nobody_waits_for_is_found_out_without_reading_any_request(
    companies: tuple[Company, Company],
) -> None:
    _, many = companies
    asked = many.asked
    arguments = (asked.tenant_id, asked.origins[0], asked.products[:20])
    plan = await many.explain.fresh(WAITED_FOR, arguments)
    kept = await many.explain.kept(WAITED_FOR, arguments)

    assert (plan.examined, kept.examined) == (0, 0), (plan.root, kept.root)


async def test_a_search_reads_no_more_of_a_larger_catalog(request_urls: DatabaseUrls) -> None:
    pages = []
    for count in (SMALL_CATALOG, LARGE_CATALOG):
        tenant = await make_products(request_urls.admin_url, count, slug=f"sells-{count}")
        connection = await asyncpg.connect(request_urls.app_url)
        try:
            await connection.execute(BIND, str(tenant))
            touched = []
            for text in ("10123", "lantren vintgae", "hanging heart", "re", "500000001234"):
                async with connection.transaction():
                    await connection.fetch("SELECT * FROM product_search($1, 20)", text)
                    row = await connection.fetchrow(
                        "SELECT seq_scan, idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'products'"
                    )
                assert row is not None
                touched.append((row["seq_scan"], row["idx_tup_fetch"]))
            pages.append(touched)
        finally:
            await connection.close()

    small, large = pages
    assert {scans for scans, _ in (*small, *large)} == {0}
    assert max(rows for _, rows in large) <= 6_000, "whatever the catalog has: each step is bounded"
