"""Reason codes and settings of each tenant, kept in the process.

Every adjustment names a reason; asking the database each time would double its round trips. Changes are announced
with their commit, by whatever way they come, and dropped here. While announcements cannot be heard, nothing that
is kept is believed.
"""

import time
from collections.abc import Sequence
from uuid import UUID

import msgspec

from domain.ledger.model import Direction, ReasonCode
from domain.settings.model import TenantSettings
from infra.access.changes import Change, Kind
from infra.access.listener import AccessListener
from infra.db.pool import Database

FRESH_SECONDS = 60.0
TENANTS_MAX = 10_000

READ = """
    SELECT (SELECT settings FROM tenants WHERE id = $1) AS settings, id, code, name, direction,
        requires_comment, requires_root_cause, is_active, pack, version
    FROM (SELECT $1::uuid AS tenant) one LEFT JOIN reason_codes ON tenant_id = tenant
    ORDER BY code
"""

_settings = msgspec.json.Decoder(TenantSettings)


class _Kept(msgspec.Struct, frozen=True):
    read_at: float
    settings: TenantSettings
    reasons: dict[UUID, ReasonCode]


class CachedReference:
    """The `Reference` port."""

    def __init__(self, database: Database, *, listener: AccessListener) -> None:
        self._database = database
        self._listener = listener
        self._kept: dict[UUID, _Kept] = {}
        self._epoch = 0
        listener.subscribe(self.forget)

    async def reason(self, tenant_id: UUID, reason_code_id: UUID) -> ReasonCode | None:
        return (await self._of(tenant_id)).reasons.get(reason_code_id)

    async def reasons(self, tenant_id: UUID) -> Sequence[ReasonCode]:
        return tuple((await self._of(tenant_id)).reasons.values())

    async def settings(self, tenant_id: UUID) -> TenantSettings:
        return (await self._of(tenant_id)).settings

    def forget(self, change: Change | None) -> None:
        """Drop what a change concerns; all of it when it is not known what changed."""
        if change is None:
            self._epoch += 1
            self._kept.clear()
        elif change.kind is Kind.TENANT:
            self._epoch += 1
            self._kept.pop(change.id, None)

    async def _of(self, tenant_id: UUID) -> _Kept:
        kept = self._kept.get(tenant_id) if self._listener.is_up else None
        if kept is None or time.monotonic() - kept.read_at > FRESH_SECONDS:
            epoch = self._epoch
            kept = await self._read(tenant_id)
            # What was announced meanwhile may have come after it was read, so it serves this request alone.
            if self._listener.is_up and self._epoch == epoch:
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
                version=row["version"],
            )
            for row in rows
            if row["id"] is not None
        ]
        return _Kept(
            read_at=read_at,
            settings=_settings.decode(settings) if settings else TenantSettings(),
            reasons={reason.id: reason for reason in reasons},
        )
