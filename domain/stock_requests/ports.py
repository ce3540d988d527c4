"""What stock requests need from the outside."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Protocol
from uuid import UUID

import msgspec

from domain.access.model import Act, Scope
from domain.availability.ports import ClaimedLine
from domain.ledger.reversing import Original
from domain.stock_requests.model import Decision, NewLine, NewRequest, RequestLine, StockRequest, Tier
from domain.stock_requests.plans import Rule, RulesView
from domain.stock_requests.states import Decider
from domain.transfers.ports import TransferWork


class End(msgspec.Struct, frozen=True, kw_only=True):
    """A location at one end of a request."""

    id: UUID
    type: str
    capabilities: frozenset[str]
    is_active: bool


class Goods(msgspec.Struct, frozen=True, kw_only=True):
    """A product, as far as a request needs to know it."""

    id: UUID
    sku: str
    is_active: bool
    unit_cost: Decimal
    is_regulated: bool
    category_ids: frozenset[UUID]
    """Its category and those above it."""


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """A live claim of a request."""

    id: UUID
    product_id: UUID
    quantity: Decimal
    lines: tuple[ClaimedLine, ...]


class RulesKnown(msgspec.Struct, frozen=True, kw_only=True):
    """What rules name, as far as it is there."""

    roles: frozenset[str]
    user_ids: frozenset[UUID]
    category_ids: frozenset[UUID]
    location_ids: frozenset[UUID]


class StockRequestWork(TransferWork, Protocol):
    """One transaction of stock requests, and of the transfers in which they travel.

    Lock the request first: everything else comes after it.
    """

    async def now(self) -> datetime: ...
    async def lock(self, request_id: UUID) -> StockRequest | None:
        """The request as it stands, and nobody else changes it before we have committed."""
        ...

    async def view(self, request_id: UUID) -> StockRequest: ...
    async def ends(self, ids: Sequence[UUID]) -> Mapping[UUID, End]: ...
    async def goods(self, ids: Sequence[UUID]) -> Mapping[UUID, Goods]: ...
    async def add(self, request_id: UUID, number: str, new: NewRequest) -> None: ...
    async def store(self, request: StockRequest) -> None:
        """Write the head as it is now, one version further on."""
        ...

    async def add_lines(self, request_id: UUID, first_no: int, lines: Sequence[NewLine]) -> list[UUID]: ...
    async def add_substitute(self, request_id: UUID, line: RequestLine) -> None: ...
    async def store_lines(self, lines: Sequence[RequestLine]) -> None: ...
    async def remove_line(self, line_id: UUID) -> None: ...
    async def add_tiers(self, request_id: UUID, round_: int, tiers: Sequence[Tier]) -> None: ...
    async def store_tier(self, request_id: UUID, round_: int, tier: Tier) -> None: ...
    async def add_decision(self, request_id: UUID, decision: Decision) -> None: ...
    async def withdraw(self, decision_id: UUID, *, at: datetime) -> None: ...
    async def add_comment(self, request_id: UUID, body: str) -> UUID: ...
    async def claims(self, request_id: UUID) -> list[Claimed]: ...
    async def original(self, posting_id: UUID) -> Original:
        """A posting that is to be taken back."""
        ...

    async def backordered(self, location_id: UUID, product_ids: Sequence[UUID] | None, limit: int) -> list[UUID]:
        """The requests that wait for supply, the oldest first, at most so many."""
        ...

    async def rules(self) -> Sequence[Rule] | None: ...
    async def lock_rules(self) -> RulesView: ...
    async def store_rules(self, rules: Sequence[Rule]) -> RulesView: ...
    async def known(self, rules: Sequence[Rule]) -> RulesKnown: ...


class StockRequestReads(Protocol):
    """Reads: one statement each."""

    async def request(self, tenant_id: UUID, request_id: UUID, scope: Scope) -> StockRequest | None: ...
    async def rules(self, tenant_id: UUID) -> RulesView: ...


class Followups(Protocol):
    """What happens by itself after a commit."""

    def arrived(self, act: Act, location_id: UUID, product_ids: Iterable[UUID]) -> None:
        """Stock has come in: who waits for it is served soon, the oldest first. Returns at once, never fails."""
        ...


class Deciders(Protocol):
    async def of(self, act: Act, at: datetime | None = None) -> Decider:
        """The caller with what others have handed to them, at a moment, by default now."""
        ...
