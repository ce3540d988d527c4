"""What may happen to a batch and to its lines: every state with every action, and who may do it."""

import pytest

from domain.access.model import Caller, Permission, Scope
from domain.counting.blind import sees_figures
from domain.counting.model import Action, LineAction, LineState, State
from domain.counting.states import BATCH, COUNTING, LINE, BatchFacts, LineFacts
from domain.errors import DomainError, Reason
from domain.values import new_id
from tests.counting_lab import a_batch, a_caller

BATCHES: dict[tuple[State, Action], set[State]] = {
    (State.DRAFT, Action.START): {State.IN_PROGRESS},
    (State.DRAFT, Action.ASSIGN): {State.DRAFT},
    (State.DRAFT, Action.CANCEL): {State.CANCELED},
    (State.IN_PROGRESS, Action.RECORD): {State.IN_PROGRESS},
    (State.IN_PROGRESS, Action.WAIVE): {State.IN_PROGRESS},
    (State.IN_PROGRESS, Action.COMPLETE): {State.REVIEW, State.COMPLETED},
    (State.IN_PROGRESS, Action.ASSIGN): {State.IN_PROGRESS},
    (State.IN_PROGRESS, Action.CANCEL): {State.CANCELED},
    (State.REVIEW, Action.RECORD): {State.REVIEW, State.COMPLETED},
    (State.REVIEW, Action.RESOLVE): {State.REVIEW, State.COMPLETED},
    (State.REVIEW, Action.ASSIGN): {State.REVIEW},
    (State.REVIEW, Action.CANCEL): {State.CANCELED},
}
LINES: dict[tuple[LineState, LineAction], set[LineState]] = {
    (LineState.PENDING, LineAction.COUNT): {LineState.COUNTED},
    (LineState.PENDING, LineAction.CLEAR): {LineState.PENDING},
    (LineState.PENDING, LineAction.WAIVE): {LineState.PENDING},
    (LineState.PENDING, LineAction.CLOSE): {LineState.RESOLVED},
    (LineState.COUNTED, LineAction.COUNT): {LineState.COUNTED},
    (LineState.COUNTED, LineAction.CLEAR): {LineState.PENDING},
    (LineState.COUNTED, LineAction.CLOSE): {LineState.MATCHED, LineState.VARIANCE},
    (LineState.MATCHED, LineAction.RECOUNT): {LineState.RECOUNT},
    (LineState.MATCHED, LineAction.RESOLVE): {LineState.RESOLVED},
    (LineState.VARIANCE, LineAction.RECOUNT): {LineState.RECOUNT},
    (LineState.VARIANCE, LineAction.ACCEPT): {LineState.VARIANCE, LineState.APPROVED},
    (LineState.VARIANCE, LineAction.REJECT): {LineState.REJECTED},
    (LineState.RECOUNT, LineAction.COUNT): {LineState.MATCHED, LineState.VARIANCE},
    (LineState.APPROVED, LineAction.RESOLVE): {LineState.RESOLVED},
    (LineState.REJECTED, LineAction.RESOLVE): {LineState.RESOLVED},
}


def batch_facts(caller: Caller | None = None, **more: object) -> BatchFacts:
    return BatchFacts(caller=caller or a_caller(), location_id=new_id(), **more)  # type: ignore[arg-type] # by name


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("action", Action)
def test_a_batch_goes_where_the_table_says_and_nowhere_else(state: State, action: Action) -> None:
    facts = batch_facts()
    if (state, action) in BATCHES:
        assert set(BATCH.require(state, action, facts).to) == BATCHES[state, action]
        return
    with pytest.raises(DomainError) as refused:
        BATCH.require(state, action, facts)

    assert refused.value.reason is Reason.INVALID_TRANSITION
    assert refused.value.facts["state"] is state
    assert set(refused.value.facts["allowedActions"]) == {a for s, a in BATCHES if s is state}  # type: ignore[call-overload] # a list of them


@pytest.mark.parametrize("state", LineState)
@pytest.mark.parametrize("action", LineAction)
def test_a_line_goes_where_the_table_says_and_nowhere_else(state: LineState, action: LineAction) -> None:
    facts = LineFacts(caller=a_caller(), location_id=new_id(), is_waived=True)
    if (state, action) in LINES:
        assert set(LINE.require(state, action, facts).to) == LINES[state, action]
        return
    with pytest.raises(DomainError) as refused:
        LINE.require(state, action, facts)

    assert refused.value.reason is Reason.INVALID_TRANSITION


def test_a_line_that_is_neither_counted_nor_waived_is_not_closed() -> None:
    facts = LineFacts(caller=a_caller(), location_id=new_id(), is_waived=False)

    with pytest.raises(DomainError) as refused:
        LINE.require(LineState.PENDING, LineAction.CLOSE, facts)

    assert refused.value.reason is Reason.INVALID_TRANSITION


@pytest.mark.parametrize(("state", "action"), BATCHES)
def test_without_the_permission_nothing_is_done_to_a_batch(state: State, action: Action) -> None:
    caller = a_caller(rights={Permission.INVENTORY_READ: None})

    with pytest.raises(DomainError) as refused:
        BATCH.require(state, action, batch_facts(caller))

    assert refused.value.reason is Reason.PERMISSION_DENIED
    assert BATCH.allowed(state, batch_facts(caller)) == []


@pytest.mark.parametrize(("state", "action"), BATCHES)
def test_a_batch_elsewhere_is_not_touched(state: State, action: Action) -> None:
    caller = a_caller(rights={COUNTING: frozenset({new_id()})})

    with pytest.raises(DomainError) as refused:
        BATCH.require(state, action, batch_facts(caller))

    assert refused.value.reason is Reason.LOCATION_DENIED


@pytest.mark.parametrize(("state", "action"), BATCHES)
def test_where_people_are_assigned_they_alone_count(state: State, action: Action) -> None:
    caller = a_caller()
    theirs = batch_facts(caller, assignee_ids=(new_id(),))
    own = batch_facts(caller, assignee_ids=(caller.principal_id,))

    BATCH.require(state, action, own)
    if action not in {Action.RECORD, Action.WAIVE}:
        BATCH.require(state, action, theirs)
        return
    with pytest.raises(DomainError) as refused:
        BATCH.require(state, action, theirs)
    assert refused.value.reason is Reason.PERMISSION_DENIED
    assert action not in BATCH.allowed(state, theirs)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("blind", [False, True])
@pytest.mark.parametrize("reads", ["nowhere", "elsewhere", "here"])
@pytest.mark.parametrize("assigned", ["nobody", "caller", "another"])
def test_figures_are_seen_by_who_reads_stock_there_and_does_not_count_it_blind(
    state: State, *, blind: bool, reads: str, assigned: str
) -> None:
    batch = a_batch(state=state, is_blind=blind)
    caller = a_caller()
    every: dict[str, dict[Permission, Scope]] = {
        "nowhere": {COUNTING: None},
        "elsewhere": {COUNTING: None, Permission.INVENTORY_READ: frozenset({new_id()})},
        "here": {COUNTING: None, Permission.INVENTORY_READ: frozenset({batch.location_id})},
    }
    rights = every[reads]
    named = {"nobody": (), "caller": (caller.principal_id,), "another": (new_id(),)}[assigned]
    caller = a_caller(principal_id=caller.principal_id, rights=rights)
    batch = a_batch(state=state, is_blind=blind, location_id=batch.location_id, assignee_ids=named)

    is_counting = state in {State.DRAFT, State.IN_PROGRESS} and assigned != "another"
    assert sees_figures(batch, caller) == (reads == "here" and not (blind and is_counting))
