"""What access needs from the outside, and what it offers to whoever guards a door."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

import msgspec

from domain.access.model import Caller, Permission


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """A role that somebody has in a tenant, at one location or at all of them."""

    role: str
    location_id: UUID | None = None


class Rule(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """What a tenant's own role permits."""

    role: str
    permission: str


class TenantRules(msgspec.Struct, frozen=True, kw_only=True):
    """All rules of a tenant's own roles, and a version that is equal if and only if they are."""

    version: str
    rules: tuple[Rule, ...] = ()


class Membership(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant that somebody may enter."""

    tenant_id: UUID
    tenant_slug: str


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """What a login is judged by."""

    user_id: UUID
    password_hash: str
    is_active: bool
    memberships: tuple[Membership, ...]


class FoundSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session that nobody has ended, as it stood at `now_at` of the database's clock."""

    tenant_id: UUID
    tenant_slug: str
    tenant_name: str
    session_id: UUID
    user_id: UUID
    email: str
    name: str
    seen_at: datetime
    expires_at: datetime
    now_at: datetime
    grants: tuple[Grant, ...]
    policy_version: str
    """The version of the tenant's own rules at that moment."""


class FoundKey(msgspec.Struct, frozen=True, kw_only=True):
    """An API key, whatever has become of it, as it stood at `now_at` of the database's clock."""

    tenant_id: UUID
    tenant_slug: str
    tenant_name: str
    key_id: UUID
    name: str
    scopes: tuple[str, ...]
    location_ids: tuple[UUID, ...] | None
    makers: frozenset[UUID] = frozenset()
    """Who made it, and whoever made the key that made it."""
    expires_at: datetime | None
    revoked_at: datetime | None
    now_at: datetime


class NewSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session to be begun now, by the database's clock."""

    tenant_id: UUID
    id: UUID
    user_id: UUID
    token_hash: bytes
    lifetime: timedelta
    user_agent: str | None = None


class Credentials(Protocol):
    """Finds who a credential belongs to, before any tenant is known."""

    async def by_email(self, email: str) -> Account | None: ...
    async def by_session(self, token_hash: bytes) -> FoundSession | None: ...
    async def by_key(self, key_hash: bytes) -> FoundKey | None: ...

    async def rehash(self, *, tenant_id: UUID, user_id: UUID, old_hash: str, new_hash: str) -> None:
        """Keep the same password under another hash, unless it was changed meanwhile."""
        ...


class Sessions(Protocol):
    """Sessions on the server."""

    async def begin(self, session: NewSession, *, known_hash: str) -> bool:
        """Begin it, and say yes; or no, where the person's password has another hash by now, or they are kept out.

        A change of the password that is under way is waited for.
        """
        ...

    async def end(self, *, tenant_id: UUID, session_id: UUID) -> None:
        """End it for good, in every process."""
        ...


class Revocations(Protocol):
    """Makes sure that nobody is believed any longer for what they no longer are."""

    async def confirm(self) -> None:
        """Return once every process has dropped what it remembered of access as it was before this call.

        Await it after the commit and before the answer, wherever rights shrink or a credential ends: a role, a
        grant, a membership, a user, a key, a session. Nothing has to be named or sent: the database announces such
        changes with their commit, so they are heard soon even where nobody lives to await this. It takes a few
        milliseconds, and with a process that does not answer two seconds, after which that process believes
        nothing that it remembers.
        """
        ...


class Passwords(Protocol):
    """Slow hashes, kept from slowing down anything else."""

    async def matches(self, password: str, hashed: str | None) -> bool:
        """Whether the password has this hash. Without a hash: no, after the same time.

        Raises:
            DomainError: too many passwords are waiting to be checked.
        """
        ...

    async def hashed(self, password: str) -> str:
        """The hash to be stored.

        Raises:
            DomainError: too many passwords are waiting.
        """
        ...

    def is_outdated(self, hashed: str) -> bool:
        """Whether it was made with other parameters than a new one would be."""
        ...


class PolicyRepository(Protocol):
    """Where tenants keep the roles that they have made themselves."""

    async def rules_of(self, tenant_id: UUID) -> TenantRules: ...


class Policy(Protocol):
    """What roles permit."""

    async def permissions(
        self, *, tenant_id: UUID, roles: frozenset[str], version: str
    ) -> Mapping[str, frozenset[Permission]]:
        """What each of the roles permits in this tenant, by rules no older than `version`.

        A role that is not known permits nothing.
        """
        ...


class Authenticated(msgspec.Struct, frozen=True, kw_only=True):
    """A caller with a session, and the token that proves a request to be theirs."""

    caller: Caller
    csrf: str

    def __repr__(self) -> str:  # no secret gets into a log by way of a traceback or a formatted value
        return f"{type(self).__name__}({self.caller.actor!r})"


class LoggedIn(Authenticated, frozen=True, kw_only=True):
    """A new session; its secret is told here, once."""

    token: str


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody logs in with."""

    email: str
    password: str
    tenant_slug: str | None = None
    user_agent: str | None = None
    replaces: str | None = None
    """The secret of the session that the client had until now, which ends."""

    def __repr__(self) -> str:
        return f"Login({self.email!r})"


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """A caller who was kept from something, for the record."""

    caller: Caller
    request_id: str
    action: str
    facts: Mapping[str, object]
    location_ids: tuple[UUID, ...] = ()


class Refusals(Protocol):
    """The record of what callers were kept from."""

    async def record(self, refused: Refused) -> None:
        """Write it down. Never raises: a record that cannot be kept must not turn a refusal into a fault."""
        ...


class Authenticator(Protocol):
    """Turns credentials into callers; what it has turned lately it remembers.

    Every refusal is a `DomainError` whose reason is a 401 (UNAUTHENTICATED, SESSION_EXPIRED, INVALID_API_KEY,
    REVOKED_API_KEY, EXPIRED_API_KEY, INVALID_CREDENTIALS).
    """

    async def by_session(self, token: str) -> Authenticated: ...
    async def by_key(self, key: str) -> Caller: ...
    async def by_token(self, tenant_slug: str, token: str) -> Caller:
        """The caller that a token of the import surface stands for; one of another tenant is none."""
        ...

    async def login(self, login: Login) -> LoggedIn: ...
    async def logout(self, caller: Caller) -> None: ...
