"""What an operator sees and changes of tenants, people, grants and keys that are there; making them: provision.py.

Whatever takes a right away returns when no running process believes any longer that it is there.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from domain.access.credentials import hash_of, last4_of, new_api_key, prefix_of
from domain.access.rules import email_of
from domain.errors import DomainError, Reason
from domain.values import new_id
from infra.access.administering import Connection, administering, bind
from infra.access.passwords import hash_password
from infra.access.provision import create_api_key, create_tenant, create_user, find_tenant, grant
from infra.access.store import HOLD_PASSWORD

__all__ = [
    "create_api_key",
    "create_tenant",
    "create_user",
    "find_location",
    "find_tenant",
    "find_user",
    "grant",
    "keys",
    "password",
    "people",
    "revoke_grant",
    "revoke_key",
    "rotate_key",
    "switch_membership",
    "switch_tenant",
    "switch_user",
    "tenants",
]


class TenantRow(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A tenant, as an operator needs to see it."""

    id: UUID
    slug: str
    name: str
    is_active: bool
    people: int
    keys: int
    movements: int
    created_at: datetime


class PersonRow(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A person, with what they hold in the tenant that was asked about."""

    id: UUID
    email: str
    name: str
    is_active: bool
    created_at: datetime
    is_member: bool | None = None
    """Whether they may enter the tenant; None where none was asked about."""
    grants: tuple[str, ...] = ()
    """`role`, or `role@location`."""


class KeyRow(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A key, without what it is made of."""

    id: UUID
    name: str
    shown: str
    state: str
    scopes: tuple[str, ...]
    locations: tuple[str, ...] | None
    """Their codes; None is all."""
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None


_TENANTS = "SELECT id, slug, name, is_active, created_at FROM tenants ORDER BY slug"
_COUNTS = """
    SELECT (SELECT count(*) FROM memberships WHERE tenant_id = $1 AND is_active) AS people,
        (SELECT count(*) FROM api_keys WHERE tenant_id = $1 AND revoked_at IS NULL
            AND (expires_at IS NULL OR expires_at > now())) AS keys,
        coalesce((SELECT position FROM ledger_heads WHERE tenant_id = $1), 0) AS movements
"""
_PEOPLE = "SELECT id, email, name, is_active, created_at FROM users ORDER BY email"
_MEMBERS = """
    SELECT u.id, u.email, u.name, u.is_active, u.created_at, m.is_active AS is_member, coalesce((
        SELECT array_agg(g.role || coalesce('@' || l.code, '') ORDER BY g.role, l.code)
        FROM grants g LEFT JOIN locations l ON l.tenant_id = g.tenant_id AND l.id = g.location_id
        WHERE g.tenant_id = $1 AND g.user_id = u.id
    ), '{}') AS grants
    FROM memberships m JOIN users u ON u.id = m.user_id WHERE m.tenant_id = $1 ORDER BY u.email
"""
_KEYS = """
    SELECT k.id, k.name, k.prefix || '…' || k.last4 AS shown, k.scopes, k.created_at, k.expires_at, k.used_at,
        CASE
            WHEN k.revoked_at IS NOT NULL THEN 'revoked'
            WHEN k.expires_at <= now() THEN 'expired'
            ELSE 'active'
        END AS state,
        CASE WHEN k.location_ids IS NOT NULL THEN coalesce((
            SELECT array_agg(l.code ORDER BY l.code) FROM locations l
            WHERE l.tenant_id = $1 AND l.id = ANY (k.location_ids)
        ), '{}') END AS locations
    FROM api_keys k WHERE k.tenant_id = $1 ORDER BY k.id
"""
_SWITCH = "SET is_active = $1, version = version + 1, updated_at = now()"
_END_SESSIONS = "UPDATE sessions SET ended_at = now() WHERE tenant_id = $1 AND user_id = $2 AND ended_at IS NULL"
_END_TOKENS = "UPDATE tokens SET revoked_at = now() WHERE tenant_id = $1 AND user_id = $2 AND revoked_at IS NULL"
_ROTATE = """
    INSERT INTO api_keys (
        tenant_id, id, name, key_hash, prefix, last4, scopes, location_ids, created_by, expires_at, rotates_id
    )
    SELECT tenant_id, $3, name, $4, $5, $6, scopes, location_ids, created_by, expires_at, id
    FROM api_keys
    WHERE tenant_id = $1 AND id = $2 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
    RETURNING true
"""
_OVERLAP = """
    UPDATE api_keys SET expires_at = least(expires_at, now() + $3), version = version + 1, updated_at = now()
    WHERE tenant_id = $1 AND id = $2 RETURNING expires_at
"""
_REVOKE = """
    UPDATE api_keys SET revoked_at = now(), version = version + 1, updated_at = now()
    WHERE tenant_id = $1 AND id = $2 AND revoked_at IS NULL RETURNING true
"""


async def tenants(admin_url: str) -> list[TenantRow]:
    """All of them, by their names in addresses."""
    found = []
    async with administering(admin_url) as connection:
        for row in await connection.fetch(_TENANTS):
            await bind(connection, row["id"])
            counts = await connection.fetchrow(_COUNTS, row["id"])
            found.append(TenantRow(**row, **dict(counts or {})))
    return found


async def switch_tenant(admin_url: str, tenant_id: UUID, *, active: bool) -> bool:
    """Let a tenant's people and keys in, or nobody; whether that changed anything. Nothing is deleted."""
    async with administering(admin_url, tenant_id, revokes=True) as connection:
        changed = await connection.fetchval(
            f"UPDATE tenants {_SWITCH} WHERE id = $2 AND is_active <> $1 RETURNING true",
            active,
            tenant_id,
        )
    return bool(changed)


async def people(admin_url: str, tenant_id: UUID | None = None) -> list[PersonRow]:
    """Everybody, or the members of one tenant with their grants."""
    async with administering(admin_url, tenant_id) as connection:
        if tenant_id is None:
            return [PersonRow(**row) for row in await connection.fetch(_PEOPLE)]
        rows = await connection.fetch(_MEMBERS, tenant_id)
        return [PersonRow(**{**row, "grants": tuple(row["grants"])}) for row in rows]


async def find_user(admin_url: str, email: str) -> UUID | None:
    """The person of this address, if there is one."""
    async with administering(admin_url) as connection:
        found: UUID | None = await connection.fetchval("SELECT id FROM users WHERE email = $1", email_of(email))
        return found


async def find_location(admin_url: str, tenant_id: UUID, code: str) -> UUID | None:
    """The tenant's location of this code, if there is one."""
    async with administering(admin_url, tenant_id) as connection:
        found: UUID | None = await connection.fetchval(
            "SELECT id FROM locations WHERE tenant_id = $1 AND code = $2", tenant_id, code
        )
        return found


async def switch_user(admin_url: str, user_id: UUID, *, active: bool) -> bool:
    """Let a person in wherever they are a member, or nowhere; whether that changed anything."""
    async with administering(admin_url, revokes=True) as connection:
        await connection.execute(HOLD_PASSWORD, str(user_id))
        await _end_sessions(connection, user_id, unless=active)
        changed = await connection.fetchval(
            f"UPDATE users {_SWITCH} WHERE id = $2 AND is_active <> $1 RETURNING true",
            active,
            user_id,
        )
    return bool(changed)


async def switch_membership(admin_url: str, tenant_id: UUID, user_id: UUID, *, active: bool) -> bool:
    """Let a person into one tenant, or out of it; whether that changed anything. Their grants stay."""
    async with administering(admin_url, tenant_id, revokes=True) as connection:
        changed = await connection.fetchval(
            f"UPDATE memberships {_SWITCH} "
            "WHERE tenant_id = $2 AND user_id = $3 AND is_active <> $1 RETURNING true",
            active,
            tenant_id,
            user_id,
        )
        if not active:
            await connection.execute(_END_SESSIONS, tenant_id, user_id)
    return bool(changed)


async def password(admin_url: str, user_id: UUID, new: str) -> None:
    """Give a person another password; whoever is logged in with the old one is logged out everywhere."""
    hashed = hash_password(new)
    async with administering(admin_url, revokes=True) as connection:
        await connection.execute(HOLD_PASSWORD, str(user_id))
        await _end_sessions(connection, user_id)
        await connection.execute(
            """
            UPDATE users SET password_hash = $2, password_changed_at = now(), version = version + 1,
                updated_at = now()
            WHERE id = $1
            """,
            user_id,
            hashed,
        )


async def revoke_grant(
    admin_url: str, tenant_id: UUID, user_id: UUID, role: str, location_id: UUID | None = None
) -> bool:
    """Take a role away, at the one location or the one that is for all; whether they held it."""
    async with administering(admin_url, tenant_id, revokes=True) as connection:
        taken = await connection.fetchval(
            """
            DELETE FROM grants
            WHERE tenant_id = $1 AND user_id = $2 AND role = $3 AND location_id IS NOT DISTINCT FROM $4
            RETURNING true
            """,
            tenant_id,
            user_id,
            role,
            location_id,
        )
    return bool(taken)


async def keys(admin_url: str, tenant_id: UUID) -> list[KeyRow]:
    """A tenant's keys, those that ended included."""
    async with administering(admin_url, tenant_id) as connection:
        return [_key(row) for row in await connection.fetch(_KEYS, tenant_id)]


async def revoke_key(admin_url: str, tenant_id: UUID, key_id: UUID) -> bool:
    """End a key for good; whether it was in use."""
    async with administering(admin_url, tenant_id, revokes=True) as connection:
        revoked = await connection.fetchval(_REVOKE, tenant_id, key_id)
    return bool(revoked)


async def rotate_key(
    admin_url: str, tenant_id: UUID, key_id: UUID, overlap: timedelta
) -> tuple[UUID, str, datetime]:
    """A successor with the same rights, its text (told here once), and when the old key ends."""
    successor_id, key = new_id(), new_api_key()
    async with administering(admin_url, tenant_id, revokes=True) as connection:
        made = await connection.fetchval(
            _ROTATE, tenant_id, key_id, successor_id, hash_of(key), prefix_of(key), last4_of(key)
        )
        if not made:
            raise DomainError(Reason.NOT_FOUND, "No such key, or it has ended: make a new one")
        ends: datetime = await connection.fetchval(_OVERLAP, tenant_id, key_id, overlap)
    return successor_id, key, ends


async def _end_sessions(connection: Connection, user_id: UUID, *, unless: bool = False) -> None:
    """End a person's sessions and tokens tenant by tenant, and stay bound to one that they are in.

    The audit trail is a tenant's: what happens to the person next is written into that one's.
    """
    home: UUID | None = None
    for tenant in await connection.fetch("SELECT id FROM tenants ORDER BY id"):
        await bind(connection, tenant["id"])
        if not unless:
            await connection.execute(_END_SESSIONS, tenant["id"], user_id)
            await connection.execute(_END_TOKENS, tenant["id"], user_id)
        if home is None and await connection.fetchval(
            "SELECT true FROM memberships WHERE tenant_id = $1 AND user_id = $2", tenant["id"], user_id
        ):
            home = tenant["id"]
    if home is not None:
        await bind(connection, home)


def _key(row: Any) -> KeyRow:
    facts = dict(row)
    locations = facts["locations"]
    return KeyRow(
        **{
            **facts,
            "scopes": tuple(facts["scopes"]),
            "locations": None if locations is None else tuple(locations),
        }
    )
