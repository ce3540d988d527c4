"""Stock requests of somebody: a draft, one to be deleted, and two that wait for approval, at both locations."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from domain.access.model import Permission
from domain.stock_requests.editing import create_request, submit
from domain.stock_requests.ending import comment_on
from domain.stock_requests.model import NewLine, NewRequest, RequestType, StockRequest
from domain.stock_requests.states import Decider
from domain.values import new_id
from infra.stock_requests.work import StockRequestSqlWork
from tests.ledger.builders import an_act
from tests.neighbours import insert

ELSEWHERE = (
    ("requestId", "elsewhereRequestId"),
    ("pendingRequestId", "elsewherePendingRequestId"),
    ("submittedRequestId", "elsewhereSubmittedRequestId"),
    ("requestLineId", "elsewhereRequestLineId"),
)
SYNONYMS = {"requesterId": "userId"}


async def furnish(admin: "asyncpg.Connection[Any]", tenant_id: UUID, facts: Mapping[str, str]) -> dict[str, str]:
    rules = [{"name": f"Approval {facts['mark']}", "approvers": {}}]
    await insert(admin, "approval_rules", {"tenant_id": tenant_id, "rules": msgspec.json.encode(rules).decode()})
    site = {"id": new_id(), "code": f"SITE-{facts['mark']}", "name": f"Site of {facts['mark']}", "type": "STORE"}
    open_ = {"time_zone": "UTC", "capabilities": ["RECEIVES"]}
    await insert(admin, "locations", {"tenant_id": tenant_id, **site, **open_})
    floor = {"id": new_id(), "location_id": site["id"], "code": f"SITE-FLOOR-{facts['mark']}", "is_default": True}
    await insert(admin, "bins", {"tenant_id": tenant_id, **floor, "name": f"Floor of {facts['mark']}"})
    made: dict[str, str] = {"siteId": str(site["id"])}
    facts = {**facts, **made}
    for prefix, location in (("", "locationId"), ("elsewhere", "otherLocationId")):
        draft = await _request(admin, tenant_id, facts, facts[location])
        pending, submitted = [
            await _request(admin, tenant_id, facts, facts[location], submits=True) for _ in range(2)
        ]
        made[_name(prefix, "requestId")] = str(draft.id)
        made[_name(prefix, "requestLineId")] = str(draft.lines[0].id)
        made[_name(prefix, "pendingRequestId")] = str(pending.id)
        made[_name(prefix, "submittedRequestId")] = str(submitted.id)
    spare = await _request(admin, tenant_id, facts, facts["locationId"])
    return made | {"spareRequestId": str(spare.id), "spareRequestLineId": str(spare.lines[0].id)}


def _name(prefix: str, name: str) -> str:
    return f"{prefix}{name[0].upper()}{name[1:]}" if prefix else name


async def _request(
    admin: "asyncpg.Connection[Any]",
    tenant_id: UUID,
    facts: Mapping[str, str],
    location: str,
    *,
    submits: bool = False,
) -> StockRequest:
    act = an_act(tenant_id)
    rights = {Permission.STOCKREQUESTS_WRITE: None}
    caller = msgspec.structs.replace(act.caller, actor=f"Clerk {facts['mark']}", rights=rights)
    act = msgspec.structs.replace(act, caller=caller)
    decider = Decider(caller=caller, at=await admin.fetchval("SELECT clock_timestamp()"))
    new = NewRequest(
        type=RequestType.STOCK,
        origin_id=UUID(location),
        destination_id=UUID(facts["siteId"]),
        description=f"For the weekend {facts['mark']}",
        lines=[NewLine(product_id=UUID(facts["productMasterId"]), quantity=Decimal(2))],
    )
    async with admin.transaction():
        work = StockRequestSqlWork(admin, act)  # type: ignore[arg-type] # a connection is what a proxy stands for
        request = await create_request(work, decider=decider, new=new)
        await comment_on(work, decider=decider, request_id=request.id, body=f"Soon {facts['mark']}")
        if not submits:
            return request
        return await submit(work, decider=decider, request_id=request.id, comment=None, expected_version=None)
