"""The count of a whole product at a location: all of its bins and lots at once.

The difference is what was counted less what the books said *at the moment of the count*, by effective time. It is
posted as a difference, so whatever has moved since stays right: counted 8 where 10 stood, 3 issued meanwhile,
leaves 5. A balance that was read may have changed by the time it is posted; then the books are asked once more,
with the lines locked, what they say for that moment with the count in them. They must say what was counted, or the
whole is done again.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Protocol
from uuid import UUID

import msgspec

from domain.access.model import Act
from domain.errors import DomainError, FieldError, Reason, not_found
from domain.expiry.model import Code, Findings, Incoming, KnownLot, LotFacts, LotKey, LotPolicy, NewLot
from domain.expiry.ports import LotWork
from domain.expiry.rules import check_incoming, new_expiries, refuse
from domain.ledger.model import Entry, Kind, Posted, Posting
from domain.values import new_id, plain

ZERO = Decimal(0)
ATTEMPTS = 5
SKEW = timedelta(minutes=1)
"""How far a client's clock may run ahead."""
ABOUT_USE = frozenset({Code.EXPIRED_NOT_ALLOWED, Code.LOT_ON_HOLD, Code.SHELF_LIFE_TOO_SHORT})
"""What speaks against stock coming in, but not against saying that it is there."""


class CountedLine(msgspec.Struct, frozen=True, kw_only=True):
    """What was counted in one bin of one lot (none: the product has no lots)."""

    bin_id: UUID
    lot_number: str | None = None
    expires_on: date | None = None
    counted: Decimal
    expected: Decimal | None = None
    """What the counter believed to be in the books at the moment of the count."""


class WholeCount(msgspec.Struct, frozen=True, kw_only=True):
    product_id: UUID
    location_id: UUID
    lines: Sequence[CountedLine]
    complete: bool
    """Whether what is not listed is not there."""
    counted_at: datetime | None = None
    comment: str | None = None


class StandingLine(msgspec.Struct, frozen=True, kw_only=True):
    """A stock line of the product at the location."""

    line_id: UUID
    bin_id: UUID
    bin_code: str
    lot_id: UUID
    lot_number: str
    expires_on: date | None
    then: Decimal
    """What stood there at the moment of the count, by effective time."""


class CountFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a count is compared with, as one statement reads it."""

    now: datetime
    on: date | None
    """The day at the location; None when there is no such location."""
    position: int
    """The ledger's position that this shows."""
    policy: LotPolicy | None
    lots: Sequence[KnownLot]
    """Those that are named, and the default lot."""
    bins: Mapping[UUID, str]
    """The codes of those bins asked for that are at the location."""
    standing: Sequence[StandingLine]


class CountWork(LotWork, Protocol):
    """A count in one transaction."""

    async def count_facts(self, count: WholeCount) -> CountFacts:
        """As of `count.counted_at`, or of now."""
        ...

    async def post(self, posting: Posting) -> Posted: ...

    def savepoint(self) -> AbstractAsyncContextManager[None]:
        """What fails inside is undone, its locks too, and the transaction goes on."""
        ...


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """One bin and lot: what was counted against what the books said."""

    index: int | None
    """Which line of the count; None for one that was not listed and so is not there."""
    line_id: UUID | None
    bin_id: UUID
    bin_code: str
    lot_id: UUID | None
    """None for nothing counted of a lot that is not known."""
    lot_number: str
    expires_on: date | None
    counted: Decimal
    then: Decimal

    @property
    def difference(self) -> Decimal:
        return self.counted - self.then


class CountRecorded(msgspec.Struct, frozen=True, kw_only=True):
    posted: Posted
    counted_at: datetime
    tallies: Sequence[Tally]


class _StaleError(Exception):
    """The books for the moment of the count changed before the count was in them."""


async def record_count(work: CountWork, *, act: Act, count: WholeCount) -> CountRecorded:
    """Post what a count found, as one group, also when it found no difference.

    Two statements when nothing else is posted at the same time, and one more when lots are new.

    Raises:
        FieldError: the count cannot be meant.
        DomainError: STALE_QUANTITY against an expected quantity; COUNTED_SINCE before a later count of a line;
            INSUFFICIENT_STOCK when more has left since than was counted.
    """
    act.caller.require_location(act.permission, count.location_id)
    for _ in range(ATTEMPTS):
        facts = await work.count_facts(count)
        count = msgspec.structs.replace(count, counted_at=_moment(count, facts))
        lots = await _lots(work, count, facts)
        tallies = tally(count, facts.standing, lots=lots, bins=facts.bins)
        try:
            async with work.savepoint():
                posted = await _post(work, act, count, tallies)
                # Nobody posted anything in between when the positions follow each other.
                if posted.first_position != facts.position + 1:
                    _require_agreement(count, tallies, (await work.count_facts(count)).standing)
        except _StaleError:
            continue
        assert count.counted_at is not None
        return CountRecorded(posted=posted, counted_at=count.counted_at, tallies=_named(tallies, posted))
    message = "The stock is moving too much to be counted now; try again shortly"
    raise DomainError(Reason.UNAVAILABLE, message, retryAfter=1)


def tally(
    count: WholeCount,
    standing: Sequence[StandingLine],
    *,
    lots: Mapping[LotKey, KnownLot],
    bins: Mapping[UUID, str],
) -> list[Tally]:
    """Compare a count with what stood: the listed lines, then those that a complete count leaves out.

    Raises:
        DomainError: STALE_QUANTITY where another quantity was expected.
    """
    found = {(line.bin_id, line.lot_id): line for line in standing}
    tallies = []
    for n, line in enumerate(count.lines):
        lot = lots.get((count.product_id, line.lot_number or ""))
        stood = found.pop((line.bin_id, lot.id), None) if lot is not None else None
        then = stood.then if stood is not None else ZERO
        if line.expected is not None and line.expected != then:
            message = "The quantity in the books at the moment of the count is not what you expect"
            raise DomainError(
                Reason.STALE_QUANTITY, message, expected=plain(line.expected), actual=plain(then), index=n
            )
        tallies.append(
            Tally(
                index=n,
                line_id=stood.line_id if stood is not None else None,
                bin_id=line.bin_id,
                bin_code=bins[line.bin_id],
                lot_id=lot.id if lot is not None else None,
                lot_number=line.lot_number or "",
                expires_on=lot.expires_on if lot is not None else line.expires_on,
                counted=line.counted,
                then=then,
            )
        )
    if count.complete:
        tallies += [_absent(line) for line in found.values()]
    return tallies


def _absent(line: StandingLine) -> Tally:
    return Tally(
        index=None,
        line_id=line.line_id,
        bin_id=line.bin_id,
        bin_code=line.bin_code,
        lot_id=line.lot_id,
        lot_number=line.lot_number,
        expires_on=line.expires_on,
        counted=ZERO,
        then=line.then,
    )


def _moment(count: WholeCount, facts: CountFacts) -> datetime:
    if count.counted_at is None:
        return facts.now
    if count.counted_at > facts.now + SKEW:
        raise FieldError(("countedAt", "must not lie in the future"))
    return min(count.counted_at, facts.now)


async def _lots(work: CountWork, count: WholeCount, facts: CountFacts) -> Mapping[LotKey, KnownLot]:
    """The lots of the count, checked against the product, new ones made where something was counted of them."""
    if facts.on is None:
        raise not_found("location", field="locationId")
    if facts.policy is None:
        raise not_found("product", field="productMasterId")
    for n, line in enumerate(count.lines):
        if line.bin_id not in facts.bins:
            raise not_found("bin at this location", field="binId", index=n)
    known = {lot.key: lot for lot in facts.lots}
    lines = [
        Incoming(product_id=count.product_id, lot_number=line.lot_number, expires_on=line.expires_on)
        for line in count.lines
    ]
    checked = LotFacts(policies={count.product_id: facts.policy}, lots=known, today=facts.on)
    refuse([_about_being_there(found) for found in check_incoming(lines, checked)])
    _refuse_duplicates(count)
    expiries = new_expiries(lines)
    new = {
        line.key: NewLot(product_id=count.product_id, number=line.key[1], expires_on=expiries.get(line.key))
        for line, counted in zip(lines, count.lines, strict=True)
        if counted.counted and line.key not in known
    }
    if not new:
        return known
    made = await work.ensure_lots(list(new.values()))
    for n, one in enumerate(lines):
        if one.key in made and one.expires_on not in {None, made[one.key].expires_on}:
            message = "the lot was made with another expiry date at the same moment"
            raise FieldError((f"lines[{n}].expiryDate", message))
    return {**known, **made}


def _about_being_there(found: Findings) -> Findings:
    return Findings(errors=tuple(error for error in found.errors if error.code not in ABOUT_USE))


def _refuse_duplicates(count: WholeCount) -> None:
    seen: set[tuple[UUID, str]] = set()
    for n, line in enumerate(count.lines):
        place = line.bin_id, line.lot_number or ""
        if place in seen:
            raise FieldError((f"lines[{n}]", "this bin and lot stand above already: count them once"))
        seen.add(place)


async def _post(work: CountWork, act: Act, count: WholeCount, tallies: Sequence[Tally]) -> Posted:
    # Nothing counted where nothing is known to be makes no line.
    posted = [one for one in tallies if one.line_id is not None or one.counted]
    posting = Posting(
        id=new_id(),
        kind=Kind.COUNT,
        entries=tuple(_entry(count, one) for one in posted),
        source_type="RECORD_STOCK",
        comment=count.comment,
        details=_details(count, tallies),
        unchanged_ok=True,
        act=act,
    )
    try:
        return await work.post(posting)
    except DomainError as refused:
        entry = refused.facts.pop("entry", None)
        if isinstance(entry, int) and posted[entry].index is not None:
            refused.facts["index"] = posted[entry].index
        raise


def _entry(count: WholeCount, one: Tally) -> Entry:
    if one.line_id is not None:
        return Entry(kind=Kind.COUNT, line_id=one.line_id, delta=one.difference, effective_at=count.counted_at)
    return Entry(
        kind=Kind.COUNT,
        product_id=count.product_id,
        location_id=count.location_id,
        bin_id=one.bin_id,
        lot_id=one.lot_id,
        delta=one.difference,
        effective_at=count.counted_at,
    )


def _details(count: WholeCount, tallies: Sequence[Tally]) -> object:
    """What was counted, for whoever reads the count later."""
    return {
        "productMasterId": count.product_id,
        "locationId": count.location_id,
        "countedAt": count.counted_at,
        "complete": count.complete,
        "lines": [
            {
                "inventoryItemId": one.line_id,
                "binId": one.bin_id,
                "lotId": one.lot_id,
                "lotNumber": one.lot_number or None,
                "expiryDate": one.expires_on,
                "newQty": plain(one.counted),
                "qtyBefore": plain(one.then),
                "deltaQty": plain(one.difference),
                "listed": one.index is not None,
            }
            for one in tallies
        ],
    }


def _require_agreement(count: WholeCount, tallies: Sequence[Tally], standing: Sequence[StandingLine]) -> None:
    """With the count in them, the books for that moment say what was counted."""
    counted = {(one.bin_id, one.lot_id): one.counted for one in tallies}
    for line in standing:
        wanted = counted.get((line.bin_id, line.lot_id), ZERO if count.complete else line.then)
        if line.then != wanted:
            raise _StaleError


def _named(tallies: Sequence[Tally], posted: Posted) -> list[Tally]:
    """The tallies with the ids of the stock lines that the count made."""
    entries = [n for n, one in enumerate(tallies) if one.line_id is not None or one.counted]
    made = {entries[moved.entry]: moved.line_id for moved in posted.movements}
    return [
        one if one.line_id is not None else msgspec.structs.replace(one, line_id=made.get(n))
        for n, one in enumerate(tallies)
    ]
