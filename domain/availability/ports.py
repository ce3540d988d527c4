"""What availability needs from the outside."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol
from uuid import UUID

import msgspec

from domain.access.model import Act, Scope
from domain.availability.claims import Offer, Place
from domain.ledger.model import Posted, Posting


class Kind(StrEnum):
    """SOFT is a promise that runs out by the clock; HARD is what a confirmed document has claimed."""

    HARD = "HARD"
    SOFT = "SOFT"


class State(StrEnum):
    CONVERTED = "CONVERTED"
    """It became an allocation, or left the shelf."""
    EXPIRED = "EXPIRED"
    LIVE = "LIVE"
    RELEASED = "RELEASED"


class Offered(msgspec.Struct, frozen=True, kw_only=True):
    """Offers as of a ledger position."""

    position: int
    now: datetime
    offers: dict[Place, Offer]


class NewClaim(msgspec.Struct, frozen=True, kw_only=True):
    """A claim that was decided on, to be written in the transaction that it was decided in."""

    id: UUID
    group_id: UUID
    kind: Kind
    channel_id: UUID | None
    product_id: UUID
    location_id: UUID
    quantity: Decimal
    mode: str
    fence_quantity: Decimal
    fence_period: str | None
    ceiling_period: str | None
    ttl_seconds: int | None
    external_ref: str | None
    source_type: str | None
    source_id: str | None
    document_id: UUID | None = None
    """The document that alone may resolve it."""
    lines: Sequence["ClaimedLine"]


class ClaimedLine(msgspec.Struct, frozen=True, kw_only=True):
    line_id: UUID
    quantity: Decimal


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What is to become of a claim; see `claim_resolve`."""

    id: UUID
    action: str
    quantity: Decimal | None = None
    ttl_seconds: int | None = None
    expected_version: int | None = None
    new_id: UUID | None = None
    source_type: str | None = None
    source_id: str | None = None


class Reservation(msgspec.Struct, frozen=True, kw_only=True):
    """A claim on stock: a row of its own, with its own id."""

    id: UUID
    group_id: UUID
    kind: Kind
    state: State
    channel_id: UUID | None
    product_id: UUID
    location_id: UUID
    quantity: Decimal
    open_quantity: Decimal
    external_ref: str | None
    source_type: str | None
    source_id: str | None
    actor: str | None
    expires_at: datetime | None
    created_at: datetime
    resolved_at: datetime | None
    version: int
    lines: tuple[ClaimedLine, ...] = ()


class Resolved(msgspec.Struct, frozen=True, kw_only=True):
    """The claim afterwards, and the quantities of lines that it stood on when it was taken off them."""

    reservation: Reservation
    lines: tuple[ClaimedLine, ...]


class ClaimWork(Protocol):
    """One transaction of claims."""

    async def claim(self, act: Act) -> tuple[int, bytes] | None: ...
    async def remember(self, act: Act, status: int, body: bytes) -> None: ...
    def savepoint(self) -> AbstractAsyncContextManager[None]: ...

    async def begin(self, places: Sequence[Place]) -> Offered:
        """What there is, locked until the transaction ends; what has run out is let go first."""
        ...

    async def make(self, claims: Sequence[NewClaim]) -> list[Reservation]: ...

    async def resolve(self, wish: Wish) -> Resolved:
        """Resolve a claim, or extend it.

        Raises:
            DomainError: NOT_FOUND, LOCATION_DENIED, STALE_VERSION, INVALID_TRANSITION, VALIDATION_ERROR.
        """
        ...

    async def post(self, posting: Posting) -> Posted: ...


type BeginClaims = Callable[[Act], AbstractAsyncContextManager[ClaimWork]]


class ReservationsWanted(msgspec.Struct, frozen=True, kw_only=True):
    tenant_id: UUID
    scope: Scope
    limit: int
    location_id: UUID | None = None
    product_id: UUID | None = None
    channel_id: UUID | None = None
    external_ref: str | None = None
    state: State | None = None
    after: UUID | None = None
    """Those older than this one."""


class Availability(Protocol):
    """Reads: one statement each."""

    async def offers(self, tenant_id: UUID, places: Sequence[Place]) -> Offered: ...

    async def places_of(
        self, tenant_id: UUID, product_ids: Sequence[UUID], channel_id: UUID | None, scope: Scope
    ) -> list[Place]:
        """Where products have stock, among the locations in scope that serve the channel."""
        ...

    async def products_by_sku(self, tenant_id: UUID, skus: Sequence[str]) -> dict[str, UUID]: ...
    async def known(self, tenant_id: UUID, places: Sequence[Place]) -> set[Place]:
        """Those of the places whose product and location exist."""
        ...

    async def reservations(self, wanted: ReservationsWanted) -> list[Reservation]: ...
    async def reservation(self, tenant_id: UUID, id_: UUID, scope: Scope) -> Reservation | None: ...
