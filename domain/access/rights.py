"""Roles, grants and keys: as they are kept, as they are shown, and what changing them needs from the outside."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec
from msgspec import field

from domain.access.model import Act, Permission, Scope
from domain.access.ports import Grant, Policy
from domain.access.rules import rights_of_grants, rights_of_scopes
from domain.access.standing import Roles, StandingWork, roles_now
from domain.catalog.views import Page, Window
from domain.errors import DomainError, Reason

OWN_ROLES_MAX = 200
"""How many roles a tenant may make: all of them are read with each session."""


class View(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Repeat `kw_only=True` on each subclass: it is not inherited, the rest is."""


class RoleView(View, frozen=True, kw_only=True):
    """A role. A default one (`builtin`) is the same in every tenant and cannot be changed: it has no version."""

    code: str
    name: str
    permissions: Sequence[str]
    is_builtin: bool = field(name="builtin")
    version: int | None
    created_at: datetime | None
    updated_at: datetime | None


class StoredRole(msgspec.Struct, frozen=True, kw_only=True):
    """A role of the tenant's own, as it stands."""

    code: str
    name: str
    permissions: frozenset[str]
    version: int


class HeldRole(View, frozen=True, kw_only=True):
    """A role that somebody has, at these locations; null is all of them."""

    role: str
    location_ids: Sequence[UUID] | None


class GrantsView(View, frozen=True, kw_only=True):
    """All roles of a member."""

    user_id: UUID
    grants: Sequence[HeldRole]
    version: int


class StoredGrants(msgspec.Struct, frozen=True, kw_only=True):
    """What a member holds, under the version of the membership."""

    grants: frozenset[Grant]
    version: int


class KeyView(View, frozen=True, kw_only=True):
    """An API key without its secret: who has it knows it again by its beginning and its end."""

    id: UUID
    name: str
    prefix: str
    last4: str
    scopes: Sequence[str]
    location_ids: Sequence[UUID] | None
    created_by: UUID | None
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None
    used_at: datetime | None
    revoked_at: datetime | None
    rotates_id: UUID | None
    version: int


class KeyFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a key is for. `location_ids` None is all locations, `expires_at` None is never."""

    name: str
    scopes: tuple[str, ...]
    location_ids: tuple[UUID, ...] | None = None
    expires_at: datetime | None = None

    @property
    def rights(self) -> Mapping[Permission, Scope]:
        return rights_of_scopes(self.scopes, self.location_ids)


class StoredKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key as it stands."""

    id: UUID
    facts: KeyFacts
    version: int
    created_at: datetime
    revoked_at: datetime | None
    successor_id: UUID | None
    """The key that has taken its place."""


class NewKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key to be added; of its secret there is the hash, and what it is known again by."""

    id: UUID
    facts: KeyFacts
    key_hash: bytes
    prefix: str
    last4: str
    created_by: UUID
    rotates_id: UUID | None = None


class KeyFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which keys are wanted; None is all."""

    search: str | None = None
    is_active: bool | None = None


class RightsWork(StandingWork, Protocol):
    """Roles, grants and keys in one transaction."""

    async def now(self) -> datetime:
        """The database's clock, at this moment of the transaction."""
        ...

    async def grants_of(self, user_id: UUID) -> frozenset[Grant]:
        """What an active member holds now; nothing of anybody else."""
        ...

    async def scopes_of(self, key_id: UUID) -> KeyFacts | None:
        """What a key that is valid now is for."""
        ...

    async def lock_role(self, code: str) -> StoredRole | None: ...
    async def add_role(self, role: StoredRole) -> None: ...
    async def store_role(self, role: StoredRole, *, before: StoredRole) -> None:
        """Put a role in place of what it was, under the next version."""
        ...

    async def role_uses(self, code: str) -> Mapping[str, int]:
        """Who has a role, or is invited to it, and how many."""
        ...

    async def remove_role(self, code: str) -> None: ...
    async def role_view(self, code: str) -> RoleView: ...

    async def lock_grants(self, user_id: UUID) -> StoredGrants | None: ...
    async def replace_grants(self, user_id: UUID, *, added: frozenset[Grant], removed: frozenset[Grant]) -> None:
        """Give and take roles, under the next version of the membership."""
        ...

    async def add_key(self, key: NewKey) -> None: ...
    async def lock_key(self, key_id: UUID) -> StoredKey | None: ...
    async def store_key(self, key_id: UUID, facts: KeyFacts) -> None:
        """Put other facts in place of those that stand, under the next version."""
        ...

    async def end_key(self, key_id: UUID) -> None: ...
    async def key_view(self, key_id: UUID) -> KeyView: ...


class RightsReads(Protocol):
    """Roles and keys to read."""

    async def roles(self, tenant_id: UUID) -> Sequence[RoleView]:
        """The tenant's own roles. One statement."""
        ...

    async def keys(self, tenant_id: UUID, wanted: KeyFilter, window: Window, *, scope: Scope) -> Page[KeyView]:
        """Keys all of whose locations are within the scope, in the order of their making. One statement."""
        ...


async def as_of_now(work: RightsWork, policy: Policy, act: Act) -> tuple[Act, Roles]:
    """The act with what its caller may do at this moment, while nobody else changes it; and what roles permit.

    A request may have been let in with rights that another one has taken away since.

    Raises:
        DomainError: PERMISSION_DENIED, the caller's right to be here is gone.
    """
    await work.hold_access()
    roles = await roles_now(work, policy)
    caller = act.caller
    rights: Mapping[Permission, Scope]
    if caller.key_id is None:
        assert caller.user_id is not None, "who is no key is a person"
        rights = rights_of_grants(await work.grants_of(caller.user_id), roles)
    else:
        key = await work.scopes_of(caller.key_id)
        rights = {} if key is None else key.rights
    if act.permission not in rights:
        message = f"You lack the permission {act.permission}"
        raise DomainError(Reason.PERMISSION_DENIED, message, permission=act.permission)
    now = msgspec.structs.replace(act, caller=msgspec.structs.replace(caller, rights=rights))
    return now, roles


def require_version(what: str, *, expected: int | None, actual: int) -> None:
    """Refuse who has not seen the latest change."""
    if expected is not None and expected != actual:
        message = f"The {what} has been changed since you read it"
        raise DomainError(Reason.STALE_VERSION, message, expected=expected, actual=actual)
