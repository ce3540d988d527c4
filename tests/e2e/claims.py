"""A company and somebody who may do everything in it, over HTTP: what the tests of claims and holds share."""

import itertools
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import date
from decimal import Decimal
from typing import Any

import asyncpg
import httpx
import msgspec

from domain.ledger.model import Entry, Kind, Posted, Posting
from domain.values import new_id
from infra.db.pool import BIND
from infra.ledger.post import post
from infra.ledger.verify import verify
from tests.e2e.api.company import Company, bind, found_company, insert, master_key
from tests.lab import Served

AVAILABILITY = "/api/inventory/availability"
CHECK = f"{AVAILABILITY}/check"
RESERVATIONS = "/api/inventory/reservations"
HOLDS = "/api/inventory/holds"
EXCEPTIONS = "/api/inventory/exceptions"
_numbers = itertools.count(1)

type Connection = asyncpg.Connection[Any]


class Desk(msgspec.Struct, frozen=True, kw_only=True):
    """A company with a client, and with products of its tests' own."""

    company: Company
    http: httpx.AsyncClient
    admin: Connection

    def fact(self, name: str) -> str:
        return self.company.fact(name)

    async def get(self, path: str, **query: Any) -> Any:
        return self.told(await self.http.get(path, params=self.company.fill(query)))

    async def post(
        self, path: str, *, status: int = 200, headers: dict[str, str] | None = None, **body: Any
    ) -> Any:
        return self.told(await self.http.post(path, json=self.company.fill(body), headers=headers), status)

    async def refused(self, path: str, status: int, **body: Any) -> Any:
        return self.told(await self.http.post(path, json=self.company.fill(body)), status)["details"]

    @staticmethod
    def told(answer: httpx.Response, status: int = 200) -> Any:
        assert answer.status_code == status, answer.text
        return answer.json()

    async def a_product(self, **fields: object) -> str:
        """With a default lot."""
        id_ = new_id()
        await self.row("products", id=id_, sku=f"P-{id_.hex}", name="Thing", uom_id=self.fact("uomId"), **fields)
        await self.row("lots", id=new_id(), product_id=id_, number="", is_default=True)
        return str(id_)

    async def a_lot(self, product: str, *, expires_in: int | None = None, status: str = "ACTIVE") -> str:
        id_ = new_id()
        day = None if expires_in is None else await self.day(expires_in)
        await self.row("lots", id=id_, product_id=product, number=f"N-{id_.hex}", expires_on=day, status=status)
        return str(id_)

    async def day(self, days: int) -> date:
        found: date = await self.admin.fetchval("SELECT (now() AT TIME ZONE 'UTC')::date + $1::int", days)
        return found

    async def row(self, table: str, **values: object) -> None:
        await bind(self.admin, self.company)
        await insert(self.admin, table, {"tenant_id": self.company.tenant_id, **values})

    async def put(
        self, product: str, quantity: float, *, lot: str | None = None, bin_: str = "binId", at: str = "locationId"
    ) -> str:
        """Stock, received; the id of its line."""
        entry = Entry(
            kind=Kind.RECEIPT,
            product_id=product,  # type: ignore[arg-type] # the driver takes texts of ids as well
            location_id=self.fact(at),  # type: ignore[arg-type] # likewise
            bin_id=self.fact(bin_),  # type: ignore[arg-type] # likewise
            lot_id=lot,  # type: ignore[arg-type] # likewise
            delta=Decimal(quantity),
        )
        await self.admin.execute(BIND, str(self.company.tenant_id))
        posting = Posting(id=new_id(), kind=Kind.RECEIPT, entries=(entry,))
        (posted,) = await post(self.admin, [posting])  # type: ignore[arg-type] # a connection is what a proxy stands for
        assert isinstance(posted, Posted), posted
        return str(posted.movements[0].line_id)

    async def check(self, product: str, quantity: float, **item: Any) -> Any:
        """What is said of one item, at the first location unless another is named."""
        return (await self.post(CHECK, items=[an_item(product, quantity, **item)]))["items"][0]

    async def reserve(self, product: str, quantity: float, *, ttl: int = 900, **item: Any) -> Any:
        made = await self.post(RESERVATIONS, items=[an_item(product, quantity, **item)], ttlSeconds=ttl)
        return made["data"]

    async def lines(self, product: str) -> dict[str, tuple[float, float, float]]:
        """On hand, reserved and held of each line."""
        rows = await self.admin.fetch(
            "SELECT id, on_hand, reserved, held FROM stock_lines WHERE tenant_id = $1 AND product_id = $2",
            self.company.tenant_id,
            product,
        )
        return {str(row["id"]): (row["on_hand"], row["reserved"], row["held"]) for row in rows}

    async def lapse(self, reservation: str) -> None:
        """Let its time have come."""
        await self.admin.execute(
            "UPDATE reservations SET expires_at = clock_timestamp() WHERE tenant_id = $1 AND id = $2",
            self.company.tenant_id,
            reservation,
        )

    async def drifts(self) -> tuple[Any, ...]:
        return (await verify(self.admin, self.company.tenant_id)).drifts


def an_item(product: str, quantity: float, **more: Any) -> dict[str, Any]:
    item = {"productMasterId": product, "quantityNeeded": quantity, "locationId": "{locationId}", **more}
    return {name: value for name, value in item.items() if value is not None}


@asynccontextmanager
async def a_desk(served: Served, admin: Connection) -> AsyncGenerator[Desk]:
    company = await found_company(admin, f"desk-{next(_numbers)}")
    headers = await master_key(admin, company)
    await admin.execute("UPDATE channel_policies SET fence = 0 WHERE tenant_id = $1", company.tenant_id)
    async with httpx.AsyncClient(base_url=served.url, headers=headers, timeout=30) as http:
        yield Desk(company=company, http=http, admin=admin)
