"""The checker of histories has to see what is wrong with a bad one."""

from collections.abc import Callable
from decimal import Decimal
from uuid import UUID

import msgspec
import pytest

from domain.errors import DomainError, Reason
from domain.ledger.model import Moved, Posted, Posting
from domain.values import new_id
from tests.ledger.builders import Shelf, Warehouse, a_move, an_act, plan_warehouse
from tests.ledger.history import Call, Read, check
from tests.ledger.model import LATE, ModelLedger
from tests.ledger.traffic import Traffic

type History = list[Call]


class Scene:
    """A good history, made by the model itself: one client, so that real time leaves no choice."""

    def __init__(self, seed: int = 11, length: int = 120) -> None:
        self.warehouse: Warehouse = plan_warehouse(products=2, locations=2, bins=2)
        self.model = ModelLedger(self.warehouse)
        self._ids: dict[Shelf, UUID] = {}
        self._answers: dict[str, tuple[bytes, Posted | DomainError]] = {}
        traffic = Traffic(self.warehouse, seed)
        self.calls: History = []
        for number in range(length):
            posting = traffic.next()
            answer = self._answer(posting)
            traffic.learn(answer)
            self.calls.append(Call(posting=posting, invoked=2 * number, completed=2 * number + 1, answer=answer))

    def end(self) -> Read:
        return Read(
            shelf_of=dict(self.model.shelf_of),
            balances={shelf: (line.on_hand, line.version) for shelf, line in self.model.lines.items()},
            position=self.model.position,
        )

    def _answer(self, posting: Posting) -> Posted | DomainError:
        key = posting.act.idempotency if posting.act else None
        if key is not None and key.key in self._answers:
            fingerprint, stored = self._answers[key.key]
            if fingerprint != key.fingerprint:
                return DomainError(Reason.IDEMPOTENCY_KEY_REUSED, "reused")
            return replay(stored)
        found = self._decide(posting)
        if key is not None:
            self._answers[key.key] = (key.fingerprint, found)
        return found

    def _decide(self, posting: Posting) -> Posted | DomainError:
        told = self.model.execute(posting, now=LATE)
        if told.code != "POSTED":
            return DomainError(Reason(told.code), "no", **(told.facts or {}))
        movements = []
        for move in told.movements:
            shelf = self.model.shelf_named(posting.entries[move.entry])
            assert shelf is not None
            line_id = self._ids.setdefault(shelf, new_id())
            self.model.shelf_of[line_id] = shelf
            fields = msgspec.structs.asdict(move)
            movements.append(Moved(**fields, line_id=line_id, effective_at=LATE))
        return Posted(
            posting_id=posting.id,
            kind=posting.kind,
            recorded_at=LATE,
            first_position=told.first_position,
            position=told.position,
            movements=tuple(movements),
        )


def replay(answer: Posted | DomainError) -> Posted | DomainError:
    if isinstance(answer, Posted):
        return msgspec.structs.replace(answer, replayed=True)
    again = DomainError(answer.reason, answer.message, **answer.facts)
    again.replayed = True
    return again


def the(calls: History, wanted: Callable[[Call], bool]) -> int:
    """The middle one of those that are wanted."""
    found = [number for number, call in enumerate(calls) if wanted(call)]
    return found[len(found) // 2]


def moved(call: Call) -> bool:
    return isinstance(call.answer, Posted) and bool(call.answer.movements) and not call.answer.replayed


def refused(call: Call) -> bool:
    return isinstance(call.answer, DomainError) and call.answer.reason is Reason.INSUFFICIENT_STOCK


def replayed(call: Call) -> bool:
    return isinstance(call.answer, Posted) and call.answer.replayed


def altered(call: Call, **changes: object) -> Call:
    """The call with something else in its answer's first movement."""
    assert isinstance(call.answer, Posted)
    first, *rest = call.answer.movements
    movements = (msgspec.structs.replace(first, **changes), *rest)
    return msgspec.structs.replace(call, answer=msgspec.structs.replace(call.answer, movements=movements))


def lose_one(calls: History) -> None:
    del calls[the(calls, lambda call: moved(call) and call.key is None)]


def double_one(calls: History) -> None:
    calls.append(calls[the(calls, moved)])


def read_stale(calls: History) -> None:
    number = the(calls, moved)
    first = calls[number].answer.movements[0]  # type: ignore[union-attr]
    calls[number] = altered(calls[number], before=first.before + 1, after=first.after + 1)


def miscount(calls: History) -> None:
    number = the(calls, moved)
    calls[number] = altered(calls[number], version=99)


def swap_two(calls: History) -> None:
    """The later position was answered before the earlier one was asked."""
    one = the(calls, moved)
    other = next(n for n in range(one + 1, len(calls)) if moved(calls[n]))
    for number, times in ((one, calls[other]), (other, calls[one])):
        calls[number] = msgspec.structs.replace(calls[number], invoked=times.invoked, completed=times.completed)


def refuse_without_reason(calls: History) -> None:
    number = the(calls, refused)
    facts = {**calls[number].answer.facts, "on_hand": Decimal(1234)}  # type: ignore[union-attr]
    answer = DomainError(Reason.INSUFFICIENT_STOCK, "no", **facts)
    calls[number] = msgspec.structs.replace(calls[number], answer=answer)


def refuse_what_was_done(calls: History) -> None:
    number = the(calls, lambda call: moved(call) and call.key is None)
    calls[number] = msgspec.structs.replace(calls[number], answer=DomainError(Reason.NO_CHANGE, "no"))


def refuse_too_late(calls: History) -> None:
    """It would have been right once, but not when it was asked."""
    number = the(calls, refused)
    end = 10 * len(calls)
    changed = [call for call in calls if moved(call)]
    assert changed
    shelf_facts = {**calls[number].answer.facts, "on_hand": Decimal(0), "available": Decimal(0)}  # type: ignore[union-attr]
    answer = DomainError(Reason.INSUFFICIENT_STOCK, "no", **shelf_facts)
    calls[number] = Call(posting=calls[number].posting, invoked=end, completed=end + 1, answer=answer)


def answer_a_retry_differently(calls: History) -> None:
    number = the(calls, lambda call: replayed(call) and bool(call.answer.movements))  # type: ignore[union-attr]
    calls[number] = altered(calls[number], version=99)


def execute_a_retry(calls: History) -> None:
    number = the(calls, replayed)
    answer = msgspec.structs.replace(calls[number].answer, replayed=False)  # type: ignore[type-var]
    calls[number] = msgspec.structs.replace(calls[number], answer=answer)


def execute_another_body(calls: History) -> None:
    number = the(calls, lambda call: moved(call) and call.key is not None)
    posting = calls[number].posting
    act = an_act(posting.act.tenant_id, key=calls[number].key, body=b"another")  # type: ignore[union-attr]
    other = msgspec.structs.replace(calls[number], posting=msgspec.structs.replace(posting, act=act))
    calls.append(other)


BAD = [
    lose_one,
    double_one,
    read_stale,
    miscount,
    swap_two,
    refuse_without_reason,
    refuse_what_was_done,
    refuse_too_late,
    answer_a_retry_differently,
    execute_a_retry,
    execute_another_body,
]


@pytest.mark.parametrize("seed", range(11, 15))
def test_a_good_history_passes(seed: int) -> None:
    scene = Scene(seed)

    assert check(scene.calls, scene.warehouse, scene.end()) == []
    assert any(moved(call) for call in scene.calls)
    assert any(refused(call) for call in scene.calls)
    assert any(replayed(call) for call in scene.calls)


@pytest.mark.parametrize("spoil", BAD, ids=lambda spoil: spoil.__name__)
def test_a_bad_history_is_seen(spoil: Callable[[History], None]) -> None:
    scene = Scene()

    spoil(scene.calls)

    assert check(scene.calls, scene.warehouse, scene.end()) != []


def test_a_balance_that_the_replay_does_not_leave_is_seen() -> None:
    scene = Scene()
    end = scene.end()
    shelf = next(iter(end.balances))
    end.balances[shelf] = (Decimal(77), 1)

    assert check(scene.calls, scene.warehouse, end) != []


def test_a_refusal_may_be_explained_by_any_moment_of_its_call() -> None:
    warehouse = plan_warehouse()
    scene = Scene(length=0)
    scene.warehouse = warehouse
    scene.model = ModelLedger(warehouse)
    fill, drain, ask = a_move(warehouse.shelf(), 5), a_move(warehouse.shelf(), -5), a_move(warehouse.shelf(), -6)
    filled, drained = scene._answer(fill), scene._answer(drain)
    facts = {"requested": 6, "on_hand": 5, "reserved": 0, "held": 0, "available": 5, "entry": 0}
    in_between = DomainError(Reason.INSUFFICIENT_STOCK, "no", **facts)

    calls = [
        Call(posting=fill, invoked=0, completed=1, answer=filled),
        Call(posting=drain, invoked=2, completed=5, answer=drained),
        Call(posting=ask, invoked=3, completed=4, answer=in_between),
    ]
    late = [*calls[:2], msgspec.structs.replace(calls[2], invoked=6, completed=7)]

    assert check(calls, warehouse, scene.end()) == []
    assert check(late, warehouse, scene.end()) != []
