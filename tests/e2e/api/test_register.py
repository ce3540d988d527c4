"""Every route says what it is, and the published ones are there as published."""

import csv
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from app.http.surfaces import Surface
from domain.access.model import Permission
from tests.e2e.api.operations import (
    OF_THE_FRAMEWORK,
    Operation,
    all_operations,
    documented,
    handlers,
    named,
    shape_of,
)

REGISTER = Path(__file__).parents[1] / "endpoints.tsv"

# What is published and not here yet, by how its path begins; a route that arrives must leave this list.
LATER: tuple[str, ...] = ()
DELEGATIONS = {"listDelegations", "createDelegation", "endDelegation"}
TOKENS = {"listTokens", "revokeToken"}
KNOWN_CALLER_SUFFICES = {"me", "logout", "listSessions", "endSession", "changePassword", *DELEGATIONS, *TOKENS}
"""What asks for no permission, but for a session or a key."""
PUBLIC = {"login", "acceptInvitation", "createToken", "openapi", "docs", "docsAsset", "health", "ready", "metrics"}


class Row(msgspec.Struct, frozen=True):
    """A published endpoint."""

    method: str
    path: str
    permissions: frozenset[str]
    summary: str

    @property
    def shape(self) -> tuple[str, str]:
        return self.method, shape_of(self.path)


def published() -> list[Row]:
    with REGISTER.open(newline="") as lines:
        return [
            Row(
                method=row["method"],
                path=row["path"],
                permissions=frozenset(filter(None, row["permissions"].split(","))),
                summary=row["summary"],
            )
            for row in csv.DictReader(lines, delimiter="\t")
        ]


def is_later(row: Row) -> bool:
    return shape_of(row.path).startswith(LATER)


def test_every_route_is_ours_or_the_framework_s_own_page() -> None:
    ours = {operation.shape for operation in all_operations()}
    others = {path for method, path, _ in handlers() if (method, shape_of(path)) not in ours}

    assert all(OF_THE_FRAMEWORK.fullmatch(path) for path in others)
    assert ours


@pytest.mark.parametrize("row", [row for row in published() if not is_later(row)], ids=lambda r: "".join(r.shape))
def test_a_published_route_is_there_with_its_permissions(row: Row) -> None:
    found = {operation.shape: operation for operation in all_operations()}

    assert row.shape in found, f"{row.method} {row.path} is published and missing"
    assert (found[row.shape].permissions is None) == (found[row.shape].id in PUBLIC)
    assert frozenset(found[row.shape].permissions or ()) == row.permissions
    assert found[row.shape].summary == row.summary


def test_what_is_still_to_come_has_not_come_yet() -> None:
    later = {row.shape for row in published() if is_later(row)}

    assert later & {operation.shape for operation in all_operations()} == set()
    assert all(any(shape_of(row.path).startswith(start) for row in published()) for start in LATER)


def test_no_route_is_open_by_silence() -> None:
    unguarded = {operation.id for operation in all_operations() if operation.permissions == ()}

    assert unguarded == KNOWN_CALLER_SUFFICES
    assert {operation.id for operation in all_operations() if operation.is_public} == PUBLIC


def test_every_operation_has_an_id_of_its_own() -> None:
    counts = Counter(operation.id for operation in all_operations())

    assert [id_ for id_, count in counts.items() if count > 1] == []
    assert all(id_.isidentifier() and id_[0].islower() for id_ in counts)


@pytest.mark.parametrize("operation", all_operations(), ids=named)
def test_a_route_declares_what_it_is(operation: Operation) -> None:
    assert operation.summary
    assert not operation.summary.endswith(".")
    assert set(operation.permissions or ()) <= set(Permission)
    if operation.document and not operation.is_safe:
        assert operation.document.get("requestBody", {}) == {} or operation.example is not None


@pytest.mark.parametrize("operation", documented(), ids=named)
def test_the_document_says_of_a_route_what_it_declares(operation: Operation) -> None:
    said = operation.document
    answers = said["responses"]
    not_valid = "422" if operation.surface is Surface.IMPORT else "400"

    assert said["operationId"] == operation.id
    assert said.get("x-permissions", []) == list(operation.permissions or ())
    assert (said.get("security") == []) == operation.is_public
    if not operation.is_public:
        assert all(str(permission) in said["description"] for permission in operation.permissions or ())
        assert {not_valid, "401", "403", "503"} <= answers.keys()
    if operation.body_schema is not None:
        assert {not_valid, "413", "415"} <= answers.keys()
        assert operation.example is not None
    assert any(status.startswith("2") for status in answers)
    names = {parameter["name"] for parameter in operation.parameters("query")}
    assert set(operation.query) <= names
