"""What transfers have: a draft from each of two locations to a third one, and stock that nothing else moves."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from domain.access.model import Permission
from domain.ledger.model import Entry, Kind, Posting
from domain.transfers.making import create_transfer
from domain.transfers.model import LineWanted, NewTransfer
from domain.values import new_id
from infra.db.pool import BIND
from infra.ledger.post import post
from infra.transfers.work import TransferSqlWork
from tests.ledger.builders import an_act
from tests.neighbours import insert

ELSEWHERE = (("transferId", "elsewhereTransferId"), ("transferLineId", "elsewhereTransferLineId"))
SYNONYMS = {
    "originLocationId": "locationId",
    "destinationLocationId": "transferTargetId",
    "fromBinId": "binId",
    "toBinId": "otherBinId",
}


async def furnish(admin: "asyncpg.Connection[Any]", tenant_id: UUID, facts: Mapping[str, str]) -> dict[str, str]:
    await admin.execute(BIND, str(tenant_id))
    mark, product, target = facts["mark"], new_id(), new_id()
    own = {"tenant_id": tenant_id}
    goods = {"id": product, "sku": f"MOVED-{mark}", "name": f"Moved {mark}", "uom_id": UUID(facts["uomId"])}
    await insert(admin, "products", {**own, **goods})
    lot = {"id": new_id(), "product_id": product, "number": "", "is_default": True}
    await insert(admin, "lots", {**own, **lot})
    place = {"id": target, "code": f"TARGET-{mark}", "name": f"Target {mark}", "type": "STORE", "time_zone": "UTC"}
    await insert(admin, "locations", {**own, **place})
    bin_ = {"id": new_id(), "location_id": target, "code": f"TB-{mark}", "name": "Bin", "is_default": True}
    await insert(admin, "bins", {**own, **bin_})
    made = {"movedProductId": str(product), "transferTargetId": str(target)}
    for location, bin_name, prefix in (
        ("locationId", "binId", ""),
        ("otherLocationId", "elsewhereBinId", "elsewhere"),
    ):
        origin = UUID(facts[location])
        await _stocked(admin, product, origin, UUID(facts[bin_name]))
        wanted = LineWanted(product_id=product, quantity=Decimal(3))
        new = NewTransfer(origin_id=origin, destination_id=target, lines=[wanted], reference=f"Run {mark}")
        transfer, line = await _transfer(admin, tenant_id, mark, new)
        for name, id_ in (("transferId", transfer), ("transferLineId", line)):
            made[f"{prefix}{name[0].upper()}{name[1:]}" if prefix else name] = str(id_)
    return made


async def _stocked(admin: "asyncpg.Connection[Any]", product: UUID, location: UUID, bin_: UUID) -> None:
    entry = Entry(kind=Kind.RECEIPT, product_id=product, location_id=location, bin_id=bin_, delta=Decimal(70))
    posting = Posting(id=new_id(), kind=Kind.RECEIPT, entries=(entry,))
    await post(admin, [posting])  # type: ignore[arg-type] # a connection is what a proxy stands for


async def _transfer(
    admin: "asyncpg.Connection[Any]", tenant_id: UUID, mark: str, new: NewTransfer
) -> tuple[UUID, UUID]:
    act = an_act(tenant_id)
    rights = {Permission.TRANSFERS_WRITE: None}
    caller = msgspec.structs.replace(act.caller, actor=f"Clerk {mark}", rights=rights)
    act = msgspec.structs.replace(act, caller=caller, permission=Permission.TRANSFERS_WRITE)
    async with admin.transaction():
        work = TransferSqlWork(admin, act)  # type: ignore[arg-type] # likewise
        made = await create_transfer(work, act=act, new=new)
    return made.id, made.lines[0].id
