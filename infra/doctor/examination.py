"""All checks, each for itself: what one cannot find out does not keep the next from looking."""

import random
from collections.abc import Sequence

import asyncpg

from domain.errors import DomainError
from infra.access.operating import tenants
from infra.doctor import server, walls
from infra.doctor.findings import Check, Connection, Finding, Surroundings, Verdict, fail, ok, warn
from infra.ledger.verify import verify

__all__ = ["CHECKS", "Surroundings", "examine"]

MOVEMENTS_READ = 200_000
"""About so many movements are recomputed, of tenants drawn by lot."""


async def _ledger(_: Connection, around: Surroundings) -> Finding:
    all_of_them = await tenants(around.admin_url)
    random.shuffle(all_of_them)
    left, drawn = MOVEMENTS_READ, []
    for tenant in all_of_them:
        if tenant.movements <= left:
            drawn.append(tenant)
            left -= tenant.movements
    movements = 0
    for tenant in drawn:
        report = await verify(around.admin_url, tenant.id)
        movements += report.movements
        if not report.is_clean:
            return fail(
                "ledger",
                f"{report.drift_count} contradictions in the books of {tenant.slug}",
                f"`storekeeper ledger verify --tenant {tenant.slug}` names them. Stop writing; restore a backup.",
            )
    message = f"{movements:,} movements of {len(drawn)} of {len(all_of_them)} tenants recomputed, none contradicts"
    if all_of_them and not drawn:
        return warn("ledger", "Every tenant is too large for a sample", "Run `storekeeper ledger verify`.")
    return ok("ledger", message)


CHECKS: dict[str, Check] = {
    "server": server.version,
    "migrations": server.migrations,
    "roles": walls.roles,
    "login": walls.login,
    "row security": walls.row_security,
    "rights": walls.rights,
    "durability": server.durability,
    "checksums": server.checksums,
    "archive": server.archive,
    "disk": server.disk,
    "transactions": server.transactions,
    "locale": server.locale,
    "clock": server.clock,
    "connections": server.connections,
    "ledger": _ledger,
}


async def examine(around: Surroundings) -> Sequence[Finding]:
    """Everything that can be seen from here, in order of importance."""
    try:
        connection = await asyncpg.connect(
            around.admin_url, timeout=10, server_settings={"application_name": "storekeeper doctor"}
        )
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return [
            fail(
                "server", f"It does not answer: {str(error) or type(error).__name__}", "Start it, or see its log."
            )
        ]
    findings: list[Finding] = []
    try:
        for name, check in CHECKS.items():
            findings.append(await _looked(name, check, connection, around))
            if findings[-1].check == "migrations" and findings[-1].verdict is Verdict.FAIL:
                return findings  # of tables that are not there, or others, nothing more can be said
    finally:
        await connection.close()
    return findings


async def _looked(name: str, check: Check, connection: Connection, around: Surroundings) -> Finding:
    try:
        return await check(connection, around)
    except (DomainError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        advice = "Let DATABASE_ADMIN_URL name a login that may look: the owner or a superuser."
        return warn(name, f"Could not be looked at: {error}", advice)
