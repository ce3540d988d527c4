"""What counts come to, at both locations: a batch in review with one variance, and one that is completed."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from domain.access.model import Permission
from domain.counting.batches import complete, create, start
from domain.counting.model import Count, NewBatch, Sitting, Type, Wanted
from domain.counting.recording import record
from domain.ledger.model import Entry, Kind, Posting
from domain.values import new_id
from infra.counting.work import CountingSqlWork
from infra.db.pool import BIND
from infra.ledger.post import post
from tests.ledger.builders import an_act
from tests.neighbours import insert

ELSEWHERE = (
    ("reviewedCountId", "elsewhereReviewedCountId"),
    ("reviewedLineId", "elsewhereReviewedLineId"),
)


async def furnish(admin: "asyncpg.Connection[Any]", tenant_id: UUID, facts: Mapping[str, str]) -> dict[str, str]:
    mark = facts["mark"]
    product, exact = [await _product(admin, tenant_id, facts, name) for name in ("REVIEWED", "EXACT")]
    made: dict[str, str] = {"reviewedProductId": str(product)}
    for prefix, location, bin_ in (
        ("reviewed", "locationId", "binId"),
        ("elsewhereReviewed", "otherLocationId", "elsewhereBinId"),
    ):
        place = UUID(facts[location]), UUID(facts[bin_])
        batch, line = await _counted(admin, tenant_id, mark, product=product, place=place, counted=Decimal(60))
        await _counted(admin, tenant_id, mark, product=exact, place=place, counted=Decimal(70))
        made |= {f"{prefix}CountId": str(batch), f"{prefix}LineId": str(line)}
    return made


async def _product(admin: "asyncpg.Connection[Any]", tenant_id: UUID, facts: Mapping[str, str], name: str) -> UUID:
    id_, mark = new_id(), facts["mark"]
    named = {"tenant_id": tenant_id, "id": id_, "sku": f"{name}-{mark}", "name": f"{name.title()} {mark}"}
    await insert(admin, "products", {**named, "uom_id": UUID(facts["uomId"]), "unit_cost": Decimal(2)})
    lot = {"id": new_id(), "product_id": id_, "number": "", "is_default": True}
    await insert(admin, "lots", {"tenant_id": tenant_id, **lot})
    return id_


async def _counted(
    admin: "asyncpg.Connection[Any]",
    tenant_id: UUID,
    mark: str,
    *,
    product: UUID,
    place: tuple[UUID, UUID],
    counted: Decimal,
) -> tuple[UUID, UUID]:
    """Of seventy."""
    location, bin_ = place
    await admin.execute(BIND, str(tenant_id))
    entry = Entry(kind=Kind.RECEIPT, product_id=product, location_id=location, bin_id=bin_, delta=Decimal(70))
    await post(admin, [Posting(id=new_id(), kind=Kind.RECEIPT, entries=(entry,))])  # type: ignore[arg-type] # a connection is what a proxy stands for
    act = an_act(tenant_id)
    rights = {Permission.INVENTORY_CYCLECOUNT: None}
    caller = msgspec.structs.replace(act.caller, actor=f"Counter {mark}", rights=rights)
    act = msgspec.structs.replace(act, caller=caller, permission=Permission.INVENTORY_CYCLECOUNT)
    wanted = NewBatch(location_id=location, type=Type.SPOT, wanted=Wanted(product_master_ids=(product,)))
    async with admin.transaction():
        work = CountingSqlWork(admin, act)  # type: ignore[arg-type] # likewise
        batch = await create(work, act=act, wanted=wanted)
        await start(work, act=act, batch_id=batch.id, expected_version=None)
        count = Count(bin_id=bin_, product_id=product, quantity=counted)
        done = await record(
            work, act=act, batch_id=batch.id, sitting=Sitting(counts=[count]), expected_version=None
        )
        await complete(work, act=act, batch_id=batch.id, expected_version=None)
    return batch.id, done.line_ids[0]
