"""What changing a company's settings needs from the outside."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

import msgspec

from domain.catalog.ports import Records
from domain.ledger.model import ReasonCode, ReasonFacts
from domain.settings.model import SettingsView, TenantSettings


class StoredSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a company has set itself, by the names on the wire; all else is as by default."""

    version: int
    own: Mapping[str, Any]


class SettingsReader(Protocol):
    async def view(self, tenant_id: UUID) -> SettingsView: ...


class SettingsWork(Protocol):
    """A company's settings and reason codes, in one transaction."""

    @property
    def reasons(self) -> Records[ReasonFacts, ReasonCode]: ...

    async def lock_settings(self) -> StoredSettings:
        """What is set; until the unit of work ends nobody else changes it."""
        ...

    def in_force(self, own: Mapping[str, Any]) -> TenantSettings:
        """The settings that these come to.

        Raises:
            FieldError: one of them cannot be meant.
        """
        ...

    async def store_settings(self, own: Mapping[str, Any]) -> None: ...
    async def view_settings(self) -> SettingsView: ...

    async def unnumbered_stock(self) -> int:
        """How many stock lines of products under lot control have something on hand without a lot number."""
        ...

    async def open_default_lots(self) -> None:
        """Give every product under lot control a lot without a number."""
        ...

    async def close_default_lots(self) -> None:
        """Take that lot away again."""
        ...

    async def record(
        self, type_: str, entity_type: str, entity_id: UUID, payload: object, *, locations: Sequence[UUID] = ()
    ) -> int: ...
