"""What each channel may promise altogether, location by location. Pure functions over what one statement counts.

Most products of a location are plain: no policy or usage of their own, nothing that has run out, nothing too old.
What a channel may promise of such a product depends on its net alone, so plain products of the same net are
computed once, by the function that computes every cell, and counted.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Protocol
from uuid import UUID

import msgspec

from domain.access.model import Scope
from domain.availability.atp import cells
from domain.availability.claims import Offer
from domain.availability.matrix import Column, MatrixLocation, number
from domain.availability.model import ZERO, Cell, Severity
from domain.catalog.views import View

CHUNK = 200
"""So many products that are not plain are looked at at once."""
TURN = 100
"""So many nets are computed without a pause."""


class LocationSummary(View, frozen=True, kw_only=True):
    """A channel at a location that serves it."""

    location_id: UUID
    location_name: str
    total_atp: Decimal
    reserved: Decimal
    available: Decimal
    on_order: Decimal
    products: int
    low_count: int
    critical_count: int


class ChannelSummary(View, frozen=True, kw_only=True):
    """A channel over the locations that serve it, and that you may look at.

    `totalAtp` is of this channel alone: totals of channels do not add up, as they share stock. `reserved` is what
    the channel itself has reserved or allocated, `available` what there is for it before fences, buffers and
    ceilings, `onOrder` what is still to come. A product counts at each location, in `products` as in the counts.
    """

    channel_id: UUID
    channel_name: str
    channel_type: str
    total_atp: Decimal
    reserved: Decimal
    available: Decimal
    on_order: Decimal
    products: int
    low_count: int
    critical_count: int
    by_location: Sequence[LocationSummary]


class Plain(msgspec.Struct, frozen=True, kw_only=True):
    """So many plain products of one net at a location."""

    net: Decimal
    products: int


class PlaceCounted(msgspec.Struct, frozen=True, kw_only=True):
    """One location, as a statement counts it."""

    location: MatrixLocation
    columns: tuple[Column, ...]
    template: Offer
    """Of a product without stock and without anything of its own."""
    plain: tuple[Plain, ...]
    special: tuple[UUID, ...]
    """The other products."""
    on_order: Decimal
    reserved: Mapping[UUID, Decimal]
    """By channel."""


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    position: int
    places: tuple[PlaceCounted, ...]


class SummaryReads(Protocol):
    async def counted(self, tenant_id: UUID, location_ids: Scope) -> Counted:
        """Two statements. None: all locations."""
        ...

    async def offers(self, tenant_id: UUID, location_id: UUID, product_ids: Sequence[UUID]) -> Sequence[Offer]:
        """One statement."""
        ...


class _Sums:
    """What adds up over products."""

    def __init__(self) -> None:
        self.atp = self.available = ZERO
        self.products = self.low = self.critical = 0

    def add(self, cell: Cell, products: int) -> None:
        self.atp += cell.atp * products
        self.available += max(ZERO, cell.net) * products
        self.products += products
        self.low += products * (cell.severity is Severity.LOW)
        self.critical += products * (cell.severity is Severity.CRITICAL)


async def summary(
    reads: SummaryReads, *, tenant_id: UUID, location_ids: Scope, channel_id: UUID | None
) -> tuple[int, list[ChannelSummary]]:
    """The summary of each channel, or of one.

    Two statements, whatever the number of products, and one for each `CHUNK` of those that are not plain.
    """
    counted = await reads.counted(tenant_id, location_ids)
    columns: dict[UUID, Column] = {}
    shown: dict[UUID, list[LocationSummary]] = defaultdict(list)
    for place in counted.places:
        columns.update((column.id, column) for column in place.columns)
        for id_, one in (await _of_place(reads, tenant_id, place)).items():
            shown[id_].append(one)
    wanted = sorted(columns.values(), key=lambda column: column.code)
    return counted.position, [
        _summed(column, shown[column.id]) for column in wanted if channel_id in {None, column.id}
    ]


async def _of_place(reads: SummaryReads, tenant_id: UUID, place: PlaceCounted) -> dict[UUID, LocationSummary]:
    served = [n for n, column in enumerate(place.columns) if column.is_served]
    if not served:
        return {}
    sums = {n: _Sums() for n in served}
    template = place.template
    for n, plain in enumerate(place.plain):
        if n % TURN == 0:
            await asyncio.sleep(0)  # others want their turn
        # Its net is all that matters of it.
        pool = msgspec.structs.replace(template.pool, projected=plain.net)
        _add(sums, cells(pool, template.channels), plain.products)
    for start in range(0, len(place.special), CHUNK):
        part = place.special[start : start + CHUNK]
        for offer in await reads.offers(tenant_id, place.location.id, part):
            _add(sums, cells(offer.pool, offer.channels), 1)
    return {
        place.columns[n].id: LocationSummary(
            location_id=place.location.id,
            location_name=place.location.name,
            total_atp=number(one.atp),
            reserved=number(place.reserved.get(place.columns[n].id, ZERO)),
            available=number(one.available),
            on_order=number(place.on_order),
            products=one.products,
            low_count=one.low,
            critical_count=one.critical,
        )
        for n, one in sums.items()
    }


def _add(sums: Mapping[int, _Sums], computed: Sequence[Cell], products: int) -> None:
    for n, one in sums.items():
        one.add(computed[n], products)


def _summed(column: Column, places: Sequence[LocationSummary]) -> ChannelSummary:
    def total(values: Iterable[Decimal]) -> Decimal:
        return number(sum(values, ZERO))

    return ChannelSummary(
        channel_id=column.id,
        channel_name=column.name,
        channel_type=column.type,
        total_atp=total(place.total_atp for place in places),
        reserved=total(place.reserved for place in places),
        available=total(place.available for place in places),
        on_order=total(place.on_order for place in places),
        products=sum(place.products for place in places),
        low_count=sum(place.low_count for place in places),
        critical_count=sum(place.critical_count for place in places),
        by_location=places,
    )
