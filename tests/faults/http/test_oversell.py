"""Through whatever door, all at once: no more is taken than there is, and nothing that was told is lost."""

import itertools
import random
from collections import Counter
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from tests.e2e.api.company import STOCK, Company, master_key
from tests.faults.http.conftest import Connection
from tests.faults.http.wire import Answer, fire, request
from tests.lab import Served
from tests.ledger.promises import show

IN_STOCK = int(STOCK)

VERSIONS = """
    SELECT line_version, delta, balance_after, posting_id FROM movements
    WHERE tenant_id = $1 AND line_id = $2 ORDER BY line_version
"""

type Headers = Mapping[str, str]
type Door = Callable[[Company], tuple[str, dict[str, Any]]]


def by_line(company: Company) -> tuple[str, dict[str, Any]]:
    return "/api/inventory/adjust", {**taking(company), "inventoryItemId": company.facts["lottedInventoryItemId"]}


def by_keys(company: Company) -> tuple[str, dict[str, Any]]:
    keys = {
        "productMasterId": company.facts["lotProductId"],
        "locationId": company.facts["locationId"],
        "binId": company.facts["binId"],
        "lotId": company.facts["lotId"],
    }
    return "/api/inventory/adjust", {**taking(company), **keys}


def in_items(company: Company) -> tuple[str, dict[str, Any]]:
    return "/api/inventory/adjust", {"items": [by_line(company)[1]]}


def by_issue(company: Company) -> tuple[str, dict[str, Any]]:
    line = {"productMasterId": company.facts["lotProductId"], "lotId": company.facts["lotId"], "quantity": 1}
    return "/api/inventory/issues", {"locationId": company.facts["locationId"], "lines": [line]}


def by_issue_of_the_line(company: Company) -> tuple[str, dict[str, Any]]:
    line = {"inventoryItemId": company.facts["lottedInventoryItemId"], "quantity": 1}
    return "/api/inventory/issues", {"locationId": company.facts["locationId"], "lines": [line]}


DOORS: Mapping[str, Door] = {
    "adjust by line": by_line,
    "adjust by keys": by_keys,
    "adjust in items": in_items,
    "issue by product": by_issue,
    "issue by line": by_issue_of_the_line,
}


def taking(company: Company) -> dict[str, Any]:
    return {"type": "DECREASE", "quantity": 1, "reasonCodeId": company.facts["reasonCodeId"]}


def takers(company: Company, headers: Headers, doors: list[str], number: int) -> list[bytes]:
    """So many requests for one piece each, half of them under keys of their own."""
    chosen = itertools.islice(itertools.cycle(doors), number)
    sent = []
    for count, door in enumerate(chosen):
        path, body = DOORS[door](company)
        key = f"take-{count}" if count % 2 else None
        sent.append(request("POST", path, headers, body, key=key))
    random.Random(1).shuffle(sent)
    return sent


async def history(admin: Connection, company: Company, item: str) -> list[Any]:
    return await admin.fetch(VERSIONS, company.tenant_id, UUID(company.facts[item]))


def ids_of(answer: Answer) -> str:
    """The id of the posting that an answer tells of."""
    body = answer.json
    if "data" in body:
        return str(body["data"]["id"])
    return str((body.get("transaction") or body["transactions"][0])["id"])


@pytest.mark.parametrize(
    ("doors", "number"),
    [
        (list(DOORS), 5_000),
        *(pytest.param([door], 10_000, marks=pytest.mark.long) for door in DOORS),
        pytest.param(list(DOORS), 200_000, marks=pytest.mark.long),
    ],
    ids=["all doors", *DOORS, "all doors for long"],
)
async def test_no_more_is_taken_than_there_is(
    server: Served, admin: Connection, company: Company, doors: list[str], number: int
) -> None:
    headers = await master_key(admin, company)

    answers = await fire(server.url, takers(company, headers, doors, number))

    told = Counter(f"{answer.status} {answer.code}".strip() for answer in answers)
    movements = await history(admin, company, "lottedInventoryItemId")
    least = min(movement["balance_after"] for movement in movements)
    show("P-01", doors=len(doors), requests=number, answers=dict(told), least=least, moved=len(movements) - 1)
    assert told == {"200": IN_STOCK, "409 INSUFFICIENT_STOCK": number - IN_STOCK}
    assert least == movements[-1]["balance_after"] == 0
    assert [movement["line_version"] for movement in movements] == list(range(1, len(movements) + 1))
    assert {ids_of(a) for a in answers if a.status == 200} == {str(m["posting_id"]) for m in movements[1:]}


@pytest.mark.parametrize("number", [5_000, pytest.param(1_000_000, marks=pytest.mark.long)])
async def test_every_change_that_was_told_is_in_the_balance_once(
    server: Served, admin: Connection, company: Company, number: int
) -> None:
    headers = await master_key(admin, company)
    chance = random.Random(2)
    wanted = [(chance.choice(("INCREASE", "DECREASE")), chance.randint(1, 40_000)) for _ in range(number)]
    sent = [
        request(
            "POST",
            "/api/inventory/adjust",
            headers,
            {
                "inventoryItemId": company.facts["inventoryItemId"],
                "type": kind,
                "quantity": ten_thousandths / 10_000,
                "reasonCodeId": company.facts["reasonCodeId"],
            },
        )
        for kind, ten_thousandths in wanted
    ]
    before = await history(admin, company, "inventoryItemId")

    answers = await fire(server.url, sent)

    movements = await history(admin, company, "inventoryItemId")
    told = Counter(f"{answer.status} {answer.code}".strip() for answer in answers)
    acknowledged = {
        ids_of(answer): asked for answer, asked in zip(answers, wanted, strict=True) if answer.status == 200
    }
    moved = {str(movement["posting_id"]): movement["delta"] for movement in movements[len(before) :]}
    total = sum((of(asked) for asked in acknowledged.values()), start=Decimal(0))
    show(
        "P-02",
        requests=number,
        acknowledged=len(acknowledged),
        lost=len(acknowledged.keys() - moved.keys()),
        duplicated=len(moved.keys() - acknowledged.keys()),
        gaps=movements[-1]["line_version"] - len(movements),
    )
    assert told.keys() <= {"200", "409 INSUFFICIENT_STOCK"}
    assert moved == {posting: of(asked) for posting, asked in acknowledged.items()}
    assert movements[-1]["balance_after"] - before[-1]["balance_after"] == total
    assert [movement["line_version"] for movement in movements] == list(range(1, len(movements) + 1))


def of(asked: tuple[str, int]) -> Decimal:
    kind, ten_thousandths = asked
    return Decimal(ten_thousandths if kind == "INCREASE" else -ten_thousandths) / 10_000
