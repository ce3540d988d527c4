"""ABC classes and due dates of counting: `/api/inventory/cycle-count/abc`.

Whoever may count but not read stock is shown classes and dates only: their answers have no other fields.
"""

from collections.abc import Sequence
from datetime import date
from http import HTTPStatus
from typing import Annotated, Protocol
from uuid import UUID

from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import FromHeader, FromQuery, JSONBody, QueryParameter, SkipValidation

from app.http.acts import Begin, Work, once
from app.http.headers import MinPosition, at_position
from app.http.paging import read_cursor, write_cursor
from app.http.routes import route
from app.http.wire import Body, Json
from app.session_api.abc_answers import (
    AbcRunData,
    AbcRunList,
    AbcTable,
    Override,
    OverrideData,
    Shown,
    run_of,
    table_of,
    thresholds_of,
)
from app.session_api.catalog import Cursor, PageAt, Search
from app.session_api.count_plans import BeginPlanned, ClassesCounted, CountClasses, count_classes
from app.session_api.inventory import LocationId
from domain.access.model import Act, Permission
from domain.catalog.model import AbcClass
from domain.counting.abc import Measure
from domain.counting.planning import (
    PERIOD_MAX,
    Keeping,
    Overriding,
    PlanReads,
    PlanWanted,
    keep_run,
    override_class,
    plan_counts,
)
from domain.errors import Reason
from domain.ledger.ports import Reference
from domain.values import Quantity, new_id

DEFAULT_LIMIT, LIMIT_MAX = 50, 500


class PlanUnit(Keeping, Overriding, Work, Protocol):
    """The unit of work as the HTTP layer needs it, with idempotency."""


type BeginPlans = Begin[PlanUnit]


class KeepRun(Body, frozen=True, kw_only=True):
    """Without dates: the year up to the last issue's; without thresholds: the company's."""

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
        shown = table_of(
            table, act, settings, location_id=location_id, wanted=Shown(class_, due, search, page, limit, cursor)
        )
        return at_position(shown, table.position, x_min_ledger_position)

    @route(
        "POST",
        "/",
        operation="createAbcCycleCount",
        summary="Create ABC-based cycle count",
        permissions=Permission.INVENTORY_CYCLECOUNT,
        description="A batch in DRAFT of what the classes, due dates or a sample say. Products that are in an "
        "open batch are left out. The class that each was chosen by stands on its lines.",
        errors=[Reason.NOT_FOUND, Reason.LOCATION_DENIED, Reason.DUPLICATE],
        status=HTTPStatus.CREATED,
        example={"locationId": "{locationId}", "runId": "{runId}", "sampleSize": 1, "seed": "tuesday"},
        heavy=True,
    )
    async def count(
        self,
        *,
        data: JSONBody[CountClasses],
        act: NamedDependency[SkipValidation[Act]],
        count_plans: NamedDependency[SkipValidation[PlanReads]],
        reference: NamedDependency[SkipValidation[Reference]],
        begin_planned_counts: NamedDependency[SkipValidation[BeginPlanned]],
    ) -> Json[ClassesCounted]:
        return await count_classes(
            data, act=act, reads=count_plans, reference=reference, begin=begin_planned_counts
        )

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
        return Json(AbcRunList(data=[run_of(one) for one in found[:limit]], next_cursor=more))

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
            return AbcRunData(data=run_of(await keep_run(work, id_=id_, location_id=data.location_id, plan=table)))

        return await once(begin_count_plans, act, do, status=HTTPStatus.CREATED)
