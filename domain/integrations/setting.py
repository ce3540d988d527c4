"""Quantities set in bulk: absolute, each row judged by itself, all good rows one group in the ledger.

The number of statements does not grow with the rows: two that find what the codes name, one that reads what stands
there, one posting, and one look at what it has done. What changes between reading and posting the ledger refuses;
then all is read and judged again, without the row that was refused.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from uuid import UUID

import msgspec

from domain.access.model import Act
from domain.errors import DomainError, Reason
from domain.integrations.model import (
    BadRow,
    BulkResult,
    BulkSet,
    Pair,
    Place,
    Sku,
    Standing,
    WantedRow,
)
from domain.integrations.ports import SettingWork
from domain.ledger.model import Entry, Kind, Posting
from domain.ledger.shortage import tell_shortage
from domain.values import new_id

ATTEMPTS = 10
MANY = 2_000
SOURCE = "INTEGRATIONS"
LOT_CONTROLLED = "Product is lot-controlled at this location"
AMBIGUOUS_SHOWN = 3
NO_LOCATION, NO_PRODUCT = "Location not found", "Product not found"
COUNTED = "The location is being counted; its stock must not change until the count is resolved"

_REFUSED: Mapping[Reason, tuple[str, str]] = {
    Reason.POSITION_FROZEN: ("location_code", COUNTED),
    Reason.INACTIVE: ("location_code", "The location or the product has been deactivated"),
    Reason.LOT_REQUIRED: ("quantity", LOT_CONTROLLED),
    Reason.NOT_FOUND: ("location_code", NO_LOCATION),
    Reason.LOCATION_DENIED: ("location_code", NO_LOCATION),
}


class _Row(msgspec.Struct, frozen=True):
    """A row with what its codes name."""

    wanted: WantedRow
    pair: Pair

    @property
    def key(self) -> tuple[UUID, UUID]:
        return self.pair.product_id, self.pair.bin_id


class _Plan(msgspec.Struct, kw_only=True):
    """What is to be done."""

    entries: list[Entry] = []
    rows: list[WantedRow] = []
    """The row of each entry."""
    empty: list[Pair] = []
    created: list[tuple[UUID, UUID]] = []
    """The pairs that are no records yet, in the order of their first rows."""
    good: int = 0


async def set_quantities(work: SettingWork, *, act: Act, wanted: BulkSet, lot_control: bool) -> BulkResult:
    """Set quantities; the order of a repeated pair counts, and so does each of its rows.

    `lot_control`: whether the company keeps lots at all.
    """
    if len(wanted.rows) >= MANY:
        await work.be_patient()
    failed = {row.row: row for row in wanted.rows if isinstance(row, BadRow)}
    kept: frozenset[tuple[UUID, UUID]] = frozenset()
    for _ in range(ATTEMPTS):
        rows = await _meant(work, wanted.rows, failed, lot_control=lot_control)
        plan = await _planned(work, rows, failed, kept)
        if plan.empty:
            kept |= await work.keep_empty(plan.empty)
        try:
            created = await _posted(work, act, wanted, plan, kept, failed=len(failed))
        except DomainError as refused:
            entry = refused.facts.get("entry")
            if not isinstance(entry, int) or refused.reason not in _REFUSED:
                raise
            field, message = _REFUSED[refused.reason]
            _fail(failed, plan.rows[entry], field, message)
            continue
        return BulkResult(
            total=len(wanted.rows),
            created=created,
            updated=plan.good - created,
            failed=[failed[n] for n in sorted(failed)],
        )
    message = "The stock is changing too much to be set now; try again shortly"
    raise DomainError(Reason.UNAVAILABLE, message, retryAfter=1)


async def _meant(
    work: SettingWork, rows: Sequence[WantedRow | BadRow], failed: dict[int, BadRow], *, lot_control: bool
) -> list[_Row]:
    """The rows whose codes name something where quantities may be set. Two statements."""
    asked = [row for row in rows if isinstance(row, WantedRow) and row.row not in failed]
    if not asked:
        return []
    places = await work.places(list(dict.fromkeys(row.location_code for row in asked)))
    skus = await work.skus(list(dict.fromkeys(row.sku_code for row in asked)))
    meant = []
    for row in asked:
        problems = dict(_problems(places.get(row.location_code, ()), skus.get(row.sku_code), lot_control))
        if problems:
            failed[row.row] = BadRow(
                row=row.row,
                location_code=row.location_code,
                sku_code=row.sku_code,
                errors={field: [message] for field, message in problems.items()},
            )
            continue
        (place,), sku = places[row.location_code], skus[row.sku_code]
        assert sku.lot_id is not None
        pair = Pair(
            product_id=sku.product_id, location_id=place.location_id, bin_id=place.bin_id, lot_id=sku.lot_id
        )
        meant.append(_Row(row, pair))
    return meant


def _problems(places: Sequence[Place], sku: Sku | None, lot_control: bool) -> Iterable[tuple[str, str]]:
    if not places:
        yield "location_code", NO_LOCATION
    elif len(places) > 1:
        several = ", ".join(place.full_code for place in places[:AMBIGUOUS_SHOWN])
        yield "location_code", f"Location code is ambiguous: it may be {several}"
    elif places[0].frozen_by is not None:
        yield "location_code", COUNTED
    if sku is None or not sku.is_active:
        yield "sku_code", NO_PRODUCT
    elif places and (sku.lot_id is None or (lot_control and sku.is_lot_controlled)):
        yield "quantity", LOT_CONTROLLED


async def _planned(
    work: SettingWork, rows: Sequence[_Row], failed: dict[int, BadRow], kept: frozenset[tuple[UUID, UUID]]
) -> _Plan:
    """What the rows come to, in their order; `kept` are records that this very request has made. One statement."""
    plan = _Plan()
    if not rows:
        return plan
    pairs = {row.key: row.pair for row in rows}
    standing = dict(zip(pairs, await work.standing(list(pairs.values())), strict=True))
    known = {key for key, stands in standing.items() if stands.is_known} - kept
    lined = {key for key, stands in standing.items() if stands.line_id is not None}
    for row in rows:
        stands = standing[row.key]
        if stands.is_in_lots:
            _fail(failed, row.wanted, "quantity", LOT_CONTROLLED)
            continue
        plan.good += 1
        if row.wanted.quantity == 0 and row.key not in lined:
            if row.key not in known:
                plan.empty.append(row.pair)
        else:
            lined.add(row.key)
            plan.entries.append(_entry(row, stands))
            plan.rows.append(row.wanted)
        if row.key not in known:
            known.add(row.key)
            plan.created.append(row.key)
    return plan


def _entry(row: _Row, stands: Standing) -> Entry:
    target = Decimal(row.wanted.quantity)
    if stands.line_id is not None:
        return Entry(kind=Kind.IMPORT, line_id=stands.line_id, target=target)
    return Entry(
        kind=Kind.IMPORT,
        product_id=row.pair.product_id,
        location_id=row.pair.location_id,
        bin_id=row.pair.bin_id,
        lot_id=row.pair.lot_id,
        target=target,
    )


def _fail(failed: dict[int, BadRow], row: WantedRow, field: str, message: str) -> None:
    failed[row.row] = BadRow(
        row=row.row, location_code=row.location_code, sku_code=row.sku_code, errors={field: [message]}
    )


async def _posted(
    work: SettingWork,
    act: Act,
    wanted: BulkSet,
    plan: _Plan,
    kept: frozenset[tuple[UUID, UUID]],
    *,
    failed: int,
) -> int:
    """Post the group; how many records it made. Others may have made some of them at the same time."""
    if not plan.entries:
        return sum(key in kept for key in plan.created)
    posted = await work.set_stock(
        Posting(
            id=new_id(),
            kind=Kind.IMPORT,
            entries=tuple(plan.entries),
            source_type=SOURCE,
            source_id=wanted.source,
            comment=wanted.notes,
            details={"source": wanted.source, "notes": wanted.notes, "rows": len(wanted.rows), "failed": failed},
            force=True,
            unchanged_ok=True,
            act=act,
        )
    )
    after = await work.aftermath(posted)
    await tell_shortage(work, posted.posting_id, after.short)
    return sum(key in kept or key in after.new_lines for key in plan.created)
