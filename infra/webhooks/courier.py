"""One call, to an address that was looked at first.

The host is resolved here, all that it leads to is judged, and the connection goes to the very address that was
judged: nobody resolves the name a second time. That is done for each call, also on a connection that is kept. The
certificate is still checked against the name. No redirect is followed, no proxy and no environment is asked,
nothing is unpacked, and of an answer no more is read than is shown.
"""

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache
from ipaddress import ip_address
from types import TracebackType
from typing import Self

import httpx

from domain.webhooks.addresses import Address, AddressRules, Target, as_address
from domain.webhooks.delivering import Pace
from domain.webhooks.model import Sent

ANSWER_READ = 4_096
"""Bytes of an answer that are read at most."""
ANSWER_SECONDS = 2.0
ANSWER_KEPT = 500
"""Characters of it that the log keeps."""
ADDRESSES_MAX = 20

type Resolve = Callable[[str, int], Awaitable[list[Address]]]


class AddressRefusedError(Exception):
    """The host leads to where nothing may be sent."""


async def resolve(host: str, port: int) -> list[Address]:
    """The addresses that a host leads to, as the system knows them."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    # A scope (fe80::1%eth0) is part of no address that we would send to.
    return [ip_address(str(where[0]).partition("%")[0]) for *_, where in found[:ADDRESSES_MAX]]


@lru_cache(maxsize=1)
def _trust() -> ssl.SSLContext:
    # Made once: it reads all of the authorities' certificates.
    return httpx.create_ssl_context(trust_env=False)


class HttpCourier:
    """The `Courier` port. As a context manager it keeps connections: use one for one endpoint, never for two.

    Connections are kept by address, and one that was made for a host is proven for that host alone.
    """

    def __init__(
        self,
        rules: AddressRules,
        pace: Pace | None = None,
        *,
        resolver: Resolve = resolve,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._rules = rules
        self._pace = pace or Pace()
        self._resolve = resolver
        self._trust = trust
        self._client: httpx.AsyncClient | None = None

    @property
    def rules(self) -> AddressRules:
        return self._rules

    def another(self) -> "HttpCourier":
        """One like it, for another endpoint."""
        return HttpCourier(self._rules, self._pace, resolver=self._resolve, trust=self._trust)

    async def __aenter__(self) -> Self:
        pace = self._pace
        self._client = httpx.AsyncClient(
            verify=self._trust or _trust(),
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(pace.read_seconds, connect=pace.connect_seconds),
            limits=httpx.Limits(max_connections=pace.parallel, max_keepalive_connections=pace.parallel),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def send(self, target: Target, *, headers: Mapping[str, str], body: bytes) -> Sent:
        if self._client is None:
            async with self.another() as once:
                return await once.send(target, headers=headers, body=body)
        started = time.monotonic()
        try:
            async with asyncio.timeout(self._pace.total_seconds):
                sent = await self._send(self._client, target, headers, body)
        except AddressRefusedError:
            sent = _failed("The host leads to an address that is not public")
        except TimeoutError:
            sent = _failed(f"No answer within {self._pace.total_seconds:g} seconds")
        except httpx.TimeoutException as error:
            sent = _failed(f"{_told(error)}: the receiver is too slow")
        except socket.gaierror:
            sent = _failed("The host has no address")
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, ssl.SSLError) as error:
            sent = _failed(_told(error))
        spent = int((time.monotonic() - started) * 1000)
        return Sent(
            status=sent.status,
            error=sent.error,
            response=sent.response,
            duration_ms=spent,
            retry_after=sent.retry_after,
        )

    async def _send(
        self, client: httpx.AsyncClient, target: Target, headers: Mapping[str, str], body: bytes
    ) -> Sent:
        address = await self._checked(target)
        literal = f"[{address}]" if address.version == 6 else str(address)  # noqa: PLR2004 - IPv6
        request = client.build_request(
            "POST",
            f"{target.scheme}://{literal}:{target.port}{target.path}",
            headers={**headers, "Host": target.authority, "Accept-Encoding": "identity"},
            content=body,
            # A name that is an address has no place in a TLS greeting.
            extensions={} if as_address(target.host) else {"sni_hostname": target.host.rstrip(".")},
        )
        response = await client.send(request, stream=True)
        try:
            text = await _beginning(response)
            return Sent(
                status=response.status_code,
                error=None if response.is_success else _refused(response),
                response=text or None,
                duration_ms=0,
                retry_after=_retry_after(response.headers.get("retry-after")),
            )
        finally:
            await response.aclose()

    async def _checked(self, target: Target) -> Address:
        """The address to connect to; a host that leads to one that is refused is refused whole."""
        literal = as_address(target.host)
        found = [literal] if literal is not None else await self._resolve(target.host, target.port)
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "no address")
        if any(self._rules.refuses(address) for address in found):
            raise AddressRefusedError(target.host)
        return found[0]


async def _beginning(response: httpx.Response) -> str:
    """The beginning of an answer as text that can be kept: nothing that is not printable."""
    read = b""
    # Its status is what counts: who is slow to say more has taken the event all the same.
    with contextlib.suppress(httpx.HTTPError, TimeoutError):
        async with asyncio.timeout(ANSWER_SECONDS):
            async for part in response.aiter_raw():
                read += part
                if len(read) >= ANSWER_READ:
                    break
    text = read[:ANSWER_READ].decode("utf-8", "replace")
    return "".join(char if char.isprintable() else " " for char in text).strip()[:ANSWER_KEPT]


def _refused(response: httpx.Response) -> str:
    if response.is_redirect or response.has_redirect_location:
        return f"The receiver redirects ({response.status_code}); redirects are not followed"
    return f"The receiver answered {response.status_code}"


def _failed(error: str) -> Sent:
    return Sent(status=None, error=error[:300], response=None, duration_ms=0)


def _told(error: Exception) -> str:
    # The words of the error may have the whole address in them, and that may be a secret.
    return f"The call failed ({type(error).__name__})"


def _retry_after(text: str | None) -> float | None:
    """Seconds, from either of the forms that the header has."""
    if text is None:
        return None
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # a year, an hour or a zone beyond all numbers
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, until.timestamp() - time.time())
