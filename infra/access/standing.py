"""Who stands how in a tenant, inside the transaction that is about to change it."""

from collections.abc import Iterable, Mapping
from uuid import UUID

from infra.db.work import SqlWork

# One lock for all that changes who may do what: rare, and two of them must see each other.
HOLD_ACCESS = "SELECT pg_advisory_xact_lock(hashtextextended('access' || $1::text, 0))"
OWN_ROLES = """
    SELECT r.code, coalesce(array_agg(p.permission) FILTER (WHERE p.permission IS NOT NULL), '{}') AS permissions
    FROM roles r LEFT JOIN role_permissions p ON p.tenant_id = r.tenant_id AND p.role = r.code
    WHERE r.tenant_id = $1 GROUP BY r.code
"""
HELD_EVERYWHERE = """
    SELECT g.user_id, array_agg(g.role) AS roles
    FROM grants g
    JOIN memberships m ON m.tenant_id = g.tenant_id AND m.user_id = g.user_id AND m.is_active
    JOIN users u ON u.id = g.user_id AND u.is_active
    WHERE g.tenant_id = $1 AND g.location_id IS NULL
    GROUP BY g.user_id
"""
KNOWN_LOCATIONS = "SELECT l.id FROM locations l WHERE l.tenant_id = $1 AND l.id = ANY ($2::uuid[])"


class StandingSqlWork(SqlWork):
    """The `StandingWork` port."""

    @property
    def tenant_id(self) -> UUID:
        return self.act.tenant_id

    async def hold_access(self) -> None:
        await self.driver.execute(HOLD_ACCESS, str(self.tenant_id))

    async def own_roles(self) -> Mapping[str, tuple[str, ...]]:
        rows = await self.driver.fetch(OWN_ROLES, self.tenant_id)
        return {row["code"]: tuple(row["permissions"]) for row in rows}

    async def held_everywhere(self) -> Mapping[UUID, tuple[str, ...]]:
        rows = await self.driver.fetch(HELD_EVERYWHERE, self.tenant_id)
        return {row["user_id"]: tuple(row["roles"]) for row in rows}

    async def unknown_locations(self, location_ids: Iterable[UUID]) -> frozenset[UUID]:
        asked = frozenset(location_ids)
        rows = await self.driver.fetch(KNOWN_LOCATIONS, self.tenant_id, sorted(asked))
        return asked - {row["id"] for row in rows}
