"""ABC classes as they are shown: with figures to who may read stock, else in types that have no place for any."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from app.http.paging import Pagination, pagination, read_cursor, write_cursor
from app.http.wire import Answer
from domain.access.model import Act, Permission
from domain.catalog.model import AbcClass
from domain.counting.abc import Measure, Thresholds, require_thresholds
from domain.counting.planning import PROPOSED, Plan, Planned, RunHead, propose
from domain.errors import FieldError
from domain.settings.model import CountEveryDays, TenantSettings
from domain.values import plain


class AbcDueItem(Answer, frozen=True, kw_only=True, tag_field="view", tag="COUNTER"):
    """`abcClass` is the class in force: `override`, which a person set, else `computedClass`."""

    product_master_id: UUID
    global_sku: str
    product_name: str
    rank: int
    abc_class: AbcClass
    computed_class: AbcClass
    override: AbcClass | None
    last_counted_at: datetime | None
    due_on: date | None
    is_due: bool


class AbcItem(AbcDueItem, frozen=True, kw_only=True, tag_field="view", tag="PLANNER"):
    """`metric` is the value, quantity or number of lines that went out; the shares are percent of all of it."""

    metric: Decimal
    share: Decimal
    cumulative_share: Decimal


class AbcDueSum(Answer, frozen=True, kw_only=True, tag_field="view", tag="COUNTER"):
    abc_class: AbcClass
    products: int
    due: int


class AbcSum(AbcDueSum, frozen=True, kw_only=True, tag_field="view", tag="PLANNER"):
    metric: Decimal
    share: Decimal


class AbcPeriod(Answer, frozen=True, kw_only=True):
    from_date: date
    to_date: date
    days: int


class AbcThresholds(Answer, frozen=True, kw_only=True):
    """Percent up to which cumulative shares are A and B."""

    a: Decimal
    b: Decimal


class EveryDays(Answer, frozen=True, kw_only=True):
    a: int
    b: int
    c: int


class ProposedRequest(Answer, frozen=True, kw_only=True):
    """A body that makes the batch: `POST /api/inventory/cycle-count/abc`."""

    location_id: UUID
    due_only: bool
    sample_size: int


class Proposal(Answer, frozen=True, kw_only=True):
    """The next batch by due dates: better classes first, in each what waits longest."""

    products: int
    product_master_ids: Sequence[UUID]
    request: ProposedRequest


class AbcTable(Answer, frozen=True, kw_only=True):
    """The rows asked for, by rank; `classes` and `metric` are of the whole table."""

    data: Sequence[AbcItem | AbcDueItem]
    by: Measure
    run_id: UUID | None
    location_id: UUID | None
    period: AbcPeriod
    thresholds: AbcThresholds
    count_every_days: EveryDays
    classes: Sequence[AbcSum | AbcDueSum]
    proposal: Proposal | None
    pagination: Pagination


class AbcRun(Answer, frozen=True, kw_only=True):
    """A table that was kept."""

    id: UUID
    location_id: UUID
    by: Measure
    from_date: date
    to_date: date
    thresholds: AbcThresholds
    products: int
    position: int
    actor: str | None
    created_at: datetime


class AbcRunData(Answer, frozen=True, kw_only=True):
    data: AbcRun


class AbcRunList(Answer, frozen=True, kw_only=True):
    data: Sequence[AbcRun]
    next_cursor: str | None


class Override(Answer, frozen=True, kw_only=True):
    """`version` is that of the product's levels at the location, where the class is kept."""

    product_master_id: UUID
    location_id: UUID
    abc_class: AbcClass | None
    version: int


class OverrideData(Answer, frozen=True, kw_only=True):
    data: Override


class Shown(NamedTuple):
    """Which rows of the table are asked for."""

    abc_class: AbcClass | None
    due: bool | None
    search: str | None
    page: int | None
    limit: int
    cursor: str | None


def table_of(
    table: Plan, act: Act, settings: TenantSettings, *, location_id: UUID | None, wanted: Shown
) -> AbcTable:
    """The rows asked for, as this caller may see them."""
    place = table.run.location_id if table.run else location_id
    rows = [
        one
        for one in table.rows
        if wanted.abc_class in {None, one.row.abc_class}
        and wanted.due in {None, one.is_due}
        and _is_found(one, wanted.search)
    ]
    first = _first(wanted.page, wanted.cursor, wanted.limit)
    shown = rows[first : first + wanted.limit]
    sees = may_read(act, place)
    return AbcTable(
        data=[_item(one) if sees else _due_item(one) for one in shown],
        by=table.measure,
        run_id=table.run.id if table.run else None,
        location_id=place,
        period=AbcPeriod(from_date=table.period.from_day, to_date=table.period.to_day, days=table.period.days),
        thresholds=AbcThresholds(a=plain(table.thresholds.a), b=plain(table.thresholds.b)),
        count_every_days=_every(settings.count_every_days),
        classes=_sums(table, sees=sees),
        proposal=None if place is None else _proposal(place, propose(table)),
        pagination=pagination(
            page=first // wanted.limit + 1,
            limit=wanted.limit,
            total=len(rows),
            next_cursor=write_cursor(first + wanted.limit) if len(rows) > first + wanted.limit else None,
        ),
    )


def may_read(act: Act, location_id: UUID | None) -> bool:
    """Whether the caller may read quantities there; None is everywhere that they see."""
    caller = act.caller
    if not caller.allows(Permission.INVENTORY_READ):
        return False
    readable = caller.scope(Permission.INVENTORY_READ)
    if readable is None:
        return True
    if location_id is not None:
        return location_id in readable
    return act.scope is not None and act.scope <= readable


def thresholds_of(settings: TenantSettings, a: int | Decimal | None, b: int | Decimal | None) -> Thresholds:
    """Those asked for, else the company's.

    Raises:
        FieldError: B would come before A.
    """
    own = settings.abc_thresholds
    return require_thresholds(
        Thresholds(a=own.a if a is None else Decimal(a), b=own.b if b is None else Decimal(b))
    )


def _is_found(one: Planned, search: str | None) -> bool:
    text = (search or "").casefold()
    return text in one.product.sku.casefold() or text in one.product.product_name.casefold()


def _first(page: int | None, cursor: str | None, limit: int) -> int:
    place = read_cursor(cursor, tuple[int])
    if place is None:
        return ((page or 1) - 1) * limit
    if page is not None:
        raise FieldError(("cursor", "stands in place of page: send one of them"))
    if not 0 <= place[0] < 2**53:
        raise FieldError(("cursor", "is not a cursor of this list"))
    return place[0]


def _item(one: Planned) -> AbcItem:
    row = one.row
    return AbcItem(
        product_master_id=row.product_id,
        global_sku=one.product.sku,
        product_name=one.product.product_name,
        rank=row.rank,
        abc_class=row.abc_class,
        computed_class=row.computed_class,
        override=row.abc_class if row.is_overridden else None,
        last_counted_at=one.product.last_counted_at,
        due_on=one.due_on,
        is_due=one.is_due,
        metric=plain(row.amount),
        share=plain(row.share),
        cumulative_share=plain(row.cumulative_share),
    )


def _due_item(one: Planned) -> AbcDueItem:
    row = one.row
    return AbcDueItem(
        product_master_id=row.product_id,
        global_sku=one.product.sku,
        product_name=one.product.product_name,
        rank=row.rank,
        abc_class=row.abc_class,
        computed_class=row.computed_class,
        override=row.abc_class if row.is_overridden else None,
        last_counted_at=one.product.last_counted_at,
        due_on=one.due_on,
        is_due=one.is_due,
    )


def _sums(table: Plan, *, sees: bool) -> list[AbcSum | AbcDueSum]:
    return [
        AbcSum(
            abc_class=one.abc_class,
            products=one.products,
            due=one.due,
            metric=plain(one.amount),
            share=plain((one.amount * 100 / table.total).quantize(Decimal("0.0001")))
            if table.total
            else Decimal(0),
        )
        if sees
        else AbcDueSum(abc_class=one.abc_class, products=one.products, due=one.due)
        for one in table.sums()
    ]


def _every(days: CountEveryDays) -> EveryDays:
    return EveryDays(a=days.a, b=days.b, c=days.c)


def _proposal(location_id: UUID, rows: Sequence[Planned]) -> Proposal:
    return Proposal(
        products=len(rows),
        product_master_ids=[one.row.product_id for one in rows],
        request=ProposedRequest(location_id=location_id, due_only=True, sample_size=PROPOSED),
    )


def run_of(run: RunHead) -> AbcRun:
    return AbcRun(
        id=run.id,
        location_id=run.location_id,
        by=run.measure,
        from_date=run.from_day,
        to_date=run.to_day,
        thresholds=AbcThresholds(a=plain(run.threshold_a), b=plain(run.threshold_b)),
        products=run.products,
        position=run.position,
        actor=run.actor,
        created_at=run.created_at,
    )
