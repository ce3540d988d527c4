"""A process of its own that posts to one line: `python -m tests.ledger.writer URL TENANT LINE POSTINGS SEED`."""

import asyncio
import json
import random
import sys
from decimal import Decimal
from uuid import UUID

from domain.errors import DomainError
from infra.db.pool import Database
from infra.ledger.grouping import GroupedLedger
from tests.ledger.builders import a_move

CLIENTS = 32


async def write(url: str, tenant_id: UUID, line_id: UUID, postings: int, seed: int) -> dict[str, object]:
    """Post random deltas from many clients; how many were acknowledged, and their sum."""
    database = await Database.connect(url, as_role=None, lock_timeout_ms=30_000)
    ledger, chance = GroupedLedger(database), random.Random(seed)
    left = iter(range(postings))
    acknowledged, refused, total = 0, 0, Decimal(0)

    async def client() -> None:
        nonlocal acknowledged, refused, total
        for _ in left:
            delta = chance.choice([-3, -2, -1, 1, 2, 3, 4])
            try:
                await ledger.post(a_move(line_id, delta), tenant_id=tenant_id)
            except DomainError:
                refused += 1
            else:
                acknowledged += 1
                total += delta

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    await database.close()
    return {"acknowledged": acknowledged, "refused": refused, "total": str(total)}


if __name__ == "__main__":
    url, tenant, line, count, seed = sys.argv[1:]
    print(json.dumps(asyncio.run(write(url, UUID(tenant), UUID(line), int(count), int(seed)))))
