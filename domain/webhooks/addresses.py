"""Where a webhook may be sent: which addresses are refused, however they are spelt.

Whoever names an address makes this server send requests from inside its own network, so what is not reachable
from everywhere is refused unless the operator allows it. Names are judged by the addresses they lead to at the
moment of sending (infra/webhooks/courier.py), not by how they look.
"""

import re
import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

import msgspec

from domain.errors import FieldError

URL_LENGTH = 2_000
PORTS = {"http": 80, "https": 443}
REFUSED, ALLOWED = "refused", "allowed"

type Address = IPv4Address | IPv6Address
type Network = IPv4Network | IPv6Network

_HOST = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*\.?")
_VISIBLE = re.compile(r"[!-~]+")
_UNWISE = frozenset('"<>\\^`{|}')

_NEVER = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "169.254.0.0/16",  # link-local, where clouds serve credentials
        "168.63.129.16/32",  # likewise, in Azure
        "100.100.100.200/32",  # likewise, in Alibaba's cloud
        "192.0.0.192/32",  # likewise, in Oracle's
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/128",
        "fd00:ec2::254/128",  # likewise, in Amazon's cloud
        "fe80::/10",
        "fec0::/10",
        "ff00::/8",
    )
)
"""Refused even where private addresses are allowed, unless their network is named."""
_NAT64 = ip_network("64:ff9b::/96")
_MAPPED = ip_network("::ffff:0:0/96")
_TRANSLATED = ip_network("::ffff:0:0:0/96")
_COMPATIBLE = ip_network("::/96")
_TUNNELS = tuple(ip_network(text) for text in ("2002::/16", "2001::/32", "64:ff9b:1::/48"))
"""6to4, Teredo and local translation: they carry an address of another kind, and no receiver needs them."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """An address to send to, taken apart once: whoever checks it and whoever connects read the same."""

    scheme: str
    host: str
    """In small letters, without brackets."""
    port: int
    path: str
    """With the query."""

    @property
    def authority(self) -> str:
        """As the header Host has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


class AddressRules(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator allows."""

    is_https_only: bool = False
    allows_private: bool = False
    networks: tuple[Network, ...] = ()
    """Allowed by name, whatever they are."""

    @classmethod
    def of(cls, setting: str, *, https_only: bool) -> "AddressRules":
        """From the setting: `refused`, `allowed`, or networks with commas between them.

        Raises:
            ValueError: it is none of these.
        """
        text = setting.strip().lower()
        if text in {REFUSED, ALLOWED}:
            return cls(is_https_only=https_only, allows_private=text == ALLOWED)
        networks = tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
        return cls(is_https_only=https_only, networks=networks)

    def refuses(self, address: Address) -> bool:
        """Whether nothing may be sent to an address."""
        if any(address in network for network in self.networks):
            return False
        inner = _inside(address)
        if inner is not None:
            return self.refuses(inner)
        if any(address in network for network in (*_NEVER, *_TUNNELS)):
            return True
        # What is global is reachable from everywhere; carriers' shared addresses are neither that nor private.
        return not self.allows_private and not address.is_global


def _inside(address: Address) -> Address | None:
    """The IPv4 address that an IPv6 one stands for."""
    if isinstance(address, IPv4Address) or not any(
        address in network for network in (_NAT64, _MAPPED, _TRANSLATED, _COMPATIBLE)
    ):
        return None
    # ::1 and :: are in the last of these; they are themselves.
    return None if int(address) <= 1 else IPv4Address(int(address) & 0xFFFF_FFFF)


def target_of(url: str, rules: AddressRules, *, at: str = "url") -> Target:
    """An address as it is sent to.

    Raises:
        FieldError: it cannot be sent to, or its host is spelt as an address that is refused.
    """
    if len(url) > URL_LENGTH:
        raise FieldError((at, f"must have at most {URL_LENGTH} characters"))
    if not _VISIBLE.fullmatch(url) or _UNWISE & set(url):
        raise FieldError((at, "must be visible ASCII, everything else percent-encoded"))
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise FieldError((at, "is not an address")) from None
    schemes = ("https",) if rules.is_https_only else ("https", "http")
    checks = (
        (parts.scheme in schemes, f"must begin with {' or '.join(f'{scheme}://' for scheme in schemes)}"),
        ("@" not in parts.netloc, "must not have a user or a password in it"),
        ("#" not in url, "must not have a fragment"),
        (port != 0, "must have a port from 1 to 65535"),
        (_is_host(host), "must name a host"),
    )
    for is_met, problem in checks:
        if not is_met:
            raise FieldError((at, problem))
    if _leads_inside(host, rules):
        raise FieldError((at, "leads to an address that is not public"))
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(scheme=parts.scheme, host=host, port=port or PORTS[parts.scheme], path=path)


def _leads_inside(host: str, rules: AddressRules) -> bool:
    """Whether a host is refused as it is spelt; what other names lead to is asked when something is sent."""
    literal = as_address(host)
    if literal is not None:
        return rules.refuses(literal)
    return _is_local(host) and not (rules.allows_private or rules.networks)


def as_address(host: str) -> Address | None:
    """The address that a host is, in any of the spellings that resolvers take: 127.1, 0x7f000001, 2130706433."""
    try:
        return ip_address(host)
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host.rstrip(".")))
    except OSError:
        return None


def _is_host(host: str) -> bool:
    if ":" in host:
        return as_address(host) is not None and "%" not in host
    return len(host) <= 253 and _HOST.fullmatch(host) is not None  # noqa: PLR2004 - the longest name there is


def _is_local(host: str) -> bool:
    name = host.rstrip(".")
    return name == "localhost" or name.endswith(".localhost")
