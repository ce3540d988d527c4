"""In whose name a job is done: who asked for it, with the rights that they have when it is done."""

from typing import Any
from uuid import UUID

import msgspec

from domain.access.model import Act, Caller, Permission
from domain.access.ports import FoundKey, Grant, Policy, Rule
from domain.access.rules import (
    known_permission,
    refuse_spent,
    rights_of_grants,
    rights_of_scopes,
    tenant_rules,
)
from domain.errors import DomainError, Reason
from infra.db.pool import Database
from infra.jobs.attempts import Taken

SYSTEM = "Storekeeper"
"""The name that the records show for what a tenant's schedule asks for."""

TENANT = "SELECT slug, name FROM tenants WHERE id = $1 AND is_active"
PERSON = """
    SELECT u.name, u.email,
        coalesce(jsonb_agg(jsonb_build_object('role', g.role, 'location_id', g.location_id))
            FILTER (WHERE g.id IS NOT NULL), '[]') AS grants,
        (SELECT coalesce(jsonb_agg(jsonb_build_object('role', p.role, 'permission', p.permission)), '[]')
            FROM role_permissions p WHERE p.tenant_id = $1) AS rules
    FROM memberships m
    JOIN users u ON u.id = m.user_id AND u.is_active
    LEFT JOIN grants g ON g.tenant_id = m.tenant_id AND g.user_id = m.user_id
    WHERE m.tenant_id = $1 AND m.user_id = $2 AND m.is_active
    GROUP BY u.id
"""
KEY = """
    SELECT name, scopes, location_ids, expires_at, revoked_at, now() AS now_at
    FROM api_keys WHERE tenant_id = $1 AND id = $2
"""
_grants = msgspec.json.Decoder(tuple[Grant, ...])
_rules = msgspec.json.Decoder(tuple[Rule, ...])


def system_caller(tenant_id: UUID, *, slug: str = "", name: str = "") -> Caller:
    """The tenant itself, which may do everything in it."""
    return Caller(
        tenant_id=tenant_id,
        tenant_slug=slug,
        tenant_name=name,
        principal_id=tenant_id,
        user_id=None,
        actor=SYSTEM,
        session_id=None,
        key_id=None,
        roles=(),
        rights=dict.fromkeys(Permission),
    )


class SqlActors:
    """Who acts in an attempt."""

    def __init__(self, database: Database, policy: Policy) -> None:
        self._database = database
        self._policy = policy

    async def act_of(self, taken: Taken) -> Act:
        """The act of an attempt.

        Raises:
            DomainError: who asked for it may no longer do so, or is no longer let in.
        """
        job = taken.job
        caller = await self._caller(taken)
        permission = known_permission(job.permission)
        if permission is None:
            raise DomainError(Reason.PERMISSION_DENIED, f"There is no permission {job.permission} any more")
        refused = caller.refusal(permission)
        if refused is not None:
            raise refused
        return Act(caller=caller, permission=permission, operation=f"job {job.type}", request_id=taken.request_id)

    async def _caller(self, taken: Taken) -> Caller:
        job = taken.job
        async with self._database.bound(job.tenant_id) as driver:
            tenant = await driver.fetchrow(TENANT, job.tenant_id)
            person: Any = None
            key: Any = None
            if taken.user_id is not None:
                person = await driver.fetchrow(PERSON, job.tenant_id, taken.user_id)
            elif taken.key_id is not None:
                key = await driver.fetchrow(KEY, job.tenant_id, taken.key_id)
        if tenant is None:
            raise DomainError(Reason.INACTIVE, "The tenant is closed")
        system = system_caller(job.tenant_id, slug=tenant["slug"], name=tenant["name"])
        if job.created_by == job.tenant_id:
            return system
        known = msgspec.structs.replace(
            system, principal_id=job.created_by, actor=job.creator, user_id=taken.user_id, key_id=taken.key_id
        )
        if person is not None:
            grants, rules = _grants.decode(person["grants"]), _rules.decode(person["rules"])
            roles = frozenset(grant.role for grant in grants)
            permitted = await self._policy.permissions(
                tenant_id=job.tenant_id, roles=roles, version=tenant_rules(rules).version
            )
            rights = rights_of_grants(grants, permitted)
            return msgspec.structs.replace(known, email=person["email"], roles=tuple(sorted(roles)), rights=rights)
        if key is not None:
            refuse_spent(_found(taken, system, key))
            return msgspec.structs.replace(known, rights=rights_of_scopes(key["scopes"], key["location_ids"]))
        raise DomainError(Reason.PERMISSION_DENIED, f"{job.creator} is no longer let in")


def _found(taken: Taken, tenant: Caller, key: Any) -> FoundKey:
    return FoundKey(
        tenant_id=tenant.tenant_id,
        tenant_slug=tenant.tenant_slug,
        tenant_name=tenant.tenant_name,
        key_id=taken.job.created_by,
        name=key["name"],
        scopes=tuple(key["scopes"]),
        location_ids=None if key["location_ids"] is None else tuple(key["location_ids"]),
        expires_at=key["expires_at"],
        revoked_at=key["revoked_at"],
        now_at=key["now_at"],
    )
