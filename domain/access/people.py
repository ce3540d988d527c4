"""Members, invitations and delegations: as they are shown, as they are kept, and what changing them needs."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol
from uuid import UUID

import msgspec
from msgspec import field

from domain.access.model import Act, Permission, Scope
from domain.access.ports import Grant
from domain.access.rights import HeldRole, RightsWork, View
from domain.catalog.views import Page, Window
from domain.errors import FieldError
from domain.values import clean_line

GRANTS_MAX = 200


class UserView(View, frozen=True, kw_only=True):
    """A member of the tenant. The version is the membership's: of the name and state here, and of the grants."""

    id: UUID
    email: str
    name: str
    is_active: bool = field(name="active")
    grants: Sequence[HeldRole]
    last_seen_at: datetime | None
    created_at: datetime
    updated_at: datetime
    version: int


class InvitationState(StrEnum):
    ACCEPTED = "ACCEPTED"
    EXPIRED = "EXPIRED"
    OPEN = "OPEN"
    REVOKED = "REVOKED"


class InvitationView(View, frozen=True, kw_only=True):
    """An invitation without its token."""

    id: UUID
    email: str
    name: str
    grants: Sequence[HeldRole]
    state: InvitationState
    created_by: UUID | None
    created_at: datetime
    updated_at: datetime
    expires_at: datetime
    accepted_at: datetime | None
    accepted_by: UUID | None
    revoked_at: datetime | None
    version: int


class DelegationState(StrEnum):
    ACTIVE = "ACTIVE"
    ENDED = "ENDED"
    UPCOMING = "UPCOMING"


class DelegationView(View, frozen=True, kw_only=True):
    """Who decides in whose place, from when until when; both sides see it."""

    id: UUID
    from_user_id: UUID
    from_user_name: str
    to_user_id: UUID
    to_user_name: str
    permissions: Sequence[str]
    starts_at: datetime
    ends_at: datetime
    note: str | None
    state: DelegationState
    ended_at: datetime | None
    created_at: datetime
    updated_at: datetime
    version: int


class UserFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which members are wanted; None is all."""

    search: str | None = None
    is_active: bool | None = None


class InvitationFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which invitations are wanted; None is all."""

    search: str | None = None
    state: InvitationState | None = None


class DelegationFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which delegations are wanted; None is all."""

    of_user: UUID | None = None
    """From or to this one."""
    state: DelegationState | None = None


class StoredMember(msgspec.Struct, frozen=True, kw_only=True):
    """A member as they stand."""

    user_id: UUID
    name: str
    is_active: bool
    grants: frozenset[Grant]
    version: int


class NewInvitation(msgspec.Struct, frozen=True, kw_only=True):
    """An invitation to be added; of its token there is the hash."""

    id: UUID
    email: str
    name: str
    token_hash: bytes
    grants: tuple[Grant, ...]
    created_by: UUID
    lifetime: timedelta

    def __repr__(self) -> str:
        return f"NewInvitation({self.id})"


class StoredInvitation(msgspec.Struct, frozen=True, kw_only=True):
    """An invitation as it stands."""

    id: UUID
    state: InvitationState
    grants: tuple[Grant, ...]
    version: int


class NewDelegation(msgspec.Struct, frozen=True, kw_only=True):
    """A delegation to be added."""

    id: UUID
    from_user_id: UUID
    to_user_id: UUID
    permissions: tuple[Permission, ...]
    starts_at: datetime
    ends_at: datetime
    note: str | None


class StoredDelegation(msgspec.Struct, frozen=True, kw_only=True):
    """A delegation as it stands."""

    id: UUID
    from_user_id: UUID
    to_user_id: UUID
    state: DelegationState
    version: int


class PeopleWork(RightsWork, Protocol):
    """People in one transaction."""

    async def lock_member(self, user_id: UUID) -> StoredMember | None: ...
    async def store_member(self, user_id: UUID, *, name: str, is_active: bool) -> None:
        """What they are called here, and whether they may come in, under the next version."""
        ...

    async def end_sessions(self, user_id: UUID) -> None:
        """All that a member has in this tenant."""
        ...

    async def end_session(self, user_id: UUID, session_id: UUID) -> bool:
        """One of theirs in this tenant; whether there was such a live one."""
        ...

    async def user_view(self, user_id: UUID, scope: Scope) -> UserView: ...

    async def is_member(self, email: str) -> bool:
        """Whether the tenant knows somebody of this address, active or not. Nothing of other tenants' people."""
        ...

    async def is_invited(self, email: str) -> bool:
        """Whether an invitation of this address is open."""
        ...

    async def add_invitation(self, invitation: NewInvitation) -> None: ...
    async def lock_invitation(self, invitation_id: UUID) -> StoredInvitation | None: ...
    async def revoke_invitation(self, invitation_id: UUID) -> None: ...
    async def invitation_view(self, invitation_id: UUID) -> InvitationView: ...

    async def accept(
        self, *, token_hash: bytes, user_id: UUID, name: str | None, known_hash: str | None, new_hash: str | None
    ) -> "Acceptance": ...

    async def is_active_member(self, user_id: UUID) -> bool: ...
    async def add_delegation(self, delegation: NewDelegation) -> None: ...
    async def lock_delegation(self, delegation_id: UUID) -> StoredDelegation | None: ...
    async def end_delegation(self, delegation_id: UUID) -> None: ...
    async def delegation_view(self, delegation_id: UUID) -> DelegationView: ...

    async def record(
        self, type_: str, entity_type: str, entity_id: UUID, payload: object, *, locations: Sequence[UUID] = ()
    ) -> int: ...


class Acceptance(StrEnum):
    """What came of accepting an invitation."""

    CHANGED = "CHANGED"
    """The account of its address is not what it was when its password was looked at."""
    DONE = "DONE"
    GONE = "GONE"


class PeopleReads(Protocol):
    """People to read. Each call is one statement."""

    async def users(self, tenant_id: UUID, wanted: UserFilter, window: Window, *, scope: Scope) -> Page[UserView]:
        """Members, with their grants within the scope; only those who have any there, where there is a scope."""
        ...

    async def user(self, tenant_id: UUID, user_id: UUID, *, scope: Scope) -> UserView:
        """One of them.

        Raises:
            DomainError: NOT_FOUND.
        """
        ...

    async def invitations(
        self, tenant_id: UUID, wanted: InvitationFilter, window: Window, *, scope: Scope
    ) -> Page[InvitationView]:
        """Invitations, where there is a scope only those to nowhere beyond it."""
        ...

    async def delegations(
        self, tenant_id: UUID, wanted: DelegationFilter, window: Window
    ) -> Page[DelegationView]: ...


class AccountFound(msgspec.Struct, frozen=True, kw_only=True):
    """The account that there is already of an invitation's address."""

    user_id: UUID
    name: str
    password_hash: str
    is_active: bool

    def __repr__(self) -> str:
        return f"AccountFound({self.user_id})"


class Invited(msgspec.Struct, frozen=True, kw_only=True):
    """An invitation that can be accepted."""

    tenant_id: UUID
    tenant_slug: str
    tenant_name: str
    invitation_id: UUID
    email: str
    name: str
    grants: tuple[Grant, ...]
    created_by: UUID | None
    account: AccountFound | None


class Invitations(Protocol):
    """Finds what a token invites to, before any tenant is known."""

    async def by_invitation(self, token_hash: bytes) -> Invited | None: ...


type BeginPeople = Callable[[Act], AbstractAsyncContextManager[PeopleWork]]


def flat(grants: Iterable[HeldRole]) -> tuple[Grant, ...]:
    """Roles with lists of locations as grants, one for each location."""
    return tuple(
        Grant(role=held.role, location_id=location_id)
        for held in grants
        for location_id in ([None] if held.location_ids is None else held.location_ids)
    )


def one_line(name: str, text: str, *, longest: int = 200) -> str:
    """A text that stands on one line.

    Raises:
        FieldError: it does not.
    """
    try:
        return clean_line(text, longest=longest)
    except ValueError as problem:
        raise FieldError((name, str(problem))) from None
