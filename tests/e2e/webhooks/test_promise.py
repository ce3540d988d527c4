"""Every event is delivered, in order for each thing, and nothing that was rolled back (P-29)."""

import asyncio
import itertools
import random
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

from domain.ledger.model import Posted, Posting
from infra.db.pool import Database
from infra.ledger.post import post
from tests.e2e.webhooks.endpoints import Site, a_site, an_endpoint
from tests.e2e.webhooks.receiver import Call, Does, Receiver, a_receiver, is_signed
from tests.lab import DatabaseUrls
from tests.ledger.builders import a_move, a_transfer, an_act
from tests.ledger.promises import show

type Connection = asyncpg.Connection[Any]

WRITERS = 4
ILL = (*((Does.FAIL, 30), (Does.RESET, 3), (Does.REDIRECT, 2), (Does.SLOW, 2), (Does.HANG, 1), (Does.ACCEPT, 62)),)
EVENTS = """
    SELECT position, entity_id, payload, recorded_at FROM events WHERE tenant_id = $1 ORDER BY position
"""


async def write(database: Database, site: Site, movements: int, chance: random.Random) -> int:
    """So many postings, and a tenth as many that are rolled back; how many those were."""
    undone = 0
    act = an_act(site.tenant_id)
    for _ in range(movements):
        product = chance.randrange(5)
        shelf, other = (site.warehouse.shelf(product, location) for location in (0, 1))
        posting = a_transfer(shelf, other, 1) if chance.random() < 0.2 else a_move(shelf, Decimal(5))
        posting = msgspec.structs.replace(posting, act=act)
        if chance.random() < 0.1:
            undone += 1
            await undo(database, msgspec.structs.replace(a_move(shelf, Decimal(7)), act=act))
        async with database.bound(site.tenant_id) as driver:
            (answer,) = await post(driver, [posting])
        if not isinstance(answer, Posted):  # nothing there to be transferred yet
            async with database.bound(site.tenant_id) as driver:
                await post(driver, [msgspec.structs.replace(a_move(shelf, Decimal(1)), act=act)])
    return undone


async def write_at_once(database: Database, site: Site, movements: int) -> int:
    each = (write(database, site, movements // WRITERS, random.Random(n)) for n in range(WRITERS))
    return sum(await asyncio.gather(*each))


async def undo(database: Database, posting: Posting) -> None:
    """Post it, and take the transaction back."""
    assert posting.act is not None
    async with database.bound(posting.act.tenant_id) as driver:
        transaction = driver.transaction()
        await transaction.start()
        (answer,) = await post(driver, [posting])
        assert isinstance(answer, Posted)
        await transaction.rollback()


def a_process(url: str) -> "subprocess.Popen[bytes]":
    """A dispatcher that looks for work already."""
    command = [sys.executable, "-m", "tests.e2e.webhooks.dispatching", url]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"started\n"
    return process


def end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


async def kill_often(url: str, receiver: Receiver, *, kills: int, every: int) -> None:
    """Two dispatchers, one of which is killed after so many calls, and another one started."""
    running = [await asyncio.to_thread(a_process, url), await asyncio.to_thread(a_process, url)]
    try:
        for _ in range(kills):
            await receiver.until_more(every)
            end(running.pop(0))
            running.append(await asyncio.to_thread(a_process, url))
        await asyncio.Event().wait()
    finally:
        for process in running:
            end(process)


def lines_of(event: Any) -> list[tuple[str, int]]:
    """The stock lines that an event tells of, each with the version that it has then."""
    return [(movement["lineId"], movement["version"]) for movement in event["data"]["movements"]]


def inversions(calls: list[Call]) -> int:
    """How often a receiver that throws repetitions away sees an older state of a line, or of a thing, later."""
    last: dict[str, int] = {}
    seen: set[str] = set()
    found = 0
    for call in calls:
        if call.id in seen:
            continue
        seen.add(call.id)
        for line, version in (*lines_of(call.event), (call.event["entityId"], call.event["position"])):
            found += version < last.get(line, 0)
            last[line] = version
    return found


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[int(share * (len(values) - 1))]


@pytest.mark.parametrize(
    ("movements", "kills"), [(500, 3), pytest.param(10_000, 50, marks=pytest.mark.long)], ids=["500", "10000"]
)
async def test_every_event_comes_in_order_through_failures_and_kills(
    urls: DatabaseUrls, admin: Connection, database: Database, movements: int, kills: int
) -> None:
    site, chance = await a_site(admin, urls.admin_url), random.Random(29)
    kinds, weights = zip(*ILL, strict=True)
    async with a_receiver(lambda _: chance.choices(kinds, weights)[0]) as receiver:
        endpoint = await an_endpoint(admin, site, receiver.url)
        every = movements // (kills + 1)
        async with asyncio.TaskGroup() as group:
            killing = group.create_task(kill_often(urls.app_url, receiver, kills=kills, every=every))
            undone = await write_at_once(database, site, movements)
            events = {row["position"]: row for row in await admin.fetch(EVENTS, site.tenant_id)}
            await receiver.until(lambda: receiver.reached >= events.keys(), seconds=3_600)
            killing.cancel()

    accepted = receiver.reached
    told = {(call.event["position"], UUID(call.event["entityId"])) for call in receiver.calls}
    phantoms = told - {(position, row["entity_id"]) for position, row in events.items()}
    ids = {(call.id, call.event["position"]) for call in receiver.calls}
    does = Counter(str(call.does) for call in receiver.calls)
    first: dict[int, float] = {}
    for call in receiver.accepted:
        first.setdefault(
            call.event["position"], call.at - events[call.event["position"]]["recorded_at"].timestamp()
        )
    show(
        "P-29",
        movements=len(events),
        kills=kills,
        undone=undone,
        calls=len(receiver.calls),
        receiver=dict(does),
        missing=len(events.keys() - accepted),
        phantom=len(phantoms),
        inversions=inversions(receiver.accepted),
        repeated=len(receiver.accepted) - len(accepted),
        p50_delay_s=round(percentile(list(first.values()), 0.5), 2),
        p99_delay_s=round(percentile(list(first.values()), 0.99), 2),
    )
    assert (events.keys() - accepted, phantoms, inversions(receiver.accepted)) == (set(), set(), 0)
    assert undone > 0
    assert does.keys() == {str(kind) for kind in kinds}
    assert len({id_ for id_, _ in ids}) == len(ids) == len({position for _, position in ids})
    assert [call for call in receiver.calls if not is_signed(call, endpoint.secret)] == []
    assert receiver.strayed == 0


def test_an_inversion_would_be_seen() -> None:
    def call(number: int, version: int) -> Call:
        movement = {"lineId": "a line", "version": version}
        event = {"entityId": str(number), "position": number, "data": {"movements": [movement]}}
        headers = {"webhook-id": str(number)}
        return Call(path="/", headers=headers, text="", event=event, does=Does.ACCEPT, at=0.0)

    orders = {inversions([call(n, n) for n in order]) for order in itertools.permutations((1, 2, 3))}

    assert orders == {0, 1, 2}
    assert inversions([call(1, 1), call(2, 2), call(1, 1)]) == 0
