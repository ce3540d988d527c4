"""Under an idempotency key every write of every route is done once, and every retry is told what was told then."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import asyncpg
import pytest

from tests.e2e.api.callers import on
from tests.e2e.api.company import Company
from tests.e2e.api.operations import Operation, named, unsafe
from tests.faults.http.conftest import Connection, Founding
from tests.faults.http.retrying import (
    ENDING,
    a_caller,
    canonical_spellings,
    is_repeated,
    is_replay,
    keyed,
    mutating,
    neutral,
    sums,
)
from tests.faults.http.wire import Answer, at_once, fire, request
from tests.lab import DatabaseUrls, Served
from tests.ledger.promises import show

REUSED = "IDEMPOTENCY_KEY_REUSED"
IN_PROGRESS = "IDEMPOTENCY_IN_PROGRESS"
DAYS_KEPT = 29
AT_ONCE = 6
"""Each waits on a connection of the server's pool."""
MECHANISMS = {"adjustInventory", "issueInventory", "receiveInventory", "recordStockAdjustment", "createProduct"}
"""One for each way in which keys are kept."""
FIGURES: Counter[str] = Counter()


def in_turns(operations: list[Operation]) -> list[Any]:
    """Every third, and one for each mechanism; the others when there is time."""
    return [
        pytest.param(one, id=named(one), marks=() if not n % 3 or one.id in MECHANISMS else pytest.mark.long)
        for n, one in enumerate(operations)
    ]


@pytest.fixture(scope="module", autouse=True)
async def shown() -> AsyncGenerator[None]:
    yield
    show("P-15", routes=len(mutating()), **{name: FIGURES[name] for name in ("keys", "answers", "differing")})
    show("P-16", routes=len(mutating()), cells=FIGURES["cells"], wrong=FIGURES["wrong"])


@pytest.mark.parametrize("clients", [4, *(pytest.param(n, marks=pytest.mark.long) for n in (10, 50))])
@pytest.mark.parametrize("operation", mutating(), ids=named)
async def test_what_is_sent_many_times_at_once_is_done_once(
    *, server: Served, admin: Connection, found: Founding, operation: Operation, clients: int
) -> None:
    company, twin = [await found(about=operation.path) for _ in range(2)]
    headers, twin_headers = [await a_caller(admin, one, operation) for one in (company, twin)]
    sent = keyed(operation, company, headers, "the-key")

    answers = await at_once(server.url, [sent] * clients)
    (once,) = await fire(server.url, [keyed(operation, twin, twin_headers, "the-key")])

    (first,) = [answer for answer in answers if not is_replay(answer)]
    again = [answer for answer in answers if is_replay(answer)]
    differing = sum(not is_repeated(operation, first, answer) for answer in again)
    FIGURES.update(keys=1, answers=len(answers), differing=differing)
    assert once.status < 300, once.body
    assert is_repeated(operation, first, *again), (first, again)
    assert {answer.header("X-Ledger-Position") for answer in again} == {first.header("X-Ledger-Position")}
    assert (first.status, neutral(first.body, company)) == (once.status, neutral(once.body, twin))
    assert await sums(admin, company) == await sums(admin, twin)


@pytest.mark.parametrize("operation", in_turns(mutating()))
async def test_a_key_stands_for_one_request_of_one_caller_on_one_route(
    server: Served, admin: Connection, found: Founding, operation: Operation
) -> None:
    company, stranger = [await found(about=operation.path) for _ in range(2)]
    headers, colleague = [await a_caller(admin, company, operation, other=other) for other in (False, True)]
    strange = await a_caller(admin, stranger, operation)
    others = [other for other in mutating() if other.id != operation.id and other.body_schema is not None]
    sent = keyed(operation, company, headers, "k")

    (done,) = await fire(server.url, [sent])
    changed, again, elsewhere, by_another, by_a_stranger = await fire(
        server.url,
        [
            keyed(operation, company, headers, "k", changed=True),
            sent,
            request(others[0].method, company.path(others[0].path), headers, b"{", key="k"),
            keyed(operation, company, colleague, "k"),
            keyed(operation, stranger, strange, "k"),
        ],
        clients=1,
    )

    cells: dict[str, bool] = {
        "done": done.status < 300 and not is_replay(done),
        "another request": changed.status == 422 and changed.code in {REUSED, "422"},
        "the same again": is_repeated(operation, done, again),
        "another route": elsewhere.code == "VALIDATION_ERROR",
        "another caller": by_another.code != REUSED and not is_replay(by_another),
        "another tenant": by_a_stranger.status < 300 and not is_replay(by_a_stranger),
    }
    FIGURES.update(cells=len(cells), wrong=list(cells.values()).count(False))
    assert [cell for cell, is_right in cells.items() if not is_right] == []


@pytest.mark.parametrize("operation", in_turns([o for o in mutating() if o.body_schema is not None]))
async def test_the_same_request_may_be_spelt_otherwise(
    server: Served, admin: Connection, company: Company, operation: Operation
) -> None:
    headers = on(operation, await a_caller(admin, company, operation))
    path, body = company.path(operation.path), company.fill(operation.example)

    spellings = [request(operation.method, path, headers, text, key="k") for text in canonical_spellings(body)]
    first, *again = await fire(
        server.url, [request(operation.method, path, headers, body, key="k"), *spellings], clients=1
    )

    assert first.status < 300, first.body
    assert is_repeated(operation, first, *again), (first, again)


@pytest.mark.parametrize("operation", [o for o in unsafe() if o.id in ENDING], ids=named)
async def test_what_ends_the_session_that_asks_is_done_once_and_refused_from_then_on(
    server: Served, admin: Connection, company: Company, operation: Operation
) -> None:
    headers = await a_caller(admin, company, operation)
    sent = keyed(operation, company, headers, "k")

    (done,) = await fire(server.url, [sent])
    after = await sums(admin, company)
    again = await at_once(server.url, [sent] * 4)

    assert done.status == 200, done.body
    assert {(answer.status, answer.code) for answer in again} == {(401, "UNAUTHENTICATED")}
    assert await sums(admin, company) == after


async def test_keys_are_kept_for_weeks(server: Served, admin: Connection, company: Company) -> None:
    operations = mutating()
    sent = [keyed(o, company, await a_caller(admin, company, o), "k") for o in operations]

    first = await fire(server.url, sent, clients=1)
    await admin.execute(
        "UPDATE idempotency_keys SET created_at = created_at - make_interval(days => $2) WHERE tenant_id = $1",
        company.tenant_id,
        DAYS_KEPT,
    )
    second = await fire(server.url, sent, clients=1)

    kept = [number for number, answer in enumerate(first) if answer.status < 300 or answer.status == 409]
    assert len(kept) > len(operations) / 2
    assert [operations[n].id for n in kept if not is_repeated(operations[n], first[n], second[n])] == []


@pytest.mark.parametrize(
    "operations",
    [MECHANISMS, pytest.param({o.id for o in mutating()}, marks=pytest.mark.long)],
    ids=["some", "all"],
)
async def test_while_a_request_runs_its_repetition_is_told_so(
    *, server: Served, admin: Connection, urls: DatabaseUrls, found: Founding, operations: set[str]
) -> None:
    """Another transaction holds the key; nobody waits for it longer than a lock is waited for."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def told(operation: Operation, company: Company, headers: Mapping[str, str]) -> tuple[Answer, Answer]:
        sent = keyed(operation, company, headers, "k")
        async with gate:
            holder = await asyncpg.connect(urls.admin_url)
            try:
                await _claim(holder, company, operation)
                (meanwhile,) = await fire(server.url, [sent])
            finally:
                await holder.close()
            (afterwards,) = await fire(server.url, [sent])
        return meanwhile, afterwards

    calls = {}
    for operation in (o for o in mutating() if o.id in operations):
        company = await found(about=operation.path)
        calls[operation.id] = told(operation, company, await a_caller(admin, company, operation))
    answers = dict(zip(calls, await asyncio.gather(*calls.values()), strict=True))

    assert {(m.status, m.code, m.header("Retry-After") is not None) for m, _ in answers.values()} == {
        (409, IN_PROGRESS, True)
    }, {id_: m.body for id_, (m, _) in answers.items()}
    assert all(a.status < 300 and not is_replay(a) for _, a in answers.values())


async def _claim(holder: Connection, company: Company, operation: Operation) -> None:
    """Hold the key as a request in progress does: its row is there, and not committed."""
    await holder.execute("BEGIN")
    await holder.execute(
        """
        INSERT INTO idempotency_keys (tenant_id, principal_id, operation, key, fingerprint)
        SELECT tenant_id, id, $2, 'k', ''::bytea FROM api_keys WHERE tenant_id = $1
        UNION SELECT tenant_id, user_id, $2, 'k', '' FROM memberships WHERE tenant_id = $1
        """,
        company.tenant_id,
        f"{operation.method} {operation.path}",
    )
