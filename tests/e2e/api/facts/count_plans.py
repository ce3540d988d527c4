"""What planners of counts have: a classification that was kept, and tasks, at both locations."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg

from domain.ledger.model import Entry, Kind, Posting
from domain.values import new_id
from infra.db.pool import BIND
from infra.ledger.post import post
from tests.neighbours import insert

ELSEWHERE = (
    ("runId", "elsewhereRunId"),
    ("countTaskId", "elsewhereCountTaskId"),
    ("countableTaskId", "elsewhereCountableTaskId"),
)
DAY = date(2026, 1, 1)


async def furnish(admin: "asyncpg.Connection[Any]", tenant_id: UUID, facts: Mapping[str, str]) -> dict[str, str]:
    await admin.execute(BIND, str(tenant_id))
    planned, _ = await _product(admin, tenant_id, facts, "PLANNED")
    tasked, lot = await _product(admin, tenant_id, facts, "TASKED")
    made: dict[str, str] = {"plannedProductId": str(planned), "taskedProductId": str(tasked)}
    for prefix, location, bin_ in (
        ("", "locationId", "binId"),
        ("elsewhere", "otherLocationId", "elsewhereBinId"),
    ):
        place = {"tenant_id": tenant_id, "location_id": UUID(facts[location])}
        await _stock(admin, [planned, tasked], place["location_id"], UUID(facts[bin_]))
        run, task, countable = new_id(), new_id(), new_id()
        await _run(admin, {**place, "id": run, "actor": f"Planner {facts['mark']}"}, planned)
        spot = {**place, "bin_id": UUID(facts[bin_]), "reason": "MANUAL", "note": f"Looks odd {facts['mark']}"}
        await insert(admin, "count_tasks", {**spot, "id": task})
        await insert(admin, "count_tasks", {**spot, "id": countable, "product_id": tasked, "lot_id": lot})
        for name, id_ in (("runId", run), ("countTaskId", task), ("countableTaskId", countable)):
            made[f"{prefix}{name[0].upper()}{name[1:]}" if prefix else name] = str(id_)
    return made


async def _product(
    admin: "asyncpg.Connection[Any]", tenant_id: UUID, facts: Mapping[str, str], name: str
) -> tuple[UUID, UUID]:
    id_, lot, mark = new_id(), new_id(), facts["mark"]
    named = {"id": id_, "sku": f"{name}-{mark}", "name": f"{name} {mark}", "uom_id": UUID(facts["uomId"])}
    await insert(admin, "products", {"tenant_id": tenant_id, **named})
    default = {"id": lot, "product_id": id_, "number": "", "is_default": True}
    await insert(admin, "lots", {"tenant_id": tenant_id, **default})
    return id_, lot


async def _stock(admin: "asyncpg.Connection[Any]", products: list[UUID], location: UUID, bin_: UUID) -> None:
    entries = tuple(
        Entry(kind=Kind.RECEIPT, product_id=product, location_id=location, bin_id=bin_, delta=Decimal(70))
        for product in products
    )
    posting = Posting(id=new_id(), kind=Kind.RECEIPT, entries=entries)
    await post(admin, [posting])  # type: ignore[arg-type] # a connection is what a proxy stands for


async def _run(admin: "asyncpg.Connection[Any]", head: Mapping[str, object], product: UUID) -> None:
    thresholds = {"threshold_a": Decimal(80), "threshold_b": Decimal(95)}
    period = {"measure": "VALUE", "from_day": DAY, "to_day": DAY}
    await insert(
        admin,
        "abc_runs",
        {**head, **period, **thresholds, "total": Decimal(1), "products": 1, "position": 1},
    )
    line = {"tenant_id": head["tenant_id"], "run_id": head["id"], "rank": 1, "product_id": product}
    classes = {"abc_class": "C", "computed_class": "C", "is_overridden": False}
    shares = {"amount": Decimal(1), "share": Decimal(100), "cumulative_share": Decimal(100)}
    await insert(admin, "abc_run_lines", {**line, **classes, **shares})
