"""What cycle counts have: a draft with its lines, and stock that no batch counts, at both locations."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from domain.access.model import Permission
from domain.counting.batches import create
from domain.counting.model import NewBatch, Type, Wanted
from domain.ledger.model import Entry, Kind, Posting
from domain.values import new_id
from infra.counting.work import CountingSqlWork
from infra.db.pool import BIND
from infra.ledger.post import post
from tests.ledger.builders import an_act
from tests.neighbours import insert

ELSEWHERE = (("batchId", "elsewhereBatchId"), ("countLineId", "elsewhereCountLineId"))


async def furnish(admin: "asyncpg.Connection[Any]", tenant_id: UUID, facts: Mapping[str, str]) -> dict[str, str]:
    mark = facts["mark"]
    products = {name: new_id() for name in ("countableProductId", "countedProductId")}
    for name, id_ in products.items():
        named = {"tenant_id": tenant_id, "id": id_, "sku": f"{name[:9]}-{mark}", "name": f"{name} of {mark}"}
        await insert(admin, "products", {**named, "uom_id": UUID(facts["uomId"]), "unit_cost": Decimal(2)})
        lot = {"id": new_id(), "product_id": id_, "number": "", "is_default": True}
        await insert(admin, "lots", {"tenant_id": tenant_id, **lot})
    made = {name: str(id_) for name, id_ in products.items()}
    for location, bin_, prefix in (
        ("locationId", "binId", ""),
        ("otherLocationId", "elsewhereBinId", "elsewhere"),
    ):
        place = {"location_id": UUID(facts[location]), "bin_id": UUID(facts[bin_])}
        await _stocked(admin, tenant_id, list(products.values()), place)
        wanted = Wanted(product_master_ids=(products["countedProductId"],))
        batch = await _batch(
            admin,
            tenant_id,
            mark,
            NewBatch(location_id=place["location_id"], type=Type.SPOT, wanted=wanted, note=f"Audit {mark}"),
        )
        line = await admin.fetchval("SELECT id FROM cycle_count_lines WHERE batch_id = $1", batch)
        for name, id_ in (("batchId", batch), ("countLineId", line)):
            made[f"{prefix}{name[0].upper()}{name[1:]}" if prefix else name] = str(id_)
    return made


async def _stocked(
    admin: "asyncpg.Connection[Any]", tenant_id: UUID, products: list[UUID], place: Mapping[str, UUID]
) -> None:
    await admin.execute(BIND, str(tenant_id))
    entries = tuple(
        Entry(
            kind=Kind.RECEIPT,
            product_id=product,
            location_id=place["location_id"],
            bin_id=place["bin_id"],
            delta=Decimal(70),
        )
        for product in products
    )
    await post(admin, [Posting(id=new_id(), kind=Kind.RECEIPT, entries=entries)])  # type: ignore[arg-type] # a connection is what a proxy stands for


async def _batch(admin: "asyncpg.Connection[Any]", tenant_id: UUID, mark: str, wanted: NewBatch) -> UUID:
    act = an_act(tenant_id)
    rights = {Permission.INVENTORY_CYCLECOUNT: None}
    caller = msgspec.structs.replace(act.caller, actor=f"Clerk {mark}", rights=rights)
    act = msgspec.structs.replace(act, caller=caller)
    async with admin.transaction():
        work = CountingSqlWork(admin, act)  # type: ignore[arg-type] # likewise
        return (await create(work, act=act, wanted=wanted)).id
