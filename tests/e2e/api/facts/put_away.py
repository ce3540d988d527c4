"""What put-away has: goods in a receiving bin, and a task that has claimed some of them, at both locations."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from domain.ledger.model import Entry, Kind, Posted, Posting
from domain.put_away.creating import create_tasks
from domain.put_away.ports import NewTasks
from domain.values import new_id
from infra.db.pool import BIND
from infra.ledger.post import post
from infra.put_away.work import PutAwaySqlWork
from tests.ledger.builders import an_act
from tests.neighbours import insert

ELSEWHERE = (
    ("putAwayId", "elsewherePutAwayId"),
    ("receivedItemId", "elsewhereReceivedItemId"),
    ("receivingBinId", "elsewhereReceivingBinId"),
    ("goodsReceiptId", "elsewhereGoodsReceiptId"),
)


async def furnish(admin: "asyncpg.Connection[Any]", tenant_id: UUID, facts: Mapping[str, str]) -> dict[str, str]:
    mark, product = facts["mark"], new_id()
    named = {"tenant_id": tenant_id, "id": product, "sku": f"TOY-{mark}", "name": f"Toy of {mark}"}
    await insert(admin, "products", {**named, "uom_id": UUID(facts["uomId"])})
    lot = {"tenant_id": tenant_id, "id": new_id(), "product_id": product, "number": "", "is_default": True}
    await insert(admin, "lots", lot)
    made: dict[str, str] = {}
    for location, prefix in (("locationId", ""), ("otherLocationId", "elsewhere")):
        bin_id = new_id()
        place = {"location_id": UUID(facts[location]), "code": f"DOCK-{mark}", "name": f"Dock of {mark}"}
        await insert(admin, "bins", {"tenant_id": tenant_id, "id": bin_id, "type": "RECEIVING", **place})
        posted = await _received(admin, tenant_id, product=product, location=UUID(facts[location]), bin_id=bin_id)
        item = posted.movements[0].line_id
        task = await _task(admin, tenant_id, mark, item)
        of_location = {
            "receivingBinId": bin_id,
            "receivedItemId": item,
            "goodsReceiptId": posted.posting_id,
            "putAwayId": task,
        }
        made |= {_here(prefix, name): str(id_) for name, id_ in of_location.items()}
    return made


def _here(prefix: str, name: str) -> str:
    return f"{prefix}{name[0].upper()}{name[1:]}" if prefix else name


async def _received(
    admin: "asyncpg.Connection[Any]", tenant_id: UUID, *, product: UUID, location: UUID, bin_id: UUID
) -> Posted:
    await admin.execute(BIND, str(tenant_id))
    entry = Entry(kind=Kind.RECEIPT, product_id=product, location_id=location, bin_id=bin_id, delta=Decimal(1000))
    posting = Posting(id=new_id(), kind=Kind.RECEIPT, entries=(entry,))
    (posted,) = await post(admin, [posting])  # type: ignore[arg-type] # a connection is what a proxy stands for
    assert isinstance(posted, Posted), posted
    return posted


async def _task(admin: "asyncpg.Connection[Any]", tenant_id: UUID, mark: str, line: UUID) -> UUID:
    act = an_act(tenant_id)
    act = msgspec.structs.replace(act, caller=msgspec.structs.replace(act.caller, actor=f"Clerk {mark}"))
    async with admin.transaction():
        work = PutAwaySqlWork(admin, act)  # type: ignore[arg-type] # likewise
        created = await create_tasks(work, act=act, wanted=NewTasks(line_id=line, quantity=Decimal(40)))
    return created.tasks[0].view.id
