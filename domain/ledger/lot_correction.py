"""Corrections of lots: stock that was booked to the wrong one, and a lot whose expiry date is wrong."""

from datetime import date, datetime
from decimal import Decimal
from typing import Protocol
from uuid import UUID

import msgspec

from domain.access.model import Act
from domain.catalog import lots as catalog_lots
from domain.catalog.ports import CatalogWork
from domain.catalog.service import locked
from domain.catalog.views import LotView
from domain.errors import DomainError, FieldError, Reason, not_found
from domain.expiry.model import Code, Incoming, KnownLot, LotFacts, LotPolicy, NewLot
from domain.expiry.rules import EXPIRY, LOT, check_incoming
from domain.ledger.model import Entry, Kind, Posted, Posting
from domain.ledger.new_lots import BeginLots, Lots, post_with_new_lots
from domain.ledger.places import Place, Recorded
from domain.ledger.ports import Answers, Ledger
from domain.values import new_id

ABOUT_USE = frozenset({Code.EXPIRED_NOT_ALLOWED, Code.SHELF_LIFE_TOO_SHORT})
"""What speaks against stock coming in, but not against saying which stock it is."""
FIELDS = {LOT: "toLotNumber", EXPIRY: "expiryDate"}


class LotMove(msgspec.Struct, frozen=True, kw_only=True):
    """A quantity of one stock line that is of another lot, which is named by its id or its number."""

    line_id: UUID
    quantity: Decimal
    to_lot_id: UUID | None = None
    to_lot_number: str | None = None
    expires_on: date | None = None
    """For a lot that is not known yet; of a known one it must be the date that stands."""
    comment: str | None = None
    effective_at: datetime | None = None
    force: bool = False


class WrongLine(msgspec.Struct, frozen=True, kw_only=True):
    """The stock line that something is taken out of."""

    product_id: UUID
    location_id: UUID
    place: Place


class LotMoveFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the move is decided by, as one statement reads it."""

    answered: Posted | DomainError | None
    """What was answered under the act's key before."""
    line: WrongLine | None
    policy: LotPolicy | None
    """Of the line's product."""
    today: date | None
    """At the line's location."""
    target: KnownLot | None
    """The right lot, if it is one of the product's already."""


class LotMoveReads(Protocol):
    async def facts(self, act: Act, move: LotMove) -> LotMoveFacts: ...


async def move_to_right_lot(
    reads: LotMoveReads, answers: Answers, ledger: Ledger, begin: BeginLots, *, act: Act, move: LotMove
) -> Recorded:
    """Book a quantity over to another lot at the same place, by two movements that add up to zero.

    Two round trips; where the right lot has to be made, that is one transaction with the posting, four more.

    Raises:
        FieldError: the right lot cannot be one of the product's.
        DomainError: NO_CHANGE where it is the same lot, or the ledger's refusal.
    """
    facts = await reads.facts(act, move)
    if facts.answered is not None:
        return await answers.again(act, facts.answered)
    if facts.line is None or facts.policy is None or facts.today is None:
        raise not_found("stock line", field="inventoryItemId")
    line = facts.line
    act.caller.require_location(act.permission, line.location_id)
    number = _checked_number(move, facts.policy, facts.target, facts.today)
    if facts.target is not None:
        if facts.target.id == line.place.lot_id:
            raise DomainError(Reason.NO_CHANGE, "The stock is of this lot already", field="toLotNumber")
        posted = await ledger.post(_move(act, move, line, facts.target))
        return await _recorded(answers, act, posted, line_id=move.line_id, line=line, target=facts.target)

    new = NewLot(product_id=line.product_id, number=number, expires_on=move.expires_on)

    def build(lots: Lots) -> Posting:
        made = lots[new.key]
        if move.expires_on is not None and made.expires_on != move.expires_on:
            raise FieldError(("expiryDate", "the lot was made with another expiry date at the same moment"))
        return _move(act, move, line, made)

    posted, made = await post_with_new_lots(begin, answers, act=act, new=[new], build=build)
    return await _recorded(answers, act, posted, line_id=move.line_id, line=line, target=made.get(new.key))


def _checked_number(move: LotMove, policy: LotPolicy, target: KnownLot | None, today: date) -> str:
    """The number of the right lot, which must be fit to be one of the product's."""
    if move.to_lot_id is not None and target is None:
        raise not_found("lot of this product", field="toLotId")
    number = target.number if target is not None else move.to_lot_number or ""
    line = Incoming(product_id=policy.product_id, lot_number=number or None, expires_on=move.expires_on)
    lots = {} if target is None else {target.key: target}
    (found,) = check_incoming([line], LotFacts(policies={policy.product_id: policy}, lots=lots, today=today))
    problems = [
        (FIELDS.get(error.field, error.field), f"{error.message} ({error.code})")
        for error in found.errors
        if error.code not in ABOUT_USE
    ]
    if problems:
        raise FieldError(*problems)
    return number


def _move(act: Act, move: LotMove, line: WrongLine, target: KnownLot) -> Posting:
    out = Entry(
        kind=Kind.LOT_CORRECTION,
        line_id=move.line_id,
        delta=-move.quantity,
        comment=move.comment,
        effective_at=move.effective_at,
    )
    into = Entry(
        kind=Kind.LOT_CORRECTION,
        product_id=line.product_id,
        location_id=line.location_id,
        bin_id=line.place.bin_id,
        lot_id=target.id,
        delta=move.quantity,
        comment=move.comment,
        effective_at=move.effective_at,
    )
    return Posting(
        id=new_id(),
        kind=Kind.LOT_CORRECTION,
        entries=(out, into),
        source_type="LOT_CORRECTION",
        comment=move.comment,
        force=move.force,
        act=act,
    )


async def _recorded(
    answers: Answers, act: Act, posted: Posted, *, line_id: UUID, line: WrongLine, target: KnownLot | None
) -> Recorded:
    if posted.replayed or target is None:
        return await answers.again(act, posted)
    right = msgspec.structs.replace(
        line.place, lot_id=target.id, lot_number=target.number, expires_on=target.expires_on
    )
    places = {m.line_id: line.place if m.line_id == line_id else right for m in posted.movements}
    return Recorded(posted=posted, places=places)


class ExpiryWork(CatalogWork, Protocol):
    """The catalog and the ledger in one transaction."""

    async def post(self, posting: Posting) -> Posted: ...


class ExpiryCorrected(msgspec.Struct, frozen=True, kw_only=True):
    posted: Posted
    lot: LotView


async def correct_expiry(
    work: ExpiryWork,
    *,
    act: Act,
    lot_id: UUID,
    expires_on: date,
    expected_version: int | None = None,
    comment: str | None = None,
) -> ExpiryCorrected:
    """Correct a lot's expiry date wherever its stock is; a posting that moves nothing keeps who did it.

    Raises:
        DomainError: LOCATION_DENIED to whose rights do not cover all locations: the lot is one in all of them.
    """
    before = await locked(work.lots, catalog_lots.LOT, lot_id, expected_version=expected_version)
    if before.facts.expires_on == expires_on:
        raise DomainError(Reason.NO_CHANGE, "The lot has this expiry date already", field="expiryDate")
    lot = await catalog_lots.change_lot(
        work, act=act, lot_id=lot_id, changes={"expires_on": expires_on}, expected_version=before.version
    )
    posted = await work.post(
        Posting(
            id=new_id(),
            kind=Kind.LOT_CORRECTION,
            entries=(),
            source_type="LOT",
            source_id=str(lot_id),
            comment=comment,
            details={
                "lotId": lot_id,
                "productMasterId": before.facts.product_id,
                "lotNumber": before.facts.number,
                "expiryDate": {"from": before.facts.expires_on, "to": expires_on},
            },
            act=act,
        )
    )
    return ExpiryCorrected(posted=posted, lot=lot)
