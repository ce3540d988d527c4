"""Field mappings: what a partner calls our fields, by key.

`fields` says which of the partner's fields becomes which of ours. Both are paths with dots; a list is entered as
it is, so `lines.item` is the field `item` of each object in the list `lines`. `static` gives our fields a value
that is not sent. What a mapping does not name keeps our name; whatever else a partner sends is left out.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from domain.errors import DomainError, FieldError, Reason

ROWS = "inventory"
"""The one list among our fields."""
FIELDS: Mapping[str, tuple[str, ...]] = {
    "inventory": (
        ROWS,
        f"{ROWS}.location_code",
        f"{ROWS}.sku_code",
        f"{ROWS}.quantity",
        "source",
        "notes",
    ),
    "locations": ("code", "name", "zone", "parent_code", "is_active"),
    "products": ("sku", "name", "unit", "cost", "barcode", "is_active"),
}
FIELDS_MAX = 50
PATH_LONGEST = 200
DEEPEST = 8
_SEGMENT = re.compile(r"[^.\x00-\x1f\x7f]+")
_MISSING: Any = object()


class ResourceMapping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Partner's path → our field, and our field → value."""

    fields: dict[str, str] = {}
    static: dict[str, str | int | bool | None] = {}


class FieldMapping(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a partner calls the fields of each resource; None leaves ours."""

    inventory: ResourceMapping | None = None
    locations: ResourceMapping | None = None
    products: ResourceMapping | None = None

    def of(self, resource: str) -> ResourceMapping | None:
        found: ResourceMapping | None = getattr(self, resource)
        return found


class Names:
    """One resource in a partner's words; without a mapping they are ours."""

    def __init__(self, resource: str, mapping: ResourceMapping | None) -> None:
        self._ours = FIELDS[resource]
        self._static = {} if mapping is None else mapping.static
        self._theirs = {} if mapping is None else {ours: theirs for theirs, ours in mapping.fields.items()}
        self.is_mapped = mapping is not None
        self._rows = self._theirs.get(ROWS, ROWS)

    def name(self, ours: str) -> str | None:
        """What the partner calls one of our fields, within a row of it; None where it is called as we call it."""
        theirs = self._theirs.get(ours)
        return None if theirs is None else theirs.removeprefix(f"{self._rows}.")

    def ours(self, body: Any) -> Any:
        """A body under our names.

        Raises:
            DomainError: MAPPING_ERROR, a path of the mapping cannot be followed in it.
        """
        if not self.is_mapped:
            return body
        if not isinstance(body, dict):
            raise _failed("the body must be an object")
        wanted = [field for field in self._ours if "." not in field]
        made = self._picked(body, wanted, prefix="", rows=None)
        if ROWS not in self._ours:
            return made
        if ROWS not in made:
            raise _failed(f"there is no {self._rows} in the body")
        if isinstance(made[ROWS], list):
            inner = [field for field in self._ours if field.startswith(f"{ROWS}.")]
            made[ROWS] = [
                self._picked(row, inner, prefix=f"{ROWS}.", rows=self._rows) if isinstance(row, dict) else row
                for row in made[ROWS]
            ]
        elif ROWS in self._theirs:
            raise _failed(f"{self._rows} is not a list")
        return made

    def _picked(
        self, source: dict[str, Any], fields: list[str], *, prefix: str, rows: str | None
    ) -> dict[str, Any]:
        """Of one object what the fields take from it."""
        made: dict[str, Any] = {}
        for field in fields:
            own = field.removeprefix(prefix)
            theirs = self._theirs.get(field)
            if theirs is not None:
                path = theirs if rows is None else theirs.removeprefix(f"{rows}.")
                value = _followed(source, path, strict=rows is None)
            else:
                value = self._static.get(field, source.get(own, _MISSING))
            if value is not _MISSING:
                made[own] = value
        return made


def _followed(source: Any, path: str, *, strict: bool) -> Any:
    """What stands at the end of a path; a row in which it leads nowhere has no such field."""
    for segment in path.split("."):
        if not isinstance(source, dict):
            if strict:
                raise _failed(f"{path} leads through something that is no object")
            return _MISSING
        source = source.get(segment, _MISSING)
        if source is _MISSING:
            return _MISSING
    return source


def _failed(what: str) -> DomainError:
    return DomainError(Reason.MAPPING_ERROR, f"The field mapping of this key does not fit the request: {what}")


def checked(mapping: FieldMapping) -> FieldMapping:
    """The mapping, if every part of it can be meant.

    Raises:
        FieldError: all that is wrong with it.
    """
    problems = [
        (f"mapping.{resource}{path}", message)
        for resource in FIELDS
        if (one := mapping.of(resource)) is not None
        for path, message in _problems(resource, one)
    ]
    if problems:
        raise FieldError(*problems[:50])
    return mapping


def _problems(resource: str, mapping: ResourceMapping) -> Iterator[tuple[str, str]]:
    if len(mapping.fields) + len(mapping.static) > FIELDS_MAX:
        yield "", f"must have at most {FIELDS_MAX} fields"
        return
    rows = next((theirs for theirs, ours in mapping.fields.items() if ours == ROWS), ROWS)
    taken: dict[str, str] = {}
    for theirs, ours in mapping.fields.items():
        problem = _problem(resource, theirs, ours, rows)
        if problem is None and ours in taken:
            problem = f"becomes {ours}, and so does {taken[ours]}"
        if problem is not None:
            yield f".fields.{theirs[:64]}", problem
        taken.setdefault(ours, theirs)
    for ours in mapping.static:
        if ours not in FIELDS[resource] or ours == ROWS:
            names = ", ".join(name for name in FIELDS[resource] if name != ROWS)
            yield f".static.{ours[:64]}", f"must be one of {names}"
        elif ours in taken:
            yield f".static.{ours[:64]}", f"has a value already: {taken[ours]} becomes it"


def _problem(resource: str, theirs: str, ours: str, rows: str) -> str | None:
    """What is wrong with one field of a mapping; `rows` is what the partner calls our list."""
    if not _is_path(theirs):
        return f"must be names with dots between them, at most {DEEPEST}, of {PATH_LONGEST} characters together"
    if ours not in FIELDS[resource]:
        return f"must become one of {', '.join(FIELDS[resource])}"
    is_inside = theirs.startswith(f"{rows}.")
    if ours.startswith(f"{ROWS}."):
        return None if is_inside else f"must be a field of the rows, {rows}.…"
    if ROWS in FIELDS[resource] and is_inside:
        return "is a field of the rows, and becomes one that there is only once"
    return None


def _is_path(text: str) -> bool:
    segments = text.split(".")
    return (
        len(text) <= PATH_LONGEST
        and len(segments) <= DEEPEST
        and all(_SEGMENT.fullmatch(segment) and segment.strip() == segment for segment in segments)
    )
