"""Writing down what was counted, in several sittings and by several people.

The moment of a count is when it is written down: what is expected is the balance at that moment, which is the
snapshot and whatever moved since. So stock may move while a batch is counted, but not between counting a position
and writing it down; where that could happen, the batch freezes its bins.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from domain.access.model import Act
from domain.counting.ending import tell
from domain.counting.model import (
    Action,
    Batch,
    Count,
    Line,
    LineAction,
    LineState,
    Sitting,
    State,
    Waiver,
)
from domain.counting.opening import held, opened, stop_bins
from domain.counting.ports import CountingWork, Found, Located, Tally
from domain.counting.reviewing import after_complete
from domain.counting.states import LINE, line_facts
from domain.errors import DomainError, FieldError, Reason, not_found
from domain.expiry.model import Findings, Incoming, LotKey, NewLot
from domain.expiry.rules import check_incoming, new_expiries, refuse
from domain.ledger.counting_whole import ABOUT_USE
from domain.values import new_id

type Position = tuple[UUID, UUID, UUID]


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    batch: Batch
    line_ids: Sequence[UUID]
    """What was counted or waived, in the order of the request."""


async def record(
    work: CountingWork,
    *,
    act: Act,
    batch_id: UUID,
    sitting: Sitting,
    expected_version: int | None,
    action: Action = Action.RECORD,
    comment: str | None = None,
) -> Recorded:
    """Write down counts and waivers: all of them, or none; a handful of statements for hundreds.

    In review only lines that are to be counted again can be, and each is closed with its count.

    Raises:
        FieldError: a count names nothing that can be counted here, or the same line twice.
        DomainError: NOT_FOUND, INVALID_TRANSITION; DUPLICATE where stock was found at a position that another open
            batch counts; and what opening the batch raises.
    """
    batch = await opened(work, act=act, batch_id=batch_id, action=action, expected_version=expected_version)
    counted: list[UUID] = []
    after = batch
    if sitting.counts:
        after, counted = await _count(work, act=act, batch=batch, counts=sitting.counts)
    if sitting.waivers:
        if batch.state is State.REVIEW:
            raise FieldError(("waive", "what is to be counted again is not waived"))
        after = await waive_lines(work, act=act, batch=after, waivers=sitting.waivers)
    waived = [one.line_id for one in sitting.waivers]
    details: dict[str, Any] = {"recorded": len(counted)}
    if sitting.waivers:
        details |= {"waivers": [{"lineId": one.line_id, "reason": one.reason} for one in sitting.waivers]}
    recorded = after

    async def told() -> None:
        await tell(work, action=action, before=batch.state, batch=recorded, comment=comment, details=details)

    if batch.state is State.REVIEW:
        await work.tell_accuracy(batch.id)
        after = await after_complete(work, act=act, batch=recorded, line_ids=counted, tell=told)
    else:
        await told()
    return Recorded(batch=after, line_ids=[*counted, *waived])


async def waive_lines(work: CountingWork, *, act: Act, batch: Batch, waivers: Sequence[Waiver]) -> Batch:
    """Say of lines that nobody is going to count them, and why; a count that comes all the same undoes it."""
    lines = {line.id: line for line in await work.lines(batch.id, [one.line_id for one in waivers])}
    seen: set[UUID] = set()
    new = 0
    for n, one in enumerate(waivers):
        line = lines.get(one.line_id)
        if line is None:
            raise not_found("line of this count", field=f"waive[{n}].lineId", index=n)
        if line.id in seen:
            raise FieldError((f"waive[{n}].lineId", "is waived twice"))
        seen.add(line.id)
        _require_line(batch, line, LineAction.WAIVE, act=act, index=n)
        new += line.waived_reason is None
    await work.waive(batch, waivers)
    return await work.change(batch.id, waived=new)


async def _count(
    work: CountingWork, *, act: Act, batch: Batch, counts: Sequence[Count]
) -> tuple[Batch, list[UUID]]:
    located = await work.locate(batch, counts)
    found = await _found(work, batch, counts, located)
    lines: list[UUID] = []
    tallies: list[Tally] = []
    counted = waived = 0
    for n, (one, place) in enumerate(zip(counts, located, strict=True)):
        line = place.line
        if line is None:
            id_, state = found[n].id, LineState.PENDING
        else:
            id_, state = line.id, line.state
            action = LineAction.CLEAR if one.quantity is None else LineAction.COUNT
            _require_line(batch, line, action, act=act, index=n)
            waived -= line.waived_reason is not None and one.quantity is not None
        counted += (one.quantity is not None) - (state is not LineState.PENDING)
        lines.append(id_)
        tallies.append(_tally(id_, one, state))
    _refuse_twice(lines)
    if found:
        await _add_found(work, batch, list(found.values()))
    await work.count(batch, tallies)
    after = await work.change(batch.id, lines=len(found), counted=counted, waived=waived)
    if found and batch.is_freezing:
        await stop_bins(work, after)
    return after, lines


def _tally(id_: UUID, one: Count, state: LineState) -> Tally:
    if state is LineState.RECOUNT:
        matched, differing = LineState.MATCHED, LineState.VARIANCE
    elif one.quantity is None:
        matched = differing = LineState.PENDING
    else:
        matched = differing = LineState.COUNTED
    return Tally(line_id=id_, quantity=one.quantity, note=one.note, matched=matched, differing=differing)


def _require_line(batch: Batch, line: Line, action: LineAction, *, act: Act, index: int) -> None:
    move = LINE.moves.get((line.state, action))
    # Once they are closed, counts wait for their review; what is asked for again has a state of its own.
    if move is not None and (line.state is LineState.RECOUNT) == (batch.state is State.REVIEW):
        LINE.require(line.state, action, line_facts(batch, line, act.caller))
        return
    # Which state it is in says whether a count was right: who counts blind is not told.
    raise DomainError(
        Reason.INVALID_TRANSITION,
        f"This line is not to be counted now: {action} is not possible",
        lineId=line.id,
        index=index,
        state=batch.state,
        action=action,
        allowedActions=[],
    )


def _refuse_twice(lines: Sequence[UUID]) -> None:
    seen: set[UUID] = set()
    for n, id_ in enumerate(lines):
        if id_ in seen:
            raise FieldError((f"counts[{n}]", "counts a line that stands above already"))
        seen.add(id_)


async def _found(
    work: CountingWork, batch: Batch, counts: Sequence[Count], located: Sequence[Located]
) -> Mapping[int, Found]:
    """What is counted at positions that are no line yet, by the index of its count."""
    missing = [n for n, place in enumerate(located) if place.line is None]
    for n in missing:
        if counts[n].line_id is not None:
            raise not_found("line of this count", field=f"counts[{n}].lineId", index=n)
        if located[n].product_id is None:
            raise not_found("product", field=f"counts[{n}].productMasterId", index=n)
        if located[n].bin_id is None:
            raise not_found("bin at this location", field=f"counts[{n}].binId", index=n)
        if counts[n].quantity is None:
            raise FieldError((f"counts[{n}].countedQty", "there is no count to take back at this position"))
    if not missing:
        return {}
    if batch.state is State.REVIEW:
        raise FieldError((f"counts[{missing[0]}]", "what was found is recorded before the count is complete"))
    lots = await _lots(work, batch, {n: counts[n] for n in missing})
    found: dict[int, Found] = {}
    seen: dict[Position, Found] = {}
    for n in missing:
        one, place = counts[n], located[n]
        assert place.product_id is not None
        assert place.bin_id is not None
        lot_id = place.lot_id or lots[place.product_id, one.lot_number or ""]
        position = (place.product_id, place.bin_id, lot_id)
        if position in seen:
            raise FieldError((f"counts[{n}]", "counts a position that stands above already"))
        found[n] = seen[position] = Found(
            id=new_id(), product_id=place.product_id, bin_id=place.bin_id, lot_id=lot_id
        )
    return found


async def _lots(work: CountingWork, batch: Batch, counts: Mapping[int, Count]) -> Mapping[LotKey, UUID]:
    """The lots of what was found, the unknown ones made: whatever may be wrong with them, they are there."""
    lines: list[Incoming] = []
    for one in counts.values():
        assert one.product_id is not None
        lines.append(Incoming(product_id=one.product_id, lot_number=one.lot_number, expires_on=one.expires_on))
    facts = await work.lot_facts({line.key for line in lines}, location_id=batch.location_id)
    findings: dict[int, Findings] = dict(zip(counts, check_incoming(lines, facts), strict=True))
    most = max(counts) + 1
    refuse([_about_being_there(findings.get(n, Findings())) for n in range(most)], at="counts")
    expiries = new_expiries(lines)
    new = {}
    for (n, one), line in zip(counts.items(), lines, strict=True):
        if line.key in facts.lots:
            continue
        if not one.quantity:
            raise FieldError((f"counts[{n}].lotNumber", "there is no such lot, and nothing was counted of it"))
        new[line.key] = NewLot(product_id=line.product_id, number=line.key[1], expires_on=expiries.get(line.key))
    made = await work.ensure_lots(list(new.values())) if new else {}
    return {key: lot.id for key, lot in {**facts.lots, **made}.items()}


def _about_being_there(found: Findings) -> Findings:
    return Findings(errors=tuple(error for error in found.errors if error.code not in ABOUT_USE))


async def _add_found(work: CountingWork, batch: Batch, found: Sequence[Found]) -> None:
    if await work.add_found(batch, found) < len(found):
        raise held(await work.holders(batch.id, found))
