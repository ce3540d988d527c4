"""What jobs there are: one that waits, and one that was given up."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg

from domain.values import new_id
from tests.neighbours import insert


async def furnish(admin: "asyncpg.Connection[Any]", tenant_id: UUID, facts: Mapping[str, str]) -> dict[str, str]:
    waits, dead = new_id(), new_id()
    common: dict[str, object] = {
        "tenant_id": tenant_id,
        "type": "inventory-import",
        "description": f"Import of {facts['mark']}",
        "arguments": "{}",
        "attempts_max": 1,
        "created_by": tenant_id,
        "creator": f"Clerk of {facts['mark']}",
        "permission": "imports.write",
        "request_id": f"request-of-{facts['mark']}",
    }
    await insert(admin, "jobs", {**common, "id": waits})
    ended = {
        "state": "FAILED",
        "is_dead": True,
        "error": facts["mark"],
        "completed_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    await insert(admin, "jobs", {**common, **ended, "id": dead, "attempt": 1})
    return {"jobId": str(waits), "failedJobId": str(dead)}
