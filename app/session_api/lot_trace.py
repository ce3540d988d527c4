"""Where a lot has been, back and forth: `/api/inventory/lots/{id}/trace`."""

from collections.abc import AsyncGenerator, Sequence
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import FromHeader, FromPath, FromQuery, QueryParameter, SkipValidation
from msgspec import Meta

from app.http.csv import Format, csv_answer
from app.http.headers import MinPosition, at_position, position_header
from app.http.paging import read_cursor, write_cursor
from app.http.routes import route
from app.http.wire import Answer, Json
from app.session_api.inventory import mark_of, require_mark
from domain.access.model import Act, Permission
from domain.errors import Reason, not_found
from domain.expiry.reading import LotHead, TracePage, TracePlace, TraceReader, TraceStep, TraceWanted

DEFAULT_LIMIT, LIMIT_MAX = 50, 200
CSV_PART = 500
COLUMNS = (
    "position",
    "effectiveAt",
    "recordedAt",
    "transactionId",
    "transactionType",
    "kind",
    "deltaQty",
    "qtyAfter",
    "from",
    "to",
    "sourceType",
    "sourceId",
    "comment",
    "actor",
    "reversesId",
)


class TraceContinuation(Answer, frozen=True, kw_only=True):
    limit: int
    next_cursor: str | None


class LotTrace(Answer, frozen=True, kw_only=True):
    lot: LotHead
    data: Sequence[TraceStep]
    pagination: TraceContinuation


class _At(msgspec.Struct, frozen=True, array_like=True):
    """A cursor: in which list, and the last movement shown."""

    mark: int
    after: Annotated[int, Meta(ge=0, le=2**63 - 1)]


class LotTraceController(Controller):
    path = "/api/inventory/lots"
    tags: Sequence[str] | None = ("Expiry and lot control",)

    @route(
        "GET",
        "/{lot_id:uuid}/trace",
        operation="traceLot",
        summary="Trace a lot",
        permissions=Permission.INVENTORY_READ,
        description="Every movement of the lot in the order in which it was recorded: from which place to which, "
        "by which document, and so from and to whom. Stock that was booked over from or to another lot names that "
        "lot: its trace goes on there. As CSV the whole trace is streamed.",
        errors=[Reason.NOT_FOUND],
        query={"limit": 20},
        csv=True,
    )
    async def trace(
        self,
        *,
        lot_id: FromPath[UUID],
        act: NamedDependency[SkipValidation[Act]],
        traces: NamedDependency[SkipValidation[TraceReader]],
        limit: FromQuery[Annotated[int, QueryParameter(name="limit", ge=1, le=LIMIT_MAX)]] = DEFAULT_LIMIT,
        cursor: FromQuery[
            Annotated[
                str | None,
                QueryParameter(name="cursor", description="`pagination.nextCursor` of the part before."),
            ]
        ] = None,
        format_: FromQuery[Annotated[Format, QueryParameter(name="format")]] = Format.JSON,
        x_min_ledger_position: FromHeader[MinPosition] = None,
    ) -> Json[LotTrace]:
        wanted = TraceWanted(
            tenant_id=act.tenant_id,
            scope=act.scope,
            lot_id=lot_id,
            limit=limit if format_ is Format.JSON else CSV_PART,
        )
        at = read_cursor(cursor, _At)
        if at is not None:
            require_mark(at.mark, wanted)
            wanted = msgspec.structs.replace(wanted, after=at.after)
        found = await traces.trace(wanted)
        if found is None:
            raise not_found("lot")
        after = None if found.after is None else write_cursor(mark_of(wanted), found.after)
        answer = LotTrace(
            lot=found.lot, data=found.rows, pagination=TraceContinuation(limit=limit, next_cursor=after)
        )
        told = at_position(answer, found.position, x_min_ledger_position)
        if format_ is Format.CSV:
            headers = position_header(found.position)
            told = csv_answer("lot-trace", COLUMNS, _parts(traces, wanted, found), headers=headers)
        return told


async def _parts(
    traces: TraceReader, wanted: TraceWanted, first: TracePage
) -> AsyncGenerator[list[Sequence[object]]]:
    """The trace from its first page on; between two pages nothing of the database is kept busy."""
    found: TracePage | None = first
    while found is not None:
        yield [_row(step) for step in found.rows]
        if found.after is None:
            return
        found = await traces.trace(msgspec.structs.replace(wanted, after=found.after))


def _row(step: TraceStep) -> Sequence[object]:
    return (
        step.position,
        step.effective_at,
        step.recorded_at,
        step.transaction_id,
        step.transaction_type,
        step.kind,
        step.delta_qty,
        step.qty_after,
        _ends(step.origins),
        _ends(step.destinations),
        step.source_type,
        step.source_id,
        step.comment,
        step.actor,
        step.reverses_id,
    )


def _ends(places: Sequence[TracePlace]) -> str:
    return "; ".join(
        " / ".join(filter(None, (place.location_name, place.bin_code, place.lot_number))) for place in places
    )
