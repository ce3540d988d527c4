"""Bulk sets of the same records beside each other and beside issues: the ledger stays exact."""

import asyncio

from domain.integrations.model import BulkSet, SetSource
from domain.integrations.rows import read_rows
from domain.integrations.setting import set_quantities
from domain.ledger.model import Posted, Posting
from infra.db.pool import Database
from infra.db.work import beginning
from infra.integrations.work import SettingSqlWork
from infra.ledger.verify import verify
from tests.e2e.integrations.partner import Partner, row
from tests.lab import DatabaseUrls
from tests.ledger.builders import an_act

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


async def test_what_was_made_is_counted_as_made_though_all_was_judged_again(
    partner: Partner, urls: DatabaseUrls
) -> None:
    for code in ("R-1", "R-2"):
        partner.ids[code] = await partner.make("/api/bins", locationId=partner.ids["MAIN"], code=code, name=code)
    closed = False

    class Meanwhile(SettingSqlWork):
        """Others close a bin between what is looked up and what is posted."""

        async def set_stock(self, posting: Posting) -> Posted:
            nonlocal closed
            if not closed:
                closed = True
                await partner.change(f"/api/bins/{partner.ids['R-2']}", active=False, expectedVersion=1)
            return await super().set_stock(posting)

    act = an_act(partner.tenant_id)
    rows = read_rows([row("R-1", "LAMP", 0), row("R-2", "LAMP", 5)])
    database = await Database.connect(urls.app_url)
    try:
        async with beginning(database, Meanwhile)(act) as work:
            told = await set_quantities(
                work, act=act, wanted=BulkSet(rows=rows, source=SetSource.ERP_SYNC), lot_control=True
            )
    finally:
        await database.close()

    assert (told.created, told.updated, [bad.row for bad in told.failed]) == (1, 0, [1])
    assert await partner.quantity("R-1", "LAMP") == 0
