"""What waits to be decided of counts, and how accurate the records were."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import FromHeader, FromQuery, QueryParameter, SkipValidation
from msgspec import Meta

from app.http.headers import MinPosition, at_position
from app.http.paging import Pagination, pagination, read_cursor, write_cursor
from app.http.routes import route
from app.http.wire import Answer, Json
from app.session_api.catalog import Cursor, PageAt
from app.session_api.count_resolution import handed_to
from app.session_api.inventory import LocationId, mark_of, require_mark
from domain.access.delegations import Delegations, InForce
from domain.access.model import Act, Caller, Permission
from domain.counting.accuracy import Accuracy
from domain.counting.deciding import ResolveAction, allowed_actions, awaits
from domain.counting.variances import (
    AccuracyWanted,
    Grouping,
    ReviewReader,
    Said,
    VariancesWanted,
    VarianceView,
)
from domain.errors import FieldError
from domain.settings.model import TenantSettings
from domain.values import plain

DEFAULT_LIMIT, LIMIT_MAX = 50, 200
AWAITING_MOST = 10_000
"""So many lines are looked through for what awaits somebody; no team has more under review that need approval."""

type Needs = Literal["APPROVAL", "DECISION", "RECOUNT"]


class VarianceLine(Answer, frozen=True, kw_only=True):
    """A line under review. `allowedActions` and `awaitsYou` are what holds for this caller at this moment.

    `obstacle` says why the variance could not be posted now, whoever agrees to it.
    """

    line_id: UUID
    batch_id: UUID
    batch_number: str
    batch_version: int
    location_id: UUID
    location_code: str
    location_name: str
    product_master_id: UUID
    global_sku: str
    product_name: str
    uom: str
    bin_id: UUID
    bin_code: str
    lot_id: UUID
    lot_number: str | None
    inventory_item_id: UUID | None
    abc_class: str | None
    unit_cost: Decimal
    expected_qty: Decimal
    counted_qty: Decimal
    variance: Decimal
    variance_value: Decimal
    counted_at: datetime
    counter_id: UUID | None
    counter: str | None
    note: str | None
    round: int
    needs: Needs
    obstacle: str | None
    approvals_needed: int
    approvals_given: int
    approvals: Sequence[Said]
    reason_code_id: UUID | None
    root_cause: str | None
    comment: str | None
    allowed_actions: Sequence[ResolveAction]
    awaits_you: bool


class VarianceList(Answer, frozen=True, kw_only=True):
    data: Sequence[VarianceLine]
    pagination: Pagination


class AccuracyGroup(Answer, frozen=True, kw_only=True):
    """`accuracy` is the share, from 0 to 1, of the counted lines that were within their tolerance."""

    id: UUID | None
    name: str | None
    counted: int
    within: int
    accuracy: Decimal | None


class AccuracyList(Answer, frozen=True, kw_only=True):
    """`overall` is of all groups, those on other pages too."""

    by: Grouping
    data: Sequence[AccuracyGroup]
    overall: AccuracyGroup
    pagination: Pagination


class _Place(msgspec.Struct, frozen=True, array_like=True):
    """A cursor: where it goes on, in which list, and for whom."""

    mark: int
    awaiting: str | None
    page: Annotated[int, Meta(ge=1, le=2**31)]
    counted_at: datetime
    after: UUID


class _PageOf(msgspec.Struct, frozen=True, array_like=True):
    mark: int
    page: Annotated[int, Meta(ge=1, le=2**31)]


class CountReviewController(Controller):
    path = "/api/inventory/cycle-count"
    tags: Sequence[str] | None = ("Cycle counts",)

    @route(
        "GET",
        "/variances",
        operation="listCycleCountVariances",
        summary="List cycle count variances under review",
        permissions=Permission.INVENTORY_READ,
        description="The oldest count first, with what each line needs, and what this caller may do with it. "
        "`awaiting=me`: those that wait for an approval which this caller can give, by their own right or in "
        "another's place.",
        query={"limit": 20},
    )
    async def variances(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        review_reader: NamedDependency[SkipValidation[ReviewReader]],
        delegations: NamedDependency[SkipValidation[Delegations]],
        awaiting: FromQuery[Literal["me"] | None] = None,
        batch_id: FromQuery[Annotated[UUID | None, QueryParameter(name="batchId")]] = None,
        location_id: FromQuery[LocationId] = None,
        page: FromQuery[PageAt] = None,
        limit: FromQuery[Annotated[int, QueryParameter(name="limit", ge=1, le=LIMIT_MAX)]] = DEFAULT_LIMIT,
        cursor: FromQuery[Cursor] = None,
        x_min_ledger_position: FromHeader[MinPosition] = None,
    ) -> Json[VarianceList]:
        wanted = VariancesWanted(
            tenant_id=act.tenant_id,
            scope=act.scope,
            limit=limit,
            batch_id=batch_id,
            location_id=location_id,
            is_for_approval=awaiting is not None,
        )
        mark, number = mark_of(wanted), page or 1
        place = read_cursor(cursor, _Place)
        if place is not None:
            if page is not None:
                raise FieldError(("cursor", "stands in place of page: send one of them"))
            require_mark(place.mark, wanted)
            number = place.page
            wanted = msgspec.structs.replace(wanted, after=(place.counted_at, place.after))
        else:
            wanted = msgspec.structs.replace(wanted, page=number)
        in_force = await handed_to(delegations, act.caller)
        if awaiting is not None:
            wanted = msgspec.structs.replace(wanted, limit=AWAITING_MOST, page=1, after=None)
        found = await review_reader.variances(wanted)
        shown, total, has_more = found.views, found.total, found.has_more
        if awaiting is not None:
            mine = [one for one in shown if _awaits(one, act.caller, in_force, found.settings)]
            rest = [one for one in mine if place is None or _key(one) > (place.counted_at, place.after)]
            start = 0 if place is not None else (number - 1) * limit
            shown, total, has_more = rest[start : start + limit], len(mine), len(rest) > start + limit
        last = shown[-1].standing if shown and has_more else None
        more = write_cursor(mark, awaiting, number + 1, last.counted_at, last.id) if last is not None else None
        answer = VarianceList(
            data=[_line(one, act.caller, in_force, found.settings) for one in shown],
            pagination=pagination(page=number, limit=limit, total=total, next_cursor=more),
        )
        return at_position(answer, found.position, x_min_ledger_position)

    @route(
        "GET",
        "/accuracy",
        operation="getCycleCountAccuracy",
        summary="Get inventory record accuracy",
        permissions=Permission.INVENTORY_READ,
        description="Of the lines of completed batches, by batch, class, location or counter: the share that was "
        "within its tolerance by its last count. Waived lines were not counted. More here does not make up for "
        "less there. Days are those of UTC.",
        query={"by": "location"},
    )
    async def accuracy(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        review_reader: NamedDependency[SkipValidation[ReviewReader]],
        by: FromQuery[Grouping] = Grouping.LOCATION,
        from_day: FromQuery[Annotated[date | None, QueryParameter(name="from")]] = None,
        to_day: FromQuery[Annotated[date | None, QueryParameter(name="to")]] = None,
        location_id: FromQuery[LocationId] = None,
        page: FromQuery[PageAt] = None,
        limit: FromQuery[Annotated[int, QueryParameter(name="limit", ge=1, le=LIMIT_MAX)]] = DEFAULT_LIMIT,
        cursor: FromQuery[Cursor] = None,
    ) -> Json[AccuracyList]:
        if from_day is not None and to_day is not None and to_day < from_day:
            raise FieldError(("to", "must not be before from"))
        wanted = AccuracyWanted(
            tenant_id=act.tenant_id,
            scope=act.scope,
            by=by,
            limit=limit,
            from_day=from_day,
            to_day=to_day,
            location_id=location_id,
        )
        mark, number = mark_of(wanted), page or 1
        place = read_cursor(cursor, _PageOf)
        if place is not None:
            if page is not None:
                raise FieldError(("cursor", "stands in place of page: send one of them"))
            require_mark(place.mark, wanted)
            number = place.page
        found = await review_reader.accuracy(msgspec.structs.replace(wanted, page=number))
        more = write_cursor(mark, number + 1) if number * limit < found.total else None
        return Json(
            AccuracyList(
                by=by,
                data=[_group(one.id, one.name, one.accuracy) for one in found.groups],
                overall=_group(None, None, found.overall),
                pagination=pagination(page=number, limit=limit, total=found.total, next_cursor=more),
            )
        )


def _awaits(view: VarianceView, caller: Caller, in_force: InForce, settings: TenantSettings) -> bool:
    return awaits(view.standing, caller=caller, in_force=in_force, settings=settings)


def _key(view: VarianceView) -> tuple[datetime, UUID]:
    return view.standing.counted_at, view.standing.id


def _line(view: VarianceView, caller: Caller, in_force: InForce, settings: TenantSettings) -> VarianceLine:
    line = view.standing
    variance = line.variance
    needed = line.approvals_needed(settings)
    needs: Needs = "APPROVAL" if needed else "DECISION"
    if not line.is_within(settings) and not line.is_recounted:
        needs = "RECOUNT"
    named: dict[str, Any] = {
        "location_code": view.location_code,
        "location_name": view.location_name,
        "global_sku": view.sku,
        "product_name": view.product_name,
        "uom": view.uom,
        "bin_code": view.bin_code,
        "lot_number": view.lot_number or None,
        "counter_id": view.counter_id,
        "counter": view.counter,
        "note": view.note,
    }
    return VarianceLine(
        line_id=line.id,
        batch_id=line.batch_id,
        batch_number=view.batch_number,
        batch_version=view.batch_version,
        location_id=line.location_id,
        product_master_id=line.product_id,
        bin_id=line.bin_id,
        lot_id=line.lot_id,
        inventory_item_id=line.stock_line_id,
        abc_class=line.abc_class,
        unit_cost=plain(variance.unit_cost),
        expected_qty=plain(variance.expected),
        counted_qty=plain(variance.counted),
        variance=plain(variance.units),
        variance_value=plain(variance.units * variance.unit_cost),
        counted_at=line.counted_at,
        round=line.round,
        needs=needs,
        obstacle=line.obstacle.reason if line.obstacle is not None else None,
        approvals_needed=needed,
        approvals_given=line.approvals_given,
        approvals=view.said,
        reason_code_id=line.why.reason_code_id,
        root_cause=line.why.root_cause,
        comment=line.why.comment,
        allowed_actions=allowed_actions(line, caller=caller, in_force=in_force, settings=settings),
        awaits_you=_awaits(view, caller, in_force, settings),
        **named,
    )


def _group(id_: UUID | None, name: str | None, found: Accuracy) -> AccuracyGroup:
    share = found.share
    return AccuracyGroup(
        id=id_,
        name=name,
        counted=found.counted,
        within=found.within,
        accuracy=None if share is None else plain(share),
    )
