"""How values look on the wire: strict in, exact out.

Bodies are decoded by `StrictRequest` and not by the framework, which would coerce ("5" for a number, 1 for true)
and read decimals as binary floats. Responses write decimals as JSON numbers.
"""

import asyncio
import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any, ClassVar, override

import msgspec
from litestar import Request, Response
from litestar.enums import MediaType
from msgspec import Meta

from domain.errors import DomainError, FieldError, Reason
from domain.values import Quantity, clean_text, exact_json

BODY_SECONDS = 30.0
"""For so long a body is waited for: who sends none, or a byte a minute, must not keep a place for good."""
LONGEST_STRING = 10_000
DEEPEST = 32
SEPARATOR, SEPARATOR_SHOWN = "\x1d", "\u241d"
"""What stands between the parts of a barcode (FNC1), and the sign that shows it."""
_NOTHING: frozenset[str] = frozenset()
_ENDS_OF_TIME = frozenset({date.min.isoformat(), date.max.isoformat()})
"""The database's driver takes these days for minus and plus infinity, which is no answer to a client."""

type Text64 = Annotated[str, Meta(min_length=1, max_length=64)]
type Text200 = Annotated[str, Meta(min_length=1, max_length=200)]
type Text300 = Annotated[str, Meta(min_length=1, max_length=300)]
type Text2000 = Annotated[str, Meta(min_length=1, max_length=2000)]
type Version = Annotated[int, Meta(ge=1, le=2_147_483_647)]


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """A request body. Repeat `kw_only=True` on each subclass: it is not inherited, the rest is."""

    scanned: ClassVar[frozenset[str]] = frozenset()
    """Texts that a scanner writes, by name, at any depth: the separator in them (ASCII 29) comes in as a sign."""


class Answer(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A response body."""


class SnakeBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request body of the surfaces whose names are written as ours are. Repeat `kw_only=True`, as above."""

    scanned: ClassVar[frozenset[str]] = frozenset()


class Unread(msgspec.Struct, frozen=True):
    """A body that its handler reads by itself, as what its names mean, or what is wrong with it, depends.

    It is JSON, no name stands twice in one object, and it is not too deep; its texts are as they were sent.
    """

    shape: ClassVar[Any]
    """What the document shows."""

    raw: Any


class SnakeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A response body of those surfaces."""


_TEXT = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
"""A text in JSON that is known to be valid."""

_plain = msgspec.json.Decoder(float_hook=Decimal)
_canonical = msgspec.json.Encoder(decimal_format="number", order="deterministic")


def encode(content: Any) -> bytes:
    """JSON as every answer has it: decimals are numbers."""
    return exact_json.encode(content)


def canonical(body: bytes) -> bytes:
    """A body's meaning without its spelling: what the fingerprint of an idempotent request is taken of."""
    try:
        return _canonical.encode(_plain.decode(body)) if body else b""
    except (msgspec.DecodeError, RecursionError):
        return body


class Json[T](Response[T]):
    """A JSON answer with exact decimals."""

    @override
    def render(self, content: Any, media_type: str, enc_hook: Any = None) -> bytes:
        if isinstance(content, bytes):
            return content
        if media_type.startswith(MediaType.JSON):
            return encode(content)
        return super().render(content, media_type, enc_hook)

    @override
    def to_asgi_response(self, app: Any, request: Request[Any, Any, Any], **settings: Any) -> Any:
        # What the framework puts together for cookies, background tasks, HEAD and headers of its own takes longer
        # than the answer itself (measured on an empty GET: a tenth of its CPU), and hardly an answer has any.
        special = (name for name in _SPECIAL if settings.get(name))
        if self.cookies or self.background or self.media_type not in _USUAL or any(special):
            return super().to_asgi_response(app, request, **settings)
        body = self.content if isinstance(self.content, bytes) else encode(self.content)
        return _Sent(self.status_code or settings["status_code"], body, self.headers)


_SPECIAL = ("background", "cookies", "encoded_headers", "headers", "is_head_response", "type_encoders")
_USUAL = (None, MediaType.JSON)
_AS_JSON = (b"content-type", b"application/json")


class _Sent:
    """An answer that is ready to be sent."""

    __slots__ = ("_body", "_headers", "_status")

    def __init__(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self._status = status
        self._body = body
        self._headers = headers

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG002 - called by names
        headers = [
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in self._headers.items()
        ]
        headers += [_AS_JSON, (b"content-length", b"%d" % len(self._body))]
        await send({"type": "http.response.start", "status": self._status, "headers": headers})
        await send({"type": "http.response.body", "body": self._body})


class StrictRequest(Request[Any, Any, Any]):
    """A request whose JSON body is decoded once, strictly, into what its handler declares."""

    @override
    async def json(self) -> Any:
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise DomainError(Reason.UNSUPPORTED_MEDIA_TYPE, "Send the body as application/json")
        body = await self.body()
        return decode(body, _declared(self.route_handler))

    @override
    async def body(self) -> bytes:
        try:
            async with asyncio.timeout(BODY_SECONDS):
                return await super().body()
        except TimeoutError:
            raise FieldError(("", f"the body took longer than {BODY_SECONDS:g} seconds to come")) from None


@lru_cache(maxsize=512)
def _declared(handler: Any) -> Any:
    return handler.parsed_fn_signature.parameters["data"].annotation


def decode(body: bytes, wanted: Any) -> Any:
    """A body as the type that is wanted, its texts trimmed and NFC-normalised.

    Raises:
        FieldError: it is not JSON, or not what is wanted; the path of the first problem is named.
    """
    try:
        plain = _plain.decode(body)
        if isinstance(wanted, type) and issubclass(wanted, Unread):
            _refuse_depth(plain, 0)
            _refuse_repetition(body, plain)
            return wanted(plain)
        raw = _cleaned(plain, "", 0, getattr(wanted, "scanned", _NOTHING))
        _refuse_repetition(body, plain)
        return msgspec.convert(raw, wanted, strict=True, dec_hook=dec_hook)
    except msgspec.ValidationError as problem:
        raise _field_error(str(problem)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise FieldError(("", f"is not valid JSON: {str(problem)[:200]}")) from None


def converted[T](plain: Any, wanted: type[T]) -> T:
    """What was read of a body as the type that is wanted, its texts trimmed and NFC-normalised.

    Raises:
        FieldError: it is not what is wanted; the path of the first problem is named.
    """
    try:
        return msgspec.convert(_cleaned(plain, "", 0, _NOTHING), wanted, strict=True, dec_hook=dec_hook)
    except msgspec.ValidationError as problem:
        raise _field_error(str(problem)) from None


def _refuse_depth(value: Any, depth: int) -> None:
    if depth > DEEPEST:
        raise FieldError(("", f"is nested deeper than {DEEPEST} levels"))
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            _refuse_depth(item, depth + 1)


def dec_hook(wanted: type, value: Any) -> Any:
    """Quantities: JSON numbers only, exact, bounded."""
    if issubclass(wanted, Quantity):
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            message = "Expected a number"
            raise TypeError(message)
        return wanted.of(value)
    raise NotImplementedError(wanted)


def _cleaned(value: Any, path: str, depth: int, scanned: AbstractSet[str]) -> Any:
    if depth > DEEPEST:
        raise FieldError((path, f"is nested deeper than {DEEPEST} levels"))
    if isinstance(value, str):
        if value in _ENDS_OF_TIME:
            raise FieldError((path, "must be a day after 0001-01-01 and before 9999-12-31"))
        try:
            return clean_text(value, longest=LONGEST_STRING, empty=True)
        except ValueError as problem:
            raise FieldError((path, str(problem))) from None
    if isinstance(value, list):
        return [_cleaned(item, f"{path}[{n}]", depth + 1, scanned) for n, item in enumerate(value)]
    if isinstance(value, dict):
        if not all(key.isprintable() for key in value):
            raise FieldError((path, "must not have control characters in its names"))
        return {
            key: _cleaned(
                item.replace(SEPARATOR, SEPARATOR_SHOWN) if key in scanned and isinstance(item, str) else item,
                f"{path}.{key}" if path else key,
                depth + 1,
                scanned,
            )
            for key, item in value.items()
        }
    return value


def _refuse_repetition(body: bytes, plain: Any) -> None:
    """Refuse an object that has a name twice: another reader of it might take the other value.

    The decoder keeps the last one, so there are fewer names than colons outside of texts.
    """
    names = _names(plain)
    if body.count(b":") != names and _TEXT.sub(b"", body).count(b":") != names:
        raise FieldError(("", "must not have the same name twice in one object"))


def _names(value: Any) -> int:
    if isinstance(value, dict):
        return len(value) + sum(map(_names, value.values()))
    return sum(map(_names, value)) if isinstance(value, list) else 0


def _field_error(message: str) -> FieldError:
    """`Expected `int` - at `$.lines[0].qty`` as a path and a message of our own."""
    text, _, path = message.partition(" - at `")
    return FieldError((path.rstrip("`").removeprefix("$").removeprefix("."), text.replace("`", "")))
