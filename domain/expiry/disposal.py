"""What becomes of stock that is past its expiry: it is marked, or it was used after all, or it is to be destroyed.

Expiry is judged by the date at the line's location, and the expiry day itself is still a usable one. What is
reserved of such stock does not keep it: the answer says what is short. What is held for another reason stays where
it is until that hold is released.

A mark is a hold on the line, not a status of its lot: the same lot may still be good at a location where it is
still yesterday, only a part of a line may be marked, and what was marked in error is released like any hold.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Protocol
from uuid import UUID

import msgspec

from domain.access.model import Act
from domain.errors import DomainError, FieldError, Reason, not_found
from domain.ledger.model import Entry, Kind, Posted, Posting
from domain.ledger.places import Place
from domain.values import new_id, plain

ZERO = Decimal(0)
SOURCE = "EXPIRED"
ATTEMPTS = 3


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """A stock line, all of it or a quantity."""

    line_id: UUID
    quantity: Decimal | None = None
    note: str | None = None


class ExpiringStock(msgspec.Struct, frozen=True, kw_only=True):
    """A stock line, with all that decides what may become of it."""

    line_id: UUID
    product_id: UUID
    sku: str
    unit_cost: Decimal
    location_id: UUID
    today: date
    """At its location."""
    place: Place
    on_hand: Decimal
    reserved: Decimal
    is_marked: bool
    """Whether all of it is marked as expired, and what will come, too."""
    marked_part: Decimal
    held_otherwise: Decimal
    """What is held for other reasons than its expiry."""

    @property
    def is_expired(self) -> bool:
        return self.place.expires_on is not None and self.place.expires_on < self.today


class Shortage(msgspec.Struct, frozen=True, kw_only=True):
    """What was reserved of a line and can no longer be given."""

    line_id: UUID
    reserved: Decimal
    available: Decimal
    shortage: Decimal


class Marked(msgspec.Struct, frozen=True, kw_only=True):
    stock: ExpiringStock
    quantity: Decimal
    """What is marked of the line now, whether by this act or before."""
    is_new: bool
    shortage: Shortage | None


class Disposed(msgspec.Struct, frozen=True, kw_only=True):
    """Stock that was taken off its lines."""

    posted: Posted
    stock: Mapping[UUID, ExpiringStock]
    shortages: Sequence[Shortage]


class StockWork(Protocol):
    """Expiring stock in one transaction."""

    async def stock(self, line_ids: Collection[UUID]) -> Mapping[UUID, ExpiringStock]: ...

    async def lock(self, places: Collection[tuple[UUID, UUID]]) -> None:
        """Lock the lines that have stock of these products at these locations, in the ledger's order."""
        ...

    async def mark(self, line_id: UUID, *, quantity: Decimal | None, note: str | None) -> None:
        """Hold all of a line, or a quantity of it, as expired; its locks are ours already."""
        ...

    async def unmark(self, line_ids: Collection[UUID]) -> None:
        """Release the marks of lines; their locks are ours already."""
        ...

    async def position(self) -> int:
        """The ledger's."""
        ...

    async def post(self, posting: Posting) -> Posted: ...


async def mark_expired(work: StockWork, *, act: Act, wishes: Sequence[Wish]) -> Sequence[Marked]:
    """Take expired stock out of availability where it stands. What is marked already stays as it is.

    Raises:
        DomainError: NOT_EXPIRED, or INSUFFICIENT_STOCK for more than there is; then nothing was marked.
    """
    stock = await expired_stock(work, act=act, wishes=wishes)
    await work.lock({(one.product_id, one.location_id) for one in stock.values()})
    stock = await expired_stock(work, act=act, wishes=wishes)
    for n, wish in enumerate(wishes):
        _require_on_hand(stock[wish.line_id], wish, n)
    return [await _marked(work, stock[wish.line_id], wish) for wish in wishes]


async def _marked(work: StockWork, stock: ExpiringStock, wish: Wish) -> Marked:
    before = marked_quantity(stock)
    is_new = not stock.is_marked and (wish.quantity is None or stock.marked_part < wish.quantity)
    after = before
    if is_new:
        more = None if wish.quantity is None else wish.quantity - stock.marked_part
        await work.mark(stock.line_id, quantity=more, note=wish.note)
        after = stock.on_hand if wish.quantity is None else wish.quantity
    held = (
        stock.on_hand
        if stock.held_otherwise == stock.on_hand
        else min(stock.on_hand, after + stock.held_otherwise)
    )
    return Marked(
        stock=stock,
        quantity=after,
        is_new=is_new,
        shortage=shortage_of(stock.line_id, reserved=stock.reserved, left=stock.on_hand - held),
    )


def marked_quantity(stock: ExpiringStock) -> Decimal:
    return stock.on_hand if stock.is_marked else min(stock.on_hand, stock.marked_part)


async def consume_expired(
    work: StockWork, *, act: Act, wishes: Sequence[Wish], comment: str | None = None
) -> Disposed:
    """Take expired stock off the books because it was used after all.

    Raises:
        DomainError: NOT_EXPIRED, INSUFFICIENT_STOCK.
    """

    def build(quantities: Mapping[UUID, Decimal], stock: Mapping[UUID, ExpiringStock]) -> Posting:
        return Posting(
            id=new_id(),
            kind=Kind.CONSUMPTION,
            entries=tuple(
                Entry(
                    kind=Kind.CONSUMPTION,
                    line_id=wish.line_id,
                    delta=-quantities[wish.line_id],
                    expected=stock[wish.line_id].on_hand,
                    comment=wish.note,
                )
                for wish in wishes
            ),
            source_type=SOURCE,
            comment=comment,
            force=True,
            act=act,
        )

    return await dispose(work, act=act, wishes=wishes, build=build)


class Build(Protocol):
    """Makes the posting that takes quantities off their lines."""

    def __call__(self, quantities: Mapping[UUID, Decimal], stock: Mapping[UUID, ExpiringStock]) -> Posting: ...


async def dispose(work: StockWork, *, act: Act, wishes: Sequence[Wish], build: Build) -> Disposed:
    """Take expired stock off its lines by one posting, whatever is reserved of it.

    The posting expects what was read. Where that has changed meanwhile, the ledger has locked the lines for us
    before it refused, so that what is read then stands.
    """
    for _ in range(ATTEMPTS):
        stock = await expired_stock(work, act=act, wishes=wishes)
        for n, wish in enumerate(wishes):
            _require_on_hand(stock[wish.line_id], wish, n)
            require_free(stock[wish.line_id], wish.quantity or stock[wish.line_id].on_hand, n)
        quantities = {wish.line_id: wish.quantity or stock[wish.line_id].on_hand for wish in wishes}
        try:
            posted = await work.post(build(quantities, stock))
        except DomainError as refused:
            if refused.reason is Reason.STALE_QUANTITY:
                continue
            for hidden in ("entry", "line_id"):  # the index is that of an entry which nobody sent
                refused.facts.pop(hidden, None)
            raise
        return await _disposed(work, posted, stock)
    message = "The stock is being moved from many sides at once; try again shortly"
    raise DomainError(Reason.UNAVAILABLE, message, retryAfter=1)


async def _disposed(work: StockWork, posted: Posted, stock: Mapping[UUID, ExpiringStock]) -> Disposed:
    """What was done; the marks of lines that are used up have nothing to mark any more."""
    last = {moved.line_id: moved for moved in posted.movements if moved.line_id in stock}
    marked = [line_id for line_id, one in stock.items() if one.is_marked or one.marked_part]
    await work.unmark([line_id for line_id in marked if not last[line_id].after])
    found = (
        shortage_of(line_id, reserved=stock[line_id].reserved, left=max(ZERO, moved.after - moved.held))
        for line_id, moved in last.items()
    )
    return Disposed(posted=posted, stock=stock, shortages=[one for one in found if one is not None])


def shortage_of(line_id: UUID, *, reserved: Decimal, left: Decimal) -> Shortage | None:
    """What is reserved beyond what is left to give, if anything is."""
    if reserved <= left:
        return None
    return Shortage(line_id=line_id, reserved=reserved, available=left, shortage=reserved - left)


async def expired_stock(work: StockWork, *, act: Act, wishes: Sequence[Wish]) -> Mapping[UUID, ExpiringStock]:
    """The lines that are wished for, all of them expired and within the caller's rights."""
    repeated = [n for n, wish in enumerate(wishes) if any(wish.line_id == one.line_id for one in wishes[:n])]
    if repeated:
        raise FieldError(*((f"lines[{n}].inventoryItemId", "is named twice") for n in repeated))
    stock = await work.stock([wish.line_id for wish in wishes])
    for n, wish in enumerate(wishes):
        one = stock.get(wish.line_id)
        if one is None:
            raise not_found("stock line", field="inventoryItemId", index=n)
        act.caller.require_location(act.permission, one.location_id)
        if not one.is_expired:
            raise DomainError(
                Reason.NOT_EXPIRED,
                f"{one.sku} {one.place.lot_number} has not expired: {_good(one)}",
                index=n,
                inventoryItemId=wish.line_id,
                expiryDate=one.place.expires_on,
                today=one.today,
            )
    return stock


def _good(one: ExpiringStock) -> str:
    expires_on = one.place.expires_on
    if expires_on is None:
        return "it has no expiry date"
    return f"it is good through {expires_on}, and at its location it is {one.today}"


def _require_on_hand(one: ExpiringStock, wish: Wish, n: int) -> None:
    wanted = wish.quantity or ZERO
    if one.on_hand == 0 or wanted > one.on_hand:
        raise DomainError(
            Reason.INSUFFICIENT_STOCK,
            f"There is only {plain(one.on_hand)} on the line",
            index=n,
            inventoryItemId=wish.line_id,
            requested=plain(wanted or one.on_hand),
            onHand=plain(one.on_hand),
        )


def require_free(one: ExpiringStock, wanted: Decimal, n: int) -> None:
    """Refuse to take what is held for other reasons than its expiry."""
    if wanted > one.on_hand - one.held_otherwise and one.held_otherwise:
        raise DomainError(
            Reason.INSUFFICIENT_STOCK,
            f"{plain(one.held_otherwise)} of the line is held for another reason; release that hold first",
            index=n,
            inventoryItemId=one.line_id,
            requested=plain(wanted),
            onHand=plain(one.on_hand),
            held=plain(one.held_otherwise),
        )
