"""Calls go to the address that was judged, and nothing that a receiver does harms the caller."""

import asyncio
from ipaddress import ip_address

import httpx
import pytest

from domain.webhooks.addresses import Address, AddressRules, Target, target_of
from domain.webhooks.delivering import Pace
from domain.webhooks.model import Sent
from infra.webhooks.courier import ANSWER_KEPT, ANSWER_READ, HttpCourier
from tests.e2e.webhooks.receiver import Does, Receiver, a_receiver

PUBLIC = AddressRules()
PRIVATE = AddressRules(allows_private=True)
HEADERS = {"webhook-id": "msg_1", "Content-Type": "application/json"}
SHORT = Pace(read_seconds=0.3, total_seconds=5.0)


class Names:
    """A resolver that says what it is told to, one answer after the other."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, _: int) -> list[Address]:
        self.asked.append(host)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return [ip_address(text) for text in answer]


async def sent(receiver: Receiver, courier: HttpCourier, *, host: str = "127.0.0.1") -> Sent:
    target = Target(scheme="http", host=host, port=receiver.port, path="/hook?a=b")
    return await courier.send(target, headers=HEADERS, body=b"{}")


async def test_a_name_is_resolved_once_for_each_call_and_the_call_goes_where_it_led() -> None:
    names = Names(["127.0.0.1"], ["::1"])
    async with a_receiver() as receiver:
        done = await sent(receiver, HttpCourier(PRIVATE, resolver=names), host="hooks.example")

    assert done.is_delivered
    assert names.asked == ["hooks.example"]
    (call,) = receiver.calls
    assert call.headers["host"] == f"hooks.example:{receiver.port}"
    assert call.path == "/hook?a=b"


async def test_a_name_that_leads_elsewhere_later_is_judged_anew_even_on_an_open_connection() -> None:
    """DNS rebinding: the first answer is good, the next one leads inside."""
    inside = AddressRules.of("127.0.0.0/8", https_only=False)
    names = Names(["127.0.0.1"], ["10.0.0.7"], ["127.0.0.1", "169.254.169.254"])
    async with a_receiver() as receiver, HttpCourier(inside, resolver=names) as courier:
        outcomes = [await sent(receiver, courier, host="hooks.example") for _ in range(3)]

    assert [one.is_delivered for one in outcomes] == [True, False, False]
    assert {one.error for one in outcomes[1:]} == {"The host leads to an address that is not public"}
    assert len(receiver.calls) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "2130706433", "0x7f.1", "::1", "hooks.example"])
async def test_nothing_is_sent_inside_by_default(host: str) -> None:
    async with a_receiver() as receiver:
        refused = await sent(receiver, HttpCourier(PUBLIC, resolver=Names(["127.0.0.1"])), host=host)

    assert refused.error == "The host leads to an address that is not public"
    assert receiver.calls == []


async def test_the_environment_s_proxy_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_receiver() as receiver, a_receiver() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        done = await sent(receiver, HttpCourier(PRIVATE))

    assert done.is_delivered
    assert proxy.calls == []


async def test_a_redirect_is_told_and_not_followed() -> None:
    async with a_receiver(lambda _: Does.REDIRECT) as receiver:
        done = await sent(receiver, HttpCourier(PRIVATE))

    assert (done.status, receiver.strayed) == (307, 0)
    assert done.error == "The receiver redirects (307); redirects are not followed"


async def test_of_an_endless_answer_little_is_read() -> None:
    async with a_receiver(lambda _: Does.FLOOD) as receiver:
        done = await sent(receiver, HttpCourier(PRIVATE))

    assert done.is_delivered
    assert done.response == "x" * ANSWER_KEPT
    assert receiver.flooded < 100_000_000
    assert ANSWER_READ < 10_000


@pytest.mark.parametrize(
    ("does", "error"),
    [
        (Does.HANG, "The call failed (ReadTimeout): the receiver is too slow"),
        (Does.RESET, "The call failed"),
        (Does.FAIL, "The receiver answered 500"),
        (Does.BUSY, "The receiver answered 503"),
        (Does.ABSURD, "The receiver answered 503"),
    ],
)
async def test_whatever_a_receiver_does_is_an_outcome(does: Does, error: str) -> None:
    async with a_receiver(lambda _: does) as receiver:
        done = await sent(receiver, HttpCourier(PRIVATE, SHORT))

    assert done.error is not None
    assert done.error.startswith(error)
    assert done.retry_after == (120 if does is Does.BUSY else None)


async def test_a_name_that_is_none_and_a_port_that_nobody_has_are_outcomes() -> None:
    async with a_receiver() as receiver:
        pass

    nobody = await sent(receiver, HttpCourier(PRIVATE))
    nameless = await sent(receiver, HttpCourier(PRIVATE, resolver=Names([])), host="hooks.example")

    assert (nobody.status, nobody.error) == (None, "The call failed (ConnectError)")
    assert (nameless.status, nameless.error) == (None, "The host has no address")


async def test_over_tls_the_name_is_asked_for_and_not_the_address() -> None:
    greetings: list[bytes] = []

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        greetings.append(await reader.read(4_096))
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    target = target_of(f"https://hooks.example:{port}/hook", PRIVATE)
    async with server:
        done = await HttpCourier(PRIVATE, resolver=Names(["127.0.0.1"])).send(target, headers=HEADERS, body=b"{}")

    assert done.status is None
    assert b"hooks.example" in greetings[0]


async def test_a_call_says_nothing_of_where_it_went_in_its_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise httpx.ConnectError("to http://127.0.0.1/hook?token=secret")

    monkeypatch.setattr(httpx.AsyncClient, "send", broken)
    async with a_receiver() as receiver:
        done = await sent(receiver, HttpCourier(PRIVATE))

    assert done.error == "The call failed (ConnectError)"
