"""How often anybody may ask, and how often anybody may guess a password."""

import ipaddress
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple, Protocol

import msgspec

from domain.access.model import Caller
from domain.access.ports import Authenticator, LoggedIn, Login
from domain.errors import DomainError, FieldError, Reason

HOST_BITS_OF_A_NETWORK = {4: 0, 6: 64}
"""An IPv4 address stands for itself, since whole companies have only one; who has IPv6 has at least a /64."""


class RateClass(StrEnum):
    """What routes have in common that are counted together."""

    READ = "read"
    WRITE = "write"
    HEAVY = "heavy"
    """Exports and analytics: one of them is the work of a hundred others."""


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """Requests in a window; what is not named, or 0, has no limit."""

    of_caller: Mapping[RateClass, int]
    """Of one user or key."""
    of_tenant: Mapping[RateClass, int]
    """Of all users and keys of a tenant together."""
    window_seconds: int = 60


class Allowance(NamedTuple):
    """What became of a request, and what is left for more, as this process knows it."""

    limit: int
    remaining: int
    seconds: float
    """Until the window is over."""
    whose: str
    """`caller` or `tenant`: whose limit is the closest, or was reached."""
    is_refused: bool


class RateLimiter(Protocol):
    """Counts the requests of all processes together."""

    async def admit(self, caller: Caller, rate_class: RateClass) -> Allowance | None:
        """Count one request; None where nothing is limited. Costs no round trip, but now and then."""
        ...


class Slowing(msgspec.Struct, frozen=True, kw_only=True):
    """How guesses are slowed down: the wait doubles with each guess after the free ones. All in seconds."""

    free: int
    first: float
    longest: float
    leak: float
    """One guess is forgotten in this time."""


def of_account(free: int = 5) -> Slowing:
    """With five free guesses: at most 19 in any hour, however they are timed, and 12 an hour for long."""
    return Slowing(free=free, first=10, longest=360, leak=720)


OF_NETWORK = Slowing(free=100, first=1, longest=60, leak=36)
"""Some 200 wrong passwords in the first hour and 120 in each further one, for whatever accounts."""


class Guess(msgspec.Struct, frozen=True, kw_only=True):
    """What a login is counted by. No part of it tells whether there is such an account."""

    email: str
    network: str
    device: str | None
    """The token of a browser that somebody has logged in with before."""

    def __repr__(self) -> str:
        return f"Guess({self.email!r}, {self.network!r})"


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """A guess that was counted, before its password was looked at."""

    keys: tuple[bytes, ...]
    account: bytes
    device: str | None
    """The browser's token, if the account knows it."""


class LoginThrottle(Protocol):
    """Counts the guesses of all processes together."""

    async def count(self, guess: Guess) -> Counted:
        """Count it.

        Raises:
            DomainError: RATE_LIMITED, with the seconds to wait; then it was not counted.
        """
        ...

    async def give_back(self, counted: Counted) -> None:
        """It was no guess: no password was looked at, or it was right."""
        ...

    async def succeed(self, counted: Counted, device: str | None) -> str:
        """It was right, and the account knows the browser from now on; the token that the browser keeps."""
        ...


async def log_in_slowed(
    throttle: LoginThrottle, authenticator: Authenticator, login: Login, guess: Guess
) -> tuple[LoggedIn, str]:
    """Log in unless there have been too many wrong passwords; the session, and the browser's token.

    Whoever gives up waiting has guessed all the same: the password may have been looked at.
    """
    counted = await throttle.count(guess)
    try:
        new = await authenticator.login(login)
    except FieldError:  # the password was right, but not which of their tenants was meant
        await throttle.give_back(counted)
        raise
    except DomainError as refused:
        if refused.reason is Reason.UNAVAILABLE:
            await throttle.give_back(counted)
        raise
    return new, await throttle.succeed(counted, guess.device)


def network_of(address: str | None) -> str:
    """What an address is counted with: itself, or its /64. All that is no address is one network."""
    try:
        found = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return "unknown"
    if found.version == 6 and found.ipv4_mapped is not None:  # noqa: PLR2004 - the version is a name
        found = found.ipv4_mapped
    bits = found.max_prefixlen - HOST_BITS_OF_A_NETWORK[found.version]
    return str(ipaddress.ip_network((found, bits), strict=False))


def too_many(message: str, *, seconds: float, **facts: object) -> DomainError:
    """The refusal of one who comes too often; whole seconds, and never none."""
    return DomainError(Reason.RATE_LIMITED, message, retryAfter=max(1, -int(-seconds // 1)), **facts)
