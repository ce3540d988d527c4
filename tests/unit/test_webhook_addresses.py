"""Where webhooks may not lead, however it is spelt."""

from ipaddress import ip_address

import pytest

from domain.errors import FieldError
from domain.webhooks.addresses import AddressRules, as_address, target_of

OPEN = AddressRules()
PRIVATE = AddressRules(allows_private=True)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.9.10",
        "10.0.0.1",
        "172.16.3.4",
        "192.168.1.1",
        "100.64.0.1",  # carriers' shared addresses
        "169.254.169.254",  # where clouds serve credentials
        "168.63.129.16",
        "0.0.0.0",  # noqa: S104 - refused, not bound
        "0.1.2.3",
        "192.0.0.192",
        "192.0.2.1",
        "198.18.0.1",
        "203.0.113.9",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:0:10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2001:0:1234::1",
        "2001:db8::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ],
)
def test_what_is_not_reachable_from_everywhere_is_refused(address: str) -> None:
    assert OPEN.refuses(ip_address(address))


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "64:ff9b::101:101"])
def test_what_is_reachable_from_everywhere_is_not(address: str) -> None:
    assert not OPEN.refuses(ip_address(address))


def test_an_operator_who_allows_private_addresses_does_not_allow_where_credentials_are() -> None:
    allowed = {"127.0.0.1", "10.1.2.3", "100.64.0.1", "::1", "fd12::1", "::ffff:192.168.0.1"}
    never = {"169.254.169.254", "fd00:ec2::254", "100.100.100.200", "0.1.1.1", "224.0.0.1", "::ffff:169.254.1.1"}

    assert {text for text in allowed | never if PRIVATE.refuses(ip_address(text))} == never


def test_an_operator_who_names_networks_allows_these_alone() -> None:
    rules = AddressRules.of(" 10.1.0.0/16, fd12::/16 ", https_only=False)

    assert not rules.refuses(ip_address("10.1.2.3"))
    assert not rules.refuses(ip_address("::ffff:10.1.2.3"))
    assert not rules.refuses(ip_address("fd12::5"))
    assert rules.refuses(ip_address("10.2.0.1"))
    assert rules.refuses(ip_address("127.0.0.1"))
    with pytest.raises(ValueError, match="sometimes"):
        AddressRules.of("sometimes", https_only=False)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7F.0.0.1",
        "0177.0.0.1",
        "017700000001",
        "127.0.0.1.",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[0:0:0:0:0:ffff:7f00:1]",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "hooks.localhost",
        "0",
    ],
)
def test_this_machine_is_refused_in_every_spelling(host: str) -> None:
    with pytest.raises(FieldError, match="not public"):
        target_of(f"http://{host}:8080/hook", OPEN)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("ftp://erp.example/", "begin with https:// or http://"),
        ("file:///etc/passwd", "begin with"),
        ("//erp.example/", "begin with"),
        ("erp.example", "begin with"),
        ("https://user:word@erp.example/", "user or a password"),
        ("https://user@erp.example/", "user or a password"),
        ("https://erp.example/#part", "fragment"),
        ("https:///hook", "name a host"),
        ("https://-erp.example/", "name a host"),
        ("https://erp..example/", "name a host"),
        ("https://[::1%25eth0]/", "name a host|not an address"),
        ("https://erp.example:0/", "port"),
        ("https://erp.example:99999/", "not an address"),
        ("https://erp.example:x/", "not an address"),
        ("https://erp.example/a b", "visible ASCII"),
        ("https://erp.example/\r\nX: y", "visible ASCII"),
        ("https://erp.example\\@127.0.0.1/", "visible ASCII"),
        ("https://ërp.example/", "visible ASCII"),
        (f"https://erp.example/{'a' * 2_000}", "at most 2000"),
    ],
)
def test_what_is_no_plain_address_is_refused(url: str, problem: str) -> None:
    with pytest.raises(FieldError, match=problem):
        target_of(url, OPEN)


def test_an_address_is_taken_apart_once() -> None:
    target = target_of("HTTPS://ERP.example:8443/hook?a=b", OPEN)

    assert (target.scheme, target.host, target.port, target.path) == ("https", "erp.example", 8443, "/hook?a=b")
    assert target.authority == "erp.example:8443"
    assert target_of("https://erp.example", OPEN).path == "/"
    assert target_of("https://[2606:4700::1111]/", OPEN).authority == "[2606:4700::1111]"


def test_in_production_only_https_is_taken() -> None:
    with pytest.raises(FieldError, match=r"begin with https://$"):
        target_of("http://erp.example/", AddressRules(is_https_only=True))


def test_a_name_is_no_address() -> None:
    assert as_address("erp.example") is None
    assert str(as_address("2130706433")) == "127.0.0.1"
