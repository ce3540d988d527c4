"""A refusal reaches whoever sent too much: the answer, and not a connection that breaks while they are sending."""

import http.client
import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from urllib.parse import urlsplit

import pytest

from tests.lab import Served

MEBIBYTE = 1 << 20
PIECE = 60_000
REFUSED = {
    "too much": ("POST", "/api/auth/login", 413),
    "from nobody": ("POST", "/api/inventory/adjust", 401),
    "to nowhere": ("POST", "/nowhere", 404),
    "by a method that is not taken": ("DELETE", "/api/auth/login", 405),
}


@pytest.fixture
def line(server: Served) -> Iterator[http.client.HTTPConnection]:
    address = urlsplit(server.url)
    with closing(http.client.HTTPConnection(str(address.hostname), address.port, timeout=30)) as connection:
        yield connection


def pieces(size: int) -> Iterator[bytes]:
    for start in range(0, size, PIECE):
        yield b"x" * min(PIECE, size - start)


@pytest.mark.parametrize("chunked", [False, True], ids=["of known length", "of unknown length"])
@pytest.mark.parametrize("size", [MEBIBYTE + 1, 20 * MEBIBYTE], ids=["a byte", "twenty times"])
@pytest.mark.parametrize("refused", REFUSED)
def test_a_body_that_is_refused_is_read_to_its_end_before_the_answer(
    line: http.client.HTTPConnection, refused: str, size: int, *, chunked: bool
) -> None:
    method, path, status = REFUSED[refused]
    headers = {"Content-Type": "application/json"}

    for _ in range(3):
        if chunked:
            line.request(method, path, body=pieces(size), headers=headers, encode_chunked=True)
        else:
            line.request(method, path, body=b"x" * size, headers=headers)
        answer = line.getresponse()
        body = json.loads(answer.read())

        assert answer.status == status
        assert body["details"]["code"]


def test_who_asks_first_is_refused_without_sending_anything(line: http.client.HTTPConnection) -> None:
    line.putrequest("POST", "/api/auth/login")
    for name, value in (("Content-Type", "application/json"), ("Content-Length", str(5 * MEBIBYTE))):
        line.putheader(name, value)
    line.putheader("Expect", "100-continue")
    line.endheaders()

    assert line.getresponse().status == 413


def test_who_announces_more_than_anybody_would_read_is_answered_at_once(line: http.client.HTTPConnection) -> None:
    line.putrequest("POST", "/api/auth/login")
    line.putheader("Content-Type", "application/json")
    line.putheader("Content-Length", str(10**12))
    line.endheaders()
    began = time.monotonic()

    assert line.getresponse().status == 413
    assert time.monotonic() - began < 2


def test_who_dawdles_is_not_waited_for_without_end(line: http.client.HTTPConnection) -> None:
    line.putrequest("POST", "/api/auth/login")
    line.putheader("Content-Type", "application/json")
    line.putheader("Content-Length", str(2 * MEBIBYTE))
    line.endheaders(b"x")
    began = time.monotonic()

    assert line.getresponse().status == 413
    assert time.monotonic() - began < 15


def test_what_is_no_http_is_closed_upon(server: Served) -> None:
    address = urlsplit(server.url)
    for opening in (b"\x16\x03\x01\x00\x00\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x00" * 100_000):
        with socket.create_connection((str(address.hostname), address.port or 80), timeout=10) as line:
            answer = b""
            with suppress(ConnectionResetError, BrokenPipeError):
                line.sendall(opening)
                answer = line.recv(100)

        assert answer == b"" or answer.split()[1] == b"400"
