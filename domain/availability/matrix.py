"""The matrix: what each channel may promise of each product at a location, with the terms behind every cell."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Protocol, cast
from uuid import UUID

import msgspec
from msgspec import field

from domain.access.model import Scope
from domain.availability.atp import cells
from domain.availability.claims import Offer
from domain.availability.model import ZERO, Cell, Limit, Policy, Pool, Severity
from domain.catalog.views import View
from domain.errors import not_found
from domain.values import plain

CHUNK = 200
"""So many products are looked at at once where a page is made of some of them only."""
SCANNED_MAX = 10 * CHUNK
"""So many are looked at for one page; the next one goes on from there."""
COUNTED_MAX = 10_000


class CellTerms(View, frozen=True, kw_only=True, gc=False):
    """What a cell is made of.

    `net` = onHand - blocked - held - expired - allocated - reserved - safetyStock + projected, for this channel
    (`expired` is what is too old for it); `poolNet` is the same for all channels together. `limit` says which of
    these is the least, and so the cell (never less than 0): POOL net - fencesRespected - buffer, CEILING
    ceilingLeft, FENCE effectiveFence; NOT_SERVED and CLOSED are 0. `fence` is what is left of the channel's own
    fence, and `effectiveFence` what of it there is stock for; `fencesRespected` are those of others, likewise.
    """

    on_hand: Decimal
    blocked: Decimal
    held: Decimal
    expired: Decimal
    allocated: Decimal
    reserved: Decimal
    safety_stock: Decimal
    projected: Decimal
    net: Decimal
    pool_net: Decimal
    fences_respected: Decimal
    buffer: Decimal
    fence: Decimal
    effective_fence: Decimal
    ceiling_left: Decimal | None
    limit: Limit


class MatrixCell(View, frozen=True, kw_only=True, gc=False):
    """`atp` is what a check and a reservation of this channel would find here.

    The cells of one location share one pool and do not add up: each is what could be taken if the others took
    nothing. Those of one channel at several locations do add up. `reserved` is what is allocated or reserved, by
    whichever channel; `available` what there is for this channel before fences, buffers and ceilings.
    """

    channel_id: UUID
    channel_name: str
    atp: Decimal
    on_hand: Decimal
    reserved: Decimal
    available: Decimal
    severity: Severity
    threshold: Decimal
    policy_id: UUID | None
    terms: CellTerms


class MatrixProduct(View, frozen=True, kw_only=True):
    """A product at the location. `poolNet` is what its channels share: below 0 when too much is claimed."""

    product_id: UUID = field(name="productMasterId")
    product_name: str
    global_sku: str
    channels: Sequence[MatrixCell]
    total_on_hand: Decimal
    total_reserved: Decimal
    pool_net: Decimal
    min_atp: Decimal | None
    max_atp: Decimal | None
    has_critical: bool


class MatrixChannel(View, frozen=True, kw_only=True):
    """A column. `policyId` is of the location, or of all; a product may have a policy of its own."""

    channel_id: UUID
    channel_name: str
    channel_type: str
    policy_id: UUID | None
    low_atp_threshold: Decimal


class MatrixLocation(View, frozen=True, kw_only=True):
    id: UUID
    name: str


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """An active channel as a location sees it."""

    id: UUID
    code: str
    name: str
    type: str
    is_served: bool
    policy: Policy
    """That counts where a product has none of its own."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A product at the location: its channels are the columns, in their order."""

    product_id: UUID
    sku: str
    name: str
    offer: Offer


class SliceWanted(msgspec.Struct, frozen=True, kw_only=True):
    """Products that a location has or had, in the order of their ids."""

    tenant_id: UUID
    location_id: UUID
    limit: int
    search: str | None = None
    offset: int = 0
    after: UUID | None = None
    """Those after this one; they are not counted again then."""


class Slice(msgspec.Struct, frozen=True, kw_only=True):
    position: int
    location: MatrixLocation
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    total: int | None
    """Up to `COUNTED_MAX` and one more."""
    after: UUID | None
    """None at the end."""


class MatrixReads(Protocol):
    async def slice(self, wanted: SliceWanted) -> Slice | None:
        """One statement. None: there is no such location."""
        ...


class MatrixWanted(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the matrix. Under a severity it has those products of which a shown cell has it."""

    tenant_id: UUID
    scope: Scope
    limit: int
    location_id: UUID
    offset: int = 0
    search: str | None = None
    channels: tuple[UUID, ...] = ()
    """None named: those that the location serves."""
    severity: Severity | None = None
    after: UUID | None = None


class Matrix(msgspec.Struct, frozen=True, kw_only=True):
    position: int
    location: MatrixLocation
    channels: tuple[MatrixChannel, ...]
    codes: tuple[str, ...]
    """Of the channels, in their order."""
    products: tuple[MatrixProduct, ...]
    total: int | None
    """Of products; under a severity how many of them were found."""
    is_exact: bool
    after: UUID | None


async def matrix(reads: MatrixReads, wanted: MatrixWanted) -> Matrix:
    """A page of the matrix: one round trip.

    A severity is known when cells are computed: products are looked at in chunks then, a round trip each, until
    the page is full or `SCANNED_MAX` were looked at; it may come back short, or empty, with a place to go on from.

    Raises:
        DomainError: NOT_FOUND, for the location or a channel.
    """
    if wanted.scope is not None and wanted.location_id not in wanted.scope:
        raise not_found("location", field="locationId")
    asked = SliceWanted(
        tenant_id=wanted.tenant_id,
        location_id=wanted.location_id,
        limit=wanted.limit if wanted.severity is None else CHUNK,
        search=wanted.search,
        offset=wanted.offset,
        after=wanted.after,
    )
    part = await _slice(reads, asked)
    shown = _shown(part.columns, wanted.channels)
    if wanted.severity is None:
        total = None if part.total is None else min(part.total, COUNTED_MAX)
        is_exact = part.total is not None and part.total <= COUNTED_MAX
        return _page(part, shown, [_product(row, part.columns, shown) for row in part.rows], total, is_exact)
    found: list[MatrixProduct] = []
    looked_at = 0
    while True:
        for row in part.rows:
            product = _product(row, part.columns, shown)
            looked_at += 1
            if any(cell.severity is wanted.severity for cell in product.channels):
                found.append(product)
                if len(found) == wanted.limit:
                    after = None if row is part.rows[-1] and part.after is None else row.product_id
                    return _cut(_page(part, shown, found, len(found), after is None), after)
        if part.after is None or looked_at >= SCANNED_MAX:
            return _page(part, shown, found, len(found), part.after is None)
        part = await _slice(reads, msgspec.structs.replace(asked, offset=0, after=part.after))


async def _slice(reads: MatrixReads, asked: SliceWanted) -> Slice:
    found = await reads.slice(asked)
    if found is None:
        raise not_found("location", field="locationId")
    return found


type PoolTerms = dict[str, Decimal]
"""The terms that all cells of a pool have in common, as they are shown."""


def pool_terms(pool: Pool) -> PoolTerms:
    return {
        "on_hand": number(pool.on_hand),
        "blocked": number(pool.blocked),
        "held": number(pool.held),
        "allocated": number(pool.hard),
        "reserved": number(pool.soft),
        "safety_stock": number(pool.safety_stock),
        "projected": number(pool.projected),
        "pool_net": number(pool.net),
    }


def shown_cell(cell: Cell, column: Column, common: PoolTerms) -> MatrixCell:
    terms = CellTerms(
        **common,
        expired=number(cell.expired),
        net=number(cell.net),
        fences_respected=number(cell.fences_respected),
        buffer=number(cell.buffer),
        fence=number(cell.fence),
        effective_fence=number(cell.effective_fence),
        ceiling_left=None if cell.ceiling_left is None else number(cell.ceiling_left),
        limit=cell.bound,
    )
    return MatrixCell(
        channel_id=column.id,
        channel_name=column.name,
        atp=number(cell.atp),
        on_hand=terms.on_hand,
        reserved=number(terms.allocated + terms.reserved),
        available=terms.net if cell.net > ZERO else number(ZERO),
        severity=cell.severity,
        threshold=number(cell.channel.policy.low_threshold),
        policy_id=cell.channel.policy.id,
        terms=terms,
    )


@lru_cache(maxsize=16_384)
def number(value: Decimal) -> Decimal:
    """As `plain`, quickly: the same few numbers fill a page, and whole ones are written much faster as such."""
    whole = int(value)
    return cast(Decimal, whole) if whole == value else plain(value)


def _shown(columns: Sequence[Column], named: Iterable[UUID]) -> list[int]:
    """The columns to show, by their index."""
    wanted = set(named)
    if wanted - {column.id for column in columns}:
        raise not_found("active channel", field="channels")
    return [n for n, column in enumerate(columns) if (column.id in wanted if wanted else column.is_served)]


def _product(row: Row, columns: Sequence[Column], shown: Sequence[int]) -> MatrixProduct:
    # All channels are computed, as the fences of those that are not shown count as well.
    pool = row.offer.pool
    computed = cells(pool, row.offer.channels)
    common = pool_terms(pool)
    made = [shown_cell(computed[n], columns[n], common) for n in shown]
    atps = [cell.atp for cell in made]
    return MatrixProduct(
        product_id=row.product_id,
        product_name=row.name,
        global_sku=row.sku,
        channels=made,
        total_on_hand=number(pool.on_hand),
        total_reserved=number(pool.hard + pool.soft),
        pool_net=number(pool.net),
        min_atp=min(atps, default=None),
        max_atp=max(atps, default=None),
        has_critical=any(cell.severity is Severity.CRITICAL for cell in made),
    )


def _page(
    part: Slice, shown: Sequence[int], products: Sequence[MatrixProduct], total: int | None, is_exact: bool
) -> Matrix:
    columns = [part.columns[n] for n in shown]
    return Matrix(
        position=part.position,
        location=part.location,
        channels=tuple(
            MatrixChannel(
                channel_id=column.id,
                channel_name=column.name,
                channel_type=column.type,
                policy_id=column.policy.id,
                low_atp_threshold=number(column.policy.low_threshold),
            )
            for column in columns
        ),
        codes=tuple(column.code for column in columns),
        products=tuple(products),
        total=total,
        is_exact=is_exact,
        after=part.after,
    )


def _cut(page: Matrix, after: UUID | None) -> Matrix:
    return msgspec.structs.replace(page, after=after)
