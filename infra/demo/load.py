"""Fill the demo tenant: make its catalog, then post the plan, batch by batch, in the order of time.

The next batch is planned here while PostgreSQL posts the one before, so the two take both cores. Batches are
posted one after another: each depends on the stock that those before it left. A load that was cut off goes on
where the ledger's position says that it stopped, as the same rows always give the same plan.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import asyncpg
import msgspec

from domain.access.model import Act, Caller, Permission
from domain.errors import DomainError
from domain.ledger.model import Posting
from infra.db.pool import Database
from infra.demo import packed
from infra.demo.catalog import Catalog
from infra.demo.channels import open_channels
from infra.demo.count_plans import plan_some_counts
from infra.demo.cycle_counts import count_some
from infra.demo.holds import hold_some
from infra.demo.imports import import_some
from infra.demo.places import DC
from infra.demo.plan import Plan
from infra.demo.postings import Translator
from infra.demo.put_away import SOURCE, fill_docks
from infra.demo.replenishment import plan_replenishment
from infra.demo.rows import DemoDataError, Reader, read_csv
from infra.demo.stock_requests import ask_for_stock
from infra.demo.stocklists import list_stock
from infra.demo.tenant import (
    NAME,
    SLUG,
    DemoUser,
    Filled,
    Mark,
    has_demo,
    let_in,
    new_key,
    open_tenant,
    users,
    write_mark,
)
from infra.demo.transfers import send_transfers
from infra.ledger.grouping import GroupedLedger

__all__ = ["DemoReport", "has_demo", "load"]

BATCH = 4000  # movements
STATEMENT_SECONDS = 120  # a batch takes half a second; on a machine that is busy otherwise, let it
READING, MAKING, POSTING = "Reading the order lines", "Making products and places", "Posting the order lines"
# Of the plan: the delivery to the docks is the first posting that comes after it.
POSITION = """
    SELECT coalesce(
        (SELECT min(p.first_position) - 1 FROM postings p WHERE p.tenant_id = $1 AND p.source_type = $2),
        (SELECT h.position FROM ledger_heads h WHERE h.tenant_id = $1))
"""

type Progress = Callable[[str, int, int], None]


class DemoReport(Filled, frozen=True, kw_only=True):
    """What the tenant holds, and how to get in."""

    tenant: str = SLUG
    users: tuple[DemoUser, ...]
    api_key: str
    calls: tuple[str, ...]
    """Calls to try, with `{url}` where the server's address belongs."""
    already_there: int
    """Movements that an earlier load had posted."""
    seconds: float


async def load(
    admin_url: str, app_url: str, *, source: Path | None, days: int | None, progress: Progress, batch: int = BATCH
) -> DemoReport:
    """Make the demo tenant, or what an earlier load left out of it; a whole one gets a new key and nothing else.

    Raises:
        DemoDataError: the source cannot be read, or the tenant holds something else.
    """
    began = time.monotonic()
    progress(READING, 0, 1)
    plan = await asyncio.to_thread(Plan, reader_of(source), days=days)
    progress(READING, 1, 1)
    if not plan.assortment.products:
        raise DemoDataError("the file holds no order lines of goods")
    database = await Database.connect(app_url, size=2, statement_timeout_ms=STATEMENT_SECONDS * 1000)
    try:
        wanted = Mark(fingerprint=plan.assortment.fingerprint, days=days, batch=batch)
        tenant_id, mark = await open_tenant(database, admin_url, wanted)
        people = [await let_in(database, admin_url, tenant_id, user) for user in users()]
        filled, posted = mark.filled, 0
        if filled is None:
            filled, posted = await _fill(database, plan, mark, _act(tenant_id, people[0]), progress)
            await _analyze(admin_url)
            await write_mark(database, tenant_id, msgspec.structs.replace(mark, filled=filled))
        key = await new_key(database, admin_url, tenant_id)
        return DemoReport(
            **msgspec.structs.asdict(filled),
            users=users(),
            api_key=key,
            calls=_calls(filled, key),
            already_there=filled.movements - posted,
            seconds=round(time.monotonic() - began, 1),
        )
    finally:
        await database.close()


def reader_of(source: Path | None) -> Reader:
    """The shipped rows, or those of a CSV."""
    if source is not None:
        return lambda: read_csv(source)
    _, columns = packed.read(packed.SHIPPED)
    return lambda: packed.from_columns(columns)


async def _fill(database: Database, plan: Plan, mark: Mark, act: Act, progress: Progress) -> tuple[Filled, int]:
    """Everything that is not there yet, and how many movements of it were."""
    progress(MAKING, 0, 1)
    catalog = Catalog(database, act)
    await catalog.make(plan)
    progress(MAKING, 1, 1)
    translator = Translator(
        products=catalog.products,
        locations=catalog.locations,
        bins=catalog.bins,
        reasons=catalog.reasons,
        act=act,
    )
    async with database.bound(act.tenant_id) as driver:
        done: int = await driver.fetchval(POSITION, act.tenant_id, SOURCE)
    poster = _Poster(database)
    seen = postings = 0
    try:
        for batch in plan.batches(mark.batch):
            translator.lots += await catalog.make_lots(batch.lots)
            translator.lines += batch.lines
            seen, postings = seen + batch.movements, postings + len(batch.steps)
            if seen > done:
                if seen - batch.movements < done:
                    break
                await poster.post([translator.posting(step) for step in batch.steps])
            progress(POSTING, batch.rows, plan.assortment.rows)
    finally:
        await poster.close()
    if seen < done or (seen - done) != poster.posted:
        raise DemoDataError(
            "others have posted to the demo tenant while it was half loaded: load into a fresh database"
        )
    await open_channels(database, act, plan, products=catalog.products, locations=catalog.locations)
    await hold_some(database, act, plan, products=catalog.products, locations=catalog.locations)
    await fill_docks(database, act, plan, products=catalog.products, locations=catalog.locations)
    await send_transfers(database, act, plan, products=catalog.products, locations=catalog.locations)
    await plan_replenishment(database, act, plan, products=catalog.products, locations=catalog.locations)
    await ask_for_stock(database, act, plan, products=catalog.products, locations=catalog.locations)
    await list_stock(database, act, plan, products=catalog.products, locations=catalog.locations)
    await plan_some_counts(database, act, locations=catalog.locations)
    await import_some(database, act, plan, locations=catalog.locations)
    await count_some(database, act, plan, products=catalog.products, locations=catalog.locations)
    return _filled(plan, catalog, translator, movements=seen, postings=postings), poster.posted


class _Poster:
    """Posts a batch while the next one is made; never more than one is under way."""

    def __init__(self, database: Database) -> None:
        self._ledger = GroupedLedger(database)
        self._flight: asyncio.Task[None] | None = None
        self.posted = 0

    async def post(self, postings: list[Posting]) -> None:
        """Begin with these as soon as those before them are in."""
        await self._landed()
        self._flight = asyncio.create_task(self._send(postings))
        await asyncio.sleep(0)  # let it go out before the next batch is planned

    async def close(self) -> None:
        """Wait for what is under way; its failure comes out here, unless another one is on its way up."""
        await self._landed()

    async def _landed(self) -> None:
        flight, self._flight = self._flight, None
        if flight is not None:
            await flight

    async def _send(self, postings: list[Posting]) -> None:
        answers = await self._ledger.post_many(postings, brief=True)
        for posting, answer in zip(postings, answers, strict=True):
            if isinstance(answer, DomainError):
                where = f"{posting.source_type} {posting.source_id}"
                raise DemoDataError(f"the ledger refuses {where}: {answer.message}") from answer
        self.posted += sum(len(posting.entries) for posting in postings)


def _filled(plan: Plan, catalog: Catalog, translator: Translator, *, movements: int, postings: int) -> Filled:
    tally, assortment = plan.tally, plan.assortment
    counts = {"sold": tally.sold, "sent at no price": tally.given, "returned": tally.returned}
    counts |= {f"adjusted: {why.lower()}": lines for why, lines in sorted(tally.adjusted.items())}
    counts |= {f"left out: {reason}": lines for reason, lines in sorted(tally.left_out.items())}
    wanted = [
        0 if product.has_lots else sum(demand.lines)
        for product, demand in zip(assortment.products, assortment.demand, strict=True)
    ]
    return Filled(
        first_day=assortment.first,
        last_day=assortment.last,
        products=len(catalog.products),
        locations=len(catalog.locations),
        bins=len(catalog.bins),
        lots=len(translator.lots),
        stock_lines=len(translator.lines),
        postings=postings,
        movements=movements,
        order_lines=tally.rows,
        counts=counts,
        product_id=catalog.products[wanted.index(max(wanted))],
        location_id=catalog.locations[DC],
        reason_code_id=catalog.reasons["FOUND"],
    )


def _calls(filled: Filled, key: str) -> tuple[str, ...]:
    """Three to begin with: look at stock, change it, look at one product."""
    curl = f"curl -s -H 'Authorization: Bearer {key}'"
    body = {
        "productMasterId": filled.product_id,
        "locationId": filled.location_id,
        "type": "INCREASE",
        "quantity": 1,
        "reasonCodeId": filled.reason_code_id,
    }
    sends = f"-H 'Content-Type: application/json' -d '{msgspec.json.encode(body).decode()}'"
    return (
        f"{curl} '{{url}}/api/inventory?limit=3'",
        f"{curl} {sends} '{{url}}/api/inventory/adjust'",
        f"{curl} '{{url}}/api/products/{filled.product_id}/inventory-levels'",
    )


def _act(tenant_id: UUID, admin_id: UUID) -> Act:
    """The administrator loads, with all rights everywhere."""
    admin = users()[0]
    caller = Caller(
        tenant_id=tenant_id,
        tenant_slug=SLUG,
        tenant_name=NAME,
        principal_id=admin_id,
        user_id=admin_id,
        actor=admin.email,
        session_id=None,
        key_id=None,
        roles=(admin.role,),
        rights=dict.fromkeys(Permission),
    )
    return Act(caller=caller, permission=Permission.INVENTORY_WRITE, operation="demo", request_id="demo")


async def _analyze(admin_url: str) -> None:
    """Tell the planner what came in, instead of waiting for the database to look by itself."""
    connection = await asyncpg.connect(admin_url)
    try:
        await connection.execute("ANALYZE")
    finally:
        await connection.close()
