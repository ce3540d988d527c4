"""No input makes a fault, costs more than a second, or changes anything when it is refused (P-14, P-45)."""

import gc
import random
import time
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping

import httpx
import msgspec
import psutil
import pytest

from tests.e2e.api.callers import code_of, everybody, on
from tests.e2e.api.company import Company
from tests.e2e.api.conftest import Connection
from tests.e2e.api.hostile import Shot, shots
from tests.e2e.api.inside import Inside, inside
from tests.e2e.api.operations import Operation, documented, named
from tests.e2e.api.schemas import faults_of_answer
from tests.e2e.api.state import state_of
from tests.lab import DatabaseUrls
from tests.ledger.promises import show

SEED = 45
OF_EACH = 80
"""How many of an operation's shots are fired in CI."""
FROM_THE_FRONT = {404, 405}
"""Answered before any operation is found, so not in the document of one."""
LONGEST = 1.0
GROWTH = len(documented()) * (512 << 10)
"""What an operation may cost when it is first met: its schemas, plans and bounded caches are then kept.

Measured: 67 MiB for 195 operations, or 350 KiB for each, with what is kept once for all. Of 39 operations shot at
four times over, the first pass grew by 27.5 MiB and the other three, of 13,100 requests, by 2.4 MiB together.
"""


class Damage(msgspec.Struct):
    """What came of all shots together."""

    fired: int = 0
    faults: int = 0
    slowest: float = 0.0
    slowest_shot: str = ""


DAMAGE = Damage()


@pytest.fixture(scope="module")
async def app(urls: DatabaseUrls) -> AsyncGenerator[Inside]:
    async with inside(urls) as app:
        memory = psutil.Process().memory_info
        before = memory().rss
        yield app
        gc.collect()
        grown = memory().rss - before
        show(
            "P-45",
            requests=DAMAGE.fired,
            faults=DAMAGE.faults,
            slowest_ms=round(DAMAGE.slowest * 1000),
            slowest=DAMAGE.slowest_shot,
            grown_mib=grown >> 20,
        )
        assert grown < GROWTH


@pytest.fixture
async def credentials(admin: Connection, company: Company) -> Mapping[str, str]:
    return await everybody(admin, company)


async def fire(app: Inside, shot: Shot, credentials: Mapping[str, str]) -> httpx.Response:
    request = shot.request(app.http, on(shot.operation, credentials))
    began = time.process_time()
    response = await app.http.send(request)
    spent = time.process_time() - began
    DAMAGE.fired += 1
    DAMAGE.faults += response.status_code >= 500
    if spent > DAMAGE.slowest:
        DAMAGE.slowest, DAMAGE.slowest_shot = spent, f"{shot.operation.id} {shot.what}"
    return response


def problems(shot: Shot, response: httpx.Response) -> list[str]:
    """What is wrong with an answer, if anything is."""
    status = response.status_code
    if status >= 500 or (shot.refused and status < 400 and not is_told_by_row(shot, response)):
        return [f"{status} {response.text[:200]}"]
    if status in FROM_THE_FRONT and str(status) not in shot.operation.document["responses"]:
        return [] if code_of(shot.operation, response) in {"NOT_FOUND", "METHOD_NOT_ALLOWED"} else [response.text]
    return faults_of_answer(shot.operation, status, response.headers["content-type"], response.content)


def is_told_by_row(shot: Shot, response: httpx.Response) -> bool:
    """Whether an answer about many rows refuses those that are bad."""
    return shot.operation.id == "integrationsSetInventory" and response.json()["data"]["failed"] > 0


async def bombarded(app: Inside, fired: Iterable[Shot], credentials: Mapping[str, str]) -> dict[str, list[str]]:
    wrong = {}
    for shot in fired:
        found = problems(shot, await fire(app, shot, credentials))
        if found:
            wrong[shot.what] = found
    return wrong


def chosen(operation: Operation, company: Company, *, most: int | None) -> Iterator[Shot]:
    """An operation's shots, or so many of them by chance; the same ones each time."""
    if most is None:
        yield from shots(operation, company)
        return
    share = most / max(most, sum(1 for _ in shots(operation, company)))
    chance = random.Random(f"{SEED} {operation.id}")
    yield from (shot for shot in shots(operation, company) if chance.random() < share)


@pytest.mark.parametrize("most", [OF_EACH, pytest.param(None, marks=pytest.mark.long)], ids=["some", "all"])
@pytest.mark.parametrize("operation", documented(), ids=named)
async def test_no_input_does_harm(
    *,
    app: Inside,
    admin: Connection,
    company: Company,
    credentials: Mapping[str, str],
    operation: Operation,
    most: int | None,
) -> None:
    app.logged.clear()
    before = await state_of(admin, company.tenant_id)

    # What must be refused comes first, so that nothing may have changed; then what may be let through.
    refused = (shot for shot in chosen(operation, company, most=most) if shot.refused)
    wrong = await bombarded(app, refused, credentials)
    after = await state_of(admin, company.tenant_id)
    others = (shot for shot in chosen(operation, company, most=most) if not shot.refused)
    wrong |= await bombarded(app, others, credentials)

    assert wrong == {}
    assert app.faults == []
    assert after == before
    assert DAMAGE.slowest < LONGEST, DAMAGE.slowest_shot
