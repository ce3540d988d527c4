"""What replenishment needs from the outside."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Protocol
from uuid import UUID

import msgspec

from domain.access.model import Scope
from domain.catalog.views import Page
from domain.replenishment.model import Config, ConfigView, Found, Method, Surplus

type Place = tuple[UUID, UUID]
"""A product at a location."""


class FactsWanted(msgspec.Struct, frozen=True, kw_only=True):
    """Of products that are replenished at a location: all of them, some, or those of a category and below it."""

    tenant_id: UUID
    scope: Scope
    location_id: UUID
    days: int
    product_ids: Sequence[UUID] | None = None
    category_id: UUID | None = None


class ReplenishmentFacts(Protocol):
    """What suggestions are computed from. One statement each."""

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
