"""What becomes of counted lines: accepted by themselves, or decided upon by people who did not count them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from domain.access.delegations import InForce, authority_over, may_decide
from domain.access.model import Act
from domain.counting.accepting import entry_of, post_variances
from domain.counting.deciding import Decision, ResolveAction, Verdict, decide
from domain.counting.ending import ENTITY, EVENTS, finish
from domain.counting.model import Action, Batch, LineState, Resolution, State
from domain.counting.ports import CountingWork
from domain.counting.resolving_ports import NewSignature, Outcome, Standing, Why
from domain.counting.states import BATCH, COUNTING, facts_of
from domain.documents import DocumentType, Step
from domain.errors import DomainError, FieldError, Reason, not_found
from domain.ledger.model import Direction, Posted, ReasonCode
from domain.ledger.rules import check_reason
from domain.settings.model import TenantSettings
from domain.values import new_id


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
    posting_act = _act_here(act, in_force, batch)
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
    call = _Call(wishes, lines, decisions)
    return await _carry_out(work, posting_act, batch, call, settings=settings, reasons=reasons)


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
            entries.append(entry_of(line, why))
            posted_lines.append((n, line.id))
    posted = await post_variances(work, act, batch.id, entries, posted_lines) if entries else None
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


def _act_here(act: Act, in_force: InForce, batch: Batch) -> Act:
    """The act as it may post at the batch's location; who stands in for another may where that other may.

    Raises:
        DomainError: LOCATION_DENIED, it may not.
    """
    if act.caller.allows(act.permission):
        act.caller.require_location(act.permission, batch.location_id)
        return act
    given = may_decide(act.permission, in_force.at, act.caller, in_force.delegations)
    if not any(authority.reaches(batch.location_id) for authority in given):
        message = "Your rights do not cover this location"
        raise DomainError(Reason.LOCATION_DENIED, message, locationId=batch.location_id)
    rights = {**act.caller.rights, act.permission: frozenset({batch.location_id})}
    return msgspec.structs.replace(act, caller=msgspec.structs.replace(act.caller, rights=rights))


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
        decision = decide(line, action, caller=act.caller, in_force=in_force, settings=settings)
        return _in_whose_place(line, decision, act=act, in_force=in_force)
    except DomainError as refused:
        refused.facts |= {"lineId": line.id, "index": n}
        raise


def _in_whose_place(line: Standing, decision: Decision, *, act: Act, in_force: InForce) -> Decision:
    """Who has no right of their own to be here decides in another's place, also what nobody needs to approve."""
    is_settled = decision.authority is not None or decision.verdict is Verdict.RECOUNT
    if is_settled or act.caller.allows(act.permission):
        return decision
    authority = authority_over(
        act.permission,
        in_force.at,
        act.caller,
        in_force.delegations,
        authors=line.counters,
        location_id=line.location_id,
    )
    return msgspec.structs.replace(decision, authority=authority)


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
