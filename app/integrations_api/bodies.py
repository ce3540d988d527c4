"""Bodies under a partner's names: read as ours, and refused in theirs."""

from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any

from msgspec import UNSET

from app.http.wire import SnakeBody, converted
from domain.access.model import Act
from domain.errors import FieldError
from domain.integrations.mapping import Names
from domain.integrations.ports import Mappings
from domain.values import Quantity


async def names_of(mappings: Mappings, act: Act, resource: str) -> Names:
    """What the caller calls the fields of a resource."""
    assert act.caller.key_id is not None, "only keys come in here"
    mapping = await mappings.of_key(act.tenant_id, act.caller.key_id)
    return Names(resource, None if mapping is None else mapping.of(resource))


def read[T](raw: Any, wanted: type[T], names: Names) -> T:
    """A body as what it is to be.

    Raises:
        FieldError: it is not, in the caller's names.
        DomainError: MAPPING_ERROR.
    """
    return told_in(names, lambda: converted(names.ours(raw), wanted))


def changes_in(body: SnakeBody, names: Names) -> dict[str, Any]:
    """What a body changes; null is a value, what is left out stays.

    Raises:
        FieldError: nothing.
    """
    changes = {
        name: Decimal(value) if isinstance(value, Quantity) else value
        for name in body.__struct_fields__
        if (value := getattr(body, name)) is not UNSET
    }
    if not changes:
        fields = ", ".join(names.name(name) or name for name in body.__struct_fields__)
        raise FieldError(("", f"names nothing to change; there are {fields}"))
    return changes


def told_in[T](names: Names, do: Callable[[], T]) -> T:
    """Do it; what is refused names fields as the caller does."""
    try:
        return do()
    except FieldError as refused:
        raise _in_words_of(names, refused, {}) from None


async def told_of[T](names: Names, doing: Awaitable[T], spelt: Mapping[str, str]) -> T:
    """Likewise of what the domain does; `spelt` are fields that it calls otherwise."""
    try:
        return await doing
    except FieldError as refused:
        raise _in_words_of(names, refused, spelt) from None


def _in_words_of(names: Names, refused: FieldError, spelt: Mapping[str, str]) -> FieldError:
    fields: Any = refused.facts["fields"]
    problems = []
    for one in fields:
        path = spelt.get(one["path"], one["path"])
        head, rest = _head(path)
        problems.append((f"{names.name(head) or head}{rest}", one["message"]))
    return FieldError(*problems)


def _head(path: str) -> tuple[str, str]:
    """`notes[0].x` as the field and what follows it."""
    for n, char in enumerate(path):
        if char in ".[":
            return path[:n], path[n:]
    return path, ""
