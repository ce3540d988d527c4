"""Input that nobody sends in good faith, made for every place of every route out of the document."""

import base64
import copy
import gzip
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import httpx
import msgspec

from tests.e2e.api.company import Company
from tests.e2e.api.forms import bodies
from tests.e2e.api.operations import Operation, alternatives
from tests.e2e.api.schemas import is_valid_body

JSON = {"Content-Type": "application/json"}
MEGABYTE = 1_000_000
DEEP = 100_000

_INTEGER = re.compile(rb"[0-9]+")
_UUID = re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

type Where = tuple[str | int, ...]


class Shot(msgspec.Struct, frozen=True, kw_only=True):
    """One request. `refused`: it must not be let through; else the document would allow it."""

    operation: Operation
    what: str
    path: str
    query: bytes = b""
    headers: Mapping[str, str | bytes] = {}
    content: bytes | None = None
    refused: bool = True

    def request(self, http: httpx.AsyncClient, credentials: Mapping[str, str]) -> httpx.Request:
        target = self.path.encode() + (b"?" + self.query if self.query else b"")
        address = httpx.URL(http.base_url).copy_with(raw_path=target)
        headers = {name.encode(): _bytes(value) for name, value in {**credentials, **self.headers}.items()}
        return http.build_request(self.operation.method, address, headers=headers, content=self.content)


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode()


def shots(operation: Operation, company: Company) -> Iterator[Shot]:
    """All there is to try on an operation."""
    path = company.path(operation.path)
    if operation.body_schema is not None:
        yield from _wrong_bodies(operation, path, company.fill(operation.example))
        for body in bodies(operation):
            yield from _wrong_fields(operation, path, company.fill(body))
    for parameter in operation.parameters("query"):
        yield from _wrong_values(operation, path, parameter)
    yield from _wrong_queries(operation, path)
    for parameter in operation.parameters("path"):
        yield from _wrong_paths(operation, company, parameter["name"])
    yield from _wrong_headers(operation, path, company.fill(operation.example))


# --- bodies -----------------------------------------------------------------------------------------------------


def _wrong_bodies(operation: Operation, path: str, example: Mapping[str, Any]) -> Iterator[Shot]:
    good = msgspec.json.encode(example)
    wrong: dict[str, bytes] = {
        "nothing": b"",
        "null": b"null",
        "a list": b"[]",
        "a list around it": b"[" + good + b"]",
        "a text": b'"x"',
        "a number": b"1",
        "truth": b"true",
        "an opened brace": b"{",
        "half of it": good[: len(good) // 2],
        "it, and more": good + b"{}",
        "it twice": good + good,
        "a comma too many": good[:-1] + b",}",
        "single quotes": good.replace(b'"', b"'"),
        "a byte order mark": b"\xef\xbb\xbf" + good,
        "no UTF-8": b"\xff\xfe\xfd",
        "no UTF-8 inside": b'{"x": "\xc3\x28"}',
        "UTF-16": good.decode().encode("utf-16"),
        "NUL bytes": b"\0" * 100,
        "half a surrogate pair for a name": b'{"\\ud800": 1}',
        "NUL in a name": b'{"\\u0000": 1}',
        "a name twice": _twice(example),
        "deep lists": b"[" * DEEP + b"]" * DEEP,
        "deep objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
        "deep and unfinished": b"[" * DEEP,
        "a hundred thousand names": b"{" + b",".join(b'"f%d":1' % n for n in range(60_000)) + b"}",
        "a hundred thousand numbers": b"[" + b",".join([b"1"] * DEEP) + b"]",
        "a text of a megabyte": b'"' + b"a" * MEGABYTE + b'"',
        "a number of a megabyte": b"1" * MEGABYTE,
        "more than a megabyte": b'"' + b"a" * (1 << 20) + b'"',
        "zipped": gzip.compress(good),
    }
    for what, content in wrong.items():
        yield Shot(operation=operation, what=f"body: {what}", path=path, headers=JSON, content=content)
    for kind in (
        *("text/plain", "application/xml", "application/x-www-form-urlencoded", "text/json", "application/jsonx"),
        *("multipart/form-data; boundary=x", "application/vnd.api+json", "json", "", "*/*", "application/msgpack"),
    ):
        headers = {"Content-Type": kind}
        yield Shot(
            operation=operation, what=f"body: as {kind or 'nothing'}", path=path, headers=headers, content=good
        )
    headers = {**JSON, "Content-Encoding": "gzip"}
    yield Shot(operation=operation, what="body: gzip", path=path, headers=headers, content=gzip.compress(good))


def _twice(example: Mapping[str, Any]) -> bytes:
    """The first field twice, with a wrong value and with the right one."""
    name, value = next(iter(example.items()), ("comment", "x"))
    return b'{"%s": [], ' % name.encode() + msgspec.json.encode({**example, name: value})[1:]


NUMBERS: Mapping[str, bytes] = {
    "NaN": b"NaN",
    "Infinity": b"Infinity",
    "minus Infinity": b"-Infinity",
    "1e400": b"1e400",
    "1e1000000": b"1e1000000",
    "1e-400": b"1e-400",
    "2^70": b"1180591620717411303424",
    "minus 2^70": b"-1180591620717411303424",
    "a hundred digits": b"1" * 100,
    "five places": b"1.00001",
    "a leading zero": b"01",
    "hexadecimal": b"0x10",
}
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 1.5, 2**31, 2**63, -(2**63) - 1, 10**14),
    *([], {}, [None], [[]], {"a": 1}, [1] * 600),
    *("", " ", "x", "5", "-5", "1e3", "NaN", "Infinity", "1_000", "true", "null", "\u0661\u0662", "\u00b2"),
    *("\0", "a\0b", "\x1b[31m", "\r\nX: y", "\u202e", "\ufeff", "e\u0301" * 6_000, "\U0001f4a3" * 70),
    *("a" * 10_001, "a" * MEGABYTE),
    *("'; DROP TABLE lots; --", "%s%n{0}${x}", "../../etc/passwd", "=1+1", "<script>"),
    *("00000000-0000-0000-0000-000000000000", "not-a-uuid", "{00000000-0000-0000-0000-000000000000"),
    *("2020-13-45", "2020-02-30T00:00:00Z", "2020-01-01T00:00:00", "0001-01-01T00:00:00Z", "99999-01-01"),
    *("9999-12-31T23:59:59.999999Z", "0001-01-01", "9999-12-31", "-0001-01-01", "2020-01-01T24:61:61Z"),
)
SURROGATE = b'"\\ud800"'


def _wrong_fields(operation: Operation, path: str, body: Mapping[str, Any]) -> Iterator[Shot]:
    def shot(what: str, changed: Any, *, refused: bool) -> Shot:
        content = msgspec.json.encode(changed)
        return Shot(operation=operation, what=what, path=path, headers=JSON, content=content, refused=refused)

    assert operation.body_schema is not None
    for where in _objects(operation.body_schema, body, ()):
        place = ".".join(map(str, where)) or "the body"
        yield shot(f"{place}: an unknown field", _with(body, (*where, "nonsense"), 1), refused=True)
        yield shot(f"{place}: __class__", _with(body, (*where, "__class__"), "x"), refused=True)
        yield shot(f"{place}: tenantId", _with(body, (*where, "tenantId"), "x"), refused=True)
    for where in _fields(operation.body_schema, body, ()):
        place = ".".join(map(str, where))
        for what, number in NUMBERS.items():
            changed = _with(body, where, msgspec.Raw(number))
            yield shot(f"{place}: {what}", changed, refused=what != "five places")
        yield shot(f"{place}: half a surrogate pair", _with(body, where, msgspec.Raw(SURROGATE)), refused=True)
        for value in VALUES:
            changed = _with(body, where, value)
            refused = not is_valid_body(operation, changed)
            yield shot(f"{place}: {str(value)[:40]!r}", changed, refused=refused)


def _objects(schema: Mapping[str, Any], value: Any, at: Where) -> Iterator[Where]:
    """Where objects stand in a body."""
    for choice in alternatives(schema):
        if choice.get("type") == "object" and isinstance(value, Mapping):
            yield at
            for name, part in choice.get("properties", {}).items():
                yield from _objects(part, value.get(name), (*at, name))
        elif choice.get("type") == "array" and isinstance(value, list) and value:
            yield from _objects(choice["items"], value[0], (*at, 0))


def _fields(schema: Mapping[str, Any], value: Any, at: Where) -> Iterator[Where]:
    """Every field of every object in a body, whether it has it or not."""
    for where in _objects(schema, value, at):
        found: Any = value
        for step in where:
            found = found[step]
        for choice in alternatives(_schema_at(schema, where)):
            yield from ((*where, name) for name in choice.get("properties", {}))


def _schema_at(schema: Mapping[str, Any], where: Where) -> Mapping[str, Any]:
    for step in where:
        choices = alternatives(schema)
        if isinstance(step, int):
            schema = next(choice["items"] for choice in choices if choice.get("type") == "array")
        else:
            schema = next(choice["properties"][step] for choice in choices if step in choice.get("properties", {}))
    return schema


def _with(body: Mapping[str, Any], where: Where, value: Any) -> Any:
    changed: Any = copy.deepcopy(body)
    inner = changed
    for step in where[:-1]:
        inner = inner[step]
    inner[where[-1]] = value
    return changed


# --- addresses --------------------------------------------------------------------------------------------------

TEXTS: tuple[bytes, ...] = (
    *(b"", b"%20", b"x", b"-1", b"0", b"1e3", b"1.5", b"%2B1", b"+1", b"1_0", b"0x1", b"007", b"9" * 30),
    *(b"2147483648", b"9223372036854775808", b"NaN", b"Infinity", b"TRUE", b"True", b"yes", b"null", b"[]"),
    *(quote("\u0663").encode(), quote("\u00b2").encode(), b"%00", b"a%00b", b"%7f", b"%0d%0aX:%20y", b"%ff", b"%"),
    *(b"%E2%80%AE", b"a" * 1_001, b"a" * 7_000, b"%27%20OR%201=1--", b"%25_%25", b"%5C", b"a%26b", b"(((((("),
    *(b"00000000-0000-0000-0000-000000000000", b"00000000-0000-0000-0000-00000000000g", b"2020-13-45"),
    *(
        b"2020-01-01T00:00:00",
        b"0001-01-01",
        b"9999-12-31",
        b"9999-12-31T23:59:59.999999Z",
        b"0001-01-01T00:00:00Z",
    ),
)


def _cursor(text: bytes) -> bytes:
    return base64.urlsafe_b64encode(text).rstrip(b"=")


CURSORS = tuple(
    _cursor(text)
    for text in (
        *(
            b"",
            b"null",
            b"[]",
            b"{}",
            b"[1]",
            b'["id"]',
            b'["id",1,1,[]]',
            b'["sku",2,9,["x","y","z"]]',
            b"[" * 500,
        ),
        *(b'["id",1,1,[null]]', b'["id",-1,-1,[1]]', b'["id",1e400,1,[1]]', b'["\\u0000",1,1,["\\u0000"]]'),
        *(b'["sku",1,99999999999999999999,["\\ud800"]]', b'[["a"],["b"],["c"]]', b"\xff\xfe", b'{"id":"x"}'),
        *(b'["sku",2,9,["a"]]', b'["code",2,9,["a"]]', b'["00000000-0000-0000-0000-000000000000"]', b"[1e99]"),
        *(
            b'["sku",2,9,["a\\u0000","b"]]',
            b'["name",2,9,[1,2]]',
            b'["id",2,9,["not-a-uuid"]]',
            b"[99999999999999]",
        ),
    )
)


def _wrong_values(operation: Operation, path: str, parameter: Mapping[str, Any]) -> Iterator[Shot]:
    name = parameter["name"].encode()
    texts = (*TEXTS, *CURSORS) if b"cursor" in name.lower() else TEXTS
    for text in texts:
        yield Shot(
            operation=operation,
            what=f"?{name.decode()}={text[:60].decode()}",
            path=path,
            query=name + b"=" + text,
            refused=not _may_be(parameter["schema"], text),
        )
    for twice in (b"%s=1&%s=1", b"%s=&%s=", b"%s&%s"):
        query = twice % (name, name)
        yield Shot(operation=operation, what=f"?{query.decode()}", path=path, query=query)


def _may_be(schema: Mapping[str, Any], text: bytes) -> bool:
    """Whether the document lets a query parameter have a value, as far as its type tells."""
    bounds = {key: schema[key] for key in ("minimum", "maximum") if key in schema}
    return any(_fits({**choice, **bounds}, text) for choice in alternatives(schema))


def _fits(schema: Mapping[str, Any], text: bytes) -> bool:
    if "enum" in schema:
        return text.decode() in map(str, schema["enum"])
    match schema.get("format", schema.get("type")):
        case "integer":
            highest = schema.get("maximum", 1 << 53)
            return bool(_INTEGER.fullmatch(text)) and schema.get("minimum", 0) <= int(text) <= highest
        case "boolean":
            return text.lower() in {b"true", b"false", b"0", b"1"}
        case "uuid":
            return bool(_UUID.fullmatch(text))
        case "date" | "date-time":
            return text.startswith((b"0001", b"9999"))
        case _:
            return True


def _wrong_queries(operation: Operation, path: str) -> Iterator[Shot]:
    for query in (
        *(b"nonsense=1", b"nonsense", b"=1", b"tenantId=1", b"__class__=x", b"%00=1", b"a" * 5_000 + b"=1"),
        *(
            b"LIMIT=1",
            b"limit[]=1",
            b"limit%00=1",
            b"&".join(b"x%d=1" % n for n in range(500)),
            b"%ff=1",
            b"a;b=1",
        ),
    ):
        yield Shot(
            operation=operation,
            what=f"?{query[:40].decode()}",
            path=path,
            query=query,
            headers=JSON,
            content=b"{}" if operation.body_schema is not None else None,
        )


def _wrong_paths(operation: Operation, company: Company, name: str) -> Iterator[Shot]:
    for text in (
        *("x", "0", "-1", "null", "undefined", "%00", "%2e%2e%2f", "..%2f..", "%ff", "%F0%9F%92%A3", "a" * 8_000),
        *("00000000-0000-0000-0000-000000000000", "00000000-0000-0000-0000-00000000000", quote("\u0661")),
        *("00000000-0000-0000-0000-000000000000%00", "00000000-0000-0000-0000-000000000000%20", "'", "*", "%25"),
    ):
        path = company.path(operation.path.replace(f"{{{name}}}", text))
        content = msgspec.json.encode(company.fill(operation.example)) if operation.body_schema else None
        yield Shot(
            operation=operation,
            what=f"{name}: {text[:40]}",
            path=path,
            headers=JSON,
            content=content,
            refused="404" in operation.document["responses"],
        )


def _wrong_headers(operation: Operation, path: str, example: Any) -> Iterator[Shot]:
    content = None if operation.body_schema is None else msgspec.json.encode(example)
    if operation.is_safe or operation.is_public:
        return
    for key in (b"", b" ", b"a b", b"a" * 256, b"\xc3\xa9", b"a\tb", b"\x7f"):
        headers: dict[str, str | bytes] = {**JSON, "Idempotency-Key": key}
        yield Shot(
            operation=operation, what=f"Idempotency-Key: {key[:20]!r}", path=path, headers=headers, content=content
        )
