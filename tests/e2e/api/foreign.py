"""Requests that name another tenant's things, each beside its twin that names what does not exist.

Every place that takes an id, wherever the document says one is, is tried: paths, queries and bodies, each place by
itself and all together.
"""

import copy
import itertools
import random
import re
import string
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx
import msgspec
from msgspec.structs import replace

from domain.values import new_id
from tests.e2e.api.callers import on
from tests.e2e.api.company import Company
from tests.e2e.api.forms import bodies
from tests.e2e.api.operations import Operation, alternatives, is_id

_CHANGING = {"date", "x-request-id", "content-length"}
_TEXTS = frozenset({"search", "sku", "barcode", "lotNumber", "number", "reference", "code", "name"})
"""Query parameters that look for text."""

_CODES = frozenset({"identifier", "location_code", "sku"})
_CODES_SENT = frozenset({"location_code", "parent_code", "sku_code"})
"""What names things where ids are not used, in addresses and in bodies."""

type Pick = Callable[[str], str]
type Where = tuple[str | int, ...]


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A request that can be sent."""

    operation: Operation
    method: str
    path: str
    query: Mapping[str, Any]
    body: Any
    sent: frozenset[str]
    """The texts in it that are not the caller's own."""

    async def send(self, http: httpx.AsyncClient, headers: Mapping[str, str]) -> httpx.Response:
        body = {} if self.body is None else {"json": self.body}
        sent = on(self.operation, headers)
        return await http.request(self.method, self.path, params=dict(self.query), headers=sent, **body)


class Twins(msgspec.Struct, frozen=True, kw_only=True):
    """The same request about what is somebody else's and about what is nobody's."""

    operation: Operation
    place: str
    foreign: Request
    unknown: Request


def twins(operation: Operation, own: Company, other: Company) -> Iterator[Twins]:
    """Every way to name something of `other` in an operation that is otherwise about one's own."""
    nothing = random.Random(operation.id)
    strange = "".join(nothing.choices(string.ascii_lowercase, k=len(other.mark)))
    for place, asked in _attempts(operation, own):
        yield Twins(
            operation=operation,
            place=place,
            foreign=asked.naming(other.fact, other.mark),
            unknown=asked.naming(lambda _: str(new_id()), strange),
        )


def seen_alike(twin: Twins, foreign: httpx.Response, unknown: httpx.Response) -> bool:
    """Whether nobody could tell the two answers apart, but for what they themselves have sent."""
    return _neutral(foreign, twin.foreign.sent) == _neutral(unknown, twin.unknown.sent)


def leaks(response: httpx.Response, telling: frozenset[bytes], sent: frozenset[str]) -> list[str]:
    """What an answer says of another tenant that the caller has not said first."""
    heads = b"\n".join(name + b": " + value for name, value in response.headers.raw)
    text = heads + b"\n" + response.content
    for own in sorted(sent, key=len, reverse=True):
        text = text.replace(own.encode(), b"")
    return [word.decode() for word in telling if word in text]


def _neutral(response: httpx.Response, sent: frozenset[str]) -> tuple[int, frozenset[tuple[str, str]], str]:
    headers = {(name, value) for name, value in response.headers.items() if name not in _CHANGING}
    text = response.text
    for own in sorted(sent, key=len, reverse=True):
        text = text.replace(own, "<sent>")
    return response.status_code, frozenset(headers), text


class _Asked(msgspec.Struct, frozen=True, kw_only=True):
    """An operation as its example has it, and the places in it that shall name what is not the caller's."""

    operation: Operation
    own: Company
    body: Any
    paths: frozenset[str] = frozenset()
    queries: frozenset[str] = frozenset()
    places: tuple[Where, ...] = ()

    def naming(self, pick: Pick, text: str) -> Request:
        """The request, with an id from `pick` in every place, and `text` where texts are looked for."""
        sent: set[str] = set()

        def foreign(name: str) -> str:
            chosen = text if name in _TEXTS else pick(name)
            sent.add(chosen)
            return chosen

        def addressed(name: str) -> str:
            chosen = pick(name)
            sent.add(chosen)
            return chosen

        body = copy.deepcopy(self.body)
        for where in self.places:
            _set(body, where, foreign(_name(where)))
        query = {**self.own.fill(self.operation.query), **{name: foreign(name) for name in self.queries}}
        path = re.sub(
            r"\{(\w+)\}",
            lambda m: addressed(m[1]) if m[1] in self.paths else self.own.fact(m[1]),
            self.operation.path,
        )
        return Request(
            operation=self.operation,
            method=self.operation.method,
            path=path,
            query=query,
            body=body,
            sent=frozenset(sent),
        )


def _attempts(operation: Operation, own: Company) -> Iterator[tuple[str, _Asked]]:
    paths = frozenset(p["name"] for p in operation.parameters("path") if is_id(p["schema"]) or p["name"] in _CODES)
    queries = [p["name"] for p in operation.parameters("query") if is_id(p["schema"]) or p["name"] in _TEXTS]
    for number, body in enumerate(bodies(operation)):
        plain = _Asked(operation=operation, own=own, body=own.fill(body))
        places = () if operation.body_schema is None else tuple(_places(operation.body_schema, plain.body, ()))
        for place in places:
            yield f"body {number} {'.'.join(map(str, place))}", replace(plain, places=(place,))
        taken = tuple(place for place in places if _is_taken(plain.body, place))
        everything = replace(plain, paths=paths, queries=frozenset(queries) - _TEXTS, places=taken)
        if everything != plain:
            yield f"everything {number}", everything
    plain = _Asked(operation=operation, own=own, body=own.fill(operation.example))
    for name in paths:
        yield f"path {name}", replace(plain, paths=frozenset({name}))
    for name in queries:
        yield f"query {name}", replace(plain, queries=frozenset({name}))


def _places(schema: Mapping[str, Any], value: Any, at: Where) -> Iterator[Where]:
    """Where ids go in a body, whether the value has one there or not."""
    for choice in alternatives(schema):
        if is_id(choice):
            yield at
        elif choice.get("type") == "object" and isinstance(value, Mapping):
            for name, part in choice.get("properties", {}).items():
                if name in _CODES_SENT and isinstance(value.get(name), str):
                    yield (*at, name)
                yield from _places(part, value.get(name), (*at, name))
        elif choice.get("type") == "array":
            if isinstance(value, list) and value:
                yield from _places(choice["items"], value[0], (*at, 0))
            elif is_id(choice["items"]):
                yield (*at, 0)


def _is_taken(body: Any, where: Where) -> bool:
    """Whether a body has something in a place already."""
    for step in where:
        if body is None or (isinstance(step, str) and body.get(step) is None):
            return False
        body = body[step]
    return True


def _name(where: Where) -> str:
    """The field that a place is called by; a list of `binIds` holds a `binId`."""
    *_, last = (step for step in where if isinstance(step, str))
    return last[:-1] if last.endswith("Ids") else last


def _set(body: Any, where: Where, value: str) -> None:
    for step, following in itertools.pairwise(where):
        if isinstance(step, str) and body.get(step) is None:
            body[step] = [None] if following == 0 else {}
        body = body[step]
    body[where[-1]] = value
