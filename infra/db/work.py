"""A unit of work: one transaction of one act, with its idempotency key and its events."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from domain.access.model import Act, Caller
from domain.errors import ContentionError, DomainError, Reason
from domain.jobs.model import ATTEMPTS_MAX, Job
from domain.ledger.model import Posted, Posting
from domain.values import exact_json, new_id
from infra.db.errors import refusal
from infra.db.pool import Database, Driver
from infra.jobs.enqueueing import DESCRIPTION_LONGEST, Asked, enqueue, record
from infra.jobs.finishing import finish
from infra.ledger.post import post

CLAIM = """
    INSERT INTO idempotency_keys (tenant_id, principal_id, operation, key, fingerprint)
    VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING RETURNING true
"""
STORED = """
    SELECT fingerprint, status, body FROM idempotency_keys
    WHERE tenant_id = $1 AND principal_id = $2 AND operation = $3 AND key = $4
"""
REMEMBER = """
    UPDATE idempotency_keys SET status = $5, body = $6
    WHERE tenant_id = $1 AND principal_id = $2 AND operation = $3 AND key = $4
"""
# For this transaction only: the triggers of the audit trail read it (migrations/sql/0002_audit.sql).
ACTING = "SELECT set_config('app.act', $1, true)"
APPEND = "SELECT event_append($1, $2, $3, $4, $5, $6)"


def encoded(value: object) -> str:
    """A value as JSON, its decimals exact."""
    return exact_json.encode(value).decode()


def who_acts(caller: Caller, request_id: str) -> str:
    """Who does it, as the audit trail's functions read it."""
    who = {
        "actorId": caller.principal_id,
        "actor": caller.actor,
        "sessionId": caller.session_id,
        "keyId": caller.key_id,
        "requestId": request_id,
    }
    return encoded(who)


class SqlWork:
    """What every area's unit of work has. Post to the ledger last: its head is the transaction's last lock."""

    def __init__(self, driver: Driver, act: Act) -> None:
        self.driver = driver
        self.act = act

    async def claim(self, act: Act) -> tuple[int, bytes] | None:
        """Take the act's idempotency key, or find what was answered under it.

        Waits for another transaction that holds the key, as long as the lock timeout allows.
        """
        assert act.idempotency is not None
        key = (act.tenant_id, act.caller.principal_id, act.operation, act.idempotency.key)
        try:
            claimed = await self.driver.fetchval(CLAIM, *key, act.idempotency.fingerprint)
        except asyncpg.LockNotAvailableError as busy:
            message = "A request with this Idempotency-Key is still running"
            raise DomainError(Reason.IDEMPOTENCY_IN_PROGRESS, message, retryAfter=1) from busy
        if claimed:
            return None
        row = await self.driver.fetchrow(STORED, *key)
        if row is None:
            raise ContentionError(Reason.UNAVAILABLE, "This Idempotency-Key ended at this moment", retryAfter=1)
        if row["fingerprint"] != act.idempotency.fingerprint:
            raise DomainError(
                Reason.IDEMPOTENCY_KEY_REUSED, "This Idempotency-Key was used for a different request"
            )
        return row["status"], row["body"]

    async def remember(self, act: Act, status: int, body: bytes) -> None:
        """Store the answer beside the effect."""
        assert act.idempotency is not None
        key = (act.tenant_id, act.caller.principal_id, act.operation, act.idempotency.key)
        await self.driver.execute(REMEMBER, *key, status, body)

    @asynccontextmanager
    async def savepoint(self) -> AsyncGenerator[None]:
        """What fails inside is undone, and the transaction goes on."""
        try:
            async with self.driver.transaction():
                yield
        except Exception as error:
            told = refusal(error)
            if told is None or told is error:
                raise
            raise told from error

    async def post(self, posting: Posting) -> Posted:
        """Post to the ledger inside this transaction; the key is this unit of work's, not the posting's."""
        (answer,) = await post(self.driver, [posting], claimed=True)
        if isinstance(answer, DomainError):
            raise answer
        return answer

    async def record(
        self, type_: str, entity_type: str, entity_id: UUID, payload: object, *, locations: Sequence[UUID] = ()
    ) -> int:
        """Append an event to the feed; its position is handed out in the order of commits."""
        body = encoded(payload)
        position: int = await self.driver.fetchval(
            APPEND, type_, entity_type, entity_id, list(locations), body, self.act.request_id
        )
        return position

    async def enqueue(
        self,
        type_: str,
        arguments: Mapping[str, Any],
        *,
        description: str,
        id_: UUID | None = None,
        total_steps: int = 1,
        not_before: datetime | None = None,
        attempts_max: int = ATTEMPTS_MAX,
    ) -> UUID:
        """Ask for a job that a worker takes up after the commit; a rollback leaves nothing of it."""
        asked = Asked(
            id=id_ or new_id(),
            type=type_,
            description=description[:DESCRIPTION_LONGEST] or type_,
            arguments=arguments,
            total_steps=total_steps,
            attempts_max=attempts_max,
            not_before=not_before,
        )
        await enqueue(self.driver, self.act, asked)
        return asked.id

    async def record_job(
        self,
        type_: str,
        arguments: Mapping[str, Any],
        *,
        description: str,
        id_: UUID | None = None,
        total_steps: int = 1,
        result: Mapping[str, Any] | None = None,
        error: str | None = None,
    ) -> UUID:
        """Write down as a job what this transaction does at once; with an error, it is one that has failed."""
        asked = Asked(
            id=id_ or new_id(),
            type=type_,
            description=description[:DESCRIPTION_LONGEST] or type_,
            arguments=arguments,
            total_steps=total_steps,
        )
        await record(self.driver, self.act, asked, result=result, error=error)
        return asked.id

    async def finish_job(self, job: Job, result: Mapping[str, Any] | None) -> None:
        """`Running.finish_in` calls it: the job is done if this transaction is, and only as this attempt."""
        await finish(self.driver, job, result)


def beginning[W: SqlWork](
    database: Database, kind: Callable[[Driver, Act], W]
) -> Callable[[Act], AbstractAsyncContextManager[W]]:
    """`begin(act)` for an area: a clean exit commits, an error rolls back and comes out in the domain's words."""

    @asynccontextmanager
    async def begin(act: Act) -> AsyncGenerator[W]:
        try:
            async with database.transaction(act.tenant_id) as driver:
                await driver.execute(ACTING, who_acts(act.caller, act.request_id))
                yield kind(driver, act)
        except Exception as error:
            told = refusal(error)
            if told is None or told is error:
                raise
            raise told from error

    return begin
