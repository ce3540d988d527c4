"""Making put-away tasks: of one stock line or of all that a receipt brought, with a bin and the reason for it."""

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

import msgspec

from domain.access.model import Act
from domain.errors import DomainError, Reason, not_found
from domain.put_away.fitting import require_fit, require_possible
from domain.put_away.model import Task, Waiting, WholeTask
from domain.put_away.ports import NewTasks, PutAwayWork
from domain.put_away.steps import PUT_AWAY, claimed, moved, require_member, want_of
from domain.put_away.suggesting import (
    Candidate,
    Facts,
    Outcome,
    Placement,
    Strategy,
    Suggestion,
    Tried,
    Want,
    plan,
)
from domain.values import new_id, plain

ZERO = Decimal(0)


class Unplaced(msgspec.Struct, frozen=True, kw_only=True):
    """A quantity that no bin takes; there is no task for it."""

    line_id: UUID
    quantity: Decimal
    suggestion: Suggestion


class Created(msgspec.Struct, frozen=True, kw_only=True):
    tasks: Sequence[WholeTask]
    unplaced: Sequence[Unplaced]
    position: int | None
    """The ledger's, if the tasks were completed at once."""


async def create_tasks(work: PutAwayWork, *, act: Act, wanted: NewTasks) -> Created:
    """Make a task for each bin that takes a part, and claim what they will move; what fits nowhere stays unplaced.

    Raises:
        DomainError: NOT_FOUND, LOCATION_DENIED, INSUFFICIENT_STOCK; NO_CHANGE, nothing of the receipt is waiting;
            BIN_UNFIT, POSITION_FROZEN or INACTIVE for a bin that was named.
    """
    lines = await _lines(work, act, wanted)
    await require_member(work, wanted.assignee_id)
    await work.plan_alone(sorted({line.location_id for line, _ in lines}))
    places = sorted({(line.product_id, line.location_id) for line, _ in lines})
    facts = await work.facts(places, bins=[wanted.to_bin_id] if wanted.to_bin_id else [])
    wants = [_want(line, quantity) for line, quantity in lines]
    suggestions = [_requested(want, wanted, facts) for want in wants] if wanted.to_bin_id else plan(wants, facts)
    tasks = [
        await _new(work, line, placement, suggestion, wanted)
        for (line, _), suggestion in zip(lines, suggestions, strict=True)
        for placement in suggestion.placements
    ]
    bins = sorted({task.suggested_bin_id for task in tasks})
    if wanted.completes:
        await work.lock_bins(bins)
    await work.settle(new_id(), [], lines=await work.lines_of(places, bins))
    made = [await claimed(work, task) for task in tasks]
    position = None
    if wanted.completes:
        for task in made:
            now = await work.facts([], bins=[task.suggested_bin_id], without=task.id)
            shelf = now.shelves[task.suggested_bin_id]
            want = want_of(task, task.left)
            require_fit(shelf, want, reason=task.override_reason, with_promises=False)
            position = (await moved(work, act, task, shelf.id, task.left, reason=task.override_reason)).position
    unplaced = [
        Unplaced(line_id=line.line_id, quantity=plain(suggestion.unplaced), suggestion=suggestion)
        for (line, _), suggestion in zip(lines, suggestions, strict=True)
        if suggestion.unplaced
    ]
    return Created(tasks=[await work.whole(task.id) for task in made], unplaced=unplaced, position=position)


async def _lines(work: PutAwayWork, act: Act, wanted: NewTasks) -> list[tuple[Waiting, Decimal]]:
    """The lines with what is to be moved of each."""
    if wanted.receipt_posting_id is not None:
        found = await work.received(wanted.receipt_posting_id)
        if found is None:
            raise not_found("receipt", transactionId=wanted.receipt_posting_id)
        for line in found:
            act.caller.require_location(act.permission, line.location_id)
        some = [(line, min(line.free, line.received or ZERO)) for line in found]
        if not any(quantity > 0 for _, quantity in some):
            message = "Nothing of this receipt is waiting to be put away"
            raise DomainError(Reason.NO_CHANGE, message, transactionId=wanted.receipt_posting_id)
        return [(line, quantity) for line, quantity in some if quantity > 0]
    assert wanted.line_id is not None, "a line or a receipt is named"
    waiting = await work.waiting(wanted.line_id)
    if waiting is None:
        raise not_found("stock line", field="inventoryItemId", inventoryItemId=wanted.line_id)
    act.caller.require_location(act.permission, waiting.location_id)
    quantity = waiting.free if wanted.quantity is None else wanted.quantity
    if not ZERO < quantity <= waiting.free:
        raise DomainError(
            Reason.INSUFFICIENT_STOCK,
            "There is not enough free stock on this line",
            inventoryItemId=wanted.line_id,
            requested=plain(quantity),
            available=plain(waiting.free),
        )
    return [(waiting, quantity)]


def _requested(want: Want, wanted: NewTasks, facts: Facts) -> Suggestion:
    """All of it into the bin that was named."""
    assert wanted.to_bin_id is not None
    shelf = facts.shelves.get(wanted.to_bin_id)
    if shelf is None:
        raise not_found("bin", field="toBinId", toBinId=wanted.to_bin_id)
    if wanted.override_reason is not None:
        require_possible(shelf, want)
        taken = want.quantity
    else:
        # Without a reason the bin takes as much as fits; a rule that it breaks is a refusal.
        room = shelf.room()
        taken = want.quantity if room is None else min(want.quantity, room)
        require_fit(shelf, msgspec.structs.replace(want, quantity=taken))
    placement = Placement(bin_id=shelf.id, bin_code=shelf.code, strategy=Strategy.REQUESTED, quantity=taken)
    candidate = Candidate(
        bin_id=shelf.id, bin_code=shelf.code, outcome=Outcome.TAKEN, room=shelf.room(), quantity=taken
    )
    tried = Tried(strategy=Strategy.REQUESTED, placed=taken, candidates=(candidate,))
    return Suggestion(placements=(placement,), unplaced=want.quantity - taken, tried=(tried,))


async def _new(
    work: PutAwayWork, line: Waiting, placement: Placement, suggestion: Suggestion, wanted: NewTasks
) -> Task:
    return Task(
        id=new_id(),
        number=await work.number(PUT_AWAY),
        location_id=line.location_id,
        product_id=line.product_id,
        lot_id=line.lot_id,
        from_line_id=line.line_id,
        from_bin_id=line.bin_id,
        quantity=placement.quantity,
        claim_id=None,
        suggested_bin_id=placement.bin_id,
        strategy=placement.strategy,
        explanation=suggestion,
        override_reason=wanted.override_reason,
        assignee_id=wanted.assignee_id,
        receipt_posting_id=wanted.receipt_posting_id,
    )


def _want(line: Waiting, quantity: Decimal) -> Want:
    return Want(
        product_id=line.product_id,
        lot_id=line.lot_id,
        location_id=line.location_id,
        bin_id=line.bin_id,
        quantity=quantity,
    )
