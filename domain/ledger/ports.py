"""What the ledger's services need from the outside."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from domain.access.model import Act
from domain.errors import DomainError
from domain.ledger.model import Posted, Posting, ReasonCode
from domain.ledger.places import Recorded
from domain.settings.model import TenantSettings


class Ledger(Protocol):
    """The one way to change stock."""

    async def post(self, posting: Posting) -> Posted:
        """Apply a posting in one round trip, alone or together with others that arrive at the same time.

        Raises:
            DomainError: it was refused; nothing was changed, and a retry under the same key is refused alike.
        """
        ...

    async def post_many(
        self, postings: Sequence[Posting], *, brief: bool = False
    ) -> Sequence[Posted | DomainError]:
        """Apply postings of one tenant in order, in one transaction, each by itself accepted or refused.

        `brief` leaves the movements out of the answers and events, for bulk loads.
        """
        ...


class Reference(Protocol):
    """The tenant's reason codes and settings, kept in memory: no statement in steady state."""

    async def reason(self, tenant_id: UUID, reason_code_id: UUID) -> ReasonCode | None: ...
    async def reasons(self, tenant_id: UUID) -> Sequence[ReasonCode]: ...
    async def settings(self, tenant_id: UUID) -> TenantSettings: ...


class Answers(Protocol):
    """What is told to a retry under an act's idempotency key, by services that read before they post.

    The ledger keeps what it decides by itself. What is decided before it is asked is kept here.
    """

    async def again(self, act: Act, answered: Posted | DomainError) -> Recorded:
        """Tell what was answered before, with the places of its movements.

        Raises:
            DomainError: it was a refusal.
        """
        ...

    async def refuse(self, act: Act, refusal: DomainError) -> Posted:
        """Refuse for good: a retry is refused alike.

        If another request under the same key was quicker, what it was told counts: a refusal, or what it posted.

        Raises:
            DomainError: the refusal.
        """
        ...
