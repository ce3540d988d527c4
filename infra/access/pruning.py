"""Removing from the audit trail what tenants no longer keep, from the outside and a part at a time."""

from collections.abc import Callable
from uuid import UUID

import msgspec

from infra.access.administering import administering

ROWS_AT_ONCE = 10_000
"""Removed in one transaction: short enough that nobody who writes the trail waits for it."""

_TENANTS = "SELECT id, slug FROM tenants WHERE $1::uuid IS NULL OR id = $1 ORDER BY slug"
_PRUNE = "SELECT audit_prune($1)"


class Pruned(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How many records of a tenant were removed."""

    tenant: str
    records: int


async def prune(
    admin_url: str,
    tenant_id: UUID | None,
    told: Callable[[str, int, int], None],
    *,
    rows_at_once: int = ROWS_AT_ONCE,
) -> list[Pruned]:
    """Remove what is older than each tenant's setting `auditRetentionDays`; `told` hears how far it is."""
    async with administering(admin_url) as connection:
        tenants = await connection.fetch(_TENANTS, tenant_id)
    report = []
    for tenant in tenants:
        title, records, last = f"Pruning the audit trail of {tenant['slug']}", 0, rows_at_once
        while last >= rows_at_once:
            async with administering(admin_url, tenant["id"]) as connection:
                last = await connection.fetchval(_PRUNE, rows_at_once)
            records += last
            told(title, records, 0 if last >= rows_at_once else max(records, 1))
        report.append(Pruned(tenant=tenant["slug"], records=records))
    return report
