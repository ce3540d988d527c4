"""What the database refuses, in the domain's words: the one place that knows constraint names and SQLSTATEs."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
from asyncpg.exceptions import _base as driver_errors

from domain.errors import ContentionError, DomainError, FieldError, Reason
from infra.observability.metrics import LEDGER_RETRIES

RETRYABLE = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # an idle connection has just been told that the server ends it
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.DiskFullError,
    asyncpg.OutOfMemoryError,
    ConnectionError,
    OSError,
    TimeoutError,
)
ATTEMPTS = 4


async def retried[T](work: Callable[[], Awaitable[T]]) -> T:
    """Run a whole transaction again when PostgreSQL chose it as the victim: bounded, with jitter."""
    for attempt in range(1, ATTEMPTS):
        try:
            return await work()
        except RETRYABLE as lost:
            LEDGER_RETRIES.labels(type(lost).__name__).inc()
            await asyncio.sleep(random.uniform(0, 0.02 * 2**attempt))  # noqa: S311 - jitter, no secret
    return await work()


def refusal(error: Exception) -> DomainError | None:
    """The domain's word for a database error; None when it is a fault of ours."""
    if isinstance(error, DomainError):
        return error
    for kinds, told in _TABLE:
        if isinstance(error, kinds):
            return told(error)
    return None


def _duplicate(error: Any) -> DomainError:
    if error.constraint_name == "uq_postings_reverses":
        return DomainError(Reason.ALREADY_REVERSED, "This posting has been reversed already")
    message = "Something with this natural key exists already"
    return DomainError(Reason.DUPLICATE, message, constraint=error.constraint_name)


def _busy(message: str, *, seconds: int) -> Callable[[Any], DomainError]:
    return lambda _: DomainError(Reason.UNAVAILABLE, message, retryAfter=seconds)


def _locked(error: Any) -> DomainError:
    # What was waited for stands in the context; of the keys it is always another request's transaction.
    if "idempotency_keys" in (error.context or ""):
        message = "A request with this Idempotency-Key is still running"
        return DomainError(Reason.IDEMPOTENCY_IN_PROGRESS, message, retryAfter=1)
    return DomainError(Reason.UNAVAILABLE, "Another write holds this; try again shortly", retryAfter=1)


def _lost(_: Any) -> DomainError:
    return ContentionError(Reason.UNAVAILABLE, "Too much contention; try again", retryAfter=1)


def _away(_: Any) -> DomainError:
    return DomainError(
        Reason.UNAVAILABLE,
        "The database cannot be reached; whether the change was made is not known: "
        "repeat it with the same Idempotency-Key",
        retryAfter=2,
        outcome="unknown",
    )


def _reference(error: Any) -> DomainError:
    # "… is still referenced from table …" is a delete or a change of key; the other form names what is not there.
    if "still referenced" in (error.detail or ""):
        return DomainError(Reason.IN_USE, "It is in use and cannot be deleted; deactivate it instead")
    return DomainError(
        Reason.NOT_FOUND, "Something that this names does not exist", constraint=error.constraint_name
    )


def _column(constraint: str | None) -> str:
    """`ck_products_sku_length` is about `sku`: the names follow tables/base.py."""
    parts = (constraint or "").removeprefix("ck_").rsplit("_", 1)[0].split("_", 1)
    return parts[-1]


_TABLE: tuple[tuple[Any, Callable[[Any], DomainError]], ...] = (
    (asyncpg.UniqueViolationError, _duplicate),
    (asyncpg.ForeignKeyViolationError, _reference),
    (asyncpg.CheckViolationError, lambda e: FieldError((_column(e.constraint_name), "is out of range"))),
    (asyncpg.LockNotAvailableError, _locked),
    (asyncpg.QueryCanceledError, _busy("The database took too long; try again", seconds=2)),
    (RETRYABLE, _lost),
    # The second is the driver's own, raised before anything is sent; it counts as an InterfaceError, too.
    (
        (asyncpg.DataError, driver_errors.DataError),
        lambda _: FieldError(("", "a value is outside of what can be stored")),
    ),
    (AWAY, _away),
)
