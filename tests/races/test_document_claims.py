"""Claims of documents: their own to resolve, locked in the ledger's order; and bins that a count has stopped."""

import asyncio
import random
from decimal import Decimal
from http import HTTPStatus
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

from app.http.acts import once
from domain.access.model import Act
from domain.availability import service
from domain.availability.allocating import LineWanted, Source, allot, allot_lines
from domain.availability.claims import Need
from domain.availability.ports import Reservation, Resolved, Wish
from domain.documents import DocumentType, Step
from domain.errors import ContentionError, DomainError, Reason
from domain.ledger.model import Entry, Kind, Posted, Posting
from domain.values import new_id
from infra.db.pool import Database
from infra.db.work import beginning
from infra.documents.work import DocumentSqlWork, history
from infra.ledger.verify import verify
from tests.lab import DatabaseUrls
from tests.ledger.builders import Warehouse, a_posting, a_warehouse, an_act, an_entry
from tests.ledger.promises import show
from tests.races.pools import Pools

type Admin = asyncpg.Connection[Any]
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


class Stocked(msgspec.Struct, frozen=True, kw_only=True):
    warehouse: Warehouse
    lines: tuple[UUID, ...]
    """Of the first product in both bins of the first location, then of the second product, and so on."""

    @property
    def act(self) -> Act:
        return an_act(self.warehouse.tenant_id)

    def want(self, line: int, quantity: int) -> LineWanted:
        product = self.warehouse.products[line // 2]
        return LineWanted(
            line_id=self.lines[line],
            product_id=product,
            location_id=self.warehouse.locations[0],
            quantity=Decimal(quantity),
        )


@pytest.fixture
async def stocked(admin: Admin, pools: Pools) -> Stocked:
    """Two products, ten on each of two shelves."""
    warehouse = await a_warehouse(admin, products=2, bins=2)
    shelves = [warehouse.shelf(product, bin_=bin_) for product in (0, 1) for bin_ in (0, 1)]
    posted = await pools.alone(0, a_posting(*(an_entry(shelf, 10) for shelf in shelves)), warehouse)
    assert isinstance(posted, Posted)
    return Stocked(warehouse=warehouse, lines=tuple(moved.line_id for moved in posted.movements))


def a_source() -> Source:
    return Source(type=DocumentType.TRANSFER, id=new_id())


async def claimed(database: Database, stocked: Stocked, source: Source, *wanted: LineWanted) -> list[Reservation]:
    async with beginning(database, DocumentSqlWork)(stocked.act) as work:
        return await allot_lines(work, wanted=wanted, source=source, leaves=True)


async def test_needs_get_what_there_is_and_later_ones_see_what_earlier_ones_took(
    pools: Pools, stocked: Stocked
) -> None:
    product, location = stocked.warehouse.products[0], stocked.warehouse.locations[0]
    needs = [Need(product_id=product, location_id=location, quantity=Decimal(n)) for n in (15, 8, 1)]
    async with beginning(pools.databases[0], DocumentSqlWork)(stocked.act) as work:
        given = await allot(work, needs=needs, source=a_source(), all_or_nothing=False)

    assert [sum(claim.quantity for claim in one.claims) for one in given] == [15, 5, 0]
    assert [one.grant.shortfall for one in given] == [0, 3, 1]


async def test_all_or_nothing_claims_nothing_and_says_what_there_is(pools: Pools, stocked: Stocked) -> None:
    need = Need(
        product_id=stocked.warehouse.products[0],
        location_id=stocked.warehouse.locations[0],
        quantity=Decimal(21),
    )
    with pytest.raises(DomainError) as refused:
        async with beginning(pools.databases[0], DocumentSqlWork)(stocked.act) as work:
            await allot(work, needs=[need], source=a_source())

    assert refused.value.reason is Reason.INSUFFICIENT_STOCK
    told: Any = refused.value.facts["items"]
    assert [(item["available"], item["shortfall"]) for item in told] == [(20, 1)]


async def test_a_chosen_line_gives_what_it_has_and_no_more(pools: Pools, stocked: Stocked) -> None:
    database = pools.databases[0]
    await claimed(database, stocked, a_source(), stocked.want(0, 6))

    with pytest.raises(DomainError) as refused:
        await claimed(database, stocked, a_source(), stocked.want(1, 1), stocked.want(0, 5))

    assert refused.value.reason is Reason.INSUFFICIENT_STOCK
    assert refused.value.facts["available"] == 4
    await claimed(database, stocked, a_source(), stocked.want(0, 4))


async def test_a_document_s_claim_is_resolved_by_that_document_alone(
    pools: Pools, stocked: Stocked, admin: Admin
) -> None:
    source, begin = a_source(), beginning(pools.databases[0], DocumentSqlWork)
    (claim,) = await claimed(pools.databases[0], stocked, source, stocked.want(0, 6))

    async def release(work: DocumentSqlWork) -> Reservation:
        return await service.release(work, id_=claim.id, quantity=None, version=None)

    async def settle(work: DocumentSqlWork) -> list[Resolved]:
        return await work.settle(new_id(), [Wish(id=claim.id, action="RELEASE")])

    for attempt in (release, settle):
        with pytest.raises(DomainError) as refused:
            await once(begin, stocked.act, attempt)
        assert refused.value.reason is Reason.IN_USE
        assert refused.value.facts["sourceId"] == str(source.id)

    async with begin(stocked.act) as work:
        (resolved,) = await work.settle(source.id, [Wish(id=claim.id, action="CONSUME", quantity=Decimal(4))])
        (line,) = resolved.lines
        await work.post(a_posting(Entry(kind=Kind.ISSUE, line_id=line.line_id, delta=-line.quantity)))
    row = await admin.fetchrow("SELECT on_hand, reserved FROM stock_lines WHERE id = $1", stocked.lines[0])
    assert dict(row or {}) == {"on_hand": 6, "reserved": 0}


@pytest.mark.parametrize("rounds", [40, pytest.param(2_000, marks=pytest.mark.long)])
async def test_documents_that_move_each_other_s_stock_never_wait_in_a_circle(
    pools: Pools, stocked: Stocked, admin: Admin, database_urls: DatabaseUrls, rounds: int
) -> None:
    """Each takes from one line what it claimed there and puts it on another, of the same product."""
    chance, left, done = random.Random(11), iter(range(rounds)), 0
    reasons: set[Reason] = set()

    async def client(number: int) -> None:
        nonlocal done
        database = pools.databases[number % 2]
        for _ in left:
            source, moves = a_source(), [(0, 1), (2, 3)]
            moves = [chance.choice([move, move[::-1]]) for move in moves]
            chance.shuffle(moves)
            try:
                claims = await claimed(database, stocked, source, *(stocked.want(start, 1) for start, _ in moves))
            except DomainError as refused:
                reasons.add(refused.reason)
                continue
            async with beginning(database, DocumentSqlWork)(stocked.act) as work:
                targets = [stocked.lines[end] for _, end in moves]
                wishes = [Wish(id=claim.id, action="CONSUME") for claim in claims]
                taken = await work.settle(source.id, wishes, lines=targets)
                entries = []
                for one, target in zip(taken, targets, strict=True):
                    entries += [
                        Entry(kind=Kind.PUT_AWAY, line_id=one.lines[0].line_id, delta=-one.lines[0].quantity),
                        Entry(kind=Kind.PUT_AWAY, line_id=target, delta=one.lines[0].quantity),
                    ]
                await work.post(Posting(id=new_id(), kind=Kind.PUT_AWAY, entries=tuple(entries)))
            done += 1

    before = await admin.fetchval(DEADLOCKS)
    await asyncio.gather(*(client(number) for number in range(16)))

    await admin.execute("SELECT pg_stat_clear_snapshot()")
    assert await admin.fetchval(DEADLOCKS) == before
    assert reasons <= {Reason.INSUFFICIENT_STOCK}
    assert (await verify(admin, stocked.warehouse.tenant_id)).drifts == ()
    show("P-26", documents=done, deadlocks=0)


async def test_what_lost_to_others_is_done_again(pools: Pools, stocked: Stocked) -> None:
    tried = 0

    async def do(_: DocumentSqlWork) -> dict[str, int]:
        nonlocal tried
        tried += 1
        if tried < 3:
            raise ContentionError(Reason.UNAVAILABLE, "lost")
        return {"tried": tried}

    answer = await once(beginning(pools.databases[0], DocumentSqlWork), stocked.act, do, status=HTTPStatus.OK)

    assert answer.content == {"tried": 3}


async def test_in_a_frozen_bin_nothing_moves_but_what_its_count_finds(
    pools: Pools, stocked: Stocked, admin: Admin
) -> None:
    batch, warehouse = new_id(), stocked.warehouse
    bin_id = warehouse.shelf().bin_id
    await admin.execute("UPDATE bins SET frozen_by = $2 WHERE id = $1", bin_id, batch)
    moves = {
        "out": a_posting(an_entry(stocked.lines[0], -1)),
        "in": a_posting(an_entry(warehouse.shelf(), 1)),
        "another's count": a_posting(an_entry(stocked.lines[0], 1, kind=Kind.COUNT), kind=Kind.COUNT),
        "another bin": a_posting(an_entry(stocked.lines[1], -1)),
        "its count": msgspec.structs.replace(
            a_posting(an_entry(stocked.lines[0], -1, kind=Kind.COUNT), kind=Kind.COUNT), source_id=str(batch)
        ),
    }

    answers = {name: await pools.alone(0, posting, warehouse) for name, posting in moves.items()}

    for name, answer in answers.items():
        if name in {"another bin", "its count"}:
            assert isinstance(answer, Posted), name
        else:
            assert isinstance(answer, DomainError), name
            assert answer.reason is Reason.POSITION_FROZEN
            assert answer.facts["batch_id"] == str(batch)


async def test_numbers_count_up_by_kind_and_history_is_told_in_its_order(
    pools: Pools, stocked: Stocked, admin: Admin
) -> None:
    document, database = new_id(), pools.databases[0]
    async with beginning(database, DocumentSqlWork)(stocked.act) as work:
        numbers = [await work.number(kind) for kind in (DocumentType.TRANSFER, *2 * [DocumentType.PUT_AWAY])]
        await work.step(DocumentType.TRANSFER, document, Step(action="create", from_state=None, to_state="DRAFT"))
        step = Step(action="ship", from_state="DRAFT", to_state="IN_TRANSIT", comment="gone", details={"n": 1})
        await work.step(DocumentType.TRANSFER, document, step)
    async with database.bound(stocked.warehouse.tenant_id) as driver:
        told = await history(driver, stocked.warehouse.tenant_id, DocumentType.TRANSFER, document)

    assert numbers == ["TR-000001", "PA-000001", "PA-000002"]
    assert [(one.action, one.to_state, one.actor, one.details) for one in told] == [
        ("create", "DRAFT", "a test", {}),
        ("ship", "IN_TRANSIT", "a test", {"n": 1}),
    ]
    with pytest.raises(asyncpg.RestrictViolationError):
        await admin.execute("UPDATE document_history SET actor = 'somebody else'")
