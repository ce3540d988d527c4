"""A tenant's own roles, and who holds which role where."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from uuid import UUID

import msgspec

from domain.access.model import Act, Permission, Scope
from domain.access.ports import Grant, Policy
from domain.access.rights import (
    OWN_ROLES_MAX,
    GrantsView,
    HeldRole,
    RightsReads,
    RightsWork,
    RoleView,
    StoredRole,
    as_of_now,
    require_version,
)
from domain.access.rules import is_role_code, require_cover, rights_of_grants, rights_of_scopes
from domain.access.standing import Roles, require_an_admin, require_may_give, require_reach
from domain.errors import DomainError, FieldError, Reason, not_found
from domain.values import clean_line

HELD_MAX = 2_000
"""How many roles at locations a member holds: all of them are read, and looked through, with each session."""
_CODE_RULE = "must be a small letter, then at most 62 small letters, digits, - and _"


async def list_roles(reads: RightsReads, policy: Policy, *, tenant_id: UUID) -> Sequence[RoleView]:
    """The default roles and the tenant's own, by their codes."""
    defaults = await policy.permissions(tenant_id=tenant_id, roles=frozenset(), version="")
    builtin = [
        RoleView(
            code=code,
            name=code.capitalize(),
            permissions=sorted(permissions),
            is_builtin=True,
            version=None,
            created_at=None,
            updated_at=None,
        )
        for code, permissions in defaults.items()
    ]
    return sorted([*builtin, *await reads.roles(tenant_id)], key=lambda role: role.code)


async def create_role(
    work: RightsWork, policy: Policy, *, act: Act, code: str, name: str, permissions: Iterable[Permission]
) -> RoleView:
    """Make a role of permissions that the caller holds everywhere."""
    if not is_role_code(code):
        raise FieldError(("code", _CODE_RULE))
    act, roles = await as_of_now(work, policy, act)
    _require_everywhere(act)
    if code in roles:
        raise DomainError(Reason.DUPLICATE, "There is a role with this code already", field="code")
    if len(await work.own_roles()) >= OWN_ROLES_MAX:
        raise FieldError(("code", f"cannot be another one: a tenant has at most {OWN_ROLES_MAX} roles of its own"))
    role = StoredRole(code=code, name=_line("name", name), permissions=frozenset(permissions), version=1)
    require_cover(act.caller.rights, _everywhere(role.permissions))
    await work.add_role(role)
    return await work.role_view(code)


async def change_role(
    work: RightsWork,
    policy: Policy,
    *,
    act: Act,
    code: str,
    name: str | None,
    permissions: Iterable[Permission] | None,
    expected_version: int,
) -> RoleView:
    """Change what a role is called or permits, for all who have it.

    Raises:
        DomainError: the caller does not hold everywhere what is added or taken away, or nobody would be left to
            administer the tenant.
    """
    if name is None and permissions is None:
        raise FieldError(("", "names nothing to change; there are name, permissions"))
    act, stored = await _own_role(work, policy, act, code)
    require_version("role", expected=expected_version, actual=stored.version)
    role = msgspec.structs.replace(
        stored,
        name=stored.name if name is None else _line("name", name),
        permissions=stored.permissions if permissions is None else frozenset(permissions),
    )
    if role != stored:
        require_cover(act.caller.rights, _everywhere(role.permissions ^ stored.permissions))
        await work.store_role(role, before=stored)
        await require_an_admin(work, policy)
    return await work.role_view(code)


async def delete_role(work: RightsWork, policy: Policy, *, act: Act, code: str) -> None:
    """Delete a role that nobody has.

    Raises:
        DomainError: IN_USE, with how many have it or are invited to it.
    """
    _, stored = await _own_role(work, policy, act, code)
    uses = {name: count for name, count in (await work.role_uses(code)).items() if count}
    if uses:
        message = f"The role is in use ({', '.join(sorted(uses))}) and cannot be deleted"
        raise DomainError(Reason.IN_USE, message, usedBy=uses)
    await work.remove_role(stored.code)


async def replace_grants(
    work: RightsWork,
    policy: Policy,
    *,
    act: Act,
    user_id: UUID,
    wanted: Sequence[HeldRole],
    expected_version: int,
) -> GrantsView:
    """Put other roles in place of all that a member has, as far as the caller sees it.

    Who administers some locations sees what holds there or everywhere, and what holds elsewhere only stays as it
    is. The caller must hold all that is given and all that is taken away, at its locations: who administers one
    location cannot disarm who administers all of them.

    Raises:
        DomainError: as `require_may_give` has it, for what is given and for what is taken away; LAST_ADMIN.
    """
    if sum(1 if role.location_ids is None else len(role.location_ids) for role in wanted) > HELD_MAX:
        raise FieldError(("grants", f"must be at most {HELD_MAX} roles at locations"))
    act, roles = await as_of_now(work, policy, act)
    _refuse_misnamed(wanted, roles)
    stored = await work.lock_grants(user_id)
    held = frozenset() if stored is None else _seen(stored.grants, act.scope)
    if stored is None or (act.scope is not None and not held):
        raise not_found("user")
    grants = frozenset(
        Grant(role=role.role, location_id=location_id)
        for role in wanted
        for location_id in ([None] if role.location_ids is None else role.location_ids)
    )
    added, removed = grants - held, held - grants
    await require_may_give(work, policy, caller=act.caller, grants=added)
    require_reach(act.caller, removed)
    require_cover(act.caller.rights, rights_of_grants(removed, roles))
    require_version("user's membership", expected=expected_version, actual=stored.version)
    if added or removed:
        await work.replace_grants(user_id, added=added, removed=removed)
        await require_an_admin(work, policy)
    version = stored.version + bool(added or removed)
    return GrantsView(user_id=user_id, grants=held_roles(grants), version=version)


def held_roles(grants: Iterable[Grant]) -> Sequence[HeldRole]:
    """Grants as they are shown: each role once, with all its locations."""

    def role(grant: Grant) -> str:
        return grant.role

    shown = []
    for code, together in groupby(sorted(grants, key=role), key=role):
        places = [grant.location_id for grant in together]
        everywhere = None in places
        shown.append(
            HeldRole(role=code, location_ids=None if everywhere else sorted(p for p in places if p is not None))
        )
    return shown


async def _own_role(work: RightsWork, policy: Policy, act: Act, code: str) -> tuple[Act, StoredRole]:
    """A role of the tenant's own, and the act of somebody who may change roles.

    Raises:
        DomainError: NOT_FOUND; LOCATION_DENIED, since a role is the same at all locations; INVALID_TRANSITION for
            a default role.
    """
    act, roles = await as_of_now(work, policy, act)
    _require_everywhere(act)
    stored = await work.lock_role(code) if is_role_code(code) else None
    if stored is not None:
        return act, stored
    if code in roles:
        message = "A default role is the same in every tenant; make one of your own instead"
        raise DomainError(Reason.INVALID_TRANSITION, message, state="BUILTIN", allowed=[])
    raise not_found("role")


def _seen(grants: frozenset[Grant], scope: Scope) -> frozenset[Grant]:
    """Those that count somewhere within a scope."""
    if scope is None:
        return grants
    return frozenset(grant for grant in grants if grant.location_id is None or grant.location_id in scope)


def _refuse_misnamed(wanted: Sequence[HeldRole], roles: Roles) -> None:
    problems = []
    named: set[str] = set()
    for n, held in enumerate(wanted):
        if held.role not in roles:
            problems.append((f"grants[{n}].role", "is not a role here"))
        if held.role in named:
            problems.append((f"grants[{n}].role", "is given twice"))
        if held.location_ids is not None and len(set(held.location_ids)) < len(held.location_ids):
            problems.append((f"grants[{n}].locationIds", "names a location twice"))
        named.add(held.role)
    if problems:
        raise FieldError(*problems)


def _require_everywhere(act: Act) -> None:
    if act.scope is not None:
        message = "Your rights are limited to locations, and roles are shared by all of them"
        raise DomainError(Reason.LOCATION_DENIED, message)


def _everywhere(permissions: Iterable[str]) -> Mapping[Permission, Scope]:
    return rights_of_scopes(permissions, None)


def _line(field: str, text: str) -> str:
    try:
        return clean_line(text, longest=200)
    except ValueError as problem:
        raise FieldError((field, str(problem))) from None
