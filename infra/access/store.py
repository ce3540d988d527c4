"""Access in SQL: the credential look-ups, sessions, and tenants' own rules.

Before a tenant is known there are only the three look-up functions: a hash or an address in, who it is out.
"""

from collections.abc import Iterable
from uuid import UUID

import msgspec

from domain.access.ports import (
    Account,
    FoundKey,
    FoundSession,
    Grant,
    Membership,
    NewSession,
    Rule,
    TenantRules,
)
from domain.access.rules import tenant_rules
from infra.access.changes import Kind
from infra.db.pool import Database, Driver
from infra.db.work import ACTING, encoded
from infra.observability.requests import current_request_id

BY_EMAIL = "SELECT user_id, password_hash, is_active, tenant_id, tenant_slug FROM auth_by_email($1)"
BY_SESSION = """
    SELECT tenant_id, tenant_slug, tenant_name, session_id, user_id, email, name, seen_at, expires_at, now_at,
        roles, own_rules
    FROM auth_by_session($1)
"""
BY_KEY = """
    SELECT tenant_id, tenant_slug, tenant_name, key_id, name, scopes, location_ids, expires_at, revoked_at,
        makers, now_at
    FROM auth_by_key($1)
"""
RULES = "SELECT role, permission FROM role_permissions WHERE tenant_id = $1"
BEGIN = """
    INSERT INTO sessions (tenant_id, id, user_id, token_hash, created_at, seen_at, expires_at, user_agent)
    VALUES ($1, $2, $3, $4, now(), now(), now() + $5, $6)
"""
# Whoever logs in with a password while it is changed must not be left with a session that the change did not see.
# One of the two waits: the session is there to be ended, or the password is seen to be another one.
_LOCK = "hashtextextended('password' || {}::text, 0)"
HOLD_PASSWORD = f"SELECT pg_advisory_xact_lock({_LOCK.format('$1')})"
RELY_ON_PASSWORD = f"{ACTING}, pg_advisory_xact_lock_shared({_LOCK.format('$2')})"
_STILL_KNOWN = "SELECT EXISTS (SELECT FROM users WHERE id = $1 AND password_hash = $2 AND is_active)"
END = "UPDATE sessions SET ended_at = now() WHERE tenant_id = $1 AND id = $2 AND ended_at IS NULL"
REPLACE_HASH = "SELECT auth_set_password($1, $2, $3, $4)"
SESSIONS_SEEN = """
    UPDATE sessions SET seen_at = now()
    WHERE tenant_id = $1 AND id = ANY ($2) AND ended_at IS NULL AND seen_at < now()
"""
KEYS_USED = "UPDATE api_keys SET used_at = now() WHERE tenant_id = $1 AND id = ANY ($2)"
TOKENS_USED = "UPDATE tokens SET used_at = now() WHERE tenant_id = $1 AND id = ANY ($2)"
_USED = {Kind.SESSION: SESSIONS_SEEN, Kind.KEY: KEYS_USED, Kind.TOKEN: TOKENS_USED}

_grants = msgspec.json.Decoder(tuple[Grant, ...])
_rules = msgspec.json.Decoder(tuple[Rule, ...])


async def begin_session(driver: Driver, session: NewSession) -> None:
    """Begin it, on a connection that is bound to its tenant."""
    await driver.execute(
        BEGIN,
        session.tenant_id,
        session.id,
        session.user_id,
        session.token_hash,
        session.lifetime,
        session.user_agent,
    )


def _who(session_id: UUID) -> str:
    """Nobody is known yet when a session begins: the trail names the person whose session it is."""
    return encoded({"sessionId": session_id, "requestId": current_request_id()})


class SqlAccess:
    """The ports `Credentials`, `Sessions` and `PolicyRepository`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def database(self) -> Database:
        return self._database

    async def by_email(self, email: str) -> Account | None:
        async with self._database.unbound() as driver:
            rows = await driver.fetch(BY_EMAIL, email)
        if not rows:
            return None
        return Account(
            user_id=rows[0]["user_id"],
            password_hash=rows[0]["password_hash"],
            is_active=rows[0]["is_active"],
            # Without a tenant the membership has ended, or the tenant is closed.
            memberships=tuple(
                Membership(tenant_id=row["tenant_id"], tenant_slug=row["tenant_slug"])
                for row in rows
                if row["tenant_id"] is not None
            ),
        )

    async def by_session(self, token_hash: bytes) -> FoundSession | None:
        async with self._database.unbound() as driver:
            row = await driver.fetchrow(BY_SESSION, token_hash)
        if row is None:
            return None
        facts = dict(row)
        grants, own = _grants.decode(facts.pop("roles")), _rules.decode(facts.pop("own_rules"))
        return FoundSession(**facts, grants=grants, policy_version=tenant_rules(own).version)

    async def by_key(self, key_hash: bytes) -> FoundKey | None:
        async with self._database.unbound() as driver:
            row = await driver.fetchrow(BY_KEY, key_hash)
        if row is None:
            return None
        facts = dict(row)
        locations = facts.pop("location_ids")
        return FoundKey(
            **{**facts, "scopes": tuple(facts["scopes"]), "makers": frozenset(facts["makers"])},
            location_ids=None if locations is None else tuple(locations),
        )

    async def rehash(self, *, tenant_id: UUID, user_id: UUID, old_hash: str, new_hash: str) -> None:
        async with self._database.bound(tenant_id) as driver:
            await driver.execute(REPLACE_HASH, user_id, old_hash, new_hash, True)

    async def rules_of(self, tenant_id: UUID) -> TenantRules:
        async with self._database.bound(tenant_id) as driver:
            rows = await driver.fetch(RULES, tenant_id)
        return tenant_rules(Rule(role=row["role"], permission=row["permission"]) for row in rows)

    async def begin(self, session: NewSession, *, known_hash: str) -> bool:
        async with self._database.transaction(session.tenant_id) as driver:
            await driver.execute(RELY_ON_PASSWORD, _who(session.id), str(session.user_id))
            is_known: bool = await driver.fetchval(_STILL_KNOWN, session.user_id, known_hash)
            if is_known:
                await begin_session(driver, session)
        return is_known

    async def end(self, *, tenant_id: UUID, session_id: UUID) -> None:
        async with self._database.transaction(tenant_id) as driver:
            await driver.execute(ACTING, _who(session_id))
            await driver.execute(END, tenant_id, session_id)

    async def seen(self, kind: Kind, tenant_id: UUID, ids: Iterable[UUID]) -> None:
        """Write down that sessions, keys or tokens were used just now."""
        statement = _USED[kind]
        async with self._database.bound(tenant_id) as driver:
            await driver.execute(statement, tenant_id, list(ids))
