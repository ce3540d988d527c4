"""What a flow is made of: who asks for what, and where."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal

import msgspec

from tests.bench.stage import SLUG, Ledger
from tests.plans.selling import product_id

type Who = Literal[0, 1, 2, "token"]
type Ask = Callable[[str, str, Who, object], Awaitable[Any]]
"""A request by one of three callers, or by a program with a token; its answer, which is a success."""


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """Where documents are made, and of what."""

    keys: tuple[str, ...]
    token: str
    slug: str
    lines: int
    origin: str
    destination: str
    products: Sequence[str]
    reason: str

    @staticmethod
    def of(ledger: Ledger) -> "Site":
        return Site(
            keys=(ledger.key, *ledger.other_keys),
            token=ledger.token,
            slug=SLUG,
            lines=ledger.lines,
            origin=str(ledger.stock.locations[0]),
            destination=str(ledger.stock.locations[1]),
            products=[str(product_id(n)) for n in range(ledger.products)],
            reason=str(ledger.stock.reason_code_id),
        )

    def secret(self, who: Who) -> str:
        return self.token if who == "token" else self.keys[who]


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """A body that is no JSON."""

    content_type: str
    content: bytes


class FlowError(Exception):
    """A flow did not go on, or did not end as it should."""


def content_of(body: object) -> bytes:
    if isinstance(body, Form):
        return body.content
    return b"" if body is None else msgspec.json.encode(body)


def content_type_of(body: object) -> str:
    return body.content_type if isinstance(body, Form) else "application/json"


def answer_of(status: int, content: bytes, where: str) -> Any:
    if not 200 <= status < 300:
        raise FlowError(f"{where} answered {status}: {content[:500].decode(errors='replace')}")
    return msgspec.json.decode(content)
