"""How people stand to each other: what roles come to now, and that somebody is always left to administer.

A transaction that takes rights away, or hands them on, holds the tenant's access first (`hold_access`), so that
two of them see each other: two admins who disable each other at the same time cannot both succeed.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol
from uuid import UUID

from domain.access.model import Caller, Permission, Scope
from domain.access.ports import Grant, Policy
from domain.access.rules import administers, known_permission, require_cover, rights_of_grants
from domain.errors import DomainError, FieldError, Reason

type Roles = Mapping[str, frozenset[Permission]]


class StandingWork(Protocol):
    """What a unit of work knows of who stands how."""

    @property
    def tenant_id(self) -> UUID: ...

    async def hold_access(self) -> None:
        """Until the transaction ends nobody else changes who may do what in this tenant."""
        ...

    async def own_roles(self) -> Mapping[str, tuple[str, ...]]:
        """The permissions of each role of the tenant's own, as this transaction sees them."""
        ...

    async def held_everywhere(self) -> Mapping[UUID, tuple[str, ...]]:
        """The roles that each active member holds at all locations, as this transaction sees them."""
        ...

    async def unknown_locations(self, location_ids: Iterable[UUID]) -> frozenset[UUID]:
        """Those that are no locations of the tenant."""
        ...


async def roles_now(work: StandingWork, policy: Policy) -> Roles:
    """What each role permits, the default ones and the tenant's own, as this transaction sees them."""
    defaults = await policy.permissions(tenant_id=work.tenant_id, roles=frozenset(), version="")
    own = {
        role: frozenset(p for name in names if (p := known_permission(name)) is not None)
        for role, names in (await work.own_roles()).items()
    }
    return {**own, **defaults}


async def require_an_admin(work: StandingWork, policy: Policy) -> None:
    """Refuse what has left nobody to administer the tenant: to be asked after the change, while holding access.

    Raises:
        DomainError: LAST_ADMIN; the transaction is to be rolled back.
    """
    roles = await roles_now(work, policy)
    for held in (await work.held_everywhere()).values():
        if administers(rights_of_grants((Grant(role=role) for role in held), roles)):
            return
    raise DomainError(
        Reason.LAST_ADMIN, "Nobody would be left who may administer this tenant; give somebody else the role first"
    )


def require_reach(caller: Caller, grants: Iterable[Grant]) -> None:
    """Refuse who administers people at some locations only, where a grant counts at others.

    To hold there what it gives is not enough.
    """
    reach = caller.scope(Permission.ADMIN_USERS)
    for grant in grants:
        if grant.location_id is not None:
            caller.require_location(Permission.ADMIN_USERS, grant.location_id)
        elif reach is not None:
            raise DomainError(
                Reason.LOCATION_DENIED, "You administer people at some locations, not at all of them"
            )


async def require_may_give(
    work: StandingWork, policy: Policy, *, caller: Caller, grants: Iterable[Grant], at: str = "grants"
) -> dict[Permission, Scope]:
    """What grants come to, if the caller may give them: each role and location is there, and all of it is held.

    Raises:
        FieldError: there is no such role, or the same is given twice.
        DomainError: LOCATION_DENIED or NOT_FOUND for a location, PERMISSION_DENIED for a right that is not held.
    """
    grants = tuple(grants)
    require_reach(caller, grants)
    named = {grant.location_id for grant in grants if grant.location_id is not None}
    unknown = await work.unknown_locations(named) if named else frozenset()
    if unknown:
        raise DomainError(Reason.NOT_FOUND, "No such location", locationId=min(unknown))
    roles = await roles_now(work, policy)
    problems = [
        (f"{at}[{n}].role", "is not a role here") for n, grant in enumerate(grants) if grant.role not in roles
    ]
    seen: set[Grant] = set()
    for n, grant in enumerate(grants):
        if grant in seen:
            problems.append((f"{at}[{n}]", "is given twice"))
        seen.add(grant)
    if problems:
        raise FieldError(*problems)
    wanted = rights_of_grants(grants, roles)
    require_cover(caller.rights, wanted)
    return wanted
