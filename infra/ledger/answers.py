"""What was answered under idempotency keys, for services that read before they post.

The read carries the look-up of the key along (`KEYED`), so a retry costs no round trip of its own and is told
what was decided, however the stock has changed since.
"""

from collections.abc import Collection, Mapping
from uuid import UUID

import msgspec
from asyncpg import Record

from domain.access.model import Act
from domain.errors import ContentionError, DomainError, Reason
from domain.ledger.model import Posted
from domain.ledger.places import Place, Recorded
from domain.values import exact_json
from infra.db.errors import refusal as told
from infra.db.pool import Database
from infra.ledger.post import MESSAGES, read_outcome

KEYED = """
    LEFT JOIN LATERAL (
        SELECT i.fingerprint, i.outcome FROM idempotency_keys i
        WHERE i.tenant_id = $1 AND i.principal_id = $2 AND i.operation = $3 AND i.key = $4 OFFSET 0
    ) k ON true
"""
"""Joins `fingerprint` and `outcome`; its parameters are `key_of(act)`."""

KEEP = """
    INSERT INTO idempotency_keys (tenant_id, principal_id, operation, key, fingerprint, outcome)
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING outcome
"""
FIND = f"SELECT k.fingerprint, k.outcome FROM (SELECT 1) one {KEYED}"  # noqa: S608 - of constants
PLACES = """
    SELECT l.id AS line_id, l.bin_id, b.code AS bin_code, l.lot_id, t.number AS lot_number, t.expires_on
    FROM unnest($2::uuid[]) AS w(id)
    CROSS JOIN LATERAL (SELECT * FROM stock_lines x WHERE x.tenant_id = $1 AND x.id = w.id OFFSET 0) l
    CROSS JOIN LATERAL (SELECT * FROM bins x WHERE x.tenant_id = $1 AND x.id = l.bin_id OFFSET 0) b
    CROSS JOIN LATERAL (SELECT * FROM lots x WHERE x.tenant_id = $1 AND x.id = l.lot_id OFFSET 0) t
"""


class _Code(msgspec.Struct, frozen=True):
    code: str


_code = msgspec.json.Decoder(_Code)


def key_of(act: Act) -> tuple[UUID, UUID, str, str | None]:
    """The parameters of `KEYED`; without a key it finds nothing."""
    key = act.idempotency.key if act.idempotency else None
    return act.tenant_id, act.caller.principal_id, act.operation, key


def answered(act: Act, row: Record) -> Posted | DomainError | None:
    """What was answered under the act's key before, from a row that joined `KEYED`."""
    if act.idempotency is None or row["fingerprint"] is None:
        return None
    if row["fingerprint"] != act.idempotency.fingerprint or row["outcome"] is None:
        return DomainError(Reason.IDEMPOTENCY_KEY_REUSED, MESSAGES[Reason.IDEMPOTENCY_KEY_REUSED])
    return read_outcome(_code.decode(row["outcome"]).code, row["outcome"], replayed=True)


def _posted(answered: Posted | DomainError) -> Posted:
    if isinstance(answered, DomainError):
        raise answered
    return answered


class SqlAnswers:
    """The `Answers` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def again(self, act: Act, answered: Posted | DomainError) -> Recorded:
        """One statement."""
        posted = _posted(answered)
        places = await self._places(act.tenant_id, {moved.line_id for moved in posted.movements})
        return Recorded(posted=posted, places=places)

    async def refuse(self, act: Act, refusal: DomainError) -> Posted:
        """One statement under a key, two when another request was quicker; none without."""
        if act.idempotency is None:
            raise refusal
        try:
            decided = await self._decide(act, refusal)
        except Exception as error:
            known = told(error)
            if known is None:
                raise
            raise known from error
        return _posted(decided)

    async def _decide(self, act: Act, refusal: DomainError) -> Posted | DomainError:
        """What counts under the act's key: the refusal as it was stored, or what another request was answered."""
        assert act.idempotency is not None
        outcome = {"code": refusal.reason, "message": refusal.message, "facts": refusal.facts}
        async with self._database.bound(act.tenant_id) as driver:
            kept = await driver.fetchval(
                KEEP, *key_of(act), act.idempotency.fingerprint, exact_json.encode(outcome).decode()
            )
            if kept is not None:
                return read_outcome(refusal.reason, kept, replayed=False)
            row = await driver.fetchrow(FIND, *key_of(act))
        assert row is not None
        before = answered(act, row)
        if before is None:
            raise ContentionError(Reason.UNAVAILABLE, "This Idempotency-Key ended at this moment", retryAfter=1)
        return before

    async def _places(self, tenant_id: UUID, line_ids: Collection[UUID]) -> Mapping[UUID, Place]:
        async with self._database.bound(tenant_id) as driver:
            rows = await driver.fetch(PLACES, tenant_id, list(line_ids))
        return {
            row["line_id"]: Place(
                bin_id=row["bin_id"],
                bin_code=row["bin_code"],
                lot_id=row["lot_id"],
                lot_number=row["lot_number"],
                expires_on=row["expires_on"],
            )
            for row in rows
        }
