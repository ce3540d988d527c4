"""Bulk sets of the same records beside each other and beside issues: the ledger stays exact."""

import asyncio

from infra.ledger.verify import verify
from tests.e2e.integrations.partner import Partner, row
from tests.lab import DatabaseUrls

WRITERS, ROUNDS = 4, 4
SKUS = ("RUG-5X7-BLU", "RUG-8X10-RED", "LAMP")
PLACES = ("A-101", "A-102", "MAIN", "SHOP")


async def test_sets_of_the_same_records_beside_issues_lose_and_double_nothing(
    partner: Partner, urls: DatabaseUrls
) -> None:
    pairs = [(code, sku) for code in PLACES for sku in SKUS]

    async def sets(number: int) -> list[tuple[int, int, int]]:
        mine = pairs[number:] + pairs[:number]
        ordered = mine if number % 2 else mine[::-1]
        told = []
        for n in range(ROUNDS):
            # Nothing first: records that are made by one of them are made of nothing, and by a line.
            quantity = 0 if n == 0 else 10 * n + number
            data = await partner.set(*(row(code, sku, quantity) for code, sku in ordered))
            told.append((data["created"], data["updated"], data["failed"]))
        return told

    async def issues() -> int:
        taken = 0
        for n in range(ROUNDS * 3):
            line = {"productMasterId": partner.ids[SKUS[n % 3]], "quantity": 1, "binId": partner.ids["A-101"]}
            answer = await partner.http.post(
                "/api/inventory/issues",
                json={"locationId": partner.ids["MAIN"], "purpose": "CUSTOMER", "lines": [line]},
                headers=partner.owner,
            )
            assert answer.status_code in {200, 201, 409}, answer.text
            taken += answer.is_success
        return taken

    *told, _ = await asyncio.gather(*(sets(number) for number in range(WRITERS)), issues())
    report = await verify(urls.admin_url, partner.tenant_id)

    every = [one for rounds in told if isinstance(rounds, list) for one in rounds]
    assert sum(created for created, _, _ in every) == len(pairs)
    assert all(created + updated == len(pairs) and failed == 0 for created, updated, failed in every)
    assert report.drifts == ()
    last = await partner.set(*(row(code, sku, 7) for code, sku in pairs))
    assert (last["updated"], await partner.quantity("A-101", "LAMP")) == (12, 7)
