"""A retry cannot turn a refusal into success: what was refused stays refused under its key (P-17)."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
import pytest

from tests.e2e.api.company import Company, master_key
from tests.e2e.api.operations import Operation, all_operations, named
from tests.faults.http.conftest import Connection
from tests.faults.http.wire import Answer, lines, request
from tests.lab import Served
from tests.ledger.promises import show

ADJUST, ISSUE, SET = "/api/inventory/adjust", "/api/inventory/issues", "/api/inventory/adjustments"
MUCH = 10_000
GIVEN = 4
"""Reserved or held of the company's stock: no quantity is set below it."""

type What = tuple[str, str, Mapping[str, Any] | None]
"""Method, path and body, with `{facts}` in them."""
type Ask = Callable[[int, What, str | None], Awaitable[Answer]]


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """What is refused in a round, and what makes it possible after all."""

    code: str
    refused: Callable[[int], What]
    remedy: Callable[[int], What]
    back: Callable[[int], What] | None = None
    """What makes it impossible again for the next round."""


def adjustment(item: str, kind: str) -> Mapping[str, Any]:
    return {"inventoryItemId": item, "type": kind, "quantity": MUCH, "reasonCodeId": "{reasonCodeId}"}


def setting(quantity: int, expected: int | None) -> Mapping[str, Any]:
    return {
        "inventoryItemId": "{inventoryItemId}",
        "newQtyOnHand": quantity,
        "expectedQuantity": expected,
        "reasonCodeId": "{reasonCodeId}",
    }


CASES: Mapping[str, Case] = {
    "an adjustment": Case(
        code="INSUFFICIENT_STOCK",
        refused=lambda _: ("POST", ADJUST, adjustment("{inventoryItemId}", "DECREASE")),
        remedy=lambda _: ("POST", ADJUST, adjustment("{inventoryItemId}", "INCREASE")),
    ),
    "an issue": Case(
        code="INSUFFICIENT_STOCK",
        refused=lambda _: (
            "POST",
            ISSUE,
            {
                "locationId": "{locationId}",
                "lines": [{"productMasterId": "{productMasterId}", "quantity": MUCH}],
            },
        ),
        remedy=lambda _: ("POST", ADJUST, adjustment("{inventoryItemId}", "INCREASE")),
    ),
    "a correction of lots": Case(
        code="INSUFFICIENT_STOCK",
        refused=lambda _: (
            "POST",
            f"{SET}/lot-correction",
            {"inventoryItemId": "{lottedInventoryItemId}", "toLotId": "{otherLotId}", "quantity": MUCH},
        ),
        remedy=lambda _: ("POST", ADJUST, adjustment("{lottedInventoryItemId}", "INCREASE")),
    ),
    "an absolute quantity": Case(
        code="STALE_QUANTITY",
        refused=lambda n: ("POST", SET, setting(GIVEN + n, MUCH + n)),
        remedy=lambda n: ("POST", SET, setting(MUCH + n, None)),
    ),
    "a name that is taken": Case(
        code="DUPLICATE",
        refused=lambda n: ("PATCH", "/api/products/{spareProductMasterId}", {"sku": "{sku}", "name": f"{n}"}),
        remedy=lambda n: ("PATCH", "/api/products/{productMasterId}", {"sku": f"RENAMED-{n}"}),
        back=lambda n: ("PATCH", "/api/products/{spareProductMasterId}", {"sku": f"SPARE-{n}"}),
    ),
    "a change of a version to come": Case(
        code="STALE_VERSION",
        refused=lambda n: (
            "PATCH",
            "/api/products/{spareProductMasterId}",
            {"name": f"New {n}", "expectedVersion": 2 * n + 2},
        ),
        remedy=lambda n: ("PATCH", "/api/products/{spareProductMasterId}", {"name": f"Changed {n}"}),
    ),
}
BACK = ("PATCH", "/api/products/{productMasterId}", {"sku": "{sku}"})


def asking(opened: list[Any], company: Company, headers: Mapping[str, str]) -> Ask:
    async def ask(number: int, what: What, key: str | None) -> Answer:
        method, path, body = what
        filled = None if body is None else company.fill(body)
        sent = request(method, company.path(path), headers, filled, key=key)
        answer: Answer = await opened[number % len(opened)].ask(sent)
        return answer

    return ask


@pytest.mark.parametrize("rounds", [8, pytest.param(170, marks=pytest.mark.long)])
@pytest.mark.parametrize("case", CASES)
async def test_what_was_refused_stays_refused_though_it_has_become_possible(
    server: Served, admin: Connection, company: Company, case: str, rounds: int
) -> None:
    headers = await master_key(admin, company)
    given, flips = CASES[case], 0
    async with lines(server.url, 6) as opened:
        ask = asking(opened, company, headers)
        for number in range(rounds):
            what = given.refused(number)
            first = await ask(0, what, f"k{number}")
            assert (first.status, first.code) == (409, given.code), first.body

            done = await ask(1, given.remedy(number), None)
            again = [await ask(client, what, f"k{number}") for client in range(6)]
            anew = await ask(2, what, f"new{number}")

            assert done.status == 200, done.body
            assert anew.status == 200, anew.body
            assert {answer.header("Idempotency-Replayed") for answer in again} == {"true"}
            flips += sum((answer.status, answer.body) != (first.status, first.body) for answer in again)
            if given.back is not None:
                assert (await ask(3, given.back(number), None)).status == 200
                assert (await ask(4, BACK, None)).status == 200
    show("P-17", case=case, refused=rounds, repeated=rounds * 6, flips=flips)
    assert flips == 0


def creating() -> list[Operation]:
    """What makes something that can be deleted again."""
    return [operation for operation in all_operations() if operation.method == "POST" and operation.path in GONE]


def unique() -> list[Operation]:
    """Of these, what there is one of only: what has no name of its own, such as a request, may be made again."""
    return [o for o in creating() if "DUPLICATE" in o.document["responses"]["409"]["description"]]


GONE = {o.path.rpartition("/")[0]: o.path for o in all_operations() if o.method == "DELETE"}
"""Where what is made at an address is deleted again."""


def address_of(operation: Operation, made: Answer) -> str:
    """Where the thing is that has been made: by its code, where that is what its address takes, or by its id."""
    (*_, parameter) = re.findall(r"\{(\w+)\}", GONE[operation.path])
    thing = made.json["data"]
    return f"{operation.path}/{thing['code' if parameter.endswith('_code') else 'id']}"


@pytest.mark.parametrize("operation", unique(), ids=named)
async def test_a_duplicate_stays_one_after_the_first_has_gone(
    server: Served, admin: Connection, company: Company, operation: Operation
) -> None:
    headers = await master_key(admin, company)
    what: What = ("POST", operation.path, operation.example)
    async with lines(server.url, 6) as opened:
        ask = asking(opened, company, headers)
        made = await ask(0, what, "first")
        refused = await ask(1, what, "second")
        gone = await ask(2, ("DELETE", address_of(operation, made), None), None)
        again = [await ask(client, what, "second") for client in range(6)]
        anew = await ask(3, what, "third")

    assert (made.status, refused.status, gone.status, anew.status) == (201, 409, 200, 201)
    assert refused.code == "DUPLICATE"
    assert {(answer.status, answer.body) for answer in again} == {(refused.status, refused.body)}
