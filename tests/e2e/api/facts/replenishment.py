"""What planners of replenishment have: a configuration and a record at both locations."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg

from domain.values import new_id
from tests.neighbours import insert

ELSEWHERE = (("replenishmentId", "elsewhereReplenishmentId"),)


async def furnish(admin: "asyncpg.Connection[Any]", tenant_id: UUID, facts: Mapping[str, str]) -> dict[str, str]:
    made: dict[str, str] = {}
    for which, (record, location, most) in enumerate(
        (
            ("replenishmentId", "locationId", 2000),
            ("elsewhereReplenishmentId", "otherLocationId", 20),
        )
    ):
        made[record] = str(new_id())
        # Of a product of its own: the walk makes records of the others.
        place = {"product_id": UUID(facts["productMasterId"]), "location_id": UUID(facts[location])}
        await admin.execute(
            """
            INSERT INTO stock_levels (tenant_id, product_id, location_id, method, min_qty, max_qty, supplier)
            VALUES ($1, $2, $3, 'MIN_MAX', 10, $4, $5)
            ON CONFLICT (tenant_id, product_id, location_id) DO UPDATE SET method = 'MIN_MAX', max_qty = $4
            """,
            tenant_id,
            place["product_id"],
            place["location_id"],
            Decimal(most),
            f"Supplier of {facts['mark']}",
        )
        await insert(
            admin,
            "replenishment_orders",
            {
                "tenant_id": tenant_id,
                "id": UUID(made[record]),
                "number": f"RP-{facts['mark']}-{which}",
                **place,
                "quantity": Decimal(12),
                "method": "MANUAL",
                "source": "SUPPLIER",
                "supplier": f"Supplier of {facts['mark']}",
                "note": f"asked for by {facts['mark']}",
                "actor": f"Planner {facts['mark']}",
            },
        )
    return made
