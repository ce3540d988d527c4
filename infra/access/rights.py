"""Roles, grants and keys in SQL."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import asyncpg

from domain.access.model import Scope
from domain.access.ports import Grant
from domain.access.rights import (
    KeyFacts,
    KeyFilter,
    KeyView,
    NewKey,
    RoleView,
    StoredGrants,
    StoredKey,
    StoredRole,
)
from domain.catalog.views import Page, Window
from domain.errors import DomainError, FieldError, Reason
from domain.values import new_id
from infra.access.standing import StandingSqlWork
from infra.db.pool import Database

# Of the moment and not of the transaction's beginning, which may have waited long for others.
NOW = "SELECT clock_timestamp()"
GRANTS_OF = """
    SELECT g.role, g.location_id FROM grants g
    JOIN memberships m ON m.tenant_id = g.tenant_id AND m.user_id = g.user_id AND m.is_active
    JOIN users u ON u.id = g.user_id AND u.is_active
    WHERE g.tenant_id = $1 AND g.user_id = $2
"""
SCOPES_OF = """
    SELECT k.name, k.scopes, k.location_ids, k.expires_at FROM api_keys k
    WHERE k.tenant_id = $1 AND k.id = $2 AND k.revoked_at IS NULL
        AND (k.expires_at IS NULL OR k.expires_at > clock_timestamp())
"""

_ROLE = """
    SELECT r.code, r.name, r.version, r.created_at, r.updated_at, array(
        SELECT p.permission FROM role_permissions p
        WHERE p.tenant_id = r.tenant_id AND p.role = r.code ORDER BY p.permission
    ) AS permissions
    FROM roles r WHERE r.tenant_id = $1
"""
ROLES = f"{_ROLE} ORDER BY r.code"
ROLE = f"{_ROLE} AND r.code = $2"
LOCK_ROLE = f"{ROLE} FOR UPDATE"
ADD_ROLE = "INSERT INTO roles (tenant_id, code, name) VALUES ($1, $2, $3)"
STORE_ROLE = """
    UPDATE roles SET name = $3, version = version + 1, updated_at = now() WHERE tenant_id = $1 AND code = $2
"""
PERMIT = """
    INSERT INTO role_permissions (tenant_id, role, permission) SELECT $1, $2, u.p FROM unnest($3::text[]) AS u(p)
"""
FORBID = "DELETE FROM role_permissions WHERE tenant_id = $1 AND role = $2 AND permission = ANY ($3::text[])"
ROLE_USES = """
    SELECT (SELECT count(DISTINCT g.user_id) FROM grants g WHERE g.tenant_id = $1 AND g.role = $2) AS users,
        (SELECT count(*) FROM invitations i WHERE i.tenant_id = $1 AND i.accepted_at IS NULL
            AND i.revoked_at IS NULL AND i.expires_at > now()
            AND i.grants @> jsonb_build_array(jsonb_build_object('role', $2::text))) AS invitations
"""
REMOVE_ROLE = """
    WITH permissions AS (DELETE FROM role_permissions WHERE tenant_id = $1 AND role = $2)
    DELETE FROM roles WHERE tenant_id = $1 AND code = $2
"""

LOCK_MEMBERSHIP = "SELECT version FROM memberships WHERE tenant_id = $1 AND user_id = $2 FOR NO KEY UPDATE"
HELD = "SELECT role, location_id FROM grants WHERE tenant_id = $1 AND user_id = $2"
GIVE = """
    INSERT INTO grants (tenant_id, id, user_id, role, location_id)
    SELECT $1, u.id, $2, u.role, u.location_id
    FROM unnest($3::uuid[], $4::text[], $5::uuid[]) AS u(id, role, location_id)
"""
TAKE = """
    DELETE FROM grants g USING unnest($3::text[], $4::uuid[]) AS u(role, location_id)
    WHERE g.tenant_id = $1 AND g.user_id = $2 AND g.role = u.role
        AND g.location_id IS NOT DISTINCT FROM u.location_id
"""
NEXT_MEMBERSHIP = """
    UPDATE memberships SET version = version + 1, updated_at = now() WHERE tenant_id = $1 AND user_id = $2
"""

_KEY = """
    SELECT k.id, k.name, k.prefix, k.last4, k.scopes, k.location_ids, k.created_by, k.created_at, k.updated_at,
        k.expires_at, k.used_at, k.revoked_at, k.rotates_id, k.version
    FROM api_keys k WHERE k.tenant_id = $1
"""
KEY = f"{_KEY} AND k.id = $2"
ADD_KEY = """
    INSERT INTO api_keys (
        tenant_id, id, name, key_hash, prefix, last4, scopes, location_ids, created_by, expires_at, rotates_id
    ) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""
LOCK_KEY = """
    SELECT k.name, k.scopes, k.location_ids, k.expires_at, k.version, k.created_at, k.revoked_at, (
        SELECT s.id FROM api_keys s WHERE s.tenant_id = k.tenant_id AND s.rotates_id = k.id ORDER BY s.id LIMIT 1
    ) AS successor_id
    FROM api_keys k WHERE k.tenant_id = $1 AND k.id = $2 FOR NO KEY UPDATE
"""
STORE_KEY = """
    UPDATE api_keys SET name = $3, scopes = $4, location_ids = $5, expires_at = $6,
        version = version + 1, updated_at = now()
    WHERE tenant_id = $1 AND id = $2
"""
END_KEY = """
    UPDATE api_keys SET revoked_at = clock_timestamp(), version = version + 1, updated_at = now()
    WHERE tenant_id = $1 AND id = $2
"""
KEY_LIMITS = (51, 101, 201)


class SqlRightsWork(StandingSqlWork):
    """The `RightsWork` port."""

    async def now(self) -> datetime:
        moment: datetime = await self.driver.fetchval(NOW)
        return moment

    async def grants_of(self, user_id: UUID) -> frozenset[Grant]:
        return frozenset(Grant(**dict(row)) for row in await self.driver.fetch(GRANTS_OF, self.tenant_id, user_id))

    async def scopes_of(self, key_id: UUID) -> KeyFacts | None:
        row = await self.driver.fetchrow(SCOPES_OF, self.tenant_id, key_id)
        return None if row is None else _facts(row)

    async def lock_role(self, code: str) -> StoredRole | None:
        row = await self.driver.fetchrow(LOCK_ROLE, self.tenant_id, code)
        if row is None:
            return None
        return StoredRole(
            code=row["code"], name=row["name"], permissions=frozenset(row["permissions"]), version=row["version"]
        )

    async def add_role(self, role: StoredRole) -> None:
        """Two statements."""
        try:
            await self.driver.execute(ADD_ROLE, self.tenant_id, role.code, role.name)
        except asyncpg.UniqueViolationError as problem:
            message = "There is a role with this code already"
            raise DomainError(Reason.DUPLICATE, message, field="code") from problem
        await self.driver.execute(PERMIT, self.tenant_id, role.code, sorted(role.permissions))

    async def store_role(self, role: StoredRole, *, before: StoredRole) -> None:
        """Three statements at most."""
        given, taken = role.permissions - before.permissions, before.permissions - role.permissions
        await self.driver.execute(STORE_ROLE, self.tenant_id, role.code, role.name)
        if given:
            await self.driver.execute(PERMIT, self.tenant_id, role.code, sorted(given))
        if taken:
            await self.driver.execute(FORBID, self.tenant_id, role.code, sorted(taken))

    async def role_uses(self, code: str) -> Mapping[str, int]:
        row = await self.driver.fetchrow(ROLE_USES, self.tenant_id, code)
        assert row is not None
        return dict(row)

    async def remove_role(self, code: str) -> None:
        await self.driver.execute(REMOVE_ROLE, self.tenant_id, code)

    async def role_view(self, code: str) -> RoleView:
        row = await self.driver.fetchrow(ROLE, self.tenant_id, code)
        assert row is not None, "it was added or locked by this very transaction"
        return RoleView(**dict(row), is_builtin=False)

    async def lock_grants(self, user_id: UUID) -> StoredGrants | None:
        """Two statements."""
        version = await self.driver.fetchval(LOCK_MEMBERSHIP, self.tenant_id, user_id)
        if version is None:
            return None
        rows = await self.driver.fetch(HELD, self.tenant_id, user_id)
        return StoredGrants(grants=frozenset(Grant(**dict(row)) for row in rows), version=version)

    async def replace_grants(self, user_id: UUID, *, added: frozenset[Grant], removed: frozenset[Grant]) -> None:
        """Three statements at most."""
        if removed:
            roles, places = _columns(removed)
            await self.driver.execute(TAKE, self.tenant_id, user_id, roles, places)
        if added:
            roles, places = _columns(added)
            await self.driver.execute(GIVE, self.tenant_id, user_id, [new_id() for _ in roles], roles, places)
        await self.driver.execute(NEXT_MEMBERSHIP, self.tenant_id, user_id)

    async def add_key(self, key: NewKey) -> None:
        facts = key.facts
        await self.driver.execute(
            ADD_KEY,
            self.tenant_id,
            key.id,
            facts.name,
            key.key_hash,
            key.prefix,
            key.last4,
            facts.scopes,
            facts.location_ids,
            key.created_by,
            facts.expires_at,
            key.rotates_id,
        )

    async def lock_key(self, key_id: UUID) -> StoredKey | None:
        row = await self.driver.fetchrow(LOCK_KEY, self.tenant_id, key_id)
        if row is None:
            return None
        return StoredKey(
            id=key_id,
            facts=_facts(row),
            version=row["version"],
            created_at=row["created_at"],
            revoked_at=row["revoked_at"],
            successor_id=row["successor_id"],
        )

    async def store_key(self, key_id: UUID, facts: KeyFacts) -> None:
        await self.driver.execute(
            STORE_KEY, self.tenant_id, key_id, facts.name, facts.scopes, facts.location_ids, facts.expires_at
        )

    async def end_key(self, key_id: UUID) -> None:
        await self.driver.execute(END_KEY, self.tenant_id, key_id)

    async def key_view(self, key_id: UUID) -> KeyView:
        row = await self.driver.fetchrow(KEY, self.tenant_id, key_id)
        assert row is not None, "it was added or locked by this very transaction"
        return KeyView(**dict(row))


class SqlRightsReads:
    """The `RightsReads` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def roles(self, tenant_id: UUID) -> Sequence[RoleView]:
        async with self._database.bound(tenant_id) as driver:
            rows = await driver.fetch(ROLES, tenant_id)
        return [RoleView(**dict(row), is_builtin=False) for row in rows]

    async def keys(self, tenant_id: UUID, wanted: KeyFilter, window: Window, *, scope: Scope) -> Page[KeyView]:
        place = (window.page - 1) * window.limit if window.after is None else _place(window.after)
        arguments: list[Any] = [tenant_id, place]
        arguments += [] if scope is None else [list(scope)]
        arguments += [] if wanted.search is None else [wanted.search]
        statement = _keys_sql(
            is_limited=scope is not None,
            is_searched=wanted.search is not None,
            is_active=wanted.is_active,
            newest_first=window.sort.startswith("-"),
            is_after=window.after is not None,
            limit=next(size for size in KEY_LIMITS if size > window.limit),
        )
        async with self._database.bound(tenant_id) as driver:
            rows = await driver.fetch(statement, *arguments)
        shown = [KeyView(**{name: row[name] for name in KeyView.__struct_fields__}) for row in rows if row["id"]]
        items, more = shown[: window.limit], len(shown) > window.limit
        return Page(
            items=items,
            total=rows[0]["total"] if window.after is None else None,
            next_after=[str(items[-1].id)] if more else None,
        )


def _place(after: Sequence[str | int]) -> UUID:
    """The key that a cursor names.

    Raises:
        FieldError: the cursor is not one of this list.
    """
    try:
        (id_,) = after
        return UUID(str(id_))
    except ValueError:
        raise FieldError(("cursor", "is not a cursor of this list")) from None


@lru_cache(maxsize=128)
def _keys_sql(
    *, is_limited: bool, is_searched: bool, is_active: bool | None, newest_first: bool, is_after: bool, limit: int
) -> str:
    """A part of the list in the order of making, which is that of the ids.

    Parameters: the tenant, the offset or the id before, the locations, the text.
    """
    where = ""
    if is_limited:
        where += " AND k.location_ids <@ $3::uuid[]"
    if is_searched:
        text = f"${3 + is_limited}::text"
        where += f" AND strpos(lower(k.name || ' ' || k.prefix || ' ' || k.last4), lower({text})) > 0"
    if is_active is not None:
        ended = "(k.revoked_at IS NOT NULL OR coalesce(k.expires_at <= now(), false))"
        where += f" AND {'NOT ' if is_active else ''}{ended}"
    direction, comparison = ("DESC", "<") if newest_first else ("ASC", ">")
    order = f"ORDER BY id {direction}"
    if is_after:
        return f"{_KEY}{where} AND k.id {comparison} $2 {order} LIMIT {limit}"
    rows = f"{_KEY}{where} {order} LIMIT {limit} OFFSET $2"
    counted = f"SELECT count(*) AS total FROM api_keys k WHERE k.tenant_id = $1{where}"  # noqa: S608 - ours
    # One row at least, so that the total of a page beyond the end is known, too.
    return f"SELECT t.total, x.* FROM ({counted}) t LEFT JOIN LATERAL ({rows}) x ON true {order}"  # noqa: S608 - ours


def _facts(row: asyncpg.Record) -> KeyFacts:
    places = row["location_ids"]
    return KeyFacts(
        name=row["name"],
        scopes=tuple(row["scopes"]),
        location_ids=None if places is None else tuple(places),
        expires_at=row["expires_at"],
    )


def _columns(grants: frozenset[Grant]) -> tuple[list[str], list[UUID | None]]:
    # In one order, so that two who write the same rows wait for each other and do not lock crosswise.
    ordered = sorted(grants, key=lambda grant: (grant.role, str(grant.location_id)))
    return [grant.role for grant in ordered], [grant.location_id for grant in ordered]
