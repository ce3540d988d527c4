"""What regular work does (regular.py): each in small transactions, and harmless when it is done twice."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from itertools import batched, groupby
from typing import Any
from uuid import UUID

import structlog

from domain.access.model import Act
from domain.access.ports import Policy
from domain.counting.abc import Thresholds
from domain.counting.planning import PlanWanted, keep_run, plan_counts
from domain.errors import ContentionError, DomainError, Reason
from domain.expiry.disposal import Wish, mark_expired
from domain.jobs.ports import JobHandler, Running
from domain.stock_requests.allocating import AT_ONCE, allocate_backorders
from domain.stock_requests.escalating import tell_overdue
from domain.stock_requests.generating import DUE_AT_ONCE, generate_due
from domain.values import new_id
from infra.access.people_reads import SqlDelegations
from infra.counting.abc import SqlPlanReads
from infra.counting.plans import PlanSqlWork
from infra.db.pool import Database
from infra.db.work import SqlWork, beginning, who_acts
from infra.expiry.disposal import DisposalSqlWork
from infra.jobs.housekeeping import keep_house
from infra.jobs.regular import EXPIRED, LAPSED, OVERDUE, WAITED_FOR
from infra.ledger.verify import verify
from infra.settings.repository import SqlSettingsReader
from infra.stock_requests.generating import GeneratingSqlWork
from infra.stock_requests.reads import SqlDeciders
from infra.stock_requests.work import StockRequestSqlWork

AT_A_TIME = 100
"""How much one transaction takes on of what may be much."""
DRIFTS_TOLD = 20
SWEEP = "SELECT claim_begin($1, $2, $3)"
# Where there is anything to classify.
STOCKED = """
    SELECT l.id FROM locations l
    WHERE l.tenant_id = $1 AND l.is_active AND EXISTS (
        SELECT FROM stock_totals t WHERE t.tenant_id = $1 AND t.location_id = l.id AND t.on_hand > 0
    )
    ORDER BY l.id
"""

_log = structlog.get_logger("storekeeper.jobs")


def system_handlers(database: Database, policy: Policy) -> Mapping[str, JobHandler]:
    """The handlers of the regular work, by their types."""
    deciders = SqlDeciders(database, SqlDelegations(database, policy))
    return {
        "reservation-sweep": partial(_sweep, database),
        "request-escalation": partial(_escalate, database, deciders),
        "stocklist-generation": partial(_generate, database, deciders),
        "backorder-allocation": partial(_allocate, database),
        "expiry-marking": partial(_mark, database),
        "ledger-verify": partial(_verify, database),
        "abc-run": partial(_classify, database),
        "housekeeping": partial(keep_house, database),
    }


async def _rows(database: Database, act: Act, statement: str) -> Sequence[Any]:
    async with database.bound(act.tenant_id) as driver:
        rows: Sequence[Any] = await driver.fetch(statement, act.tenant_id)
        return rows


async def _sweep(database: Database, running: Running) -> Mapping[str, Any]:
    """Claims end by the clock, so nothing waits for this: it gives back what they still stand on."""
    act = running.act
    pools = await _rows(database, act, LAPSED)
    done = 0
    for some in batched(pools, AT_A_TIME):
        await running.step("Letting go of claims", done, len(pools))
        products, locations = [pool["product_id"] for pool in some], [pool["location_id"] for pool in some]
        async with database.transaction(act.tenant_id) as driver:
            await driver.execute(SWEEP, products, locations, who_acts(act.caller, act.request_id))
        done += len(some)
    return {"positions": done}


async def _escalate(database: Database, deciders: SqlDeciders, running: Running) -> Mapping[str, Any]:
    begin = beginning(database, StockRequestSqlWork)
    waiting = await _rows(database, running.act, OVERDUE)
    told: list[str] = []
    for n, row in enumerate(waiting):
        await running.step("Telling of requests", n, len(waiting))
        decider = await deciders.of(running.act)
        async with begin(running.act) as work:
            request = await tell_overdue(work, decider=decider, request_id=row["id"])
        if request is not None:
            told.append(request.number)
    return {"requests": told}


async def _generate(database: Database, deciders: SqlDeciders, running: Running) -> Mapping[str, Any]:
    begin = beginning(database, GeneratingSqlWork)
    made: list[UUID] = []
    refused: list[dict[str, Any]] = []
    while True:
        await running.step("Looking at stocklists", len(made) + len(refused), len(made) + len(refused) + 1)
        decider = await deciders.of(running.act)
        async with begin(running.act) as work:
            found = await generate_due(work, decider=decider, now=decider.at)
        made += [one.request_id for one in found if one.request_id is not None]
        refused += [
            {"stocklistId": one.stocklist_id, "message": one.message}
            for one in found
            if one.request_id is None and one.reason is not Reason.NO_CHANGE
        ]
        if len(found) < DUE_AT_ONCE:
            return {"requestIds": made, "refused": refused}


async def _allocate(database: Database, running: Running) -> Mapping[str, Any]:
    begin = beginning(database, StockRequestSqlWork)
    locations = await _rows(database, running.act, WAITED_FOR)
    served: list[str] = []
    for n, row in enumerate(locations):
        await running.step("Serving requests", n, len(locations))
        for _ in range(AT_A_TIME):

            async def serve(location_id: UUID = row["location_id"]) -> list[str]:
                async with begin(running.act) as work:
                    return [one.number for one in await allocate_backorders(work, location_id=location_id)]

            some = await _again(serve)
            served += some
            if len(some) < AT_ONCE:
                break
    return {"requests": served}


async def _mark(database: Database, running: Running) -> Mapping[str, Any]:
    begin = beginning(database, DisposalSqlWork)
    lines = await _rows(database, running.act, EXPIRED)
    marked = 0
    refused: list[str] = []
    for _, of_location in groupby(lines, key=lambda line: line["location_id"]):
        for some in batched(of_location, AT_A_TIME):
            await running.step("Marking stock", marked, len(lines))
            wishes = [Wish(line_id=line["id"], note="Past its expiry date") for line in some]
            try:
                async with begin(running.act) as work:
                    marked += sum(one.is_new for one in await mark_expired(work, act=running.act, wishes=wishes))
            except ContentionError:
                raise
            except DomainError as refusal:
                # It has moved or was used since it was found: the next turn finds what is left.
                refused.append(refusal.message)
    return {"lines": marked, "refused": refused}


async def _verify(database: Database, running: Running) -> Mapping[str, Any]:
    """A drift is told in the log, in the feed and in the result, in the transaction that ends the job."""
    act = running.act
    await running.step("Recomputing balances", 0, 1)
    async with database.bound(act.tenant_id) as driver:
        report = await verify(driver, act.tenant_id)
    drifts = [
        {"what": drift.what, "key": drift.key, "expected": drift.expected, "found": drift.found}
        for drift in report.drifts[:DRIFTS_TOLD]
    ]
    result = {
        "movements": report.movements,
        "lines": report.lines,
        "driftCount": report.drift_count,
        "drifts": drifts,
    }
    async with beginning(database, SqlWork)(act) as work:
        if not report.is_clean:
            _log.error("ledger_drift", tenant=str(act.tenant_id), drifts=report.drift_count)
            await work.record("ledger.drift_found.v1", "tenant", act.tenant_id, result)
        await running.finish_in(work, result)
    return result


async def _classify(database: Database, running: Running) -> Mapping[str, Any]:
    """All locations' tables in the transaction that ends the job, so that none is kept twice."""
    act = running.act
    reads = SqlPlanReads(database)
    settings = await SqlSettingsReader(database).view(act.tenant_id)
    thresholds = Thresholds(a=settings.abc_thresholds.a, b=settings.abc_thresholds.b)
    places = await _rows(database, act, STOCKED)
    tables = []
    for n, row in enumerate(places):
        await running.step("Classifying", n, len(places))
        wanted = PlanWanted(tenant_id=act.tenant_id, scope=None, location_id=row["id"])
        plan = await plan_counts(reads, wanted, thresholds=thresholds, every=settings.count_every_days)
        tables.append((row["id"], plan))
    result = {"locations": len(tables), "products": sum(len(plan.rows) for _, plan in tables)}
    async with beginning(database, PlanSqlWork)(act) as work:
        for location_id, plan in tables:
            await keep_run(work, id_=new_id(), location_id=location_id, plan=plan)
        await running.finish_in(work, result)
    return result


async def _again[T](do: Callable[[], Awaitable[T]]) -> T:
    """A transaction that lost to others, once more, and then with the whole job."""
    try:
        return await do()
    except ContentionError:
        return await do()
