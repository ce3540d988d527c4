"""Whether events are what the catalogue says of them."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import asyncpg
import msgspec

from domain.events.catalogue import TYPES
from domain.events.feed import shown

OPEN = {"changes", "details"}
"""Objects whose names are those of whatever has changed."""
ALL = "SELECT DISTINCT ON (type, payload) type, entity_type, payload FROM events"

_NUMBERS = (int, float, Decimal)


async def untold(admin: "asyncpg.Connection[Any]") -> list[str]:
    """What is wrong with the events that a database has: types that nobody knows, and other shapes than theirs."""
    rows = await admin.fetch(ALL)
    return sorted({fault for row in rows for fault in faults_of(row["type"], row["entity_type"], row["payload"])})


def faults_of(type_: str, entity_type: str, payload: str) -> Iterator[str]:
    known = TYPES.get(type_)
    if known is None:
        yield f"{type_} is not in domain/events/catalogue.json"
        return
    if entity_type != known.entity_type:
        yield f"{type_} is of a {entity_type}, and the catalogue says {known.entity_type}"
    data = shown(msgspec.json.decode(payload), None)
    missing = known.example.keys() - data.keys() - set(known.optional)
    yield from (f"{type_} lacks {name}" for name in missing)
    yield from (f"{type_}{fault}" for fault in _differences(known.example, data, ""))


def _differences(example: Any, value: Any, at: str) -> Iterator[str]:
    if example is None or value is None:
        return
    if isinstance(example, Mapping) and isinstance(value, Mapping):
        if at.rpartition(".")[2] in OPEN:
            return
        for name, item in value.items():
            if name in example:
                yield from _differences(example[name], item, f"{at}.{name}")
            else:
                yield f"{at}.{name} is not in the example"
    elif isinstance(example, list) and isinstance(value, list):
        for item in value if example else ():
            yield from _differences(example[0], item, f"{at}[]")
    elif _kind(example) != _kind(value):
        yield f"{at} is a {_kind(value)}, and a {_kind(example)} in the example"


def _kind(value: Any) -> str:
    return "number" if isinstance(value, _NUMBERS) and not isinstance(value, bool) else type(value).__name__
