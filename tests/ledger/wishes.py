"""Hypothesis strategies for postings: what somebody might ask of a ledger, right or wrong."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

import msgspec
from hypothesis import strategies as st

from domain.access.model import Scope
from domain.ledger.model import Direction, Entry, Kind, Posting
from domain.values import new_id
from tests.ledger.builders import Shelf, Warehouse, an_act
from tests.ledger.model import FUTURE, ModelLedger

OUTER = (Kind.ADJUSTMENT, Kind.RECEIPT, Kind.ISSUE, Kind.COUNT, Kind.CONSUMPTION, Kind.IMPORT, Kind.OPENING)
EPOCH = datetime(2020, 1, 1, tzinfo=UTC)

type Naming = Literal["keys", "defaults", "id", "nobody", "nowhere"]


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """An entry before it is known which ids there are."""

    shelf: int
    naming: Naming
    kind: Kind
    delta: Decimal | None
    target: Decimal | None
    expected: Literal["right", "wrong"] | None
    hours: int | None
    """When it happened, after the epoch; None: now."""
    direction: Direction | None
    explained_above: Decimal | None


class WishedPosting(msgspec.Struct, frozen=True, kw_only=True):
    """A posting before it is known which ids there are."""

    wishes: tuple[Wish, ...]
    force: bool
    unchanged_ok: bool
    tentative: bool
    locations: frozenset[int] | None
    """The caller's scope, by numbers; None is everywhere."""
    key: str | None


amounts = st.one_of(
    st.integers(1, 30).map(Decimal),
    st.sampled_from([Decimal("0.0001"), Decimal("2.5"), Decimal("7.1250"), Decimal(99_999_999_999_999)]),
)
deltas = st.builds(lambda amount, sign: amount * sign, amounts, st.sampled_from([1, 1, -1]))
targets = st.one_of(st.just(Decimal(0)), amounts)
rarely = st.integers(0, 9).map(lambda n: n == 0)


def mostly[T](usual: T, *others: T) -> st.SearchStrategy[T]:
    """Nine times of ten the usual; so much can be wrong with a posting that all else would be refusals."""
    return st.integers(0, 9).flatmap(lambda n: st.sampled_from(others) if n == 9 else st.just(usual))


@st.composite
def wishes(draw: st.DrawFn, *, shelves: int, is_plain: bool = False) -> Wish:
    """`is_plain` leaves out what fails a call as a whole."""
    is_delta = draw(st.booleans())
    amount = draw(deltas if is_delta else targets)
    if is_plain:
        amount = max(min(amount, Decimal(1000)), Decimal(-1000))
    return Wish(
        shelf=draw(st.integers(0, shelves - 1)),
        naming=draw(mostly(draw(st.sampled_from(["keys", "id"])), "defaults", "nobody", "nowhere")),
        kind=draw(st.sampled_from(OUTER)),
        delta=amount if is_delta else None,
        target=None if is_delta else amount,
        expected=draw(mostly(draw(st.sampled_from([None, "right"])), "wrong")),
        hours=draw(mostly(None, *range(0, 20, 4), 9_000_000)),
        direction=draw(mostly(None, Direction.IN, Direction.OUT)),
        explained_above=draw(mostly(None, Decimal(20))),
    )


@st.composite
def wished_postings(draw: st.DrawFn, *, shelves: int, is_plain: bool = False) -> WishedPosting:
    return WishedPosting(
        wishes=tuple(draw(st.lists(wishes(shelves=shelves, is_plain=is_plain), min_size=1, max_size=4))),
        force=draw(rarely),
        unchanged_ok=draw(st.booleans()),
        tentative=not is_plain and draw(rarely),  # its key may come again in the same call
        locations=draw(mostly(None, frozenset({0}), frozenset({0, 1}), frozenset())),
        key=draw(mostly(draw(st.sampled_from([None, draw(st.uuids()).hex])), "again")),
    )


def grant(wished: WishedPosting, warehouse: Warehouse, model: ModelLedger) -> Posting:
    """The posting, with the ids that the model knows by now."""
    entries = tuple(_entry(wish, warehouse, model) for wish in wished.wishes)
    scope: Scope = None
    if wished.locations is not None:
        scope = frozenset(warehouse.locations[n] for n in wished.locations)
    body = msgspec.json.encode([wished.wishes, wished.force, wished.unchanged_ok])
    return Posting(
        id=new_id(),
        kind=entries[0].kind,
        entries=entries,
        force=wished.force,
        unchanged_ok=wished.unchanged_ok,
        tentative=wished.tentative,
        act=an_act(warehouse.tenant_id, key=wished.key, body=body, scope=scope),
    )


def _entry(wish: Wish, warehouse: Warehouse, model: ModelLedger) -> Entry:
    shelf = warehouse.shelves()[wish.shelf]
    entry = Entry(
        kind=wish.kind,
        **_name(wish.naming, shelf, model),
        delta=wish.delta,
        target=wish.target,
        effective_at=None if wish.hours is None else EPOCH + timedelta(hours=wish.hours),
        direction=wish.direction,
        explained_above=wish.explained_above,
    )
    if wish.expected is None:
        return entry
    meant = model.shelf_named(entry)
    line = model.lines.get(meant) if meant else None
    on_hand = line.on_hand if line else Decimal(0)
    return msgspec.structs.replace(entry, expected=on_hand + (wish.expected == "wrong"))


def _name(naming: Naming, shelf: Shelf, model: ModelLedger) -> dict[str, Any]:
    keys: dict[str, Any] = msgspec.structs.asdict(shelf)
    if naming == "nobody":
        return {"line_id": new_id()}
    if naming == "nowhere":
        return {**keys, "bin_id": new_id()}
    if naming == "defaults":
        return {"product_id": shelf.product_id, "location_id": shelf.location_id}
    ids = [line_id for line_id, known in model.shelf_of.items() if known == shelf]
    return {"line_id": ids[0]} if naming == "id" and ids else keys


assert EPOCH + timedelta(hours=9_000_000) > FUTURE
