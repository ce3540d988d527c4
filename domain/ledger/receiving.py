"""Goods in, and the stock that is there when the books are opened: checked lots, exact units, one posting."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import date, datetime
from decimal import Decimal
from typing import Protocol
from uuid import UUID

import msgspec

from domain.access.model import Act
from domain.availability import supplies
from domain.availability.supplies import Arrived, SupplyFacts, SupplyWork
from domain.catalog.model import Conversion, Stored
from domain.catalog.units import convert
from domain.errors import DomainError, FieldError, not_found
from domain.expiry.model import Incoming, KnownLot, LotFacts, LotKey, LotPolicy, NewLot
from domain.expiry.rules import check_incoming, new_expiries, refuse
from domain.ledger.model import Entry, Kind, Posted, Posting
from domain.ledger.new_lots import LotPostingWork, Lots, post_with_new_lots
from domain.ledger.places import Place, Recorded
from domain.ledger.ports import Answers, Ledger
from domain.values import new_id

ZERO = Decimal(0)


class GoodsLine(msgspec.Struct, frozen=True, kw_only=True):
    """So much of a product for a bin (none: the location's default bin), in a lot named by number or by id."""

    product_id: UUID
    quantity: Decimal
    uom_id: UUID | None = None
    bin_id: UUID | None = None
    lot_id: UUID | None = None
    lot_number: str | None = None
    expires_on: date | None = None
    manufactured_on: date | None = None
    unit_cost: Decimal | None = None
    supply_id: UUID | None = None
    """The expected supply that it is a part of."""


class Goods(msgspec.Struct, frozen=True, kw_only=True):
    kind: Kind
    """RECEIPT, or OPENING: that only fills lines which stand at zero."""
    location_id: UUID
    lines: Sequence[GoodsLine]
    source_type: str
    reference: str | None = None
    comment: str | None = None
    effective_at: datetime | None = None


class StockedLot(KnownLot, frozen=True, kw_only=True):
    """A lot that is there, with all that a line may say about it."""

    manufactured_on: date | None = None


class GoodsFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What goods are checked against, as one statement reads it."""

    answered: Posted | DomainError | None
    """What was answered under the act's key before."""
    on: date | None
    """The day at the location when the goods came; None when there is no such location."""
    policies: Mapping[UUID, LotPolicy]
    base_uoms: Mapping[UUID, UUID]
    """The base unit of each product."""
    lots: Sequence[StockedLot]
    """Those that are named by number or id, and the products' default lots."""
    bins: Mapping[UUID, str]
    """The codes of those bins asked for that are at the location, and of its default bin."""
    default_bin_id: UUID | None
    conversions: Sequence[Conversion]


class GoodsReads(Protocol):
    async def facts(self, act: Act, goods: Goods) -> GoodsFacts: ...


class Stowed(msgspec.Struct, frozen=True, kw_only=True):
    """A line that was checked: what it adds, in the base unit, and where."""

    line: GoodsLine
    quantity: Decimal
    key: LotKey
    bin_id: UUID
    bin_code: str


class ReceivingWork(LotPostingWork, SupplyWork, Protocol):
    """A receipt with the supply that it brings, in one transaction."""


type BeginReceiving = Callable[[Act], AbstractAsyncContextManager[ReceivingWork]]


async def receive_goods(
    reads: GoodsReads,
    answers: Answers,
    ledger: Ledger,
    begin: BeginReceiving,
    *,
    act: Act,
    goods: Goods,
) -> Recorded:
    """Take goods in, all lines or none.

    Two round trips; where lots have to be made or supply was expected, that is done in one transaction with the
    posting: four more, four for each supply, and six where one ends that a replenishment record has ordered.

    Raises:
        FieldError: a line may not come in, with all that speaks against all lines.
        DomainError: something it names does not exist, or the ledger refuses it; STALE_QUANTITY where an opening
            finds stock already.
    """
    act.caller.require_location(act.permission, goods.location_id)
    facts = await reads.facts(act, goods)
    if facts.answered is not None:
        return await answers.again(act, facts.answered)
    if facts.on is None:
        raise not_found("location", field="locationId")
    stowed = [_stow(line, facts, n) for n, line in enumerate(goods.lines)]
    lots = {lot.key: lot for lot in facts.lots}
    lot_facts = LotFacts(policies=facts.policies, lots=lots, today=facts.on)
    incoming = [
        Incoming(product_id=one.key[0], lot_number=one.key[1] or None, expires_on=one.line.expires_on)
        for one in stowed
    ]
    refuse(check_incoming(incoming, lot_facts))
    problems = [problem for n, one in enumerate(stowed) for problem in _made(one, lots.get(one.key), facts.on, n)]
    if problems:
        raise FieldError(*problems)
    new = _new_lots(stowed, incoming, lots)
    arrived = [
        Arrived(supply_id=one.line.supply_id, product_id=one.key[0], quantity=one.quantity, line=n)
        for n, one in enumerate(stowed)
        if one.line.supply_id is not None
    ]
    if not new and not arrived:
        posted = await ledger.post(_posting(act, goods, stowed, lots))
        return await _recorded(answers, act, posted, stowed, lots)

    def build(made: Lots) -> Posting:
        _agree(stowed, made)
        return _posting(act, goods, stowed, {**lots, **made})

    supplied = _Supplied(goods.location_id, arrived) if arrived else None
    posted, made = await post_with_new_lots(begin, answers, act=act, new=new, build=build, beside=supplied)
    return await _recorded(answers, act, posted, stowed, {**lots, **made})


class _Supplied:
    """The supplies that a receipt brings."""

    def __init__(self, location_id: UUID, arrived: Sequence[Arrived]) -> None:
        self._location_id = location_id
        self._arrived = arrived
        self._locked: Mapping[UUID, Stored[SupplyFacts]] = {}

    async def lock(self, work: ReceivingWork) -> None:
        self._locked = await supplies.lock_all(work, [one.supply_id for one in self._arrived])

    async def change(self, work: ReceivingWork) -> None:
        await supplies.receive(work, location_id=self._location_id, arrived=self._arrived, locked=self._locked)


async def _recorded(answers: Answers, act: Act, posted: Posted, stowed: Sequence[Stowed], lots: Lots) -> Recorded:
    if posted.replayed:
        return await answers.again(act, posted)
    places = {
        moved.line_id: Place(
            bin_id=one.bin_id,
            bin_code=one.bin_code,
            lot_id=lots[one.key].id,
            lot_number=one.key[1],
            expires_on=lots[one.key].expires_on,
        )
        for moved in posted.movements
        for one in (stowed[moved.entry],)
    }
    return Recorded(posted=posted, places=places)


def _stow(line: GoodsLine, facts: GoodsFacts, n: int) -> Stowed:
    """The line with its lot's key, its bin and its quantity in the base unit."""
    if line.product_id not in facts.policies:
        raise not_found("product", field="productMasterId", index=n)
    number = line.lot_number or ""
    if line.lot_id is not None:
        named = next((lot for lot in facts.lots if lot.id == line.lot_id), None)
        if named is None or named.product_id != line.product_id:
            raise not_found("lot of this product", field="lotId", index=n)
        number = named.number
    bin_id = line.bin_id or facts.default_bin_id
    if bin_id is None or bin_id not in facts.bins:
        raise not_found("bin at this location", field="binId", index=n)
    quantity = line.quantity
    if line.uom_id is not None:
        quantity = convert(
            quantity,
            from_uom_id=line.uom_id,
            to_uom_id=facts.base_uoms[line.product_id],
            product_id=line.product_id,
            conversions=facts.conversions,
            at=f"lines[{n}].quantity",
        )
    return Stowed(
        line=line,
        quantity=quantity,
        key=(line.product_id, number),
        bin_id=bin_id,
        bin_code=facts.bins[bin_id],
    )


def _made(one: Stowed, lot: StockedLot | None, on: date, n: int) -> Iterator[tuple[str, str]]:
    """What speaks against the day on which a line was made, if it names one."""
    made, path = one.line.manufactured_on, f"lines[{n}].manufacturedDate"
    if made is None:
        return
    if made > on:
        yield path, "must not lie after the day on which the goods came"
    if one.line.expires_on is not None and made > one.line.expires_on:
        yield path, "must not lie after expiryDate"
    if not one.key[1]:
        yield path, "belongs to a lot: name the lot"
    elif lot is not None and made != lot.manufactured_on:
        stands = f"was made on {lot.manufactured_on}" if lot.manufactured_on else "has no such date"
        yield path, f"the lot {lot.number} {stands}; correct the lot itself"


def _new_lots(stowed: Sequence[Stowed], incoming: Sequence[Incoming], known: Lots) -> list[NewLot]:
    """The lots that are not there yet, each once."""
    expiries = new_expiries(incoming)
    made: dict[LotKey, date] = {}
    for n, one in enumerate(stowed):
        day = one.line.manufactured_on
        if one.key not in known and day is not None and made.setdefault(one.key, day) != day:
            raise FieldError((f"lines[{n}].manufacturedDate", "another line gives this lot another date"))
    keys = dict.fromkeys(one.key for one in stowed if one.key not in known)
    return [
        NewLot(product_id=key[0], number=key[1], expires_on=expiries.get(key), manufactured_on=made.get(key))
        for key in keys
    ]


def _agree(stowed: Sequence[Stowed], made: Lots) -> None:
    """Somebody else may have made the lot at the same moment, with another expiry."""
    for n, one in enumerate(stowed):
        expires_on = one.line.expires_on
        if expires_on is not None and one.key in made and made[one.key].expires_on != expires_on:
            message = f"the lot {one.key[1]} was made with another expiry at the same moment"
            raise FieldError((f"lines[{n}].expiryDate", message))


def _posting(act: Act, goods: Goods, stowed: Sequence[Stowed], lots: Lots) -> Posting:
    """One entry a line, so that an entry's index is its line's."""
    entries = []
    opened: set[tuple[LotKey, UUID]] = set()
    for one in stowed:
        # Equal lines of an opening add up: only the first of them must find nothing.
        is_first = (one.key, one.bin_id) not in opened
        opened.add((one.key, one.bin_id))
        entries.append(
            Entry(
                kind=goods.kind,
                product_id=one.line.product_id,
                location_id=goods.location_id,
                bin_id=one.bin_id,
                lot_id=lots[one.key].id,
                delta=one.quantity,
                expected=ZERO if goods.kind is Kind.OPENING and is_first else None,
                effective_at=goods.effective_at,
            )
        )
    return Posting(
        id=new_id(),
        kind=goods.kind,
        entries=tuple(entries),
        source_type=goods.source_type,
        source_id=goods.reference,
        comment=goods.comment,
        details=_details(goods),
        act=act,
    )


def _details(goods: Goods) -> object:
    """What a line said beyond what a movement keeps: its own unit, and what one of it cost."""
    lines = [
        {
            "index": n,
            "quantity": line.quantity,
            "uomId": line.uom_id,
            "unitCost": line.unit_cost,
        }
        for n, line in enumerate(goods.lines)
        if line.uom_id is not None or line.unit_cost is not None
    ]
    return {"lines": lines} if lines else None
