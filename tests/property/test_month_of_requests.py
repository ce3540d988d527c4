"""A month of a warehouse that has too little: after each day the books, the claims and the dashboards agree."""

import random
from collections.abc import AsyncGenerator
from decimal import Decimal
from typing import Any, override

import pytest

from domain.access.model import Permission
from tests.demo_lab import load_into
from tests.e2e.ledger_writes.site import Api, Site
from tests.e2e.stock_requests.asking import ALL, Office, Person
from tests.lab import DatabaseUrls
from tests.ledger.promises import show
from tests.property.demo_warehouse import a_demo_month, everybody_has_worked
from tests.property.month import EVERYTHING, Month, Warehouse
from tests.property.stage import a_stage

FIRST_RUN_DAYS = 30
"""What `make run` loads."""


class SmallWarehouse(Warehouse):
    """A warehouse that begins with nothing, a store, and a ward where goods are consumed; one decides on all."""

    products = ("BOLT", "NUT", "PILL")
    quantities = (Decimal("0.5"), Decimal(1), Decimal("2.25"), Decimal(4), Decimal(9))
    destinations = ("STORE", "STORE", "STORE", "WARD")

    async def open(self, api: Api, site: Site) -> "SmallWarehouse":
        self.office = await Office.open(api, await site.build())
        self.office.boss = await self.office.person(*ALL, role="supervisor")
        self.receiver = api.client(site.caller([Permission.INVENTORY_WRITE]))
        self.keeper = api.client(site.caller([Permission.INVENTORY_ADJUST]))
        await site.a_location("WARD")
        await site.admin.execute(
            "UPDATE locations SET capabilities = '{}' WHERE tenant_id = $1 AND code = 'WARD'", site.tenant_id
        )
        await self.office.rules({"name": "All", "approvers": {"role": "supervisor"}, "deadlineHours": 36})
        return self

    @override
    def decider(self, request: Any, dice: random.Random) -> Person:
        return self.office.boss

    @override
    def goods(self, sku: str, day: int) -> dict[str, Any]:
        return {"lotNumber": f"AB{day:03}"} if sku == "PILL" else {}


@pytest.fixture
async def small(database_urls: DatabaseUrls) -> AsyncGenerator[Month]:
    async with a_stage(database_urls) as stage:
        warehouse = await SmallWarehouse().open(stage.api, Site(stage.admin, stage.database))
        yield Month(warehouse, stage.followups, random.Random(7))


async def passes(month: Month, *, days: int, requests: int) -> None:
    for _ in range(days):
        await month.day(requests)


@pytest.mark.parametrize(("days", "requests"), [(7, 6), pytest.param(30, 40, marks=pytest.mark.long)])
async def test_after_each_day_the_books_the_claims_and_the_dashboards_agree(
    small: Month, days: int, requests: int
) -> None:
    await passes(small, days=days, requests=requests)

    done = await small.told()
    assert not [name for name in EVERYTHING if not done[name]], done
    assert done["all to decide"] > 0
    show("a month of requests", days=days, requests=done["create"], done=done, differences=0, drift=0)


@pytest.mark.long
async def test_so_they_do_for_a_month_over_the_data_that_a_first_run_loads(database_urls: DatabaseUrls) -> None:
    await load_into(database_urls, None, days=FIRST_RUN_DAYS, batch=4000)
    async with a_demo_month(database_urls) as month:
        await passes(month, days=30, requests=25)

        await everybody_has_worked(month)
