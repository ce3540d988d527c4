"""The matrix against everything that is said elsewhere of its cells: check, drilldown, lines, summary."""

import random
from collections.abc import AsyncGenerator, Iterator
from contextlib import suppress
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

from domain.availability import service
from domain.availability.drilldown import Drilldown, drilled
from domain.availability.matrix import CellTerms, Matrix, MatrixCell, MatrixWanted, matrix
from domain.availability.model import Limit, Severity
from domain.availability.service import Item, Wanted
from domain.availability.summary import summary
from domain.errors import DomainError, Reason
from domain.values import new_id
from infra.availability.claims import ClaimSqlWork
from infra.availability.drilldown import SqlDrillReads
from infra.availability.matrix import SqlMatrixReads
from infra.availability.reads import SqlAvailability
from infra.availability.summary import SqlSummaryReads
from infra.db.pool import Database
from infra.db.work import beginning
from tests.lab import DatabaseUrls
from tests.ledger.builders import an_act
from tests.ledger.store import Store, a_store
from tests.neighbours import insert

HORIZON = 60
WEB, TRADE, SHOP, IDLE = "WEB", "TRADE", "SHOP", "IDLE"
TOTALS = """
    UPDATE stock_totals t SET held = (
        SELECT coalesce(sum(s.held), 0) FROM stock_lines s
        JOIN bins b ON b.tenant_id = s.tenant_id AND b.id = s.bin_id
            AND b.type NOT IN ('HOLD', 'QUARANTINE', 'DAMAGE')
        WHERE s.tenant_id = t.tenant_id AND s.product_id = t.product_id AND s.location_id = t.location_id
    ) WHERE t.tenant_id = $1
"""

type Admin = asyncpg.Connection[Any]
BRIEF, LASTING = 60, 3600
# Before anybody looks, not while.
RUN_OUT = f"""
    UPDATE reservations SET expires_at = now() WHERE tenant_id = $1 AND expires_at < now() + interval '{BRIEF} s'
"""


class Shop(msgspec.Struct, frozen=True, kw_only=True):
    """A store that sells through channels."""

    store: Store
    channels: dict[str, UUID]

    def wanted(self, location_id: UUID, **fields: Any) -> MatrixWanted:
        given = {"tenant_id": self.store.tenant_id, "scope": None, "limit": 50, "location_id": location_id}
        return MatrixWanted(**{**given, **fields})

    async def matrix(self, location_id: UUID, **fields: Any) -> Matrix:
        return await matrix(SqlMatrixReads(self.store.database), self.wanted(location_id, **fields))

    async def drilldown(self, location_id: UUID, product_id: UUID, channel_id: UUID) -> Drilldown:
        behind = await SqlDrillReads(self.store.database).behind(self.store.tenant_id, product_id, location_id)
        assert behind is not None
        return drilled(behind, channel_id=channel_id, horizon_days=HORIZON, quantity=Decimal(1))


@pytest.fixture(scope="module")
async def admin(database_urls: DatabaseUrls) -> AsyncGenerator[Admin]:
    connection = await asyncpg.connect(database_urls.admin_url)
    yield connection
    await connection.close()


@pytest.fixture(scope="module")
async def database(database_urls: DatabaseUrls) -> AsyncGenerator[Database]:
    database = await Database.connect(database_urls.app_url, size=2)
    yield database
    await database.close()


@pytest.fixture(scope="module")
async def shop(admin: Admin, database: Database) -> Shop:
    await _a_shop(admin, database, seed=7)  # a neighbour, of whom nothing must be seen
    return await _a_shop(admin, database, seed=1)


async def _a_shop(admin: Admin, database: Database, *, seed: int) -> Shop:
    store = await a_store(admin, database, seed=seed)
    await admin.execute("SELECT set_config('app.tenant', $1, false)", str(store.tenant_id))
    claims = "UPDATE stock_lines SET reserved = 0, held = least(held, on_hand / 2) WHERE tenant_id = $1"
    await admin.execute(claims, store.tenant_id)
    await admin.execute(TOTALS, store.tenant_id)
    shop = Shop(store=store, channels={code: new_id() for code in (WEB, TRADE, SHOP, IDLE)})
    await _open_channels(admin, shop)
    await _expect_supply(admin, shop)
    await _reserve(shop, random.Random(seed))
    await admin.execute(RUN_OUT, store.tenant_id)
    return shop


async def _open_channels(admin: Admin, shop: Shop) -> None:
    here = {"tenant_id": shop.store.tenant_id}
    locations, products = shop.store.warehouse.locations, shop.store.warehouse.products
    for code, id_ in shop.channels.items():
        await insert(
            admin, "channels", {**here, "id": id_, "code": code, "name": f"{code} channel", "type": "DTC"}
        )
        for location in () if code == IDLE else locations[:2] if code == SHOP else locations:
            await insert(admin, "channel_locations", {**here, "channel_id": id_, "location_id": location})
    ids = shop.channels
    policies: list[dict[str, object]] = [
        {"channel_id": ids[WEB], "fence": 12, "priority": 2, "low_threshold": 30, "mode": "IRON_RESERVE"},
        {"channel_id": ids[TRADE], "fence": 8, "priority": 1, "mode": "RESTRICT", "low_threshold": 2},
        {"channel_id": ids[SHOP], "buffer_percent": 10, "ceiling": 25, "respects": "EQUAL_OR_HIGHER"},
        {"channel_id": ids[SHOP], "location_id": locations[0], "min_remaining_days": 14, "low_threshold": 500},
        {"channel_id": ids[WEB], "product_id": products[0], "location_id": locations[1], "buffer_units": 3},
    ]
    for policy in policies:
        await insert(admin, "channel_policies", {**here, "id": new_id(), **policy})


async def _expect_supply(admin: Admin, shop: Shop) -> None:
    warehouse = shop.store.warehouse
    for n, days in enumerate((-3, 5, 20, 400)):
        await admin.execute(
            """
            INSERT INTO supplies (tenant_id, id, product_id, location_id, quantity, received, due_on)
            VALUES ($1, $2, $3, $4, $5, 1, current_date + $6::int)
            """,
            *(shop.store.tenant_id, new_id(), warehouse.products[0], warehouse.locations[0], 10 + n, days),
        )


async def _reserve(shop: Shop, chance: random.Random) -> None:
    """Some claims of each channel, and of nobody's; one is brief."""
    warehouse, database = shop.store.warehouse, shop.store.database
    act = an_act(shop.store.tenant_id)
    for n in range(12):
        item = Item(
            product_id=chance.choice(warehouse.products),
            location_id=chance.choice(warehouse.locations),
            channel_id=chance.choice([*shop.channels.values(), None]),
            quantity=Decimal(chance.randint(1, 9)),
        )
        needs, places = await service.asked(SqlAvailability(database), act=act, items=[item])
        wanted = Wanted(items=[item], ttl_seconds=LASTING if n else BRIEF, all_or_nothing=False)
        with suppress(DomainError):  # there may be too little
            async with beginning(database, ClaimSqlWork)(act) as work:
                await service.reserve(work, needs=needs, places=places, wanted=wanted)


async def all_cells(shop: Shop) -> list[tuple[UUID, UUID, MatrixCell]]:
    """Of every channel, also where it is not served."""
    return [
        (location, product.product_id, cell)
        for location in shop.store.warehouse.locations
        for product in (await shop.matrix(location, channels=tuple(shop.channels.values()))).products
        for cell in product.channels
    ]


def by_the_terms(terms: CellTerms) -> Decimal:
    """The cell as anybody can work it out from what is published beside it."""
    net = terms.on_hand - terms.blocked - terms.held - terms.expired - terms.allocated - terms.reserved
    net += terms.projected - terms.safety_stock
    assert net == terms.net
    limits = {
        Limit.POOL: net - terms.fences_respected - terms.buffer,
        Limit.CEILING: terms.ceiling_left,
        Limit.FENCE: terms.effective_fence,
    }
    return max(Decimal(0), limits.get(terms.limit) or Decimal(0))


async def test_the_terms_of_every_cell_add_up_to_it(shop: Shop) -> None:
    found = await all_cells(shop)

    assert {cell.terms.limit for _, _, cell in found} == set(Limit) - {Limit.CLOSED}
    assert [cell for _, _, cell in found if by_the_terms(cell.terms) != cell.atp] == []


async def test_a_check_finds_what_the_matrix_shows(shop: Shop) -> None:
    reads = SqlAvailability(shop.store.database)
    for location, product, cell in await all_cells(shop):
        item = Item(product_id=product, location_id=location, channel_id=cell.channel_id, quantity=Decimal(10**9))
        act = an_act(shop.store.tenant_id)
        _, (checked,) = await service.check(reads, act=act, items=[item], horizon_days=HORIZON)

        (portion,) = checked.grant.portions
        assert (portion.cell.atp, portion.cell.severity) == (cell.atp, cell.severity)


async def test_a_drilldown_is_the_cell_and_its_lines_are_the_terms(shop: Shop) -> None:
    for location, product, cell in await all_cells(shop):
        shown = await shop.drilldown(location, product, cell.channel_id)

        terms = cell.terms
        assert shown.cell == cell
        assert len(shown.lines) == shown.line_count
        sums = {name: sum(getattr(line, name) for line in shown.lines) for name in ("on_hand", "blocked", "held")}
        assert sums == {"on_hand": terms.on_hand, "blocked": terms.blocked, "held": terms.held}
        assert sum(line.expired for line in shown.lines) == terms.expired
        assert sum(line.reserved for line in shown.lines) == terms.allocated + terms.reserved
        claims = {"HARD": Decimal(0), "SOFT": Decimal(0)}
        for claim in shown.reservations:
            claims[claim.kind] += claim.open_quantity
        assert claims == {"HARD": terms.allocated, "SOFT": terms.reserved}
        respected = [fence.effective_fence for fence in shown.fences if fence.is_respected]
        assert sum(respected) == terms.fences_respected
        assert shown.projection[0].day == shown.today


async def test_a_drilldown_tells_what_comes_and_what_should_have_come(shop: Shop) -> None:
    location, product = shop.store.warehouse.locations[0], shop.store.warehouse.products[0]

    shown = await shop.drilldown(location, product, shop.channels[WEB])

    assert [supply.quantity for supply in shown.overdue] == [9]
    assert [supply.quantity for supply in shown.inbound] == [10, 11]  # the last one comes after the horizon
    assert [step.supply for step in shown.projection] == [0, 10, 11]
    assert [step.promise for step in shown.projection] == [
        shown.cell.terms.pool_net + more for more in (0, 10, 21)
    ]


async def test_the_summary_is_the_sum_of_the_cells(shop: Shop) -> None:
    reads = SqlSummaryReads(shop.store.database)

    _, found = await summary(reads, tenant_id=shop.store.tenant_id, location_ids=None, channel_id=None)

    cells = [cell for _, _, cell in await all_cells(shop) if cell.terms.limit is not Limit.NOT_SERVED]
    assert {channel.channel_id for channel in found} == set(shop.channels.values())
    for channel in found:
        own = [cell for cell in cells if cell.channel_id == channel.channel_id]
        assert channel.total_atp == sum(cell.atp for cell in own)
        assert channel.available == sum(cell.available for cell in own)
        assert channel.products == len(own)
        assert channel.low_count == sum(cell.severity is Severity.LOW for cell in own)
        assert channel.critical_count == sum(cell.severity is Severity.CRITICAL for cell in own)
        assert channel.total_atp == sum(place.total_atp for place in channel.by_location)
    claimed = await shop.store.admin.fetchval(
        """
        SELECT sum(open_quantity) FROM reservations
        WHERE tenant_id = $1 AND state = 'LIVE' AND expires_at > now() AND channel_id IS NOT NULL
        """,
        shop.store.tenant_id,
    )
    assert sum(channel.reserved for channel in found) == claimed
    web = next(channel for channel in found if channel.channel_id == shop.channels[WEB])
    assert web.on_order == 9 + 10 + 11 + 12


async def pages(shop: Shop, location_id: UUID, **fields: Any) -> AsyncGenerator[Matrix]:
    after = None
    while True:
        page = await shop.matrix(location_id, after=after, **fields)
        yield page
        after = page.after
        if after is None:
            return


async def test_pages_by_place_and_by_number_are_the_whole_in_parts(shop: Shop) -> None:
    location = shop.store.warehouse.locations[0]
    whole = await shop.matrix(location)

    by_place = [page async for page in pages(shop, location, limit=1)]
    by_number = [await shop.matrix(location, limit=1, offset=n) for n in range(len(whole.products))]

    assert len(whole.products) == whole.total == 3
    assert [product for page in by_place for product in page.products] == list(whole.products)
    assert [product for page in by_number for product in page.products] == list(whole.products)
    assert (by_place[0].total, by_place[0].is_exact) == (3, True)
    assert (await shop.matrix(location, offset=50)).total == 3


@pytest.mark.parametrize("severity", list(Severity))
async def test_a_severity_finds_the_products_that_have_such_a_cell(shop: Shop, severity: Severity) -> None:
    for location in shop.store.warehouse.locations:
        whole = await shop.matrix(location)
        wanted = [p for p in whole.products if any(cell.severity is severity for cell in p.channels)]

        found = [page async for page in pages(shop, location, severity=severity, limit=1)]

        assert [product for page in found for product in page.products] == wanted


async def test_a_search_finds_products_by_code_or_name(shop: Shop) -> None:
    location = shop.store.warehouse.locations[0]
    whole = await shop.matrix(location)
    one = whole.products[1]

    found = await shop.matrix(location, search=one.global_sku.lower())

    assert one in found.products
    assert found.total == len(found.products)
    assert (await shop.matrix(location, search="no such thing")).products == ()


async def test_channels_are_shown_where_they_are_served_or_when_they_are_named(shop: Shop) -> None:
    first, *_, last = shop.store.warehouse.locations

    here, there = await shop.matrix(first), await shop.matrix(last)
    named = await shop.matrix(last, channels=(shop.channels[SHOP],))

    assert here.codes == (SHOP, TRADE, WEB)
    assert there.codes == (TRADE, WEB)
    assert named.codes == (SHOP,)
    assert {cell.atp for product in named.products for cell in product.channels} == {0}


def refusals(shop: Shop) -> Iterator[dict[str, Any]]:
    location = shop.store.warehouse.locations[0]
    yield {"location_id": new_id()}
    yield {"location_id": location, "scope": frozenset({new_id()})}
    yield {"location_id": location, "channels": (new_id(),)}


async def test_what_is_not_there_or_not_the_callers_is_not_found(shop: Shop) -> None:
    for fields in refusals(shop):
        with pytest.raises(DomainError) as refused:
            await shop.matrix(**fields)
        assert refused.value.reason is Reason.NOT_FOUND
