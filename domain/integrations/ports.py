"""What the integrations surface needs from the outside."""

from collections.abc import Mapping, Sequence
from typing import Protocol
from uuid import UUID

import msgspec

from domain.access.model import Scope
from domain.access.rights import RightsWork
from domain.catalog.ports import CatalogWork
from domain.integrations.mapping import FieldMapping
from domain.integrations.model import Aftermath, Pair, Place, Sku, Standing
from domain.integrations.views import PlaceView, ProductRecord, Record
from domain.ledger.model import Posted, Posting


class SettingWork(Protocol):
    """Quantities set in one transaction; each act is one statement, for one row as for thousands."""

    async def be_patient(self) -> None:
        """Let this transaction take minutes: it has very many rows."""
        ...

    async def places(self, codes: Sequence[str]) -> Mapping[str, Sequence[Place]]:
        """The active places that codes may name, within the act's locations: of each the best, one or several."""
        ...

    async def skus(self, skus: Sequence[str]) -> Mapping[str, Sku]: ...
    async def standing(self, pairs: Sequence[Pair]) -> Sequence[Standing]:
        """In their order."""
        ...

    async def keep_empty(self, pairs: Sequence[Pair]) -> frozenset[tuple[UUID, UUID]]:
        """Remember records of nothing where nothing has ever stood: the products and bins that are new."""
        ...

    async def set_stock(self, posting: Posting) -> Posted:
        """Post many entries in brief: the movements are not told.

        Raises:
            DomainError: an entry was refused, and nothing was posted; the fact `entry` says which.
        """
        ...

    async def aftermath(self, posted: Posted) -> Aftermath: ...

    async def record(
        self, type_: str, entity_type: str, entity_id: UUID, payload: object, *, locations: Sequence[UUID] = ()
    ) -> int: ...


class Part[T](msgspec.Struct, frozen=True, kw_only=True):
    """A part of a list, newest first."""

    items: Sequence[T]
    after: UUID | None
    """What the next part follows; None at the end."""
    position: int = 0
    """The ledger's position that quantities reflect."""


class IntegrationReads(Protocol):
    """Records, places and products as partners see them. One statement each; other locations do not exist."""

    async def records(self, tenant_id: UUID, scope: Scope, *, after: UUID | None, limit: int) -> Part[Record]: ...
    async def at_place(self, tenant_id: UUID, scope: Scope, code: str) -> tuple[int, Sequence[Record]]: ...
    async def of_product(self, tenant_id: UUID, scope: Scope, sku: str) -> tuple[int, Sequence[Record]]: ...

    async def places(
        self, tenant_id: UUID, scope: Scope, *, after: UUID | None, limit: int
    ) -> Part[PlaceView]: ...
    async def places_called(self, tenant_id: UUID, scope: Scope, code: str) -> Sequence[PlaceView]:
        """What a code names, active or not: nothing, one place, or the several that it may mean."""
        ...

    async def products(
        self, tenant_id: UUID, scope: Scope, *, after: UUID | None, limit: int
    ) -> Part[ProductRecord]: ...
    async def product(self, tenant_id: UUID, scope: Scope, sku: str) -> ProductRecord | None: ...


class CodedWork(CatalogWork, Protocol):
    """The catalog in one transaction, by codes and within the act's locations."""

    async def places_called(self, code: str) -> Sequence[PlaceView]: ...
    async def product_called(self, sku: str) -> ProductRecord | None: ...
    async def unit_called(self, code: str | None) -> UUID | None:
        """The unit with this code; without one the company's usual unit: EA, or else its first."""
        ...


class StoredMapping(msgspec.Struct, frozen=True, kw_only=True):
    """A key's mapping as it stands; version 0 is none."""

    mapping: FieldMapping | None
    version: int


class Mappings(Protocol):
    """What partners call our fields: remembered, so that in steady state nothing is asked."""

    async def of_key(self, tenant_id: UUID, key_id: UUID) -> FieldMapping | None: ...


class MappingReads(Protocol):
    async def mapping(self, tenant_id: UUID, key_id: UUID, scope: Scope) -> StoredMapping:
        """The mapping of a key.

        Raises:
            DomainError: NOT_FOUND, also for a key that goes beyond the locations.
        """
        ...


class MappingWork(RightsWork, Protocol):
    """The mapping of a key in one transaction."""

    async def lock_mapping(self, key_id: UUID) -> StoredMapping: ...
    async def store_mapping(self, key_id: UUID, mapping: FieldMapping | None) -> StoredMapping: ...
