"""Proof of the books: everything is computed anew from the movements and compared with what is stored.

One snapshot is read (REPEATABLE READ, read only), so it runs beside the traffic and takes no locks. The work is
done in SQL, range by range (see checks.py): two passes over the movements, one by line and one by position.
"""

import time
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from domain.errors import DomainError, Reason
from infra.db.pool import Driver
from infra.ledger import checks

RANGE = 100_000
"""How many movements or events one statement reads."""
LINES_A_RANGE = 20_000
PRODUCTS_A_RANGE = 2_000
DRIFTS_KEPT = 1_000
"""How many drifts a report names; all are counted."""

_LOWEST = UUID(int=0)
_HIGHEST = UUID(int=2**128 - 1)
# Whatever the statistics say: ranges are read by their index, and sorts of one range stay in memory.
_SETTINGS = (
    "SET LOCAL enable_seqscan = off",
    "SET LOCAL enable_bitmapscan = off",
    "SET LOCAL work_mem = '32MB'",
    "SET LOCAL statement_timeout = '10min'",
    "SET LOCAL jit = off",
)


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """Something stored that contradicts the movements."""

    tenant_id: UUID
    what: str
    """`thing.field`, such as `line.on_hand`."""
    key: str
    expected: str | None
    found: str | None
    times: int = 1
    """How many rows under this key show it; the first is named."""


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    tenant_id: UUID
    step: str
    done: int
    of: int


class VerifyReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was read, and what does not agree."""

    tenants: int
    lines: int
    postings: int
    movements: int
    events: int
    seconds: float
    drift_count: int
    drifts: tuple[Drift, ...]
    """The first of them."""

    @property
    def is_clean(self) -> bool:
        return self.drift_count == 0


type OnProgress = Callable[[Progress], None]
type Connection = "asyncpg.Connection[Any] | Driver"


async def verify(
    where: str | Connection, tenant_id: UUID | None = None, progress: OnProgress | None = None
) -> VerifyReport:
    """Compare one tenant's books, or all tenants', with their movements.

    All of them need a login that may take the role storekeeper_auth, as the one that migrates does.
    """
    started = time.perf_counter()
    async with _connected(where) as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        for setting in _SETTINGS:
            await connection.execute(setting)
        tenants = [tenant_id] if tenant_id else await _tenants(connection)
        audits = [_Audit(connection, tenant, progress) for tenant in tenants]
        kept: list[Drift] = []
        for audit in audits:
            await audit.run(room=DRIFTS_KEPT - len(kept))
            kept += audit.drifts
            audit.drifts = []
    return VerifyReport(
        tenants=len(audits),
        lines=sum(a.lines for a in audits),
        postings=sum(a.postings for a in audits),
        movements=sum(a.movements for a in audits),
        events=sum(a.events for a in audits),
        seconds=time.perf_counter() - started,
        drift_count=sum(a.drift_count for a in audits),
        drifts=tuple(kept),
    )


@asynccontextmanager
async def _connected(where: str | Connection) -> AsyncGenerator[Connection]:
    if not isinstance(where, str):
        yield where
        return
    connection = await asyncpg.connect(where, server_settings={"application_name": "storekeeper verify"})
    try:
        yield connection
    finally:
        await connection.close()


async def _tenants(connection: Connection) -> list[UUID]:
    try:
        async with connection.transaction():
            await connection.execute("SET LOCAL ROLE storekeeper_auth")
            rows = await connection.fetch("SELECT id FROM tenants ORDER BY id")
            await connection.execute("RESET ROLE")
    except asyncpg.InsufficientPrivilegeError as problem:
        message = "This login sees one tenant at a time: name the tenant, or use the administrator's URL"
        raise DomainError(Reason.PERMISSION_DENIED, message) from problem
    return [row["id"] for row in rows]


class _Audit:
    """One tenant's books."""

    def __init__(self, connection: Connection, tenant_id: UUID, progress: OnProgress | None) -> None:
        self._connection = connection
        self._tenant_id = tenant_id
        self._progress = progress
        self._room = 0
        self._quantity_in = self._quantity_out = Decimal(0)
        self._last = self._last_event = 0
        self.lines = self.postings = self.movements = self.events = 0
        self.drift_count = 0
        self.drifts: list[Drift] = []

    async def run(self, *, room: int) -> None:
        self._room = room
        await self._connection.execute("SELECT set_config('app.tenant', $1, true)", str(self._tenant_id))
        last = await self._row(checks.LAST)
        await self._by_line(of=last["movement"])
        await self._by_position(of=last["movement"])
        await self._by_event(of=last["event"])
        await self._by_product()
        await self._collect(checks.COUNTS)
        await self._whole()

    async def _by_line(self, *, of: int) -> None:
        low, done = _LOWEST, 0
        while low != _HIGHEST:
            end = await self._row(checks.NEXT_LINE, low, RANGE, LINES_A_RANGE)
            high = end["id"] if end else _HIGHEST
            await self._collect(checks.LINES, low, high)
            await self._collect(checks.BOUND, low, high)
            done += int(end["total"]) if end else 0
            low = high
            self._tell("movements by line", of if low == _HIGHEST else min(done, of), of)

    async def _by_position(self, *, of: int) -> None:
        low = 0
        while low < of:
            high = min(low + RANGE, of)
            high = await self._connection.fetchval(checks.NEXT_POSITION, self._tenant_id, high) or high
            row = await self._row(checks.POSITIONS, low, high, self._last)
            self.movements += row["rows"]
            self._quantity_in += row["quantity_in"]
            self._quantity_out += row["quantity_out"]
            self._last = row["last"] or self._last
            self._gap("movement.position", row)
            await self._collect(checks.POSTINGS, low, high)
            await self._collect(checks.CONSERVATION, low, high)
            low = high
            self._tell("movements by position", min(low, of), of)
        postings = await self._row(checks.ALL_POSTINGS)
        self.postings = postings["rows"]
        if postings["movements"] != self.movements:
            self._compare("posting.movement_count", "all postings", self.movements, postings["movements"])
            await self._collect(checks.EMPTY_POSTINGS, DRIFTS_KEPT)

    async def _by_event(self, *, of: int) -> None:
        of_postings = 0
        for low in range(0, of, RANGE):
            row = await self._row(checks.EVENTS, low, low + RANGE, self._last_event)
            self.events += row["rows"]
            of_postings += row["of_postings"]
            self._last_event = row["last"] or self._last_event
            self._gap("event.position", row)
            self._tell("events", min(low + RANGE, of), of)
        if of_postings != self.postings:
            self._compare("event.count", "events of postings", self.postings, of_postings)
            await self._collect(checks.EVENTLESS, DRIFTS_KEPT)

    async def _by_product(self) -> None:
        low = _LOWEST
        while low != _HIGHEST:
            high = await self._connection.fetchval(checks.NEXT_PRODUCT, self._tenant_id, low, PRODUCTS_A_RANGE - 1)
            high = high or _HIGHEST
            await self._collect(checks.TOTALS, low, high)
            await self._collect(checks.CLAIMS, low, high)
            low = high

    async def _whole(self) -> None:
        stock = await self._row(checks.STOCK)
        self.lines = stock["lines"]
        head = await self._row(checks.HEAD)
        if head is None:
            self._found("head.missing", "the tenant's head", "a head", None)
            return
        self._compare("head.position", "rows", self.movements, head["position"])
        self._compare("head.position", "the last position", self._last, head["position"])
        self._compare("head.event_position", "rows", self.events, head["event_position"])
        self._compare("head.event_position", "the last position", self._last_event, head["event_position"])
        self._compare("head.quantity_in", "movements", self._quantity_in, head["quantity_in"])
        self._compare("head.quantity_out", "movements", self._quantity_out, head["quantity_out"])
        self._compare("stock.sum", "in less out", head["quantity_in"] - head["quantity_out"], stock["on_hand"])

    async def _row(self, statement: str, *arguments: object) -> Any:
        return await self._connection.fetchrow(statement, self._tenant_id, *arguments)

    async def _collect(self, statement: str, *arguments: object) -> None:
        self._keep(await self._connection.fetch(statement, self._tenant_id, *arguments))

    def _keep(self, rows: Iterable[Any]) -> None:
        for row in rows:
            self._found(row["what"], row["key"], row["expected"], row["found"], row["times"])

    def _gap(self, what: str, row: Any) -> None:
        if row["gaps"]:
            self._found(what, "positions", str(row["gap"]), None, row["gaps"])

    def _compare(self, what: str, key: str, expected: int | Decimal, found: int | Decimal) -> None:
        if expected != found:
            self._found(what, key, str(expected), str(found))

    def _found(self, what: str, key: str, expected: str | None, found: str | None, times: int = 1) -> None:
        self.drift_count += 1
        if len(self.drifts) < self._room:
            drift = Drift(
                tenant_id=self._tenant_id, what=what, key=key, expected=expected, found=found, times=times
            )
            self.drifts.append(drift)

    def _tell(self, step: str, done: int, of: int) -> None:
        if self._progress is not None:
            self._progress(Progress(tenant_id=self._tenant_id, step=step, done=done, of=of))
