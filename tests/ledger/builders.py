"""Places and products to post to, made by hand, and postings in one line."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from domain.access.model import Act, Caller, Idempotency, Permission, Scope
from domain.ledger.model import Entry, Kind, Posted, Posting
from domain.values import new_id

BIN_TYPES = ("STANDARD", "PICKING", "QUARANTINE", "HOLD", "STAGING", "DAMAGE")


class Shelf(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """What names a stock line: product, location, bin and lot."""

    product_id: UUID
    location_id: UUID
    bin_id: UUID
    lot_id: UUID


class Warehouse(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant with products, their lots (the default one first), locations, and their bins (likewise)."""

    tenant_id: UUID
    reason_id: UUID
    products: tuple[UUID, ...]
    lots: dict[UUID, tuple[UUID, ...]]
    locations: tuple[UUID, ...]
    bins: dict[UUID, tuple[UUID, ...]]
    lot_controlled: frozenset[UUID]
    """The products without a default lot."""

    def shelf(self, product: int = 0, location: int = 0, *, bin_: int = 0, lot: int = 0) -> Shelf:
        product_id, location_id = self.products[product], self.locations[location]
        return Shelf(
            product_id=product_id,
            location_id=location_id,
            bin_id=self.bins[location_id][bin_],
            lot_id=self.lots[product_id][lot],
        )

    def shelves(self) -> list[Shelf]:
        return [
            Shelf(product_id=product_id, location_id=location_id, bin_id=bin_id, lot_id=lot_id)
            for product_id in self.products
            for lot_id in self.lots[product_id]
            for location_id in self.locations
            for bin_id in self.bins[location_id]
        ]

    def for_tenant(self, tenant_id: UUID) -> "Warehouse":
        """The same places and products, id for id, for another tenant: twins can be compared row by row."""
        return msgspec.structs.replace(self, tenant_id=tenant_id)


def plan_warehouse(
    *, products: int = 2, lots: int = 1, locations: int = 1, bins: int = 1, lot_controlled: int = 0
) -> Warehouse:
    """Think one up; `lots` and `bins` are per product and per location, the last products are lot-controlled."""
    product_ids = tuple(new_id() for _ in range(products))
    location_ids = tuple(new_id() for _ in range(locations))
    return Warehouse(
        tenant_id=new_id(),
        reason_id=new_id(),
        products=product_ids,
        lots={product: tuple(new_id() for _ in range(lots)) for product in product_ids},
        locations=location_ids,
        bins={location: tuple(new_id() for _ in range(bins)) for location in location_ids},
        lot_controlled=frozenset(product_ids[products - lot_controlled :]),
    )


async def build(admin: "asyncpg.Connection[Any]", warehouse: Warehouse) -> Warehouse:
    """Write it down, past the walls."""
    tenant, unit = warehouse.tenant_id, new_id()
    rows: dict[str, list[dict[str, object]]] = {
        "tenants": [{"id": tenant, "slug": tenant.hex, "name": "A tenant"}],
        "ledger_heads": [{"tenant_id": tenant}],
        "uoms": [{"tenant_id": tenant, "id": unit, "code": "EA", "name": "Each"}],
        "reason_codes": [
            {
                "tenant_id": tenant,
                "id": warehouse.reason_id,
                "code": "FOUND",
                "name": "Found",
                "direction": "BOTH",
                "pack": "test",
            }
        ],
        "products": [
            {"tenant_id": tenant, "id": id_, "sku": f"SKU-{n}", "name": f"Product {n}", "uom_id": unit}
            for n, id_ in enumerate(warehouse.products)
        ],
        "lots": [
            {
                "tenant_id": tenant,
                "id": id_,
                "product_id": product,
                "number": f"LOT-{n}" if n or product in warehouse.lot_controlled else "",
                "is_default": n == 0 and product not in warehouse.lot_controlled,
            }
            for product, ids in warehouse.lots.items()
            for n, id_ in enumerate(ids)
        ],
        "locations": [
            {
                "tenant_id": tenant,
                "id": id_,
                "code": f"L{n}",
                "name": f"Location {n}",
                "type": "WAREHOUSE",
                "time_zone": "UTC",
            }
            for n, id_ in enumerate(warehouse.locations)
        ],
        "bins": [
            {
                "tenant_id": tenant,
                "id": id_,
                "location_id": location,
                "code": f"B{n}",
                "name": f"Bin {n}",
                "type": _bin_type(n),
                "is_default": n == 0,
            }
            for location, ids in warehouse.bins.items()
            for n, id_ in enumerate(ids)
        ],
    }
    async with admin.transaction():
        for table, records in rows.items():
            await admin.copy_records_to_table(
                table, columns=list(records[0]), records=[tuple(record.values()) for record in records]
            )
    return warehouse


async def a_warehouse(admin: "asyncpg.Connection[Any]", **sizes: int) -> Warehouse:
    return await build(admin, plan_warehouse(**sizes))


def _bin_type(number: int) -> str:
    return BIN_TYPES[number % len(BIN_TYPES)]


def an_entry(where: Shelf | UUID, quantity: Decimal | int | None = None, **fields: Any) -> Entry:
    """An entry for a line by its id or its keys; `quantity` is its delta."""
    named = {"line_id": where} if isinstance(where, UUID) else msgspec.structs.asdict(where)
    delta = None if quantity is None else Decimal(quantity)
    return Entry(**{"kind": Kind.ADJUSTMENT, "delta": delta, **named, **fields})


def a_posting(*entries: Entry, **fields: Any) -> Posting:
    kind = entries[0].kind if entries else Kind.ADJUSTMENT
    return Posting(**{"id": new_id(), "kind": kind, "entries": entries, **fields})


def a_move(where: Shelf | UUID, quantity: Decimal | int, **fields: Any) -> Posting:
    """A posting of one delta."""
    return a_posting(an_entry(where, quantity), **fields)


def a_transfer(source: Shelf | UUID, target: Shelf | UUID, quantity: Decimal | int) -> Posting:
    return a_posting(
        an_entry(source, -Decimal(quantity), kind=Kind.TRANSFER_OUT),
        an_entry(target, quantity, kind=Kind.TRANSFER_IN),
    )


def a_reversal(of: Posted) -> Posting:
    """What takes a posting back, movement by movement, the last one first."""
    entries = [an_entry(m.line_id, -m.delta, kind=Kind.REVERSAL) for m in reversed(of.movements)]
    return a_posting(*entries, kind=Kind.REVERSAL, reverses_id=of.posting_id)


def an_act(
    tenant_id: UUID,
    *,
    key: str | None = None,
    body: bytes = b"",
    scope: Scope = None,
    principal_id: UUID | None = None,
) -> Act:
    """A request of a caller, under an idempotency key if one is given."""
    caller = Caller(
        tenant_id=tenant_id,
        tenant_slug="test",
        tenant_name="Test",
        principal_id=principal_id or tenant_id,
        user_id=None,
        actor="a test",
        session_id=None,
        key_id=None,
        roles=(),
        rights={Permission.INVENTORY_ADJUST: scope},
    )
    return Act(
        caller=caller,
        permission=Permission.INVENTORY_ADJUST,
        operation="adjust",
        request_id="test",
        idempotency=Idempotency(key=key, fingerprint=body) if key is not None else None,
    )


def signed(postings: Sequence[Posting], act: Act) -> list[Posting]:
    return [msgspec.structs.replace(posting, act=act) for posting in postings]
