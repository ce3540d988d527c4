"""Products to ask for, found by name, SKU or barcode, with what a location can give of them."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Protocol
from uuid import UUID

import msgspec
from msgspec import field

from domain.access.model import Scope
from domain.availability.claims import Offer
from domain.catalog.views import View
from domain.stock_requests.stocklists import given_by

LIMIT_MAX = 50


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """A product that was found, and how well it fits: the better, the higher."""

    id: UUID
    sku: str
    name: str
    barcode: str | None
    category_id: UUID | None
    category_name: str | None
    uom_code: str
    unit_cost: Decimal
    is_regulated: bool
    score: Decimal


class FoundProduct(View, frozen=True, kw_only=True):
    """A product, and what the origin can give of it now; null where nobody asked, or you may not look there."""

    id: UUID
    sku: str
    name: str
    barcode: str | None
    category_id: UUID | None
    category_name: str | None
    uom_code: str
    unit_cost: Decimal
    is_regulated: bool = field(name="regulated")
    score: Decimal
    on_hand: Decimal | None
    available: Decimal | None


class Hits(msgspec.Struct, frozen=True, kw_only=True):
    """What was found, the best first, as of a ledger position."""

    position: int
    hits: Sequence[Hit]
    offers: Mapping[tuple[UUID, UUID], Offer]


class ProductSearch(Protocol):
    """Looks for products, typing errors forgiven. One statement."""

    async def find(self, tenant_id: UUID, text: str, *, origin_id: UUID | None, limit: int) -> Hits: ...


async def search_products(
    search: ProductSearch, *, tenant_id: UUID, text: str, origin_id: UUID | None, scope: Scope, limit: int
) -> tuple[int, list[FoundProduct]]:
    """The products that a text may mean, the best first."""
    # To who may not look there, a location is like one that is not known: nothing is said of it.
    asked = origin_id if scope is None or origin_id in scope else None
    found = await search.find(tenant_id, text, origin_id=asked, limit=limit)
    return found.position, [_shown(hit, found, asked) for hit in found.hits]


def _shown(hit: Hit, found: Hits, origin_id: UUID | None) -> FoundProduct:
    offer = None if origin_id is None else found.offers.get((hit.id, origin_id))
    return FoundProduct(
        **msgspec.structs.asdict(hit),
        on_hand=None if offer is None else offer.pool.on_hand,
        available=None if offer is None else given_by(offer),
    )
