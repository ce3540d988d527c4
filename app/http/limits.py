"""What holds for every request whatever it asks: how often, from where, and how many at a time."""

import ipaddress
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from app.http.errors import body_of
from app.http.surfaces import Surface, surface_at
from app.http.tracing import QUIET, App, Receive, Scope, Send
from app.http.wire import encode
from domain.access.limits import RateClass, RateLimiter, too_many
from domain.access.model import Caller
from domain.errors import DomainError, Reason

type Network = ipaddress.IPv4Network | ipaddress.IPv6Network
type Address = ipaddress.IPv4Address | ipaddress.IPv6Address

DEVICE_COOKIE = "storekeeper_device"
DEVICE_SECONDS = 180 * 86_400

_FORWARDED_LONGEST = 50
"""Addresses that are looked at; no honest chain is longer."""


async def admit(limiter: RateLimiter, scope: Any, caller: Caller, rate_class: RateClass) -> None:
    """Count a request; its answer, whatever it will be, tells what is left.

    Raises:
        DomainError: RATE_LIMITED.
    """
    allowance = await limiter.admit(caller, rate_class)
    if allowance is None:
        return
    seconds = max(1, -int(-allowance.seconds // 1))
    scope["rate_headers"] = (
        (b"x-ratelimit-limit", b"%d" % allowance.limit),
        (b"x-ratelimit-remaining", b"%d" % allowance.remaining),
        (b"x-ratelimit-reset", b"%d" % seconds),
    )
    if allowance.is_refused:
        who = "you" if allowance.whose == "caller" else "your company"
        message = f"More {rate_class} requests than {who} may send: {allowance.limit} in each window"
        raise too_many(message, seconds=allowance.seconds, limit=allowance.limit, limitOf=allowance.whose)


class Bounded:
    """An ASGI application that answers so many requests at a time, and refuses what is more at once.

    A queue that only grows makes everybody wait for answers that nobody waits for any more.
    """

    def __init__(self, app: App, *, limit: int, refused: Callable[[], None]) -> None:
        self._app = app
        self._limit = limit
        self._refused = refused
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in QUIET:
            await self._app(scope, receive, send)
            return
        if self._in_flight >= self._limit:
            self._refused()
            await _refuse(send, surface_at(scope["path"]))
            return
        self._in_flight += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._in_flight -= 1


_BUSY = {
    surface: encode(
        body_of(
            DomainError(Reason.UNAVAILABLE, "Too much to do at once; try again shortly", retryAfter=1), surface
        )
    )
    for surface in Surface
}


async def _refuse(send: Send, surface: Surface) -> None:
    body = _BUSY[surface]
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"retry-after", b"1"),
    ]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def device_cookie(*, secure: bool) -> str:
    """The name of the cookie by which a browser is known again."""
    return f"__Host-{DEVICE_COOKIE}" if secure else DEVICE_COOKIE


def client_address(peer: str | None, forwarded: Sequence[str], trusted: Sequence[Network]) -> str | None:
    """Where a request comes from: the nearest address that is no proxy of ours.

    Anybody can send `X-Forwarded-For`; only what our own proxies have appended to it is true. So it is read from
    the right, and only as far as it was written by those whom we trust.
    """
    nearest = peer
    for told in _from_the_right(forwarded):
        if not _is_within(_address(nearest), trusted):
            break
        if _address(told) is None:
            break
        nearest = told
    return nearest


def _from_the_right(forwarded: Sequence[str]) -> Iterator[str]:
    told = [address for header in forwarded for address in header.split(",")]
    for address in told[: -_FORWARDED_LONGEST - 1 : -1]:
        yield _without_port(address.strip())


def _without_port(text: str) -> str:
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text


def _address(text: str | None) -> Address | None:
    try:
        found = ipaddress.ip_address((text or "").partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def _is_within(address: Address | None, networks: Sequence[Network]) -> bool:
    return address is not None and any(address in network for network in networks)
