"""What a posting that others dictate leaves short: lines with less than is reserved or held of them."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

import msgspec

from domain.values import Quantity

SHORTAGE = "inventory.shortage.v1"
LINES_MAX = 1_000
"""So many lines an event names; its locations are those of all."""


class ShortLine(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    inventory_item_id: UUID
    product_master_id: UUID
    location_id: UUID
    bin_id: UUID
    on_hand: Quantity
    reserved: Quantity
    held: Quantity
    short_by: Quantity


class Teller(Protocol):
    """A unit of work that can append events."""

    async def record(
        self, type_: str, entity_type: str, entity_id: UUID, payload: object, *, locations: Sequence[UUID] = ()
    ) -> int: ...


async def tell_shortage(work: Teller, posting_id: UUID, short: Sequence[ShortLine]) -> None:
    """One event, where a posting has left anything short."""
    if short:
        payload = {"postingId": posting_id, "lines": short[:LINES_MAX]}
        locations = sorted({line.location_id for line in short})
        await work.record(SHORTAGE, "posting", posting_id, payload, locations=locations)
