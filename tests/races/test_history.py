"""P-06, as far as postings go: whatever clients do at once, one after the other explains every answer.

Seen red with the sabotage `no-line-lock`.
"""

import asyncio
from typing import Any

import asyncpg
import pytest

from domain.errors import DomainError
from domain.ledger.model import Posted, Posting
from infra.ledger.verify import verify
from tests.ledger.builders import a_warehouse
from tests.ledger.history import Recorder, check, read
from tests.ledger.model import told
from tests.ledger.promises import show
from tests.ledger.traffic import Traffic
from tests.races.pools import Pools

type Admin = asyncpg.Connection[Any]
CLIENTS = 12


@pytest.mark.parametrize(
    ("seed", "postings"),
    [
        (1, 800),
        (2, 800),
        *(pytest.param(n, 10_000, marks=pytest.mark.long) for n in range(3, 23)),
    ],
)
async def test_one_after_the_other_explains_every_answer(
    admin: Admin, pools: Pools, seed: int, postings: int
) -> None:
    warehouse = await a_warehouse(admin, products=2, lots=1, locations=2, bins=2)
    traffic, recorder = Traffic(warehouse, seed), Recorder()
    left = iter(range(postings))

    async def client(number: int) -> None:
        ledger = pools.ledgers[number % len(pools.ledgers)]

        async def grouped(posting: Posting) -> Posted:
            return await ledger.post(posting, tenant_id=warehouse.tenant_id)

        async def alone(posting: Posting) -> Posted:
            answer = await pools.alone(number, posting, warehouse)
            if isinstance(answer, DomainError):
                raise answer
            return answer

        for _ in left:
            post = alone if number % 4 == 0 else grouped
            traffic.learn(await recorder.send(traffic.next(), post, again=False))

    await asyncio.gather(*(client(number) for number in range(CLIENTS)))

    assert check(recorder.calls, warehouse, await read(admin, warehouse)) == []
    assert (await verify(admin, warehouse.tenant_id)).drifts == ()
    show(
        "P-06",
        seed=seed,
        operations=len(recorder.calls),
        accepted=sum(told(call.answer).code == "POSTED" for call in recorder.calls),
        replayed=sum(call.answer.replayed for call in recorder.calls),
        unknown=0,
        violations=0,
    )
