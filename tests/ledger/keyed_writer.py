"""A client process that may be killed: `python -m tests.ledger.keyed_writer URL TENANT LINE POSTINGS`.

Each posting adds one under a key of its own; what is acknowledged is printed at once.
"""

import asyncio
import sys
from uuid import UUID

from infra.db.pool import Database
from infra.ledger.grouping import GroupedLedger
from tests.ledger.builders import a_move, an_act

CLIENTS = 16


async def write(url: str, tenant_id: UUID, line_id: UUID, postings: int) -> None:
    database = await Database.connect(url, as_role=None)
    ledger, left = GroupedLedger(database), iter(range(postings))

    async def client() -> None:
        for number in left:
            act = an_act(tenant_id, key=f"key {number}", body=b"one more")
            await ledger.post(a_move(line_id, 1, act=act))
            print(number, flush=True)

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    await database.close()


if __name__ == "__main__":
    url, tenant, line, count = sys.argv[1:]
    asyncio.run(write(url, UUID(tenant), UUID(line), int(count)))
