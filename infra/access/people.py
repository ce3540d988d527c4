"""Members, invitations and delegations in SQL."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec
from asyncpg import Record

from domain.access.model import Scope
from domain.access.people import (
    Acceptance,
    AccountFound,
    DelegationState,
    DelegationView,
    InvitationState,
    InvitationView,
    Invited,
    NewDelegation,
    NewInvitation,
    StoredDelegation,
    StoredInvitation,
    StoredMember,
    UserView,
)
from domain.access.ports import Grant
from domain.access.roles import held_roles
from infra.access.rights import SqlRightsWork
from infra.db.pool import Database
from infra.db.work import encoded

INVITATION_STATE = """CASE WHEN i.accepted_at IS NOT NULL THEN 'ACCEPTED'
    WHEN i.revoked_at IS NOT NULL THEN 'REVOKED'
    WHEN i.expires_at <= clock_timestamp() THEN 'EXPIRED' ELSE 'OPEN' END"""
DELEGATION_STATE = """CASE WHEN d.ended_at IS NOT NULL OR d.ends_at <= clock_timestamp() THEN 'ENDED'
    WHEN d.starts_at > clock_timestamp() THEN 'UPCOMING' ELSE 'ACTIVE' END"""

# `{}` narrows the grants that are shown.
USER = """
    SELECT m.user_id AS id, u.email, coalesce(m.name, u.name) AS name, m.is_active AND u.is_active AS is_active,
        coalesce((
            SELECT jsonb_agg(jsonb_build_object('role', g.role, 'location_id', g.location_id))
            FROM grants g WHERE g.tenant_id = m.tenant_id AND g.user_id = m.user_id{}
        ), '[]') AS grants,
        (
            SELECT max(s.seen_at) FROM sessions s WHERE s.tenant_id = m.tenant_id AND s.user_id = m.user_id
        ) AS last_seen_at,
        m.created_at, m.updated_at, m.version
"""
USERS = "FROM memberships m JOIN users u ON u.id = m.user_id WHERE m.tenant_id = $1"
INVITATION = f"""
    SELECT i.id, i.email, i.name, i.grants, {INVITATION_STATE} AS state, i.created_by, i.created_at, i.updated_at,
        i.expires_at, i.accepted_at, i.accepted_by, i.revoked_at, i.version
"""
INVITATIONS = "FROM invitations i WHERE i.tenant_id = $1"
DELEGATION = f"""
    SELECT d.id, d.from_user_id, coalesce(fm.name, fu.name) AS from_user_name, d.to_user_id,
        coalesce(tm.name, tu.name) AS to_user_name, d.permissions, d.starts_at, d.ends_at, d.note,
        {DELEGATION_STATE} AS state, d.ended_at, d.created_at, d.updated_at, d.version
"""
DELEGATIONS = """FROM delegations d
    JOIN memberships fm ON fm.tenant_id = d.tenant_id AND fm.user_id = d.from_user_id
    JOIN users fu ON fu.id = d.from_user_id
    JOIN memberships tm ON tm.tenant_id = d.tenant_id AND tm.user_id = d.to_user_id
    JOIN users tu ON tu.id = d.to_user_id
    WHERE d.tenant_id = $1"""

LOCK_MEMBER = """
    SELECT coalesce(m.name, u.name) AS name, m.is_active, m.version
    FROM memberships m JOIN users u ON u.id = m.user_id
    WHERE m.tenant_id = $1 AND m.user_id = $2 FOR NO KEY UPDATE OF m
"""
HELD = "SELECT g.role, g.location_id FROM grants g WHERE g.tenant_id = $1 AND g.user_id = $2"
# A name that is the person's own is no name of this tenant's.
STORE_MEMBER = """
    UPDATE memberships m SET is_active = $4, version = m.version + 1, updated_at = now(),
        name = CASE WHEN $3 IS DISTINCT FROM (SELECT u.name FROM users u WHERE u.id = m.user_id) THEN $3 END
    WHERE m.tenant_id = $1 AND m.user_id = $2
"""
END_SESSIONS = """
    UPDATE sessions SET ended_at = clock_timestamp() WHERE tenant_id = $1 AND user_id = $2 AND ended_at IS NULL
"""
END_SESSION = """
    UPDATE sessions SET ended_at = clock_timestamp()
    WHERE tenant_id = $1 AND user_id = $2 AND id = $3 AND ended_at IS NULL RETURNING true
"""
IS_MEMBER = """
    SELECT EXISTS (
        SELECT FROM memberships m JOIN users u ON u.id = m.user_id WHERE m.tenant_id = $1 AND u.email = $2
    )
"""
IS_INVITED = f"SELECT EXISTS (SELECT {INVITATIONS} AND i.email = $2 AND {INVITATION_STATE} = 'OPEN')"
INVITE = """
    INSERT INTO invitations (tenant_id, id, email, name, token_hash, grants, created_by, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, now() + $8)
"""
LOCK_INVITATION = f"""
    SELECT i.grants, {INVITATION_STATE} AS state, i.version {INVITATIONS} AND i.id = $2 FOR NO KEY UPDATE
"""
REVOKE_INVITATION = """
    UPDATE invitations SET revoked_at = clock_timestamp(), version = version + 1, updated_at = now()
    WHERE tenant_id = $1 AND id = $2
"""
ACCEPT = "SELECT auth_accept_invitation($1, $2, $3, $4, $5)"
BY_INVITATION = """
    SELECT tenant_id, tenant_slug, tenant_name, invitation_id, email, name, grants, created_by, user_id, user_name,
        password_hash, is_active
    FROM auth_by_invitation($1)
"""
IS_ACTIVE_MEMBER = """
    SELECT EXISTS (
        SELECT FROM memberships m JOIN users u ON u.id = m.user_id AND u.is_active
        WHERE m.tenant_id = $1 AND m.user_id = $2 AND m.is_active
    )
"""
DELEGATE = """
    INSERT INTO delegations (tenant_id, id, from_user_id, to_user_id, permissions, starts_at, ends_at, note)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
LOCK_DELEGATION = f"""
    SELECT d.from_user_id, d.to_user_id, {DELEGATION_STATE} AS state, d.version
    FROM delegations d WHERE d.tenant_id = $1 AND d.id = $2 FOR NO KEY UPDATE
"""  # noqa: S608 - ours
END_DELEGATION = """
    UPDATE delegations SET ended_at = clock_timestamp(), version = version + 1, updated_at = now()
    WHERE tenant_id = $1 AND id = $2
"""

grants_in = msgspec.json.Decoder(tuple[Grant, ...]).decode


def grants_within(parameter: str) -> str:
    """The condition for grants that count at one of the locations in a parameter."""
    return f" AND (g.location_id IS NULL OR g.location_id = ANY ({parameter}::uuid[]))"


def user_of(row: Record) -> UserView:
    return UserView(**{**_facts(row, UserView), "grants": held_roles(grants_in(row["grants"]))})


def invitation_of(row: Record) -> InvitationView:
    facts = _facts(row, InvitationView)
    grants, state = held_roles(grants_in(row["grants"])), InvitationState(row["state"])
    return InvitationView(**{**facts, "grants": grants, "state": state})


def delegation_of(row: Record) -> DelegationView:
    return DelegationView(**{**_facts(row, DelegationView), "state": DelegationState(row["state"])})


def _facts(row: Record, view: type[msgspec.Struct]) -> Mapping[str, Any]:
    return {name: row[name] for name in view.__struct_fields__}


class SqlPeopleWork(SqlRightsWork):
    """The `PeopleWork` port."""

    async def lock_member(self, user_id: UUID) -> StoredMember | None:
        """Two statements."""
        row = await self.driver.fetchrow(LOCK_MEMBER, self.tenant_id, user_id)
        if row is None:
            return None
        held = await self.driver.fetch(HELD, self.tenant_id, user_id)
        return StoredMember(user_id=user_id, grants=frozenset(Grant(**dict(grant)) for grant in held), **dict(row))

    async def store_member(self, user_id: UUID, *, name: str, is_active: bool) -> None:
        await self.driver.execute(STORE_MEMBER, self.tenant_id, user_id, name, is_active)

    async def end_sessions(self, user_id: UUID) -> None:
        await self.driver.execute(END_SESSIONS, self.tenant_id, user_id)

    async def end_session(self, user_id: UUID, session_id: UUID) -> bool:
        return bool(await self.driver.fetchval(END_SESSION, self.tenant_id, user_id, session_id))

    async def user_view(self, user_id: UUID, scope: Scope) -> UserView:
        narrow = "" if scope is None else grants_within("$3")
        statement = f"{USER.format(narrow)} {USERS} AND m.user_id = $2"
        row = await self.driver.fetchrow(
            statement, self.tenant_id, user_id, *([] if scope is None else [list(scope)])
        )
        assert row is not None, "it was locked by this very transaction"
        return user_of(row)

    async def is_member(self, email: str) -> bool:
        is_one: bool = await self.driver.fetchval(IS_MEMBER, self.tenant_id, email)
        return is_one

    async def is_invited(self, email: str) -> bool:
        is_one: bool = await self.driver.fetchval(IS_INVITED, self.tenant_id, email)
        return is_one

    async def add_invitation(self, invitation: NewInvitation) -> None:
        await self.driver.execute(
            INVITE,
            self.tenant_id,
            invitation.id,
            invitation.email,
            invitation.name,
            invitation.token_hash,
            encoded(invitation.grants),
            invitation.created_by,
            invitation.lifetime,
        )

    async def lock_invitation(self, invitation_id: UUID) -> StoredInvitation | None:
        row = await self.driver.fetchrow(LOCK_INVITATION, self.tenant_id, invitation_id)
        if row is None:
            return None
        return StoredInvitation(
            id=invitation_id,
            state=InvitationState(row["state"]),
            grants=grants_in(row["grants"]),
            version=row["version"],
        )

    async def revoke_invitation(self, invitation_id: UUID) -> None:
        await self.driver.execute(REVOKE_INVITATION, self.tenant_id, invitation_id)

    async def invitation_view(self, invitation_id: UUID) -> InvitationView:
        row = await self.driver.fetchrow(
            f"{INVITATION} {INVITATIONS} AND i.id = $2", self.tenant_id, invitation_id
        )
        assert row is not None, "it was added or locked by this very transaction"
        return invitation_of(row)

    async def accept(
        self, *, token_hash: bytes, user_id: UUID, name: str | None, known_hash: str | None, new_hash: str | None
    ) -> Acceptance:
        return Acceptance(await self.driver.fetchval(ACCEPT, token_hash, user_id, name, known_hash, new_hash))

    async def is_active_member(self, user_id: UUID) -> bool:
        is_one: bool = await self.driver.fetchval(IS_ACTIVE_MEMBER, self.tenant_id, user_id)
        return is_one

    async def add_delegation(self, delegation: NewDelegation) -> None:
        await self.driver.execute(
            DELEGATE,
            self.tenant_id,
            delegation.id,
            delegation.from_user_id,
            delegation.to_user_id,
            [str(permission) for permission in delegation.permissions],
            delegation.starts_at,
            delegation.ends_at,
            delegation.note,
        )

    async def lock_delegation(self, delegation_id: UUID) -> StoredDelegation | None:
        row = await self.driver.fetchrow(LOCK_DELEGATION, self.tenant_id, delegation_id)
        if row is None:
            return None
        return StoredDelegation(**{**dict(row), "id": delegation_id, "state": DelegationState(row["state"])})

    async def end_delegation(self, delegation_id: UUID) -> None:
        await self.driver.execute(END_DELEGATION, self.tenant_id, delegation_id)

    async def delegation_view(self, delegation_id: UUID) -> DelegationView:
        row = await self.driver.fetchrow(
            f"{DELEGATION} {DELEGATIONS} AND d.id = $2", self.tenant_id, delegation_id
        )
        assert row is not None, "it was added or locked by this very transaction"
        return delegation_of(row)


class SqlInvitations:
    """The `Invitations` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def by_invitation(self, token_hash: bytes) -> Invited | None:
        async with self._database.unbound() as driver:
            row = await driver.fetchrow(BY_INVITATION, token_hash)
        if row is None:
            return None
        account = None
        if row["user_id"] is not None:
            account = AccountFound(
                user_id=row["user_id"],
                name=row["user_name"],
                password_hash=row["password_hash"],
                is_active=row["is_active"],
            )
        return Invited(
            tenant_id=row["tenant_id"],
            tenant_slug=row["tenant_slug"],
            tenant_name=row["tenant_name"],
            invitation_id=row["invitation_id"],
            email=row["email"],
            name=row["name"],
            grants=grants_in(row["grants"]),
            created_by=row["created_by"],
            account=account,
        )
