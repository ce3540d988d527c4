"""What planners of counts have: a classification that was kept, and tasks, at both locations."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg

from domain.values import new_id
from tests.neighbours import insert

ELSEWHERE = (("runId", "elsewhereRunId"), ("countTaskId", "elsewhereCountTaskId"))
DAY = date(2026, 1, 1)


async def furnish(admin: "asyncpg.Connection[Any]", tenant_id: UUID, facts: Mapping[str, str]) -> dict[str, str]:
    made: dict[str, str] = {}
    for run, task, location, bin_ in (
        ("runId", "countTaskId", "locationId", "binId"),
        ("elsewhereRunId", "elsewhereCountTaskId", "otherLocationId", "elsewhereBinId"),
    ):
        made[run], made[task] = str(new_id()), str(new_id())
        await insert(
            admin,
            "abc_runs",
            {
                "tenant_id": tenant_id,
                "id": UUID(made[run]),
                "location_id": UUID(facts[location]),
                "measure": "VALUE",
                "from_day": DAY,
                "to_day": DAY,
                "threshold_a": Decimal(80),
                "threshold_b": Decimal(95),
                "total": Decimal(1),
                "products": 1,
                "position": 1,
                "actor": f"Planner {facts['mark']}",
            },
        )
        await insert(
            admin,
            "abc_run_lines",
            {
                "tenant_id": tenant_id,
                "run_id": UUID(made[run]),
                "rank": 1,
                "product_id": UUID(facts["productMasterId"]),
                "abc_class": "C",
                "computed_class": "C",
                "is_overridden": False,
                "amount": Decimal(1),
                "share": Decimal(100),
                "cumulative_share": Decimal(100),
            },
        )
        await insert(
            admin,
            "count_tasks",
            {
                "tenant_id": tenant_id,
                "id": UUID(made[task]),
                "location_id": UUID(facts[location]),
                "bin_id": UUID(facts[bin_]),
                "reason": "MANUAL",
                "note": f"Looks odd {facts['mark']}",
            },
        )
    return made
