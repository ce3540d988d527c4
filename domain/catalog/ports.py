"""What the catalog's services and readers need from the outside."""

from collections.abc import Mapping, Sequence
from typing import Protocol
from uuid import UUID

from domain.access.model import Scope
from domain.catalog.model import (
    Area,
    Bin,
    Category,
    Conversion,
    Location,
    Lot,
    LotStock,
    Product,
    StockLevels,
    Stored,
    Uom,
)
from domain.catalog.views import (
    AreaFilter,
    AreaView,
    BinFilter,
    BinView,
    CategoryFilter,
    CategoryView,
    ConversionFilter,
    ConversionView,
    LocationFilter,
    LocationView,
    LotFilter,
    LotView,
    Page,
    ProductFilter,
    ProductView,
    StockLevelsView,
    UomFilter,
    UomView,
    Window,
)
from domain.expiry.ports import LotWork
from domain.settings.model import TenantSettings

type LevelKey = tuple[UUID, UUID]
"""A product and a location."""


class Records[F, V](Protocol):
    """One kind of master data inside a unit of work.

    Generic where the house has no generic repositories: nine kinds with the same six acts, and none of them ever
    asks for more. What only one kind needs is an intent of `CatalogWork`.
    """

    async def add(self, rows: Mapping[UUID, F]) -> None:
        """Add all of them in one statement.

        Raises:
            DomainError: DUPLICATE or NOT_FOUND, naming the field.
        """
        ...

    async def lock(self, id_: UUID) -> Stored[F] | None:
        """The facts as they stand. Until the unit of work ends nobody else changes or refers to them anew."""
        ...

    async def store(self, id_: UUID, facts: F) -> None:
        """Put other facts in place of those that stand, under the next version."""
        ...

    async def view(self, id_: UUID) -> V:
        """What a reader is shown of it, as it is inside this unit of work."""
        ...

    async def uses(self, id_: UUID) -> Mapping[str, int]:
        """What refers to it, and how often (counted up to a thousand)."""
        ...

    async def remove(self, id_: UUID) -> None:
        """Remove it with what belongs to it alone."""
        ...


class Feed(Protocol):
    """Where changes are told of."""

    async def record(
        self, type_: str, entity_type: str, entity_id: UUID, payload: object, *, locations: Sequence[UUID] = ()
    ) -> int: ...


class CatalogWork(LotWork, Protocol):
    """The catalog in one transaction."""

    @property
    def categories(self) -> Records[Category, CategoryView]: ...
    @property
    def uoms(self) -> Records[Uom, UomView]: ...
    @property
    def conversions(self) -> Records[Conversion, ConversionView]: ...
    @property
    def products(self) -> Records[Product, ProductView]: ...
    @property
    def locations(self) -> Records[Location, LocationView]: ...
    @property
    def areas(self) -> Records[Area, AreaView]: ...
    @property
    def bins(self) -> Records[Bin, BinView]: ...
    @property
    def lots(self) -> Records[Lot, LotView]: ...

    async def category_path(self, category_id: UUID) -> Sequence[UUID]:
        """The category and those above it. Until the unit of work ends, nobody else moves any category."""
        ...

    async def conversions_for(self, product_id: UUID | None) -> Sequence[Conversion]:
        """A product's own conversions, or the general ones. Nobody else adds or changes one meanwhile."""
        ...

    async def tenant_settings(self) -> TenantSettings:
        """What the tenant has decided for all of its products and places."""
        ...

    async def lot_stock(self, product_id: UUID) -> LotStock:
        """What is on hand of a product in its default lot, and in numbered lots."""
        ...

    async def make_default_lot(self, product_id: UUID) -> None:
        """Give a product that is not under lot control its default lot, or back the one that it had."""
        ...

    async def retire_default_lot(self, product_id: UUID) -> None:
        """Take the default lot from a product; while stock lines of the past refer to it, it keeps a name."""
        ...

    async def is_stocked(self, bin_id: UUID) -> bool:
        """Whether stock lines refer to the bin, be they empty by now."""
        ...

    async def lock_levels(self, product_id: UUID, location_id: UUID) -> int:
        """The version of a product's levels at a location, 0 when there are none yet."""
        ...

    async def put_levels(self, levels: Mapping[LevelKey, StockLevels]) -> Sequence[StockLevelsView]:
        """Set the levels of products at locations in place of what there is, all in one statement.

        Raises:
            DomainError: NOT_FOUND, naming the field.
        """
        ...

    async def record(
        self, type_: str, entity_type: str, entity_id: UUID, payload: object, *, locations: Sequence[UUID] = ()
    ) -> int: ...


class Shelf[Q, V](Protocol):
    """One kind of master data to read. Each call is one statement.

    A scope limits what belongs to locations, and nothing else.
    """

    async def page(self, tenant_id: UUID, wanted: Q, window: Window, *, scope: Scope = None) -> Page[V]: ...

    async def one(self, tenant_id: UUID, id_: UUID, *, scope: Scope = None) -> V:
        """One of them.

        Raises:
            DomainError: NOT_FOUND, also for what is another tenant's or outside of the scope.
        """
        ...


class CatalogQueries(Protocol):
    """The catalog to read."""

    @property
    def categories(self) -> Shelf[CategoryFilter, CategoryView]: ...
    @property
    def uoms(self) -> Shelf[UomFilter, UomView]: ...
    @property
    def conversions(self) -> Shelf[ConversionFilter, ConversionView]: ...
    @property
    def products(self) -> Shelf[ProductFilter, ProductView]: ...
    @property
    def locations(self) -> Shelf[LocationFilter, LocationView]: ...
    @property
    def areas(self) -> Shelf[AreaFilter, AreaView]: ...
    @property
    def bins(self) -> Shelf[BinFilter, BinView]: ...
    @property
    def lots(self) -> Shelf[LotFilter, LotView]: ...
