"""What a check and a reservation ask for: the same input, in one place."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from app.http.wire import Body, Text64
from domain.availability.service import Item
from domain.errors import FieldError
from domain.values import Quantity

ITEMS_MAX = 100
LIFE_DAYS_MAX = 36_500


class ItemRequest(Body, frozen=True, kw_only=True):
    """So much of a product, named by id or `sku`; without a location wherever it can be had.

    `minRemainingShelfLifeDays` counts from today, or from `neededBy`; with `respectFEFO` false what came first is
    taken first.
    """

    product_master_id: UUID | None = None
    sku: Text64 | None = None
    location_id: UUID | None = None
    channel_id: UUID | None = None
    quantity_needed: Quantity
    needed_by: date | None = None
    min_remaining_shelf_life_days: Annotated[int, Meta(ge=0, le=LIFE_DAYS_MAX)] = 0
    respect_fefo: bool = msgspec.field(default=True, name="respectFEFO")


type Items = Annotated[list[ItemRequest], Meta(min_length=1, max_length=ITEMS_MAX)]


def items_of(requests: Sequence[ItemRequest]) -> list[Item]:
    """The items.

    Raises:
        FieldError: some cannot be meant; each is named.
    """
    problems = [problem for n, one in enumerate(requests) for problem in _problems(one, f"items[{n}].")]
    if problems:
        raise FieldError(*problems)
    return [
        Item(
            product_id=one.product_master_id,
            sku=one.sku,
            location_id=one.location_id,
            channel_id=one.channel_id,
            quantity=one.quantity_needed,
            needed_by=one.needed_by,
            min_remaining_days=one.min_remaining_shelf_life_days,
            respects_fefo=one.respect_fefo,
        )
        for one in requests
    ]


def _problems(one: ItemRequest, at: str) -> Iterator[tuple[str, str]]:
    if (one.product_master_id is None) == (one.sku is None):
        yield f"{at}productMasterId", "name the product by its id or by its sku"
    if one.quantity_needed <= 0:
        yield f"{at}quantityNeeded", "must be greater than zero"
