"""What the check of incoming lots needs from the outside."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol
from uuid import UUID

from domain.expiry.model import KnownLot, LotFacts, LotKey, NewLot


class LotWork(Protocol):
    """Lots inside a unit of work."""

    async def lot_facts(self, wanted: Collection[LotKey], *, location_id: UUID | None = None) -> LotFacts:
        """The products' policies, the lots that exist under these keys, and the location's date: one statement.

        Raises:
            DomainError: NOT_FOUND for a location that is not there.
        """
        ...

    async def ensure_lots(self, lots: Sequence[NewLot]) -> Mapping[LotKey, KnownLot]:
        """The lots under these keys, made where they are missing (the number '' is the default lot).

        Whoever makes the same lot at the same moment wins: what comes back is what is there, so that its expiry
        must be compared once more (`admit` does). One statement, two when somebody else was quicker.
        """
        ...


class LotQueries(Protocol):
    """The same facts outside of any unit of work."""

    async def lot_facts(
        self, tenant_id: UUID, wanted: Collection[LotKey], *, location_id: UUID | None = None
    ) -> LotFacts: ...
