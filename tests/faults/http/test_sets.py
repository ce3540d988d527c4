"""An absolute quantity, or a changed document, counts only upon what its sender has seen (P-18)."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from uuid import UUID

import msgspec
import pytest

from tests.e2e.api.company import Company, master_key
from tests.faults.http.conftest import Connection
from tests.faults.http.test_refusals import GIVEN
from tests.faults.http.wire import Answer, Line, fire, lines, request
from tests.lab import Served
from tests.ledger.promises import show

SYNCS = 2
MOVED = """
    SELECT posting_id, delta, balance_after - delta AS before, balance_after AS after FROM movements
    WHERE tenant_id = $1 AND line_id = $2 ORDER BY line_version
"""

type Headers = Mapping[str, str]


def a_set(company: Company, headers: Headers, quantity: int, expected: object) -> bytes:
    body = {
        "inventoryItemId": company.facts["inventoryItemId"],
        "newQtyOnHand": quantity,
        "reasonCodeId": company.facts["reasonCodeId"],
        **({} if expected is msgspec.UNSET else {"expectedQuantity": expected}),
    }
    return request("POST", "/api/inventory/adjustments", headers, body)


def a_pick(company: Company, headers: Headers) -> bytes:
    body = {
        "inventoryItemId": company.facts["inventoryItemId"],
        "type": "DECREASE",
        "quantity": 1,
        "reasonCodeId": company.facts["reasonCodeId"],
    }
    return request("POST", "/api/inventory/adjust", headers, body)


@pytest.mark.parametrize("sets", [200, pytest.param(4_000, marks=pytest.mark.long)])
async def test_a_quantity_is_set_only_over_the_one_that_was_seen(
    server: Served, admin: Connection, company: Company, sets: int
) -> None:
    headers = await master_key(admin, company)
    numbers = iter(range(sets))
    told: list[tuple[Decimal, Answer]] = []
    look = request("GET", f"/api/inventory?productMasterId={company.facts['productMasterId']}", headers)

    async def sync(line: Line, picker: Line) -> None:
        for number in numbers:
            items = (await line.ask(look)).json["items"]
            (seen,) = (i["quantityOnHand"] for i in items if i["id"] == company.facts["inventoryItemId"])
            # So far apart that no picks lead from one to another.
            racing = [line.ask(a_set(company, headers, 1_000 * (50 + number), seen))]
            if number % 3:
                # At the same moment somebody picks; a third time nobody does.
                racing.append(picker.ask(a_pick(company, headers)))
            answer, *picked = await asyncio.gather(*racing)
            assert {pick.status for pick in picked} <= {200}
            told.append((Decimal(str(seen)), answer))

    async with lines(server.url, 2 * SYNCS) as opened:
        await asyncio.gather(*(sync(*pair) for pair in zip(opened[:SYNCS], opened[SYNCS:], strict=True)))

    moved = {
        str(row["posting_id"]): row
        for row in await admin.fetch(MOVED, company.tenant_id, UUID(company.facts["inventoryItemId"]))
    }
    answers = Counter(f"{answer.status} {answer.code}".strip() for _, answer in told)
    applied = [(seen, moved[answer.json["transaction"]["id"]]) for seen, answer in told if answer.status == 200]
    stale = [row for seen, row in applied if row["before"] != seen]
    actual = [answer.json["details"].get("actual") for _, answer in told if answer.code == "STALE_QUANTITY"]
    show("P-18", sets=sets, answers=dict(answers), stale_sets_applied=len(stale))
    assert answers.keys() == {"200", "409 STALE_QUANTITY"}
    assert stale == []
    assert all(isinstance(quantity, int | float) for quantity in actual)


async def test_who_expects_nothing_sets_it_whatever_it_is(
    server: Served, admin: Connection, company: Company
) -> None:
    headers = await master_key(admin, company)

    said, unsaid, wrong = await fire(
        server.url,
        [
            a_set(company, headers, GIVEN, None),
            a_set(company, headers, GIVEN + 1, msgspec.UNSET),
            a_set(company, headers, GIVEN + 2, GIVEN),
        ],
        clients=1,
    )

    assert (said.status, unsaid.status) == (200, 200)
    assert (wrong.status, wrong.code) == (409, "STALE_QUANTITY")


@pytest.mark.parametrize("rounds", [20, pytest.param(500, marks=pytest.mark.long)])
async def test_of_those_who_change_one_version_of_a_document_one_succeeds(
    server: Served, admin: Connection, company: Company, rounds: int
) -> None:
    headers = await master_key(admin, company)
    path = f"/api/products/{company.facts['spareProductMasterId']}"
    winners = Counter[int]()
    names = itertools.count()
    async with lines(server.url, 8) as opened:
        for version in range(1, rounds + 1):
            answers = await asyncio.gather(
                *(
                    line.ask(
                        request("PATCH", path, headers, {"name": f"N {next(names)}", "expectedVersion": version})
                    )
                    for line in opened
                )
            )
            winners[[answer.status for answer in answers].count(200)] += 1
            assert {(a.status, a.code) for a in answers} == {(200, ""), (409, "STALE_VERSION")}

    show("P-18", documents=rounds, racers=8, winners=dict(winners))
    assert winners == {1: rounds}
