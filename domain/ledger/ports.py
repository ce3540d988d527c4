"""What the ledger's services need from the outside."""

from collections.abc import Sequence
from typing import Protocol

from domain.errors import DomainError
from domain.ledger.model import Posted, Posting


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
