"""What becomes of counted lines: accepted by themselves, or decided upon by people who did not count them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from domain.access.delegations import InForce
from domain.access.model import Act
from domain.counting.deciding import Decision, ResolveAction, Verdict, decide
from domain.counting.ending import ENTITY, EVENTS, finish
from domain.counting.model import Action, Batch, LineState, Resolution, State
from domain.counting.ports import CountingWork
from domain.counting.resolving_ports import NewSignature, Outcome, ReviewWork, Standing, Why
from domain.counting.states import BATCH, COUNTING, facts_of
from domain.documents import DocumentType, Step
from domain.errors import DomainError, FieldError, Reason, not_found
from domain.ledger.model import Direction, Entry, Kind, Posted, Posting, ReasonCode
from domain.ledger.rules import check_reason
from domain.settings.model import TenantSettings
from domain.values import new_id

UNDECIDED = frozenset({LineState.MATCHED, LineState.VARIANCE})
"""Counted and closed, and nothing has come of it yet."""


class Wished(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants to become of a line."""

    line_id: UUID
    action: ResolveAction
    why: Why = Why()


class Resolved(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a call."""

    batch: Batch
    decisions: Sequence[Decision]
    """In the order of the wishes."""
    lines: Sequence[Standing]
    """Likewise, as they stood before."""
    outcomes: Sequence[Outcome]
    """Likewise, as they are now."""
    posted: Posted | None


async def accept_within(
    work: ReviewWork, *, act: Act, batch_id: UUID, line_ids: Sequence[UUID] | None = None
) -> int:
    """Accept by themselves lines that are within their tolerance; how many of the batch are then left open.

    `line_ids` are lines that were counted again; None is all of a batch whose counts were closed.

    All of them in one posting. What is exact is posted too: it was counted, and no difference found. A line that
    has been counted again since, or whose stock has left since, is left to people.

    Raises:
        DomainError: SELF_APPROVAL, a line was counted again by somebody who had counted it before.
    """
    settings = await work.settings()
    await work.settle(batch_id, (), lines=await work.stock_lines_of(batch_id, line_ids))
    lines = [line for line in await work.standing(batch_id, line_ids) if line.state in UNDECIDED]
    for line in lines if line_ids is not None else ():
        if not line.is_recounted:
            message = "Who has counted the line before cannot count it again: another person must"
            raise DomainError(Reason.SELF_APPROVAL, message, lineId=line.id)
    alone = [line for line in lines if line.variance.is_exact or (line.is_within(settings) and not line.obstacle)]
    entries = [_entry(line, Why()) for line in alone if not line.obstacle]
    posted = await _post(work, act, batch_id, entries) if entries else None
    outcomes = [
        Outcome(
            id=line.id,
            state=LineState.RESOLVED,
            round=line.round,
            expected=line.variance.expected,
            variance=line.variance.units,
            resolution=Resolution.AUTO,
            posting_id=posted.posting_id if posted is not None and not line.obstacle else None,
        )
        for line in alone
    ]
    ids = {line.id for line in alone}
    outcomes += [_left(line) for line in lines if line.id not in ids]
    return await work.write_outcomes(batch_id, outcomes)


async def resolve(
    work: CountingWork,
    *,
    act: Act,
    batch_id: UUID,
    wishes: Sequence[Wished],
    expected_version: int | None,
    in_force: InForce,
    reasons: Mapping[UUID, ReasonCode],
) -> Resolved:
    """Decide upon lines of a batch in review, all or none; what is accepted for good is one posting.

    Raises:
        FieldError: a reason that cannot be meant, or a rejection without a comment.
        DomainError: what `decide` refuses, with the line; STALE_VERSION; INVALID_TRANSITION of the batch; what the
            ledger refuses.
    """
    batch = await work.batch(batch_id)
    if batch is None:
        raise not_found("cycle count batch")
    act.caller.require_location(act.permission, batch.location_id)
    if expected_version is not None and expected_version != batch.version:
        message = "The batch was changed since you read it"
        raise DomainError(Reason.STALE_VERSION, message, expected=expected_version, actual=batch.version)
    _require_review(batch, act)
    settings = await work.settings()
    named = [wish.line_id for wish in wishes]
    if len(set(named)) < len(named):
        raise FieldError(("resolutions", "must name each line once"))
    await work.settle(batch_id, (), lines=await work.stock_lines_of(batch_id, named))
    found = {line.id: line for line in await work.standing(batch_id, named)}
    lines = [_named(found, wish.line_id, n) for n, wish in enumerate(wishes)]
    decisions = [
        _decided(line, wish.action, n, act=act, settings=settings, in_force=in_force)
        for n, (line, wish) in enumerate(zip(lines, wishes, strict=True))
    ]
    return await _carry_out(work, act, batch, _Call(wishes, lines, decisions), settings=settings, reasons=reasons)


class _Call(msgspec.Struct, frozen=True):
    """Wishes with their lines and what was decided, in one order."""

    wishes: Sequence[Wished]
    lines: Sequence[Standing]
    decisions: Sequence[Decision]

    def each(self) -> Iterable[tuple[Wished, Standing, Decision]]:
        return zip(self.wishes, self.lines, self.decisions, strict=True)


async def _carry_out(
    work: CountingWork,
    act: Act,
    batch: Batch,
    call: _Call,
    *,
    settings: TenantSettings,
    reasons: Mapping[UUID, ReasonCode],
) -> Resolved:
    whys, entries, posted_lines = [], [], []
    for n, (wish, line, decision) in enumerate(call.each()):
        why = wish.why if decision.verdict in {Verdict.KEEP, Verdict.RECOUNT} else _whole(wish.why, line.why)
        _check_why(why, line, decision.verdict, f"resolutions[{n}].", settings=settings, reasons=reasons)
        whys.append(why)
        if decision.verdict is Verdict.POST:
            entries.append(_entry(line, why))
            posted_lines.append((n, line.id))
    posted = await _post(work, act, batch.id, entries, posted_lines) if entries else None
    outcomes = [
        _outcome(line, decision, why, act, posted)
        for (_, line, decision), why in zip(call.each(), whys, strict=True)
    ]
    left = await work.write_outcomes(batch.id, outcomes)
    await work.write_signatures(
        batch.id,
        [
            _signature(line, decision, why)
            for (_, line, decision), why in zip(call.each(), whys, strict=True)
            if decision.verdict in {Verdict.PROPOSE, Verdict.APPROVE}
            or (decision.verdict is Verdict.POST and decision.authority is not None)
        ],
    )
    for step in _steps(batch, call, whys):
        await work.step(DocumentType.CYCLE_COUNT, batch.id, step)
    if left == 0:
        after = await finish(work, batch=batch, to=State.COMPLETED, action=Action.RESOLVE)
    else:
        after = await work.change(batch.id)
        await _announce(work, after, call)
    return Resolved(batch=after, decisions=call.decisions, lines=call.lines, outcomes=outcomes, posted=posted)


def _require_review(batch: Batch, act: Act) -> None:
    if act.permission is COUNTING:
        BATCH.require(batch.state, Action.RESOLVE, facts_of(batch, act.caller))
    elif batch.state is not State.REVIEW:
        # Who approves and does not count has no other way with a batch.
        raise DomainError(
            Reason.INVALID_TRANSITION,
            f"{Action.RESOLVE} is not possible in state {batch.state}",
            state=batch.state,
            action=Action.RESOLVE,
            allowedActions=[],
        )


def _named(found: Mapping[UUID, Standing], line_id: UUID, n: int) -> Standing:
    line = found.get(line_id)
    if line is None:
        raise not_found("line in this batch", field=f"resolutions[{n}].lineId", lineId=line_id)
    return line


def _decided(
    line: Standing, action: ResolveAction, n: int, *, act: Act, settings: TenantSettings, in_force: InForce
) -> Decision:
    try:
        return decide(line, action, caller=act.caller, in_force=in_force, settings=settings)
    except DomainError as refused:
        refused.facts |= {"lineId": line.id, "index": n}
        raise


def _whole(own: Why, earlier: Why) -> Why:
    """What is said now, and for what is left unsaid what was said by who proposed it."""
    return Why(
        reason_code_id=own.reason_code_id or earlier.reason_code_id,
        comment=own.comment or earlier.comment,
        root_cause=own.root_cause or earlier.root_cause,
    )


def _check_why(
    why: Why,
    line: Standing,
    verdict: Verdict,
    at: str,
    *,
    settings: TenantSettings,
    reasons: Mapping[UUID, ReasonCode],
) -> None:
    if verdict is Verdict.KEEP and not why.comment:
        raise FieldError((f"{at}comment", "is required to keep the books against a count"))
    if verdict in {Verdict.KEEP, Verdict.RECOUNT}:
        if why.reason_code_id is not None and why.reason_code_id not in reasons:
            raise FieldError((f"{at}reasonCodeId", "is not one of your reason codes"))
        return
    if why.reason_code_id is None:
        raise FieldError((f"{at}reasonCodeId", "is required to accept a variance"))
    reason = reasons.get(why.reason_code_id)
    direction = check_reason(reason, comment=why.comment, root_cause=why.root_cause, at=at)
    units = line.variance.units
    if (direction is Direction.IN and units < 0) or (direction is Direction.OUT and units > 0):
        raise FieldError((f"{at}reasonCodeId", "is a reason for the other direction"))
    most = settings.root_cause_threshold
    if why.root_cause is None and most is not None and abs(units) > most:
        raise FieldError((f"{at}rootCause", "is required for a change of this size"))


def _entry(line: Standing, why: Why) -> Entry:
    place: dict[str, UUID] = (
        {"line_id": line.stock_line_id}
        if line.stock_line_id is not None
        else {
            "product_id": line.product_id,
            "location_id": line.location_id,
            "bin_id": line.bin_id,
            "lot_id": line.lot_id,
        }
    )
    said: Any = place
    return Entry(
        kind=Kind.COUNT,
        delta=line.variance.units,
        effective_at=line.counted_at,
        reason_code_id=why.reason_code_id,
        comment=why.comment,
        root_cause=why.root_cause,
        **said,
    )


async def _post(
    work: ReviewWork,
    act: Act,
    batch_id: UUID,
    entries: Sequence[Entry],
    named: Sequence[tuple[int, UUID]] = (),
) -> Posted:
    """One posting; `named` are the places in the call and the ids of the entries' lines, for refusals."""
    posting = Posting(
        id=new_id(),
        kind=Kind.COUNT,
        entries=tuple(entries),
        source_type=DocumentType.CYCLE_COUNT,
        source_id=str(batch_id),
        unchanged_ok=True,
        act=act,
    )
    try:
        return await work.post(posting)
    except DomainError as refused:
        entry = refused.facts.pop("entry", None)
        if named and isinstance(entry, int):
            index, line_id = named[entry]
            refused.facts |= {"index": index, "lineId": line_id}
        raise


def _left(line: Standing) -> Outcome:
    """A line that people must look at, with its variance as it is now."""
    return Outcome(
        id=line.id,
        state=LineState.VARIANCE,
        round=line.round,
        expected=line.variance.expected,
        variance=line.variance.units,
    )


def _outcome(line: Standing, decision: Decision, why: Why, act: Act, posted: Posted | None) -> Outcome:
    fresh: Any = {"expected": line.variance.expected, "variance": line.variance.units}
    on_behalf_of = decision.authority.on_behalf_of if decision.authority else None
    match decision.verdict:
        case Verdict.RECOUNT:
            return Outcome(id=line.id, state=LineState.RECOUNT, round=line.round + 1, **fresh)
        case Verdict.PROPOSE | Verdict.APPROVE:
            proposed_by = act.caller.principal_id if decision.verdict is Verdict.PROPOSE else None
            return Outcome(
                id=line.id,
                state=LineState.VARIANCE,
                round=line.round,
                why=why,
                proposed_by=proposed_by,
                **fresh,
            )
        case Verdict.KEEP:
            return Outcome(
                id=line.id,
                state=LineState.RESOLVED,
                round=line.round,
                resolution=Resolution.REJECT,
                why=why,
                on_behalf_of=on_behalf_of,
                **fresh,
            )
        case Verdict.POST:
            return Outcome(
                id=line.id,
                state=LineState.RESOLVED,
                round=line.round,
                resolution=Resolution.ACCEPT,
                why=why,
                on_behalf_of=on_behalf_of,
                posting_id=posted.posting_id if posted is not None else None,
                **fresh,
            )


def _signature(line: Standing, decision: Decision, why: Why) -> NewSignature:
    return NewSignature(
        id=new_id(),
        line_id=line.id,
        round=line.round,
        variance=line.variance.units,
        is_approval=decision.verdict is not Verdict.PROPOSE,
        authority=decision.authority,
        why=why,
    )


STEP = {
    Verdict.APPROVE: "approve",
    Verdict.KEEP: "reject",
    Verdict.POST: "accept",
    Verdict.PROPOSE: "propose",
    Verdict.RECOUNT: "recount",
}
"""What the history of the batch calls it."""


def _steps(batch: Batch, call: _Call, whys: Sequence[Why]) -> Iterable[Step]:
    """One for each verdict and each person in whose place it was given.

    They name no quantity, since who counts blind may read them.
    """
    groups: dict[tuple[Verdict, UUID | None], list[dict[str, object]]] = {}
    for (_, line, decision), why in zip(call.each(), whys, strict=True):
        authority = decision.authority
        told: dict[str, object] = {"lineId": line.id, "round": line.round}
        if decision.needed:
            told["approvalsNeeded"] = decision.needed
        if authority is not None and authority.delegation_id is not None:
            told["delegationId"] = authority.delegation_id
        if why.comment is not None:
            told["comment"] = why.comment
        groups.setdefault((decision.verdict, authority.on_behalf_of if authority else None), []).append(told)
    for (verdict, on_behalf_of), lines in groups.items():
        yield Step(
            action=STEP[verdict],
            from_state=batch.state,
            to_state=batch.state,
            on_behalf_of=on_behalf_of,
            details={"lines": lines},
        )


async def _announce(work: CountingWork, batch: Batch, call: _Call) -> None:
    payload = {
        "id": batch.id,
        "number": batch.number,
        "locationId": batch.location_id,
        "status": batch.state,
        "lines": [{"lineId": line.id, "outcome": decision.verdict} for _, line, decision in call.each()],
        "version": batch.version,
    }
    event = f"{ENTITY}.{EVENTS[Action.RESOLVE]}.v1"
    await work.record(event, ENTITY, batch.id, payload, locations=[batch.location_id])
