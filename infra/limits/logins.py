"""Guesses of passwords, counted by all processes together in the database.

Accounts, networks and browsers are known there by hashes only, and an account that does not exist is counted like
one that does.
"""

import hashlib
import time
import unicodedata
from collections.abc import Callable
from typing import override

from domain.access.credentials import is_session_token, new_session_token
from domain.access.limits import OF_NETWORK, Counted, Guess, LoginThrottle, Slowing, too_many
from domain.access.rules import email_of
from infra.access.memory import Memory
from infra.db.pool import Database
from infra.observability.metrics import LOGINS

GUESS = "SELECT wait, device_known, keys FROM login_guess($1, $2, $3, $4, $5)"
RIGHT = "SELECT login_guessed_right($1, $2, $3)"
OURS = "SELECT login_device_is_ours($1)"

REMEMBERED = 10_000
_REMEMBERED_SECONDS = 5.0
"""For so long a refusal is repeated without asking: a flood of guesses costs the database little."""


class SqlLoginThrottle:
    """The `LoginThrottle` port."""

    def __init__(
        self,
        database: Database,
        of_account: Slowing,
        *,
        of_network: Slowing = OF_NETWORK,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._of_account = _rule(of_account)
        self._of_network = _rule(of_network)
        self._monotonic = monotonic
        self._refused: Memory[tuple[bytes, bytes, bytes | None], tuple[float, float]] = Memory(REMEMBERED)

    async def count(self, guess: Guess) -> Counted:
        account = _hash("account", email_of(guess.email) or unicodedata.normalize("NFC", guess.email))
        network = _hash("network", guess.network)
        device = _device(guess.device)
        key, now = (account, network, device), self._monotonic()
        asked_until, refused_until = self._refused.get(key) or (0.0, 0.0)
        if now < asked_until:
            raise _refusal(refused_until - now)
        async with self._database.unbound() as driver:
            row = await driver.fetchrow(GUESS, *key, self._of_account, self._of_network)
        assert row is not None
        wait = row["wait"]
        if wait > 0:
            self._refused.put(key, (now + min(wait, _REMEMBERED_SECONDS), now + wait))
            raise _refusal(wait)
        return Counted(
            keys=tuple(row["keys"]), account=account, device=guess.device if row["device_known"] else None
        )

    async def give_back(self, counted: Counted) -> None:
        async with self._database.unbound() as driver:
            await driver.execute(RIGHT, counted.keys, counted.account, None)

    async def succeed(self, counted: Counted, device: str | None) -> str:
        async with self._database.unbound() as driver:
            token = counted.device
            # A terminal that several people use keeps its token; one that we did not give out is not taken over.
            if token is None and device is not None and await driver.fetchval(OURS, _device(device)):
                token = device
            token = token or new_session_token()
            await driver.execute(RIGHT, counted.keys, counted.account, _device(token))
        return token


class NoThrottle(LoginThrottle):
    """The `LoginThrottle` port where guesses are not slowed down."""

    @override
    async def count(self, guess: Guess) -> Counted:
        return Counted(keys=(), account=b"", device=None)

    @override
    async def give_back(self, counted: Counted) -> None:
        pass

    @override
    async def succeed(self, counted: Counted, device: str | None) -> str:
        return new_session_token()


def _rule(slowing: Slowing) -> list[float]:
    return [float(slowing.free), slowing.first, slowing.longest, slowing.leak]


def _refusal(seconds: float) -> Exception:
    LOGINS.labels("RATE_LIMITED").inc()
    return too_many("Too many wrong passwords; wait before the next one", seconds=seconds)


def _device(token: str | None) -> bytes | None:
    return _hash("device", token) if token is not None and is_session_token(token) else None


def _hash(kind: str, text: str) -> bytes:
    return hashlib.sha256(f"{kind}\0{text}".encode("utf-8", "surrogatepass")).digest()
