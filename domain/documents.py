"""What the documents of the warehouse share: a number, a history, and claims that only they resolve."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

import msgspec

from domain.availability.ports import ClaimWork, Resolved, Wish


class DocumentType(StrEnum):
    CYCLE_COUNT = "CYCLE_COUNT"
    PUT_AWAY = "PUT_AWAY"
    REPLENISHMENT = "REPLENISHMENT"
    STOCK_REQUEST = "STOCK_REQUEST"
    TRANSFER = "TRANSFER"


PREFIX = {
    DocumentType.CYCLE_COUNT: "CC",
    DocumentType.PUT_AWAY: "PA",
    DocumentType.REPLENISHMENT: "RP",
    DocumentType.STOCK_REQUEST: "SR",
    DocumentType.TRANSFER: "TR",
}


class Step(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What was done to a document; it is kept for ever, and never changed."""

    action: str
    from_state: str | None
    to_state: str
    comment: str | None = None
    on_behalf_of: UUID | None = None
    """In whose place it was decided."""
    details: dict[str, Any] = {}


class PastStep(Step, frozen=True, kw_only=True):
    """A step, with who did it and when."""

    actor_id: UUID | None
    actor: str | None
    recorded_at: datetime


class DocumentWork(ClaimWork, Protocol):
    """One transaction of a document.

    Lock in this order: the document's own rows, claims and stock lines (`begin`, or `settle` with every line that
    is going to be posted to), then post, then events. Whoever keeps it meets no deadlock.
    """

    async def number(self, type_: DocumentType) -> str:
        """The next number of its kind, as in TR-000042; others who want one wait until we have committed."""
        ...

    async def step(self, type_: DocumentType, document_id: UUID, step: Step) -> PastStep:
        """Add to the history of a document; the step as it was written."""
        ...

    async def settle(
        self, document_id: UUID, wishes: Sequence[Wish], *, lines: Sequence[UUID] = ()
    ) -> list[Resolved]:
        """Resolve claims of the document; `lines` are others that it is going to post to."""
        ...

    async def record(
        self, type_: str, entity_type: str, entity_id: UUID, payload: object, *, locations: Sequence[UUID] = ()
    ) -> int: ...
