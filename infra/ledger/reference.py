"""Reason codes and ledger settings of each tenant, kept in the process.

Every adjustment names a reason; asking the database each time would double its round trips. An entry is read again
after `FRESH_SECONDS`, so a change by another process is seen within that time; `forget` drops it at once.
"""

import time
from collections.abc import Sequence
from uuid import UUID

import msgspec

from domain.ledger.model import Direction, ReasonCode
from domain.ledger.rules import LedgerSettings
from infra.db.pool import Database

FRESH_SECONDS = 30.0
TENANTS_MAX = 10_000

READ = """
    SELECT (SELECT settings -> 'ledger' FROM tenants WHERE id = $1) AS settings, id, code, name, direction,
        requires_comment, requires_root_cause, is_active, pack
    FROM (SELECT $1::uuid AS tenant) one LEFT JOIN reason_codes ON tenant_id = tenant
    ORDER BY code
"""


class _Kept(msgspec.Struct, frozen=True):
    read_at: float
    settings: LedgerSettings
    reasons: dict[UUID, ReasonCode]


class CachedReference:
    """The `Reference` port."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept: dict[UUID, _Kept] = {}

    async def reason(self, tenant_id: UUID, reason_code_id: UUID) -> ReasonCode | None:
        return (await self._of(tenant_id)).reasons.get(reason_code_id)

    async def reasons(self, tenant_id: UUID) -> Sequence[ReasonCode]:
        return tuple((await self._of(tenant_id)).reasons.values())

    async def settings(self, tenant_id: UUID) -> LedgerSettings:
        return (await self._of(tenant_id)).settings

    def forget(self, tenant_id: UUID) -> None:
        self._kept.pop(tenant_id, None)

    async def _of(self, tenant_id: UUID) -> _Kept:
        kept = self._kept.get(tenant_id)
        if kept is None or time.monotonic() - kept.read_at > FRESH_SECONDS:
            kept = await self._read(tenant_id)
            if len(self._kept) >= TENANTS_MAX:
                self._kept.clear()
            self._kept[tenant_id] = kept
        return kept

    async def _read(self, tenant_id: UUID) -> _Kept:
        read_at = time.monotonic()
        async with self._database.bound(tenant_id) as driver:
            rows = await driver.fetch(READ, tenant_id)
        settings = rows[0]["settings"]
        reasons = [
            ReasonCode(
                id=row["id"],
                code=row["code"],
                name=row["name"],
                direction=Direction(row["direction"]),
                requires_comment=row["requires_comment"],
                requires_root_cause=row["requires_root_cause"],
                is_active=row["is_active"],
                pack=row["pack"],
            )
            for row in rows
            if row["id"] is not None
        ]
        return _Kept(
            read_at=read_at,
            settings=msgspec.json.decode(settings, type=LedgerSettings) if settings else LedgerSettings(),
            reasons={reason.id: reason for reason in reasons},
        )
