"""A stocklist of each location, from a third one."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg

from domain.values import new_id
from tests.neighbours import insert

ELSEWHERE = (("stocklistId", "elsewhereStocklistId"),)


async def furnish(admin: "asyncpg.Connection[Any]", tenant_id: UUID, facts: Mapping[str, str]) -> dict[str, str]:
    made: dict[str, str] = {}
    for name, location, code in (
        ("stocklistId", "locationId", "WEEKLY"),
        ("elsewhereStocklistId", "otherLocationId", "FLOOR-WEEKLY"),
    ):
        made[name] = str(new_id())
        stocklist = {
            "tenant_id": tenant_id,
            "id": UUID(made[name]),
            "code": f"{code}-{facts['mark']}",
            "name": f"{code.title()} {facts['mark']}",
            "origin_location_id": UUID(facts["siteId"]),
            "destination_location_id": UUID(facts[location]),
            "mode": "PULL",
            "review_period_days": 7,
        }
        await insert(admin, "stocklists", stocklist)
        line = {
            "tenant_id": tenant_id,
            "stocklist_id": UUID(made[name]),
            "product_id": UUID(facts["productMasterId"]),
            "position": 1,
            "maximum": Decimal(5000),
            "pack_multiple": Decimal(10),
        }
        await insert(admin, "stocklist_lines", line)
    return made
