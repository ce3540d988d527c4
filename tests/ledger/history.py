"""What concurrent clients asked and were told, and whether one after the other would explain it.

Accepted postings carry their position, which is the order to replay them in. A refused one has none: it must be
what the model says at some moment between its call and its answer.
"""

import asyncio
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from itertools import accumulate
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from domain.errors import DomainError, Reason
from domain.ledger.model import Posted, Posting
from tests.ledger.builders import Shelf, Warehouse
from tests.ledger.model import LATE, ModelLedger, Told, told

type Answer = Posted | DomainError


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One call of one client; the times are counted, not measured."""

    posting: Posting
    invoked: int
    completed: int
    answer: Answer
    was_unknown: bool = False
    """The first try of it was not answered; the answer is that of a repetition under the same key."""

    @property
    def key(self) -> str | None:
        act = self.posting.act
        return act.idempotency.key if act and act.idempotency else None

    @property
    def body(self) -> bytes:
        act = self.posting.act
        return act.idempotency.fingerprint if act and act.idempotency else b""


class Recorder:
    """Sends postings and keeps the history."""

    def __init__(self) -> None:
        self._time = 0
        self.calls: list[Call] = []

    def tick(self) -> int:
        self._time += 1
        return self._time

    async def send(
        self, posting: Posting, post: Callable[[Posting], Awaitable[Posted]], *, again: bool = True
    ) -> Answer:
        """Send until the outcome is known; only a posting with a key may be sent again."""
        invoked, was_unknown = self.tick(), False
        while True:
            answer: Answer
            try:
                answer = await post(posting)
            except DomainError as refused:
                answer = refused
                if again and refused.reason is Reason.UNAVAILABLE:
                    assert posting.act is not None
                    assert posting.act.idempotency is not None
                    was_unknown = True
                    await asyncio.sleep(0.02)
                    continue
            self.calls.append(
                Call(
                    posting=posting,
                    invoked=invoked,
                    completed=self.tick(),
                    answer=answer,
                    was_unknown=was_unknown,
                )
            )
            return answer


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """The books when all is over."""

    shelf_of: dict[UUID, Shelf]
    balances: dict[Shelf, tuple[object, int]]
    position: int


async def read(admin: "asyncpg.Connection[Any]", warehouse: Warehouse) -> Read:
    rows = await admin.fetch("SELECT * FROM stock_lines WHERE tenant_id = $1", warehouse.tenant_id)
    names = Shelf.__struct_fields__
    shelf_of = {row["id"]: Shelf(**{name: row[name] for name in names}) for row in rows}
    head = "SELECT position FROM ledger_heads WHERE tenant_id = $1"
    return Read(
        shelf_of=shelf_of,
        balances={shelf_of[row["id"]]: (row["on_hand"], row["version"]) for row in rows},
        position=await admin.fetchval(head, warehouse.tenant_id),
    )


def check(calls: Sequence[Call], warehouse: Warehouse, end: Read) -> list[str]:
    """What is wrong with a history; nothing, if some order that respects real time explains every answer."""
    problems = _check_keys(calls)
    firsts = _executions(calls)
    accepted = sorted((c for c in firsts if isinstance(c.answer, Posted)), key=_order)
    refused = [c for c in firsts if isinstance(c.answer, DomainError) and not c.answer.replayed]
    problems += _check_real_time(accepted)
    model = ModelLedger(warehouse)
    model.shelf_of = dict(end.shelf_of)
    waiting = _windows(refused, accepted)
    for number in range(len(accepted) + 1):
        still = []
        for call, low, high in waiting:
            if low <= number <= high and told(call.answer).agrees_with(model.foresee(call.posting, now=LATE)):
                continue
            if number >= high:
                problems.append(f"refusal not explained: {told(call.answer)} in [{low}, {high}]")
                continue
            still.append((call, low, high))
        waiting = still
        if number < len(accepted):
            problems += _replay(model, accepted[number])
    found = {shelf: (line.on_hand, line.version) for shelf, line in model.lines.items()}
    if found != end.balances:
        problems.append("the balances are not what the replay leaves")
    if model.position != end.position:
        problems.append(f"the replay ends at position {model.position}, the books at {end.position}")
    return problems


def _replay(model: ModelLedger, call: Call) -> list[str]:
    answer = call.answer
    assert isinstance(answer, Posted)
    due = model.foresee(call.posting, now=answer.recorded_at)
    if told(answer) == due:
        model.execute(call.posting, now=answer.recorded_at)
        return []
    return [f"position {answer.first_position}: told {_short(told(answer))}, due {_short(due)}"]


def _short(answer: Told) -> str:
    return f"{answer.code} {answer.facts} {answer.first_position}-{answer.position} {answer.movements}"


def _order(call: Call) -> tuple[int, bool, datetime]:
    answer = call.answer
    assert isinstance(answer, Posted)
    # A posting without movements stands before the one that takes the next position.
    return answer.first_position, bool(answer.movements), answer.recorded_at


def _executions(calls: Sequence[Call]) -> list[Call]:
    """Of the calls under one key and body, one stands for all; its time spans theirs."""
    groups: dict[object, list[Call]] = {}
    for number, call in enumerate(calls):
        is_reuse = isinstance(call.answer, DomainError) and (call.answer.reason is Reason.IDEMPOTENCY_KEY_REUSED)
        if not is_reuse:
            groups.setdefault(number if call.key is None else call.key, []).append(call)
    found = []
    for group in groups.values():
        posting = group[0].posting
        answer = group[0].answer
        if isinstance(answer, Posted):
            posting = next((c.posting for c in group if c.posting.id == answer.posting_id), posting)
        elif answer.replayed:
            answer = next((c.answer for c in group if not c.answer.replayed), answer)
            if isinstance(answer, DomainError) and answer.replayed:
                answer = DomainError(answer.reason, answer.message, **answer.facts)
        found.append(
            Call(
                posting=posting,
                invoked=min(c.invoked for c in group),
                completed=min(c.completed for c in group),
                answer=answer,
            )
        )
    return found


def _check_keys(calls: Sequence[Call]) -> list[str]:
    """One key, one body, one execution, one answer."""
    problems = []
    groups: dict[str, list[Call]] = {}
    for call in calls:
        if call.key is not None:
            groups.setdefault(call.key, []).append(call)
    for key, group in groups.items():
        answered = [c for c in group if told(c.answer).code != Reason.IDEMPOTENCY_KEY_REUSED]
        if len({c.body for c in answered}) != 1:
            problems.append(f"key {key}: {len({c.body for c in answered})} bodies were executed")
            continue
        if any(told(c.answer) != told(answered[0].answer) for c in answered):
            problems.append(f"key {key}: different answers")
        if sum(not c.answer.replayed for c in answered) > 1:
            problems.append(f"key {key}: executed more than once")
        if any(c.body == answered[0].body for c in group if c not in answered):
            problems.append(f"key {key}: its own body was called another")
    return problems


def _check_real_time(accepted: Sequence[Call]) -> list[str]:
    """What was answered before another was asked comes before it."""
    problems = []
    earliest_answer = float("inf")
    for call in reversed(accepted):
        if earliest_answer < call.invoked:
            problems.append(f"{_order(call)} was asked after a later position had been answered")
        earliest_answer = min(earliest_answer, call.completed)
    return problems


def _windows(refused: Sequence[Call], accepted: Sequence[Call]) -> list[tuple[Call, int, int]]:
    """Between how many and how many of the accepted postings may have been there when each was refused."""
    answered = sorted((call.completed, n + 1) for n, call in enumerate(accepted))
    asked = sorted(((call.invoked, n) for n, call in enumerate(accepted)), reverse=True)
    # Of those answered by a time the highest number, and of those asked after it the lowest.
    highest = list(accumulate((n for _, n in answered), max, initial=0))
    lowest = list(accumulate((n for _, n in asked), min, initial=len(accepted)))
    windows = []
    for call in refused:
        before = bisect_left(answered, (call.invoked, 0))
        after = bisect_left(asked, -call.completed, key=lambda other: -other[0])
        windows.append((call, highest[before], lowest[after]))
    return windows
