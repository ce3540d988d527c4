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


class Beside[W: LotPostingWork](Protocol):
    """What else is changed by a posting, in its transaction."""

    async def lock(self, work: W) -> None:
        """Lock it: the posting comes after, as the ledger's head is the last lock."""
        ...

    async def change(self, work: W) -> None:
        """Change it; not called for a posting that was made before under its key."""
        ...


async def post_with_new_lots[W: LotPostingWork](
    begin: Callable[[Act], AbstractAsyncContextManager[W]],
    answers: Answers,
    *,
    act: Act,
    new: Sequence[NewLot],
    build: Callable[[Lots], Posting],
    beside: Beside[W] | None = None,
) -> tuple[Posted, Lots]:
    """Make the lots, post what `build` makes of them and change what is beside it, or none of it.

    Four round trips, and those of what is beside it.
    """
    refused: DomainError | None = None
    try:
        async with begin(act) as work:
            lots = await work.ensure_lots(new) if new else {}
            posting = build(lots)
            if beside is not None:
                await beside.lock(work)
            try:
                posted = await work.post_keyed(posting)
                if beside is not None and not posted.replayed:
                    await beside.change(work)
            except DomainError as refusal:
                refused = refusal
                raise  # and take the lots back with it
            return posted, lots
    except DomainError:
        if refused is None:
            raise
    # The refusal went with the transaction; a retry under the same key must be told it all the same.
    return await answers.refuse(act, refused), {}
