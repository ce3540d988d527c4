"""Undo: a posting that takes another one back."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Protocol
from uuid import UUID

import msgspec

from domain.access.model import Act
from domain.errors import DomainError, Reason, not_found
from domain.ledger.model import Entry, Kind, Posted, Posting
from domain.ledger.places import Place, Recorded
from domain.ledger.ports import Answers, Ledger
from domain.values import new_id


class OriginalMovement(msgspec.Struct, frozen=True, kw_only=True):
    line_id: UUID
    place: Place
    delta: Decimal
    effective_at: datetime
    reason_code_id: UUID | None


class Original(msgspec.Struct, frozen=True, kw_only=True):
    """A posting to be taken back, as far as that needs to know it."""

    id: UUID
    kind: Kind
    movements: Sequence[OriginalMovement]
    led_by: str | None = None
    """The number of the transfer whose step it was: taken back by itself, it would leave the transfer behind."""


class ReversalFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a reversal is decided by, as one statement reads it."""

    answered: Posted | DomainError | None
    """What was answered under the act's key before."""
    original: Original | None


class ReversalReads(Protocol):
    async def facts(self, act: Act, posting_id: UUID) -> ReversalFacts: ...


async def reverse_posting(
    reads: ReversalReads,
    answers: Answers,
    ledger: Ledger,
    *,
    act: Act,
    posting_id: UUID,
    comment: str | None = None,
    force: bool = False,
) -> Recorded:
    """Take a posting back, whatever its kind and however many lines it moved, once: two round trips.

    Raises:
        DomainError: ALREADY_REVERSED; or what stands in the way: INSUFFICIENT_STOCK where what came in has left
            since, REVERSAL_BLOCKED where a line was counted after the original took effect. `force` takes stock
            although it is reserved or held.
    """
    facts = await reads.facts(act, posting_id)
    try:
        if facts.answered is not None:
            return await answers.again(act, facts.answered)
        if facts.original is None:
            raise not_found("transaction", transactionId=posting_id)
        _refuse_a_step(facts.original)
        posted = await ledger.post(_reversal(act, facts.original, comment=comment, force=force))
    except DomainError as refused:
        raise _blocked(refused, posting_id) from None
    places = {movement.line_id: movement.place for movement in facts.original.movements}
    return Recorded(posted=posted, places=places)


def _refuse_a_step(original: Original) -> None:
    """What a transfer did is taken back by that transfer, which knows what has become of it since."""
    if original.led_by is not None:
        message = f"It is a step of the transfer {original.led_by}: cancel that, or make one back"
        raise DomainError(Reason.REVERSAL_BLOCKED, message, transfer=original.led_by)


def reversing_entries(original: Original) -> tuple[Entry, ...]:
    """The entries that take a posting back.

    They take effect when the original did: seen by effective time it never happened, and a line that was counted
    since is refused by the ledger, because the count has put right what this would put right once more. What a
    line gained and lost at one moment is taken back as one difference, and gains go first, so that no line is
    refused for a balance that it passes through only on the way.
    """
    differences: dict[tuple[UUID, datetime, UUID | None], Decimal] = defaultdict(Decimal)
    for movement in original.movements:
        differences[movement.line_id, movement.effective_at, movement.reason_code_id] -= movement.delta
    entries = [
        Entry(
            kind=Kind.REVERSAL,
            line_id=line_id,
            delta=difference,
            effective_at=effective_at,
            reason_code_id=reason_code_id,
        )
        for (line_id, effective_at, reason_code_id), difference in differences.items()
        if difference
    ]
    return tuple(sorted(entries, key=lambda entry: entry.delta is not None and entry.delta < 0))


def _reversal(act: Act, original: Original, *, comment: str | None, force: bool) -> Posting:
    entries = reversing_entries(original)
    if not entries:
        raise DomainError(
            Reason.NO_CHANGE,
            "The transaction moved nothing: there is nothing to take back",
            transactionId=original.id,
        )
    return Posting(
        id=new_id(),
        kind=Kind.REVERSAL,
        entries=entries,
        comment=comment,
        force=force,
        reverses_id=original.id,
        act=act,
    )


def _blocked(refused: DomainError, posting_id: UUID) -> DomainError:
    """The ledger's refusal in the words of a reversal. The index is that of an entry which nobody sent."""
    facts = {name: value for name, value in refused.facts.items() if name not in {"entry", "posting_id"}}
    reason, message = refused.reason, refused.message
    if reason is Reason.LOCATION_DENIED:
        facts.pop("line_id", None)  # the caller named the transaction and may not know what is in it
    elif reason is Reason.COUNTED_SINCE:
        reason = Reason.REVERSAL_BLOCKED
        message = "A line of it has been counted since; the count stands, correct the line by an adjustment"
    elif reason is Reason.INSUFFICIENT_STOCK:
        message = "What came in has left since, or is claimed: there is not enough to take back"
    told = DomainError(reason, message, **{"transactionId": posting_id, **facts})
    told.replayed = refused.replayed
    return told
