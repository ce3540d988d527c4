"""A store with some business behind it, and what its readers should say, worked out in plain Python."""

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from domain.errors import DomainError
from domain.ledger.model import Kind, Posted, Posting
from infra.db.pool import Database
from infra.ledger.post import post
from tests.ledger.builders import Warehouse, a_posting, a_reversal, a_transfer, a_warehouse, an_act, an_entry

KINDS_IN = (Kind.RECEIPT, Kind.OPENING, Kind.ADJUSTMENT, Kind.COUNT)
KINDS_OUT = (Kind.ISSUE, Kind.ADJUSTMENT, Kind.CONSUMPTION)

type Row = dict[str, Any]


class Store(msgspec.Struct, frozen=True, kw_only=True):
    """A warehouse with its connections."""

    warehouse: Warehouse
    database: Database
    admin: "asyncpg.Connection[Any]"

    @property
    def tenant_id(self) -> UUID:
        return self.warehouse.tenant_id

    async def post(self, *postings: Posting) -> list[Posted | DomainError]:
        act = an_act(self.tenant_id)
        async with self.database.bound(self.tenant_id) as driver:
            return await post(driver, [msgspec.structs.replace(p, act=act) for p in postings])

    async def posted(self, posting: Posting) -> Posted:
        (answer,) = await self.post(posting)
        assert isinstance(answer, Posted), answer
        return answer

    async def lines(self) -> list[Row]:
        """Every stock line with all that is known of it, read in the plainest way."""
        rows = await self.admin.fetch(
            """
            SELECT s.*, p.sku, p.name AS product_name, p.barcode, p.unit_cost, t.number, t.expires_on,
                t.status AS lot_status, b.code AS bin_code, b.name AS bin_name, b.type AS bin_type,
                (now() AT TIME ZONE l.time_zone)::date AS today
            FROM stock_lines s, products p, lots t, bins b, locations l
            WHERE s.tenant_id = $1 AND p.id = s.product_id AND t.id = s.lot_id AND b.id = s.bin_id
                AND l.id = s.location_id AND s.tenant_id = p.tenant_id
            ORDER BY s.id
            """,
            self.tenant_id,
        )
        return [dict(row) for row in rows]

    async def movements(self) -> list[Row]:
        rows = await self.admin.fetch(
            """
            SELECT m.*, g.kind AS transaction_type FROM movements m JOIN postings g ON g.id = m.posting_id
            WHERE m.tenant_id = $1 ORDER BY m.position
            """,
            self.tenant_id,
        )
        return [dict(row) for row in rows]


async def a_store(admin: "asyncpg.Connection[Any]", database: Database, *, seed: int = 1) -> Store:
    """Three products of three lots at three locations of four bins; some expired, held, recalled or reserved."""
    warehouse = await a_warehouse(admin, products=3, lots=3, locations=3, bins=4)
    store = Store(warehouse=warehouse, database=database, admin=admin)
    chance = random.Random(seed)
    await _describe(store, chance)
    for _ in range(12):
        await store.post(*[_a_posting(store, chance) for _ in range(12)])
    await _reverse(store, chance)
    await _claim(store, chance)
    return store


async def _describe(store: Store, chance: random.Random) -> None:
    for n, product in enumerate(store.warehouse.products):
        await store.admin.execute(
            "UPDATE products SET unit_cost = $2, barcode = $3 WHERE id = $1",
            product,
            Decimal(chance.randint(1, 999)) / 100,
            f"40000000{n}",
        )
        for lot in store.warehouse.lots[product][1:]:
            await store.admin.execute(
                "UPDATE lots SET expires_on = current_date + $2::int, status = $3 WHERE id = $1",
                lot,
                chance.choice([-30, -1, 0, 1, 30]),
                chance.choice(["ACTIVE", "ACTIVE", "RECALLED"]),
            )
    zones = ("UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago")
    for location, zone in zip(store.warehouse.locations, zones, strict=True):
        await store.admin.execute("UPDATE locations SET time_zone = $2 WHERE id = $1", location, zone)


def _a_posting(store: Store, chance: random.Random) -> Posting:
    shelves = store.warehouse.shelves()
    some = chance.sample(shelves, chance.randint(1, 3))
    past = {"effective_at": datetime.now(UTC) - timedelta(hours=chance.randint(0, 900))}  # noqa: TID251
    if chance.random() < 0.1:
        product = [shelf for shelf in shelves if shelf.product_id == some[0].product_id]
        lot = [shelf for shelf in product if shelf.lot_id == some[0].lot_id and shelf != some[0]]
        return a_transfer(some[0], chance.choice(lot), chance.randint(1, 5))
    is_in = chance.random() < 0.7
    kind = chance.choice(KINDS_IN if is_in else KINDS_OUT)
    why = {"reason_code_id": store.warehouse.reason_id} if kind in {Kind.ADJUSTMENT, Kind.COUNT} else {}
    if kind is Kind.COUNT:
        past = {}  # a count closes the history before it
    quantities = [Decimal(chance.randint(1, 400)) / 4 * (1 if is_in else -1) for _ in some]
    entries = [an_entry(shelf, q, kind=kind, **why, **past) for shelf, q in zip(some, quantities, strict=True)]
    return a_posting(*entries, comment="All in one" if len(some) > 1 else None)


async def _reverse(store: Store, chance: random.Random) -> None:
    receipt = next(shelf for shelf in store.warehouse.shelves())
    for _ in range(3):
        posted = await store.posted(a_posting(an_entry(receipt, chance.randint(1, 9), kind=Kind.RECEIPT)))
        await store.posted(a_reversal(posted))


async def _claim(store: Store, chance: random.Random) -> None:
    for line in await store.lines():
        if chance.random() < 0.4:
            await store.admin.execute(
                "UPDATE stock_lines SET reserved = $2, held = least(on_hand, $3), held_part = $3 WHERE id = $1",
                line["id"],
                Decimal(chance.randint(0, 40)),
                Decimal(chance.randint(0, 20)),
            )


def today() -> date:
    return datetime.now(UTC).date()  # noqa: TID251
