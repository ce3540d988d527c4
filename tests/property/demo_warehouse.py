"""The demonstration at work: its own requesters, supervisors, operators, and its two tiers of approval."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any, Self, override

from domain.access.ports import Login
from domain.access.rules import SessionLimits
from domain.stock_requests.model import RequestState
from infra.access.authenticator import CachedAuthenticator
from infra.access.listener import AccessListener
from infra.demo.places import DC, LOCATIONS, LONDON, MANCHESTER
from infra.demo.tenant import SLUG, users
from tests.e2e.ledger_writes.site import Api, Site
from tests.e2e.stock_requests.asking import Office, Person
from tests.lab import DatabaseUrls
from tests.ledger.promises import show
from tests.property.month import EVERYTHING, USUAL, Month, Warehouse
from tests.property.stage import a_stage

# Products of which there is little at the distribution centre.
SCARCE = """
    SELECT p.sku, p.id
    FROM stock_totals t JOIN products p ON p.tenant_id = t.tenant_id AND p.id = t.product_id
    WHERE t.tenant_id = $1 AND t.location_id = $2 AND p.is_active AND NOT p.is_regulated AND p.unit_cost > 0
        AND p.is_lot_controlled = $3 AND t.sellable - t.reserved - t.held BETWEEN 1 AND 40
    ORDER BY p.sku LIMIT $4
"""
WAITING = "SELECT id FROM stock_requests WHERE tenant_id = $1 AND state = ANY ($2) ORDER BY number"
ROLES = ("requester", "supervisor", "manager", "operator", "controller")


class DemoSite(Site):
    """The demo tenant by the names that the office uses."""

    async def find(self) -> Self:
        self.tenant_id = await self.admin.fetchval("SELECT id FROM tenants WHERE slug = $1", SLUG)
        self.today = await self.admin.fetchval("SELECT (now() AT TIME ZONE 'UTC')::date")
        places = dict(
            await self.admin.fetch("SELECT code, id FROM locations WHERE tenant_id = $1", self.tenant_id)
        )
        self.ids |= {
            name: places[LOCATIONS[number].code]
            for name, number in {"DC": DC, "STORE": LONDON, "FAR": MANCHESTER}.items()
        }
        return self

    async def scarce(self, most: int, *, in_lots: bool) -> list[str]:
        rows = await self.admin.fetch(SCARCE, self.tenant_id, self.ids["DC"], in_lots, most)
        self.ids |= dict(rows)
        return [row["sku"] for row in rows]


class DemoWarehouse(Warehouse):
    """The distribution centre, two shops, and a handful of products that are nearly sold out."""

    quantities = (Decimal(1), Decimal(4), Decimal(9), Decimal(24))
    destinations = ("STORE", "STORE", "FAR")
    supervisor: Person
    manager: Person

    async def open(self, api: Api, site: DemoSite, authenticator: CachedAuthenticator) -> Self:
        self.office = Office(api, await site.find())
        self._in_lots = frozenset(await site.scarce(2, in_lots=True))
        self.products = (*await site.scarce(6, in_lots=False), *sorted(self._in_lots))
        people = {role: await self._somebody(authenticator, role) for role in ROLES}
        self.office.asker, self.office.hand = people["requester"], people["operator"]
        self.office.boss = self.supervisor = people["supervisor"]
        self.manager = people["manager"]
        self.receiver, self.keeper = people["operator"].http, people["controller"].http
        rows = await site.admin.fetch(WAITING, site.tenant_id, [RequestState(state) for state in USUAL])
        self.waiting = tuple([await self.office.asker.sees({"id": row["id"]}) for row in rows])
        return self

    async def _somebody(self, authenticator: CachedAuthenticator, role: str) -> Person:
        """One of the demonstration's people, with the rights that a login gives them."""
        user = next(one for one in users() if one.role == role)
        caller = (await authenticator.login(Login(email=user.email, password=user.password))).caller
        assert caller.user_id is not None
        return Person(self.office.api.client(caller), caller.user_id)

    @override
    def decider(self, request: Any, dice: random.Random) -> Person:
        """The supervisor, now and then the manager in their place; above the first tier the manager."""
        if request["currentTier"] not in {None, 1}:
            return self.manager
        return dice.choices([self.supervisor, self.manager], [4, 1])[0]

    @override
    def goods(self, sku: str, day: int) -> dict[str, Any]:
        if sku not in self._in_lots:
            return {}
        return {"lotNumber": f"NEW{day:03}", "expiryDate": self.office.site.day(400).isoformat()}


@asynccontextmanager
async def a_demo_month(urls: DatabaseUrls) -> AsyncIterator[Month]:
    async with a_stage(urls) as stage:
        authenticator = await CachedAuthenticator.connect(
            stage.database,
            listener=AccessListener(urls.app_url),
            limits=SessionLimits(idle=timedelta(hours=1), absolute=timedelta(hours=1)),
        )
        try:
            site = DemoSite(stage.admin, stage.database)
            warehouse = await DemoWarehouse().open(stage.api, site, authenticator)
        finally:
            await authenticator.stop()
        month = Month(warehouse, stage.followups, random.Random(7))
        await month.evening.begin()
        yield month


async def everybody_has_worked(month: Month) -> None:
    done = await month.told()
    assert not [name for name in EVERYTHING | {"by_tier_two", "by_delegate"} if not done[name]], done
    show(
        "a month of requests over the demonstration",
        days=month.days,
        requests=done["create"],
        done=done,
        differences=0,
        drift=0,
    )
