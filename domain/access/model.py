"""Who calls, and what they may do where."""

from collections.abc import Mapping
from enum import StrEnum
from uuid import UUID

import msgspec

from domain.errors import DomainError, Reason

type Scope = frozenset[UUID] | None
"""The locations that a right covers; None is all of them."""


class Permission(StrEnum):
    """What a route may ask for, `thing.act`."""

    ADMIN_APIKEYS = "admin.apikeys"
    ADMIN_SETTINGS = "admin.settings"
    ADMIN_USERS = "admin.users"
    AUDIT_READ = "audit.read"
    CHANNELS_READ = "channels.read"
    CHANNELS_WRITE = "channels.write"
    EVENTS_READ = "events.read"
    IMPORTS_WRITE = "imports.write"
    INTEGRATIONS_INVENTORY_READ = "integrations.inventory.read"
    INTEGRATIONS_INVENTORY_WRITE = "integrations.inventory.write"
    INTEGRATIONS_LOCATIONS_READ = "integrations.locations.read"
    INTEGRATIONS_LOCATIONS_WRITE = "integrations.locations.write"
    INTEGRATIONS_PRODUCTS_READ = "integrations.products.read"
    INTEGRATIONS_PRODUCTS_WRITE = "integrations.products.write"
    INVENTORY_ADJUST = "inventory.adjust"
    INVENTORY_CYCLECOUNT = "inventory.cyclecount"
    INVENTORY_CYCLECOUNT_APPROVE = "inventory.cyclecount.approve"
    INVENTORY_READ = "inventory.read"
    INVENTORY_WRITE = "inventory.write"
    LOCATIONS_READ = "locations.read"
    LOCATIONS_WRITE = "locations.write"
    PRODUCTS_READ = "products.read"
    PRODUCTS_WRITE = "products.write"
    REPLENISHMENT_READ = "replenishment.read"
    REPLENISHMENT_WRITE = "replenishment.write"
    REPORTS_READ = "reports.read"
    STOCKREQUESTS_APPROVE = "stockrequests.approve"
    STOCKREQUESTS_READ = "stockrequests.read"
    STOCKREQUESTS_WRITE = "stockrequests.write"
    TRANSFERS_READ = "transfers.read"
    TRANSFERS_WRITE = "transfers.write"
    WEBHOOKS_WRITE = "webhooks.write"


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """An authenticated caller: a person, in a session or by a token, or an API key, in one tenant."""

    tenant_id: UUID
    tenant_slug: str
    tenant_name: str
    principal_id: UUID
    """The user's id, or the key's: what idempotency keys belong to."""
    user_id: UUID | None
    actor: str
    """The name that the records show."""
    email: str | None = None
    """The person's address; a key has none."""
    session_id: UUID | None
    key_id: UUID | None
    token_id: UUID | None = None
    """Of a person by whose token of the import surface a program acts."""
    makers: frozenset[UUID] = frozenset()
    """Of a key, who made it: it is no second person."""
    roles: tuple[str, ...]
    rights: Mapping[Permission, Scope]

    @property
    def identities(self) -> frozenset[UUID]:
        """All that this person is known by: documents keep them, so that nobody decides upon what is their own."""
        return self.makers | {self.principal_id} | ({self.user_id} if self.user_id else frozenset())

    def allows(self, permission: Permission) -> bool:
        return permission in self.rights

    def scope(self, permission: Permission) -> Scope:
        """The locations where the caller holds a permission that they are known to hold."""
        return self.rights[permission]

    def require_location(self, permission: Permission, location_id: UUID) -> None:
        """Refuse a write at a location that the caller's grant does not cover."""
        refused = self.refusal(permission, location_id)
        if refused is not None:
            raise refused

    def refusal(self, permission: Permission, location_id: UUID | None = None) -> DomainError | None:
        """Why the caller may not do what asks for a permission, at a location or anywhere; None when they may."""
        if permission not in self.rights:
            message = f"You lack the permission {permission}"
            return DomainError(Reason.PERMISSION_DENIED, message, permission=permission)
        scope = self.rights[permission]
        if location_id is None or scope is None or location_id in scope:
            return None
        return DomainError(
            Reason.LOCATION_DENIED, "Your rights do not cover this location", locationId=location_id
        )


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """One request of a caller: what every record of what it did must name."""

    caller: Caller
    permission: Permission
    """The permission that the route was entered with: its scope limits what the act may touch."""
    operation: str
    request_id: str
    idempotency: "Idempotency | None" = None

    @property
    def tenant_id(self) -> UUID:
        return self.caller.tenant_id

    @property
    def scope(self) -> Scope:
        """Where the caller holds that permission: nowhere, for one who decides in another's place."""
        return self.caller.rights.get(self.permission, frozenset())


class Idempotency(msgspec.Struct, frozen=True, kw_only=True):
    """A client's key for one write, and the fingerprint of what it asked for."""

    key: str
    fingerprint: bytes
