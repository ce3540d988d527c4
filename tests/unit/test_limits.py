"""Where a request comes from, and what an address is counted with."""

from ipaddress import ip_network

import pytest

from app.http.limits import client_address
from app.settings import SettingsError, load_settings
from domain.access.limits import network_of, too_many

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("192.0.2.1/32"), ip_network("fd00::/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        pytest.param("203.0.113.9", [], "203.0.113.9", id="nothing said"),
        pytest.param("203.0.113.9", ["198.51.100.1"], "203.0.113.9", id="said by a stranger"),
        pytest.param("10.0.0.1", ["198.51.100.1"], "198.51.100.1", id="said by a proxy"),
        pytest.param("10.0.0.1", ["1.1.1.1, 198.51.100.1"], "198.51.100.1", id="forged before the proxy's word"),
        pytest.param("10.0.0.1", ["1.1.1.1", "198.51.100.1"], "198.51.100.1", id="forged in a header of its own"),
        pytest.param("10.0.0.1", ["198.51.100.1, 192.0.2.1"], "198.51.100.1", id="two proxies"),
        pytest.param("10.0.0.1", ["10.1.1.1, 198.51.100.1"], "198.51.100.1", id="forged to look like a proxy"),
        pytest.param("10.0.0.1", ["10.0.0.2"], "10.0.0.2", id="from within"),
        pytest.param("10.0.0.1", ["198.51.100.1:4711"], "198.51.100.1", id="with a port"),
        pytest.param("fd00::1", ["[2001:db8::1]:443"], "2001:db8::1", id="IPv6 with a port"),
        pytest.param("::ffff:10.0.0.1", ["2001:db8::1"], "2001:db8::1", id="a proxy by its mapped address"),
        pytest.param("10.0.0.1", ["198.51.100.1, unknown"], "10.0.0.1", id="no address"),
        pytest.param("10.0.0.1", [""], "10.0.0.1", id="empty"),
        pytest.param("10.0.0.1", [", ".join(["10.0.0.2"] * 10_000)], "10.0.0.2", id="very long"),
        pytest.param(None, ["198.51.100.1"], None, id="no peer"),
    ],
)
def test_only_what_our_own_proxies_say_of_a_sender_is_believed(
    peer: str | None, forwarded: list[str], address: str | None
) -> None:
    assert client_address(peer, forwarded, TRUSTED) == address


def test_without_trusted_proxies_the_header_means_nothing() -> None:
    assert client_address("127.0.0.1", ["198.51.100.1"], ()) == "127.0.0.1"


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("198.51.100.7", "198.51.100.7/32"),
        ("::ffff:198.51.100.7", "198.51.100.7/32"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("somewhere", "unknown"),
        ("", "unknown"),
        (None, "unknown"),
    ],
)
def test_an_address_is_counted_with_those_that_one_sender_can_have(address: str | None, network: str) -> None:
    assert network_of(address) == network


@pytest.mark.parametrize(("seconds", "told"), [(0.0, 1), (0.2, 1), (1.0, 1), (1.01, 2), (59.9, 60)])
def test_whoever_waits_as_long_as_told_comes_late_enough(seconds: float, told: int) -> None:
    assert too_many("x", seconds=seconds).facts == {"retryAfter": told}


def test_rates_are_limited_in_production_unless_they_are_switched_off() -> None:
    def limits(**environment: str) -> bool:
        return load_settings({f"STOREKEEPER_{name}": value for name, value in environment.items()}).limits_rates

    assert not limits()
    assert limits(ENV="production")
    assert limits(RATE_LIMITS="on")
    assert not limits(ENV="production", RATE_LIMITS="off")


def test_proxies_are_addresses_or_networks() -> None:
    settings = load_settings({"STOREKEEPER_TRUSTED_PROXIES": "10.0.0.0/8, ::1"})

    assert settings.proxies == (ip_network("10.0.0.0/8"), ip_network("::1/128"))
    with pytest.raises(SettingsError, match="STOREKEEPER_TRUSTED_PROXIES must be addresses or networks"):
        load_settings({"STOREKEEPER_TRUSTED_PROXIES": "proxy.example"})
