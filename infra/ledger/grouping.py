"""Group posting: what arrives while a flush is under way becomes the next flush.

A row lock, and the tenant's head with it, is held until the commit is on disk, so postings sent one by one
queue up behind each other's flush. Sent together they share one. There is no timer: a posting that finds
nobody before it goes out at once, so a single client loses nothing. Each tenant has one flush under way in
each process, and uses one connection for it, so a busy tenant cannot take the pool from the others.

Arrival order is kept; the statement decides each posting by itself on what those before it left, so a refused
one fails alone. When the statement as a whole fails (a fault, a dead connection), each posting is tried by
itself once.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from uuid import UUID

import structlog

from domain.errors import DomainError, Reason
from domain.ledger.model import Posted, Posting
from infra.db.errors import AWAY, refusal, retried
from infra.db.pool import Database
from infra.ledger.post import post
from infra.observability.metrics import LEDGER_BATCH_LINES, LEDGER_POSTINGS, LEDGER_QUEUE_LINES
from infra.observability.tracing import here, joint

_log = structlog.get_logger("storekeeper.ledger")

FLUSH_ENTRIES = 256
"""How many entries one flush may hold (a larger posting goes out alone)."""

type Answer = Posted | DomainError


class _Waiting:
    __slots__ = ("answer", "place", "posting")

    def __init__(self, posting: Posting, answer: asyncio.Future[Answer]) -> None:
        self.posting = posting
        self.answer = answer
        self.place = here()

    @property
    def key(self) -> tuple[UUID, str, str] | None:
        act = self.posting.act
        if act is None or act.idempotency is None:
            return None
        return act.caller.principal_id, act.operation, act.idempotency.key

    def settle(self, answer: Answer) -> None:
        if not self.answer.done():  # its client may have gone
            self.answer.set_result(answer)


class GroupedLedger:
    """The `Ledger` port over one process's pool."""

    def __init__(self, database: Database, *, queue_limit: int = 10_000) -> None:
        self._database = database
        self._queue_limit = queue_limit
        self._queued = 0
        self._queues: dict[UUID, deque[_Waiting]] = {}
        self._flushing: dict[UUID, asyncio.Task[None]] = {}

    async def post(self, posting: Posting, *, tenant_id: UUID | None = None) -> Posted:
        tenant = _tenant(posting, tenant_id)
        weight = len(posting.entries)
        if self._queued + weight > self._queue_limit:
            raise DomainError(Reason.UNAVAILABLE, "Too many postings are waiting; try again shortly", retryAfter=1)
        waiting = _Waiting(posting, asyncio.get_running_loop().create_future())
        self._queues.setdefault(tenant, deque()).append(waiting)
        self._queued += weight
        if tenant not in self._flushing:
            self._flushing[tenant] = asyncio.create_task(self._flush_all(tenant))
        # A client that goes away does not take its posting back: it is in a batch with others by now.
        answer = await waiting.answer
        if isinstance(answer, DomainError):
            raise answer
        return answer

    async def post_many(
        self, postings: Sequence[Posting], *, brief: bool = False, tenant_id: UUID | None = None
    ) -> Sequence[Answer]:
        tenant = _tenant(postings[0], tenant_id)
        assert all(p.act is None or p.act.tenant_id == tenant for p in postings)

        async def work() -> Sequence[Answer]:
            async with self._database.bound(tenant) as driver:
                return await post(driver, postings, brief=brief)

        try:
            return await retried(work)
        except Exception as error:
            told = refusal(error)
            if told is None or told is error:
                raise
            raise told from error

    async def _flush_all(self, tenant: UUID) -> None:
        queue = self._queues[tenant]
        try:
            while queue:
                batch = _take(queue)
                try:
                    await self._flush(tenant, batch)
                finally:
                    self._queued -= sum(len(w.posting.entries) for w in batch)
                    LEDGER_QUEUE_LINES.set(self._queued)
                    for waiting in batch:  # whoever is still without an answer: the flush itself was ended
                        waiting.settle(_interrupted(outcome="unknown"))
        finally:
            del self._flushing[tenant], self._queues[tenant]
            for waiting in queue:  # those behind such a flush
                self._queued -= len(waiting.posting.entries)
                waiting.settle(_interrupted())

    async def _flush(self, tenant: UUID, batch: list[_Waiting]) -> None:
        lines = sum(len(w.posting.entries) for w in batch)
        try:
            with joint("ledger flush", [w.place for w in batch], postings=len(batch), lines=lines):
                answers = await self.post_many([w.posting for w in batch], tenant_id=tenant)
        except Exception as error:  # noqa: BLE001 - whatever it is, each waiting client must be told
            if len(batch) == 1 or isinstance(error.__cause__, AWAY):
                for waiting in batch:
                    waiting.settle(_told(error))
                return
            for waiting in batch:
                await self._flush(tenant, [waiting])
            return
        LEDGER_BATCH_LINES.observe(lines)
        for waiting, answer in zip(batch, answers, strict=True):
            outcome = "POSTED" if isinstance(answer, Posted) else answer.reason
            LEDGER_POSTINGS.labels(waiting.posting.kind, outcome).inc()
            waiting.settle(answer)


def _take(queue: deque[_Waiting]) -> list[_Waiting]:
    """The next batch: never two postings under one key, so that the second finds the first one's outcome."""
    batch: list[_Waiting] = []
    keys: set[tuple[UUID, str, str]] = set()
    entries = 0
    while queue and (not batch or entries + len(queue[0].posting.entries) <= FLUSH_ENTRIES):
        key = queue[0].key
        if key is not None:
            if key in keys:
                break
            keys.add(key)
        waiting = queue.popleft()
        entries += len(waiting.posting.entries)
        batch.append(waiting)
    return batch


def _tenant(posting: Posting, given: UUID | None) -> UUID:
    tenant = posting.act.tenant_id if posting.act else given
    assert tenant is not None, "a posting without an act names its tenant"
    assert given is None or given == tenant
    return tenant


def _interrupted(**facts: object) -> DomainError:
    message = "The posting was interrupted; repeat it with the same Idempotency-Key"
    return DomainError(Reason.UNAVAILABLE, message, retryAfter=1, **facts)


def _told(error: Exception) -> DomainError:
    if isinstance(error, DomainError):
        return error
    _log.error("posting failed", exc_info=error)
    return DomainError(Reason.INTERNAL, "The posting failed")
