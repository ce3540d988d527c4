"""Every event that the source can write is in the catalogue, and nothing else is."""

import ast
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from domain.events.catalogue import AREAS, TYPES, EventType
from tests.events_lab import faults_of

ROOT = Path(__file__).parents[2]
WORD = re.compile(r"[a-z_]+")
NAME = re.compile(r"[a-z_]+(\.[a-z_]+)+\.v[1-9]")


@lru_cache(maxsize=1)
def constants() -> dict[str, set[str]]:
    """What texts the constants of all modules stand for, by their names."""
    found: dict[str, set[str]] = {}
    for tree in sources():
        for node in tree.body:
            for name, value in named(node):
                if WORD.fullmatch(value):
                    found.setdefault(name, set()).add(value)
    return found


def named(node: ast.stmt) -> Iterator[tuple[str, str]]:
    """Of `A = "a"` and `A, B = "a", "b"` each name and text."""
    if not isinstance(node, ast.Assign):
        return
    (target, *_), value = node.targets, node.value
    names = target.elts if isinstance(target, ast.Tuple) else [target]
    values = value.elts if isinstance(value, ast.Tuple) else [value]
    for name, one in zip(names, values, strict=False):
        if isinstance(name, ast.Name) and isinstance(one, ast.Constant) and isinstance(one.value, str):
            yield name.id, one.value


def patterns() -> set[str]:
    """Every type that is written, as an expression: what is filled in stands for a word, or for a constant's."""
    found = {pattern for tree in sources() for pattern in written(tree)}
    return {pattern for pattern in found if not pattern.startswith(r"catalog\.[")} | in_sql()


TOLD_BY = {
    "added": "created",
    "told_of": "created",
    "added_many": "batch_created",
    "told_of_many": "batch_created",
    "changed": "changed",
    "removed": "deleted",
}
"""What domain/catalog/service.py tells of a kind of thing, by its functions."""


@lru_cache(maxsize=1)
def sources() -> list[ast.Module]:
    """The domain, and what else names a type."""
    texts = [
        path.read_text() for name in ("domain", "infra", "app") for path in sorted((ROOT / name).rglob("*.py"))
    ]
    domain = len(list((ROOT / "domain").rglob("*.py")))
    return [ast.parse(text) for n, text in enumerate(texts) if n < domain or '.v1"' in text]


def written(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args
        if is_call and node.func.attr == "record":  # type: ignore[attr-defined]
            found = pattern_of(node.args[0])  # type: ignore[attr-defined]
            if found is not None:
                yield found
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in TOLD_BY:
            kinds = [arg.id for arg in node.args if isinstance(arg, ast.Name) and arg.id.isupper()]
            stands_for = [value for kind in kinds for value in constants().get(kind, ())]
            yield from (rf"catalog\.{value}\.{TOLD_BY[node.func.id]}\.v1" for value in stands_for)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and NAME.fullmatch(node.value):
            yield re.escape(node.value)
        elif isinstance(node, ast.JoinedStr) and (found := pattern_of(node)) is not None:
            yield found


def pattern_of(node: ast.AST) -> str | None:
    """None: it is no text, but what a text was given to."""
    if isinstance(node, ast.Constant):
        return re.escape(str(node.value))
    if isinstance(node, ast.JoinedStr):
        whole = "".join(part_of(part) for part in node.values)
        return whole if whole.endswith(r"\.v1") else None
    return None


def part_of(part: ast.expr) -> str:
    if isinstance(part, ast.Constant):
        return re.escape(str(part.value))
    named = part.value if isinstance(part, ast.FormattedValue) else part
    stands_for = constants().get(named.id) if isinstance(named, ast.Name) else None
    return f"(?:{'|'.join(sorted(stands_for))})" if stands_for else "[a-z_]+"


def in_sql() -> set[str]:
    """Types that the database writes itself."""
    text = "\n".join(path.read_text() for path in sorted((ROOT / "migrations" / "sql").glob("*.sql")))
    kinds = text[text.index("FUNCTION ledger_event_type") :].partition("END ||")[0]
    claims = text[text.index("event_append('reservation.' ||") :].partition("|| '.v1'")[0]
    found = {f"inventory.{word}.v1" for word in re.findall(r"THEN '([a-z_]+)'", kinds)}
    found |= {f"reservation.{word}.v1" for word in re.findall(r"(?:THEN|ELSE) '([a-z_]+)'", claims)}
    found |= {f"{name}.v1" for name in re.findall(r"'([a-z_]+\.[a-z_]+)\.v1'", text)}
    return {re.escape(name) for name in found}


@pytest.fixture(scope="module")
def known() -> set[str]:
    return patterns()


def test_every_type_that_is_written_is_in_the_catalogue(known: set[str]) -> None:
    aside = {re.escape("webhook.test.v1")}  # a call that tells of nothing

    assert [one for one in sorted(known - aside) if not any(re.fullmatch(one, name) for name in TYPES)] == []
    assert len(known) > 40
    assert not any(re.fullmatch(one, "any.thing.v1") for one in known)


def test_every_type_of_the_catalogue_is_written(known: set[str]) -> None:
    assert [name for name in TYPES if not any(re.fullmatch(one, name) for one in known)] == []


@pytest.mark.parametrize("one", TYPES.values(), ids=lambda one: one.type)
def test_a_type_says_what_it_is(one: EventType) -> None:
    assert NAME.fullmatch(one.type)
    assert one.when[0].isupper()
    assert not one.when.endswith((".", "?"))
    assert one.example
    assert set(one.optional) <= one.example.keys()
    assert f"{one.type.split('.')[0]}.*" in AREAS


def test_the_catalogue_is_in_order() -> None:
    assert list(TYPES) == sorted(TYPES)


@pytest.mark.parametrize(
    ("payload", "fault"),
    [
        ('{"id": "a", "version": 1}', "lacks state"),
        ('{"id": "a", "version": "1", "state": "PAUSED"}', ".version is a str, and a number"),
        ('{"id": "a", "version": 1, "state": "PAUSED", "url": "b"}', ".url is not in the example"),
    ],
)
def test_another_shape_would_be_seen(payload: str, fault: str) -> None:
    found: list[Any] = list(faults_of("webhook.deleted.v1", "webhook", payload))

    assert len(found) == 1
    assert fault in found[0]
    assert list(faults_of("webhook.deleted.v2", "webhook", payload)) != []
