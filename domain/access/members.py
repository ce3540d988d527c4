"""Members of a tenant: what they are called there, and whether they may come in.

A person belongs to no tenant: the address, the password and the name they gave themselves are theirs. What a
tenant changes is the membership, so that nothing that one tenant does is seen in another.
"""

from typing import Any
from uuid import UUID

from domain.access.model import Act
from domain.access.people import PeopleWork, UserView, one_line
from domain.access.ports import Policy
from domain.access.rights import as_of_now, require_version
from domain.access.rules import require_cover, rights_of_grants
from domain.access.standing import require_an_admin
from domain.errors import DomainError, Reason, not_found


async def change_member(
    work: PeopleWork,
    policy: Policy,
    *,
    act: Act,
    user_id: UUID,
    name: str | None = None,
    is_active: bool | None = None,
    expected_version: int,
) -> UserView:
    """Call a member otherwise, keep them out, or let them in again.

    Who is kept out loses all sessions in this tenant; the roles stay, for when they come back. For both the caller
    must hold all that the member holds, so that nobody disarms somebody above them.

    Raises:
        DomainError: LAST_ADMIN, nobody would be left to administer the tenant.
    """
    act, roles = await as_of_now(work, policy, act)
    stored = await work.lock_member(user_id)
    if stored is None:
        raise not_found("user")
    places = {grant.location_id for grant in stored.grants}
    if act.scope is not None and not (places and places <= act.scope):
        raise DomainError(Reason.LOCATION_DENIED, "Your rights do not cover all locations of this user")
    require_version("user's membership", expected=expected_version, actual=stored.version)
    new_name = stored.name if name is None else one_line("name", name)
    active = stored.is_active if is_active is None else is_active
    changes: dict[str, Any] = {}
    if active != stored.is_active:
        require_cover(act.caller.rights, rights_of_grants(stored.grants, roles))
        changes["active"] = active
    if new_name != stored.name:
        changes["renamed"] = True
    if changes:
        await work.store_member(user_id, name=new_name, is_active=active)
        if not active:
            await work.end_sessions(user_id)
            await require_an_admin(work, policy)
    view = await work.user_view(user_id, act.scope)
    if changes:
        await work.record(
            "access.user.changed.v1", "user", user_id, {"id": user_id, "version": view.version, **changes}
        )
    return view
