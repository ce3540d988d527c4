"""What replenishment needs from the outside."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

import msgspec

from domain.access.model import Scope
from domain.availability.supplies import SupplyWork
from domain.catalog.views import Page, Window
from domain.documents import DocumentWork, PastStep
from domain.replenishment.flow import State
from domain.replenishment.model import Config, ConfigView, Found, Method, Source, Surplus
from domain.replenishment.views import Record, RecordSummary
from domain.transfers.ports import TransferWork

type Place = tuple[UUID, UUID]
"""A product at a location."""


class FactsWanted(msgspec.Struct, frozen=True, kw_only=True):
    """Of products that are replenished at a location: all of them, some, or those of a category and below it."""

    tenant_id: UUID
    scope: Scope
    location_id: UUID
    days: int
    """So long demand is looked at."""
    until: date | None = None
    """The last of these days; today, where none is named."""
    product_ids: Sequence[UUID] | None = None
    category_id: UUID | None = None


class ReplenishmentFacts(Protocol):
    """What suggestions are computed from. One statement each; facts of all products may be two at once."""

    async def facts(self, wanted: FactsWanted) -> Found | None:
        """None when there is no such location."""
        ...

    async def surplus(
        self, tenant_id: UUID, scope: Scope, location_id: UUID, product_ids: Sequence[UUID]
    ) -> list[Surplus]:
        """What other locations in the scope can give of these products."""
        ...


class ConfigsWanted(msgspec.Struct, frozen=True, kw_only=True):
    """Part of the list of configurations, by location and product."""

    tenant_id: UUID
    scope: Scope
    limit: int
    offset: int = 0
    after: Sequence[str | int] | None = None
    location_id: UUID | None = None
    product_id: UUID | None = None
    method: Method | None = None


class ConfigReads(Protocol):
    async def configs(self, wanted: ConfigsWanted) -> Page[ConfigView]:
        """One statement."""
        ...


class ConfigWork(Protocol):
    """Configurations in one transaction."""

    async def lock_configs(self, places: Sequence[Place]) -> Mapping[Place, tuple[int, Config]]:
        """The version of each, 0 for what is new, and what is configured; nobody else changes them meanwhile.

        Raises:
            DomainError: NOT_FOUND, naming the field.
        """
        ...

    async def store_configs(self, configs: Mapping[Place, Config]) -> None: ...

    async def store_safety(self, safety: Mapping[Place, Decimal]) -> None:
        """Keep so much back, under the version that was stored last."""
        ...

    async def config_views(self, places: Sequence[Place]) -> list[ConfigView]:
        """In their order."""
        ...

    async def facts(self, wanted: FactsWanted) -> Found | None: ...

    async def record(
        self, type_: str, entity_type: str, entity_id: UUID, payload: object, *, locations: Sequence[UUID] = ()
    ) -> int: ...


class NewOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A record as it is decided on."""

    product_id: UUID
    location_id: UUID
    quantity: Decimal
    method: str
    source: Source
    source_location_id: UUID | None
    supplier: str | None
    needed_on: date | None
    note: str | None
    reasoning: Mapping[str, Any]


class OrderFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A record as it stands, locked, with the day at its location and the day on which it would come."""

    id: UUID
    number: str
    product_id: UUID
    location_id: UUID
    quantity: Decimal
    state: State
    source: Source
    source_location_id: UUID | None
    transfer_id: UUID | None
    supply_id: UUID | None
    version: int
    today: date
    due_on: date

    @property
    def follows(self) -> UUID | None:
        """Its transfer or its supply."""
        return self.transfer_id or self.supply_id


class OrderStore(Protocol):
    """Records in one transaction: what one follows is locked before it, as by whoever acts on that."""

    async def add(self, id_: UUID, number: str, new: NewOrder) -> UUID | None:
        """None, or the one that is open for this product at this location already.

        Raises:
            DomainError: NOT_FOUND, naming the field.
        """
        ...

    async def lock_followed(self, id_: UUID) -> UUID | None:
        """The transfer or the supply of a record, if it has one by now."""
        ...

    async def lock(self, id_: UUID) -> OrderFacts | None: ...

    async def of_transfer(self, transfer_id: UUID) -> UUID | None:
        """The record that a transfer was made for."""
        ...

    async def of_supply(self, supply_id: UUID, number: str) -> UUID | None:
        """The record of this number, if it is what the supply was announced for."""
        ...

    async def move(
        self, id_: UUID, to: State, *, transfer_id: UUID | None = None, supply_id: UUID | None = None
    ) -> None:
        """The next state and version, and what came of it."""
        ...

    async def view(self, id_: UUID) -> RecordSummary: ...


class RecordWork(TransferWork, SupplyWork, Protocol):
    """One transaction of records, with the transfers and the supply that come of them."""

    @property
    def orders(self) -> OrderStore: ...

    async def facts(self, wanted: FactsWanted) -> Found | None: ...

    async def surplus(
        self, tenant_id: UUID, scope: Scope, location_id: UUID, product_ids: Sequence[UUID]
    ) -> list[Surplus]: ...

    async def history(self, record_id: UUID) -> list[PastStep]: ...


class FollowWork(DocumentWork, Protocol):
    """One transaction of a transfer or a supply, which its record follows."""

    @property
    def orders(self) -> OrderStore: ...


class RecordFilter(msgspec.Struct, frozen=True, kw_only=True):
    state: State | None = None
    location_id: UUID | None = None
    product_id: UUID | None = None
    source: Source | None = None


class RecordReads(Protocol):
    """One statement each."""

    async def page(
        self, tenant_id: UUID, scope: Scope, wanted: RecordFilter, window: Window
    ) -> Page[RecordSummary]: ...

    async def one(self, tenant_id: UUID, scope: Scope, id_: UUID) -> Record:
        """Two statements.

        Raises:
            DomainError: NOT_FOUND.
        """
        ...
