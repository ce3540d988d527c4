"""ABC classes and due dates of counting: `/api/inventory/cycle-count/abc`.

Whoever may count but not read stock is shown classes and dates only: their answers have no other fields.
"""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Annotated, Protocol
from uuid import UUID

from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import FromHeader, FromQuery, JSONBody, QueryParameter, SkipValidation

from app.http.acts import Begin, Work, once
from app.http.headers import MinPosition, at_position
from app.http.paging import Pagination, pagination, read_cursor, write_cursor
from app.http.routes import route
from app.http.wire import Answer, Body, Json
from app.session_api.catalog import Cursor, PageAt, Search
from app.session_api.inventory import LocationId
from domain.access.model import Act, Permission
from domain.catalog.model import AbcClass
from domain.counting.abc import Measure, Thresholds, require_thresholds
from domain.counting.planning import (
    PERIOD_MAX,
    PROPOSED,
    Keeping,
    Overriding,
    Plan,
    Planned,
    PlanReads,
    PlanWanted,
    RunHead,
    keep_run,
    override_class,
    plan_counts,
    propose,
)
from domain.errors import FieldError, Reason
from domain.ledger.ports import Reference
from domain.settings.model import CountEveryDays, TenantSettings
from domain.values import Quantity, new_id, plain

DEFAULT_LIMIT, LIMIT_MAX = 50, 500


class PlanUnit(Keeping, Overriding, Work, Protocol):
    """The unit of work as the HTTP layer needs it, with idempotency."""


type BeginPlans = Begin[PlanUnit]


class AbcDueItem(Answer, frozen=True, kw_only=True, tag_field="view", tag="COUNTER"):
    """`abcClass` is the class in force: `override`, which a person set, else `computedClass`."""

    product_master_id: UUID
    sku: str
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


class KeepRun(Body, frozen=True, kw_only=True):
    """Without dates: the year up to the last movement's; without thresholds: the company's."""

    location_id: UUID
    by: Measure = Measure.VALUE
    from_date: date | None = None
    to_date: date | None = None
    a_threshold: Quantity | None = None
    b_threshold: Quantity | None = None


class SetClass(Body, frozen=True, kw_only=True):
    """`abcClass` null gives the product back to the figures."""

    product_master_id: UUID
    location_id: UUID
    abc_class: AbcClass | None


class Override(Answer, frozen=True, kw_only=True):
    """`version` is that of the product's levels at the location, where the class is kept."""

    product_master_id: UUID
    location_id: UUID
    abc_class: AbcClass | None
    version: int


class OverrideData(Answer, frozen=True, kw_only=True):
    data: Override


class AbcController(Controller):
    path = "/api/inventory/cycle-count/abc"
    tags: Sequence[str] | None = ("Cycle counts",)

    @route(
        "GET",
        "/",
        operation="getAbcClasses",
        summary="Get ABC classification for cycle counting",
        permissions=Permission.INVENTORY_CYCLECOUNT,
        description="Products ranked by what was issued and consumed in the period: up to `aThreshold` percent "
        "of it, added up from the top, is A, up to `bThreshold` B, the rest C. By value, a quantity counts at "
        "today's unit cost. What has stock and did not move is C. With `runId` a table that was kept. Callers "
        "without `inventory.read` are shown classes and dates only.",
        errors=[Reason.NOT_FOUND],
        query={"locationId": "{locationId}", "limit": 10},
        heavy=True,
    )
    async def classes(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        count_plans: NamedDependency[SkipValidation[PlanReads]],
        reference: NamedDependency[SkipValidation[Reference]],
        location_id: FromQuery[LocationId] = None,
        by: FromQuery[Annotated[Measure, QueryParameter(name="by")]] = Measure.VALUE,
        from_date: FromQuery[Annotated[date | None, QueryParameter(name="fromDate")]] = None,
        to_date: FromQuery[
            Annotated[
                date | None,
                QueryParameter(name="toDate", description=f"Included; at most {PERIOD_MAX} days in all."),
            ]
        ] = None,
        a_threshold: FromQuery[Annotated[int | None, QueryParameter(name="aThreshold", ge=0, le=100)]] = None,
        b_threshold: FromQuery[Annotated[int | None, QueryParameter(name="bThreshold", ge=0, le=100)]] = None,
        run_id: FromQuery[Annotated[UUID | None, QueryParameter(name="runId")]] = None,
        class_: FromQuery[Annotated[AbcClass | None, QueryParameter(name="class")]] = None,
        due: FromQuery[
            Annotated[bool | None, QueryParameter(name="due", description="Only what is due, or is not.")]
        ] = None,
        search: FromQuery[Search] = None,
        page: FromQuery[PageAt] = None,
        limit: FromQuery[Annotated[int, QueryParameter(name="limit", ge=1, le=LIMIT_MAX)]] = DEFAULT_LIMIT,
        cursor: FromQuery[Cursor] = None,
        x_min_ledger_position: FromHeader[MinPosition] = None,
    ) -> Json[AbcTable]:
        settings = await reference.settings(act.tenant_id)
        table = await plan_counts(
            count_plans,
            PlanWanted(
                tenant_id=act.tenant_id,
                scope=act.scope,
                location_id=location_id,
                measure=by,
                from_day=from_date,
                to_day=to_date,
                run_id=run_id,
            ),
            thresholds=thresholds_of(settings, a_threshold, b_threshold),
            every=settings.count_every_days,
        )
        place = table.run.location_id if table.run else location_id
        rows = [
            one
            for one in table.rows
            if class_ in {None, one.row.abc_class} and due in {None, one.is_due} and _is_found(one, search)
        ]
        first = _first(page, cursor, limit)
        shown = rows[first : first + limit]
        sees = may_read(act, place)
        answer = AbcTable(
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
                page=first // limit + 1,
                limit=limit,
                total=len(rows),
                next_cursor=write_cursor(first + limit) if len(rows) > first + limit else None,
            ),
        )
        return at_position(answer, table.position, x_min_ledger_position)

    @route(
        "PUT",
        "/overrides",
        operation="setAbcClass",
        summary="Set the ABC class of a product at a location by hand",
        permissions=Permission.INVENTORY_CYCLECOUNT_APPROVE,
        description="It is the class of the product's levels there (`abcClass`), and stands above the figures "
        "until it is given back with null.",
        errors=[Reason.NOT_FOUND, Reason.LOCATION_DENIED],
        example={
            "productMasterId": "{productMasterId}",
            "locationId": "{locationId}",
            "abcClass": "A",
        },
    )
    async def override(
        self,
        *,
        data: JSONBody[SetClass],
        act: NamedDependency[SkipValidation[Act]],
        begin_count_plans: NamedDependency[SkipValidation[BeginPlans]],
    ) -> Json[OverrideData]:
        act.caller.require_location(act.permission, data.location_id)

        async def do(work: PlanUnit) -> OverrideData:
            version = await override_class(
                work,
                product_id=data.product_master_id,
                location_id=data.location_id,
                abc_class=data.abc_class,
            )
            return OverrideData(
                data=Override(
                    product_master_id=data.product_master_id,
                    location_id=data.location_id,
                    abc_class=data.abc_class,
                    version=version,
                )
            )

        return await once(begin_count_plans, act, do)

    @route(
        "GET",
        "/runs",
        operation="listAbcRuns",
        summary="List ABC classifications that were kept",
        permissions=Permission.INVENTORY_CYCLECOUNT,
        description="The newest first; `GET /api/inventory/cycle-count/abc?runId=` shows one.",
        query={"locationId": "{locationId}", "limit": 10},
    )
    async def runs(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        count_plans: NamedDependency[SkipValidation[PlanReads]],
        location_id: FromQuery[LocationId] = None,
        limit: FromQuery[Annotated[int, QueryParameter(name="limit", ge=1, le=200)]] = DEFAULT_LIMIT,
        cursor: FromQuery[Cursor] = None,
    ) -> Json[AbcRunList]:
        after = read_cursor(cursor, tuple[UUID])
        found = await count_plans.runs(
            act.tenant_id,
            act.scope,
            location_id=location_id,
            limit=limit + 1,
            after=after[0] if after else None,
        )
        more = write_cursor(found[limit - 1].id) if len(found) > limit else None
        return Json(AbcRunList(data=[_run(one) for one in found[:limit]], next_cursor=more))

    @route(
        "POST",
        "/runs",
        operation="keepAbcRun",
        summary="Keep an ABC classification",
        permissions=Permission.INVENTORY_CYCLECOUNT,
        description="Classifies now and keeps the whole table: what was decided by it can be checked later.",
        errors=[Reason.NOT_FOUND, Reason.LOCATION_DENIED],
        status=HTTPStatus.CREATED,
        example={"locationId": "{locationId}"},
        heavy=True,
    )
    async def keep(
        self,
        *,
        data: JSONBody[KeepRun],
        act: NamedDependency[SkipValidation[Act]],
        count_plans: NamedDependency[SkipValidation[PlanReads]],
        reference: NamedDependency[SkipValidation[Reference]],
        begin_count_plans: NamedDependency[SkipValidation[BeginPlans]],
    ) -> Json[AbcRunData]:
        act.caller.require_location(act.permission, data.location_id)
        settings = await reference.settings(act.tenant_id)
        table = await plan_counts(
            count_plans,
            PlanWanted(
                tenant_id=act.tenant_id,
                scope=act.scope,
                location_id=data.location_id,
                measure=data.by,
                from_day=data.from_date,
                to_day=data.to_date,
            ),
            thresholds=thresholds_of(settings, data.a_threshold, data.b_threshold),
            every=settings.count_every_days,
        )
        id_ = new_id()

        async def do(work: PlanUnit) -> AbcRunData:
            return AbcRunData(data=_run(await keep_run(work, id_=id_, location_id=data.location_id, plan=table)))

        return await once(begin_count_plans, act, do, status=HTTPStatus.CREATED)


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
    place = read_cursor(cursor, tuple[Annotated[int, "from zero"]])
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
        sku=one.product.sku,
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
        sku=one.product.sku,
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


def _run(run: RunHead) -> AbcRun:
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
