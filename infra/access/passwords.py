"""Argon2id, in threads of its own and with a queue that ends: hashing is slow on purpose.

A check takes some 20 ms and 19 MiB. Two cores are full at about ninety a second, so a flood of logins must wait
for itself and not for everybody else: a few threads, and past the queue an honest "try again".
"""

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from domain.errors import DomainError, Reason

HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1, hash_len=32, salt_len=16, type=Type.ID)
THREADS = 1
QUEUE_LIMIT = 64
_RETRY_SECONDS = 2


class Argon2Passwords:
    """The `Passwords` port."""

    def __init__(self, *, threads: int = THREADS, queue_limit: int = QUEUE_LIMIT) -> None:
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="argon2")
        self._queue_limit = queue_limit
        self._waiting = 0
        # Nobody's password. Checked where there is no hash to check, so that "no such person" takes as long.
        self._nobody = hash_password(secrets.token_urlsafe(32))

    async def matches(self, password: str, hashed: str | None) -> bool:
        right = await self._in_turn(_verify, hashed or self._nobody, password)
        return right and hashed is not None

    async def hashed(self, password: str) -> str:
        return await self._in_turn(hash_password, password)

    def is_outdated(self, hashed: str) -> bool:
        return HASHER.check_needs_rehash(hashed)

    async def _in_turn[T](self, work: Callable[..., T], *arguments: str) -> T:
        if self._waiting >= self._queue_limit:
            message = "Too many logins at once; try again shortly"
            raise DomainError(Reason.UNAVAILABLE, message, retryAfter=_RETRY_SECONDS)
        self._waiting += 1
        working = asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)
        # A client that goes away leaves its check in the queue: it counts until it is done.
        working.add_done_callback(self._done)
        return await asyncio.shield(working)

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _done(self, working: "asyncio.Future[Any]") -> None:
        self._waiting -= 1
        if not working.cancelled():
            working.exception()  # looked at, so that it is not reported as lost when nobody waits any more


def hash_password(password: str) -> str:
    """The hash as it is stored, of the password exactly as it was given."""
    return HASHER.hash(_exactly(password))


def _verify(hashed: str, password: str) -> bool:
    try:
        return HASHER.verify(hashed, _exactly(password))
    except (VerificationError, InvalidHashError):
        return False


def _exactly(password: str) -> bytes:
    # Half a surrogate pair is no text, but it is what somebody sent: it has a hash like any other.
    return password.encode("utf-8", "surrogatepass")
