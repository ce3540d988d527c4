"""Lots that are made in the same transaction as the posting that first brings them in."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from domain.access.model import Act
from domain.errors import DomainError
from domain.expiry.model import KnownLot, LotKey, NewLot
from domain.expiry.ports import LotWork
from domain.ledger.model import Posted, Posting
from domain.ledger.ports import Answers

type Lots = Mapping[LotKey, KnownLot]


class LotPostingWork(LotWork, Protocol):
    """New lots and a posting, in one transaction."""

    async def post_keyed(self, posting: Posting) -> Posted:
        """Post under the posting's own idempotency key, which is settled with this transaction."""
        ...


type BeginLots = Callable[[Act], AbstractAsyncContextManager[LotPostingWork]]


async def post_with_new_lots(
    begin: BeginLots, answers: Answers, *, act: Act, new: Sequence[NewLot], build: Callable[[Lots], Posting]
) -> tuple[Posted, Lots]:
    """Make the lots and post what `build` makes of them, or neither. Four round trips."""
    refused: DomainError | None = None
    try:
        async with begin(act) as work:
            lots = await work.ensure_lots(new)
            posting = build(lots)
            try:
                return await work.post_keyed(posting), lots
            except DomainError as refusal:
                refused = refusal
                raise  # and take the lots back with it
    except DomainError:
        if refused is None:
            raise
    # The refusal went with the transaction; a retry under the same key must be told it all the same.
    return await answers.refuse(act, refused), {}
