"""The ledger in plain Python: the oracle that the real one is compared with.

It knows nothing of batches, locks or SQL. Postings come one after the other; each is decided on what those before
it left behind.
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from domain.errors import DomainError, Reason
from domain.ledger.model import INTERNAL, Direction, Entry, Kind, Posted, Posting
from tests.ledger.builders import Shelf, Warehouse

LATE = datetime(9000, 1, 1, tzinfo=UTC)
FUTURE = datetime(2900, 1, 1, tzinfo=UTC)
"""What comes after is in the future of every run."""
LIMIT = Decimal(10) ** 14


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """A movement as its writer is told of it."""

    entry: int
    kind: Kind
    product_id: UUID
    location_id: UUID
    delta: Decimal
    before: Decimal
    after: Decimal
    reserved: Decimal
    held: Decimal
    version: int


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """An answer without what only the server can know: times, and the ids of lines."""

    code: str
    facts: dict[str, Any] | None = None
    """None: whatever the refusal says of itself."""
    first_position: int = 0
    position: int = 0
    movements: tuple["Move", ...] = ()
    is_failure: bool = False
    """The database refuses the whole call, other postings in it too, and remembers nothing of it."""

    def agrees_with(self, other: "Told") -> bool:
        if self.facts is None or other.facts is None:
            return self.code == other.code
        return self == other


_SERVER_ONLY = {"line_id", "counted_at"}


def told(answer: Posted | DomainError) -> Told:
    """A real answer, as the model would give it."""
    if isinstance(answer, DomainError):
        code = answer.reason.value
        facts = {name: value for name, value in answer.facts.items() if name not in _SERVER_ONLY}
        return Told(code=code, facts=None if code == "VALIDATION_ERROR" else facts)
    return Told(
        code="POSTED",
        facts={},
        first_position=answer.first_position,
        position=answer.position,
        movements=tuple(
            Move(**{name: getattr(moved, name) for name in Move.__struct_fields__}) for moved in answer.movements
        ),
    )


class Line(msgspec.Struct, frozen=True, kw_only=True):
    on_hand: Decimal = Decimal(0)
    version: int = 0
    reserved: Decimal = Decimal(0)
    held_part: Decimal = Decimal(0)
    counted_at: datetime | None = None

    @property
    def held(self) -> Decimal:
        """What is not there cannot be held."""
        return min(self.on_hand, self.held_part)


class _Refused(Exception):  # noqa: N818 - it carries an answer
    def __init__(self, code: str, facts: dict[str, Any] | None) -> None:
        self.told = Told(code=code, facts=facts)


class _Failed(Exception):  # noqa: N818 - it carries an answer, too
    told = Told(code="VALIDATION_ERROR", is_failure=True)


class ModelLedger:
    """One tenant's stock as dictionaries."""

    def __init__(self, warehouse: Warehouse) -> None:
        self._warehouse = warehouse
        self.lines: dict[Shelf, Line] = {}
        self.shelf_of: dict[UUID, Shelf] = {}
        self.position = 0
        self.events = 0
        self.quantity_in = Decimal(0)
        self.quantity_out = Decimal(0)
        self.inactive: set[UUID] = set()
        """Products, locations and bins where no stock may come in."""
        self._reversed: set[UUID] = set()
        self._outcomes: dict[tuple[UUID, str, str], tuple[bytes, Told]] = {}

    def post(self, posting: Posting, *, now: datetime = LATE) -> Told:
        """What the ledger has to answer. `now` matters only to a count without a time of its own."""
        try:
            return self._once(posting, now)
        except _Failed as failed:
            return failed.told

    def _once(self, posting: Posting, now: datetime) -> Told:
        act = posting.act
        if act is None or act.idempotency is None:
            return self._decide(posting, now)
        key = (act.caller.principal_id, act.operation, act.idempotency.key)
        if key in self._outcomes:
            fingerprint, outcome = self._outcomes[key]
            same = fingerprint == act.idempotency.fingerprint
            return outcome if same else Told(code="IDEMPOTENCY_KEY_REUSED", facts={})
        outcome = self._decide(posting, now)
        if not (posting.tentative and outcome.code == Reason.INSUFFICIENT_STOCK):
            self._outcomes[key] = (act.idempotency.fingerprint, outcome)
        return outcome

    def foresee(self, posting: Posting, *, now: datetime) -> Told:
        """What it would answer, had the posting no key and left nothing behind."""
        try:
            _, moves = self._apply(posting, now)
        except (_Refused, _Failed) as refused:
            return refused.told
        return self._posted(moves)

    def execute(self, posting: Posting, *, now: datetime) -> Told:
        """Apply it, whatever has been answered under its key."""
        return self._decide(posting, now)

    def learn(self, posting: Posting, answer: Posted) -> None:
        """The ids of lines, from an answer."""
        for moved in answer.movements:
            self.shelf_of[moved.line_id] = self._shelf(posting.entries[moved.entry])

    def _decide(self, posting: Posting, now: datetime) -> Told:
        try:
            lines, moves = self._apply(posting, now)
        except _Refused as refused:
            return refused.told
        return self._accept(posting, lines, moves)

    def _apply(self, posting: Posting, now: datetime) -> tuple[dict[Shelf, Line], list[Move]]:
        """What the posting would leave, without leaving it."""
        if posting.reverses_id in self._reversed:
            raise _Refused("ALREADY_REVERSED", {"posting_id": str(posting.reverses_id)})
        lines: dict[Shelf, Line] = {}
        moves: list[tuple[Shelf, Move]] = []
        for n, entry in enumerate(posting.entries):
            shelf, before = self._find(entry, n, posting, lines)
            lines[shelf] = after = _step(before, entry, n, posting, now)
            is_in = after.on_hand > before.on_hand and entry.kind is not Kind.COUNT
            if is_in and posting.reverses_id is None and self._is_closed(shelf):
                raise _Refused("INACTIVE", {"entry": n})
            if after.version != before.version:
                moves.append((shelf, _move(n, entry, shelf, before, after)))
        _check_conservation(moves)
        self._check_totals(lines)
        return lines, [move for _, move in moves]

    def _check_totals(self, lines: dict[Shelf, Line]) -> None:
        """A total has as many digits as a line."""
        sums: dict[tuple[UUID, UUID], Decimal] = {}
        for shelf, line in {**self.lines, **lines}.items():
            key = (shelf.product_id, shelf.location_id)
            sums[key] = sums.get(key, Decimal(0)) + line.on_hand
        if any(total >= LIMIT for total in sums.values()):
            raise _Failed

    def _accept(self, posting: Posting, lines: dict[Shelf, Line], moves: list[Move]) -> Told:
        self.lines.update({shelf: line for shelf, line in lines.items() if line.version})
        if posting.reverses_id is not None:
            self._reversed.add(posting.reverses_id)
        outer = [move.delta for move in moves if move.kind not in INTERNAL]
        self.quantity_in += sum((delta for delta in outer if delta > 0), Decimal(0))
        self.quantity_out -= sum((delta for delta in outer if delta < 0), Decimal(0))
        answer = self._posted(moves)
        self.position = answer.position
        self.events += 1
        return answer

    def _posted(self, moves: list[Move]) -> Told:
        return Told(
            code="POSTED",
            facts={},
            first_position=self.position + 1,
            position=self.position + len(moves),
            movements=tuple(moves),
        )

    def _find(self, entry: Entry, n: int, posting: Posting, lines: dict[Shelf, Line]) -> tuple[Shelf, Line]:
        if entry.effective_at is not None and entry.effective_at >= FUTURE:
            raise _Refused("VALIDATION_ERROR", None)
        if entry.line_id is not None and entry.line_id not in self.shelf_of:
            raise _Refused("NOT_FOUND", {"field": "inventoryItemId", "entry": n})
        location_id = self._shelf(entry).location_id if entry.line_id else entry.location_id
        if posting.scope is not None and location_id not in posting.scope:
            raise _Refused("LOCATION_DENIED", {"location_id": str(location_id), "entry": n})
        if entry.line_id is None:
            self._check_keys(entry, n)
        shelf = self._shelf(entry)
        return shelf, lines.get(shelf) or self.lines.get(shelf) or Line()

    def _check_keys(self, entry: Entry, n: int) -> None:
        w = self._warehouse
        missing = None
        if entry.product_id not in w.products:
            missing = "productMasterId"
        elif entry.location_id not in w.locations:
            missing = "locationId"
        elif entry.bin_id is not None and entry.bin_id not in w.bins[entry.location_id]:
            missing = "binId"
        elif entry.lot_id is not None and entry.lot_id not in w.lots[entry.product_id]:
            missing = "lotId"
        if missing is not None:
            raise _Refused("NOT_FOUND", {"field": missing, "entry": n})
        if entry.lot_id is None and entry.product_id in w.lot_controlled:
            raise _Refused("LOT_REQUIRED", {"entry": n})

    def _is_closed(self, shelf: Shelf) -> bool:
        return not self.inactive.isdisjoint({shelf.product_id, shelf.location_id, shelf.bin_id})

    def shelf_named(self, entry: Entry) -> Shelf | None:
        """The line that an entry means, None when it names an id that was never told."""
        if entry.line_id is not None:
            return self.shelf_of.get(entry.line_id)
        assert entry.product_id is not None
        assert entry.location_id is not None
        return Shelf(
            product_id=entry.product_id,
            location_id=entry.location_id,
            bin_id=entry.bin_id or self._warehouse.bins[entry.location_id][0],
            lot_id=entry.lot_id or self._warehouse.lots[entry.product_id][0],
        )

    def _shelf(self, entry: Entry) -> Shelf:
        shelf = self.shelf_named(entry)
        assert shelf is not None
        return shelf


def _step(line: Line, entry: Entry, n: int, posting: Posting, now: datetime) -> Line:
    """The line after one entry."""
    at = entry.effective_at or now
    if entry.expected is not None and entry.expected != line.on_hand:
        facts = {"expected": entry.expected, "actual": line.on_hand, "entry": n}
        raise _Refused("STALE_QUANTITY", facts)
    if line.counted_at is not None and at < line.counted_at:
        raise _Refused("COUNTED_SINCE", {"entry": n})
    assert entry.delta is not None or entry.target is not None
    delta = entry.delta if entry.delta is not None else (entry.target or Decimal(0)) - line.on_hand
    counted_at = at if entry.kind is Kind.COUNT else line.counted_at
    if delta == 0:
        if not posting.unchanged_ok:
            raise _Refused("NO_CHANGE", {"on_hand": line.on_hand, "entry": n})
        return msgspec.structs.replace(line, counted_at=counted_at) if line.version else line
    _check_reason(entry, delta)
    after = line.on_hand + delta
    claimed = line.reserved + line.held
    is_bound = delta < 0 and not posting.force and entry.kind is not Kind.COUNT
    if after < 0 or (is_bound and after < claimed):
        facts = {
            "requested": -delta,
            "on_hand": line.on_hand,
            "reserved": line.reserved,
            "held": line.held,
            "available": max(Decimal(0), line.on_hand - claimed),
            "entry": n,
        }
        raise _Refused("INSUFFICIENT_STOCK", facts)
    if after >= LIMIT:
        raise _Refused("QUANTITY_OUT_OF_RANGE", {"on_hand": line.on_hand, "entry": n})
    return msgspec.structs.replace(line, on_hand=after, version=line.version + 1, counted_at=counted_at)


def _check_reason(entry: Entry, delta: Decimal) -> None:
    forbidden = Direction.OUT if delta > 0 else Direction.IN
    if entry.direction is forbidden:
        raise _Refused("VALIDATION_ERROR", None)
    limit = entry.explained_above
    if entry.root_cause is None and limit is not None and abs(delta) > limit:
        raise _Refused("VALIDATION_ERROR", None)


def _move(n: int, entry: Entry, shelf: Shelf, before: Line, after: Line) -> Move:
    return Move(
        entry=n,
        kind=entry.kind,
        product_id=shelf.product_id,
        location_id=shelf.location_id,
        delta=after.on_hand - before.on_hand,
        before=before.on_hand,
        after=after.on_hand,
        reserved=before.reserved,
        held=after.held,
        version=after.version,
    )


def _check_conservation(moves: list[tuple[Shelf, Move]]) -> None:
    """Internal kinds move stock, they neither make nor lose it; only a lot correction changes the lot."""
    sums: dict[tuple[UUID, UUID | None], Decimal] = {}
    for shelf, move in moves:
        if move.kind in INTERNAL:
            key = (move.product_id, None if move.kind is Kind.LOT_CORRECTION else shelf.lot_id)
            sums[key] = sums.get(key, Decimal(0)) + move.delta
    if any(sums.values()):
        raise _Failed
