"""What is due to be counted: classes decide how often, the last count decides when.

A product that has never been counted at a place is due there at once. Otherwise it is due so many days after its
class says from the day that the oldest of its stocked lines was counted, or made since: what came in yesterday
does not make all of it due, and counting one bin does not make the others new. What has no stock has nothing to
count.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Protocol
from uuid import UUID

import msgspec

from domain.access.model import Scope
from domain.catalog.model import AbcClass
from domain.counting.abc import ZERO, Classified, Measure, Ranked, Thresholds, classify
from domain.errors import FieldError
from domain.ledger.figures import AnalyticsWanted, Frame, Period
from domain.settings.model import CountEveryDays

PERIOD_DAYS = 365
PERIOD_MAX = 1100
PROPOSED = 100
EARLIEST = date(1900, 1, 1)


class PlanWanted(msgspec.Struct, frozen=True, kw_only=True):
    """Without days: the year up to the last issue's."""

    tenant_id: UUID
    scope: Scope
    location_id: UUID | None = None
    measure: Measure = Measure.VALUE
    from_day: date | None = None
    to_day: date | None = None
    run_id: UUID | None = None
    """A run that was kept, in place of the ledger's figures now."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A product at the places asked for: how much went out, and when it was counted."""

    product_id: UUID
    sku: str
    product_name: str
    amount: Decimal
    override: AbcClass | None
    lines: int
    """Those that have stock."""
    last_counted_at: datetime | None
    oldest_day: date | None
    """The day on which the stocked line that waits longest was counted last, or made."""
    is_being_counted: bool = False
    """Whether some of it is in a batch that is open."""


class RunHead(msgspec.Struct, frozen=True, kw_only=True):
    """A run that was kept: what it was made with."""

    id: UUID
    location_id: UUID
    measure: Measure
    from_day: date
    to_day: date
    threshold_a: Decimal
    threshold_b: Decimal
    total: Decimal
    products: int
    position: int
    actor: str | None
    created_at: datetime


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What the database adds up of the period, as of a ledger position."""

    position: int
    products: Sequence[Standing]


class StoredFigures(Figures, frozen=True, kw_only=True):
    """A kept run, with what has been counted since."""

    run: RunHead
    table: Sequence[Classified]
    today: date


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the table, and when it is to be counted."""

    row: Classified
    product: Standing
    due_on: date | None
    """None where there is no stock to count."""
    is_due: bool


class ClassSum(msgspec.Struct, frozen=True, kw_only=True):
    """A class in one line."""

    abc_class: AbcClass
    products: int
    due: int
    amount: Decimal


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The whole table, by rank."""

    measure: Measure
    period: Period
    time_zone: str | None
    thresholds: Thresholds
    total: Decimal
    position: int
    rows: Sequence[Planned]
    run: RunHead | None = None

    def sums(self) -> list[ClassSum]:
        return [
            ClassSum(
                abc_class=letter,
                products=len(rows),
                due=sum(one.is_due for one in rows),
                amount=sum((one.row.amount for one in rows), ZERO),
            )
            for letter in AbcClass
            for rows in [[one for one in self.rows if one.row.abc_class is letter]]
        ]


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """Which products a batch is made of."""

    classes: frozenset[AbcClass] = frozenset(AbcClass)
    due_only: bool = False
    sample_size: int | None = None
    seed: str | None = None
    """Of a random sample; without one, better classes come first, and in each what is due longest."""


class PlanReads(Protocol):
    """What classes and due dates are computed from: one statement each."""

    async def frame(self, wanted: AnalyticsWanted) -> Frame:
        """The time zone there, today, and the day of the last issue.

        Raises:
            DomainError: NOT_FOUND, the location is not there, or not the caller's.
        """
        ...

    async def figures(self, wanted: PlanWanted, frame: Frame, period: Period) -> Figures: ...

    async def stored(self, wanted: PlanWanted) -> StoredFigures:
        """A run that was kept.

        Raises:
            DomainError: NOT_FOUND, as above.
        """
        ...

    async def runs(
        self, tenant_id: UUID, scope: Scope, *, location_id: UUID | None, limit: int, after: UUID | None
    ) -> list[RunHead]:
        """The newest first."""
        ...


async def plan_counts(
    reads: PlanReads, wanted: PlanWanted, *, thresholds: Thresholds, every: CountEveryDays
) -> Plan:
    """Classes and due dates of all products at a place, or at all that the caller sees."""
    if wanted.run_id is not None:
        return _of_run(await reads.stored(wanted), every)
    place = AnalyticsWanted(tenant_id=wanted.tenant_id, scope=wanted.scope, location_id=wanted.location_id)
    frame = await reads.frame(place)
    period = period_of(wanted, frame)
    figures = await reads.figures(wanted, frame, period)
    table = classify(
        [Ranked(product_id=one.product_id, sku=one.sku, amount=one.amount) for one in figures.products],
        thresholds=thresholds,
        overrides={one.product_id: one.override for one in figures.products if one.override is not None},
    )
    return Plan(
        measure=wanted.measure,
        period=period,
        time_zone=frame.time_zone,
        thresholds=thresholds,
        total=sum((row.amount for row in table), ZERO),
        position=figures.position,
        rows=_planned(table, figures.products, frame.today, every),
    )


def _of_run(stored: StoredFigures, every: CountEveryDays) -> Plan:
    run = stored.run
    return Plan(
        measure=run.measure,
        period=Period(from_day=run.from_day, to_day=run.to_day),
        time_zone=None,
        thresholds=Thresholds(a=run.threshold_a, b=run.threshold_b),
        total=run.total,
        position=stored.position,
        rows=_planned(stored.table, stored.products, stored.today, every),
        run=run,
    )


def _planned(
    table: Sequence[Classified], products: Sequence[Standing], today: date, every: CountEveryDays
) -> list[Planned]:
    standing = {one.product_id: one for one in products}
    rows = []
    for row in table:
        product = standing[row.product_id]
        due_on = due_day(product, row.abc_class, today=today, every=every)
        rows.append(
            Planned(row=row, product=product, due_on=due_on, is_due=due_on is not None and due_on <= today)
        )
    return rows


def due_day(product: Standing, abc_class: AbcClass, *, today: date, every: CountEveryDays) -> date | None:
    """When the product is to be counted next; see the top of this module."""
    if product.lines == 0 or product.oldest_day is None:
        return None
    if product.last_counted_at is None:
        return min(today, product.oldest_day)
    days = {AbcClass.A: every.a, AbcClass.B: every.b, AbcClass.C: every.c}[abc_class]
    return product.oldest_day + timedelta(days=days)


def period_of(wanted: PlanWanted, frame: Frame) -> Period:
    """The days to look at: those asked for, else the year up to the last issue, else up to today.

    Raises:
        FieldError: they are out of order, or too many.
    """
    to_day = min(wanted.to_day or frame.latest_day or frame.today, frame.today)
    from_day = wanted.from_day or max(EARLIEST, to_day - timedelta(days=PERIOD_DAYS - 1))
    if to_day < EARLIEST:
        raise FieldError(("toDate", f"must not be before {EARLIEST}"))
    if from_day > to_day:
        raise FieldError(("fromDate", "must not be after toDate, nor after today"))
    if (to_day - from_day).days >= PERIOD_MAX:
        raise FieldError(("fromDate", f"must not be more than {PERIOD_MAX} days before the end"))
    return Period(from_day=from_day, to_day=to_day)


def choose(plan: Plan, chosen: Chosen) -> list[Planned]:
    """The products of a batch: with stock, of the classes, due or not, and in no other batch; or a sample."""
    rows = [
        one
        for one in plan.rows
        if one.due_on is not None
        and not one.product.is_being_counted
        and one.row.abc_class in chosen.classes
        and (one.is_due or not chosen.due_only)
    ]
    if chosen.seed is None:
        return sorted(rows, key=_urgency)[: chosen.sample_size]
    if chosen.sample_size is None:
        return rows
    drawn = sorted(rows, key=lambda one: lot_of(chosen.seed or "", one.row.product_id))[: chosen.sample_size]
    return sorted(drawn, key=lambda one: one.row.rank)


def propose(plan: Plan, *, size: int = PROPOSED) -> list[Planned]:
    """The next batch: what is due and in no batch yet, better classes first, and in each what waits longest."""
    return choose(plan, Chosen(due_only=True, sample_size=size))


def lot_of(seed: str, product_id: UUID) -> bytes:
    """Where a product comes in the draw of this seed: the same for everybody, and none can be picked."""
    return hashlib.sha256(f"{seed}/{product_id}".encode()).digest()


def _urgency(one: Planned) -> tuple[AbcClass, date, int]:
    return one.row.abc_class, one.due_on or date.max, one.row.rank


class Overriding(Protocol):
    """A unit of work that sets classes by hand."""

    async def set_class(self, *, product_id: UUID, location_id: UUID, abc_class: AbcClass | None) -> int:
        """The new version of the product's levels there.

        Raises:
            DomainError: NOT_FOUND, product or location.
        """
        ...

    async def record(
        self, type_: str, entity_type: str, entity_id: UUID, payload: object, *, locations: Sequence[UUID] = ()
    ) -> int: ...


class Keeping(Protocol):
    """A unit of work that keeps runs."""

    async def keep_run(self, id_: UUID, location_id: UUID, plan: Plan) -> RunHead: ...

    async def record(
        self, type_: str, entity_type: str, entity_id: UUID, payload: object, *, locations: Sequence[UUID] = ()
    ) -> int: ...


async def override_class(
    work: Overriding, *, product_id: UUID, location_id: UUID, abc_class: AbcClass | None
) -> int:
    """Set a product's class at a place by hand, or give it back to the figures (None)."""
    version = await work.set_class(product_id=product_id, location_id=location_id, abc_class=abc_class)
    payload: Mapping[str, object] = {"locationId": location_id, "abcClass": abc_class, "version": version}
    await work.record("cycle_count.abc_class_set.v1", "product", product_id, payload, locations=(location_id,))
    return version


async def keep_run(work: Keeping, *, id_: UUID, location_id: UUID, plan: Plan) -> RunHead:
    """Keep the table as it stands, so that it can be shown again and batches be made from it."""
    run = await work.keep_run(id_, location_id, plan)
    payload = {"locationId": location_id, "measure": run.measure, "products": run.products}
    await work.record("cycle_count.abc_run_kept.v1", "abc_run", id_, payload, locations=(location_id,))
    return run
