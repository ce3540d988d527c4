"""The audit trail: `/api/audit`."""

from collections.abc import AsyncGenerator, Sequence
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter, SkipValidation

from app.http.csv import Format, csv_answer
from app.http.paging import read_cursor, write_cursor
from app.http.routes import route
from app.http.wire import Answer, Json
from app.session_api.inventory import LocationId, mark_of, moment, require_mark
from domain.access.audit import AuditPage, AuditReader, AuditRecord, AuditWanted, Outcome
from domain.access.model import Act, Permission

DEFAULT_LIMIT, LIMIT_MAX = 50, 200
CSV_PART = 500
TEXT_LENGTH = 200
COLUMNS = tuple(msgspec.structs.fields(AuditRecord))


class AuditContinuation(Answer, frozen=True, kw_only=True):
    limit: int
    next_cursor: str | None


class AuditTrail(Answer, frozen=True, kw_only=True):
    data: Sequence[AuditRecord]
    pagination: AuditContinuation


class _Place(msgspec.Struct, frozen=True, array_like=True):
    """A cursor: in which list, and the last one shown."""

    mark: int
    after: UUID


def _text(name: str, description: str) -> QueryParameter:
    return QueryParameter(name=name, max_length=TEXT_LENGTH, description=description)


def _time(name: str, description: str) -> QueryParameter:
    return QueryParameter(name=name, max_length=40, schema_extra={"format": "date-time"}, description=description)


class AuditController(Controller):
    path = "/api/audit"
    tags: Sequence[str] | None = ("Audit",)

    @route(
        "GET",
        "/",
        operation="listAudit",
        summary="List who did what to which thing",
        permissions=Permission.AUDIT_READ,
        description="Newest first: every change of a record with what it was before and after, every posting to "
        "the ledger (`entityType` posting; its lines' stock before and after), and every authorization that was "
        "refused. What belongs to no location is shown to those who may look everywhere. Times are from "
        "(included) and to (excluded). As CSV the whole list is streamed.",
        query={"limit": 20},
        csv=True,
    )
    async def trail(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        audit: NamedDependency[SkipValidation[AuditReader]],
        actor_id: FromQuery[
            Annotated[UUID | None, QueryParameter(name="actorId", description="The person's id, or the key's.")]
        ] = None,
        entity_type: FromQuery[Annotated[str | None, _text("entityType", "As in `product` or `posting`.")]] = None,
        entity_id: FromQuery[Annotated[str | None, _text("entityId", "What was changed.")]] = None,
        action: FromQuery[Annotated[str | None, _text("action", "As in `product.changed`.")]] = None,
        outcome: FromQuery[Annotated[Outcome | None, QueryParameter(name="outcome")]] = None,
        request_id: FromQuery[Annotated[str | None, _text("requestId", "The X-Request-ID.")]] = None,
        location_id: FromQuery[LocationId] = None,
        since: FromQuery[Annotated[str | None, _time("from", "Recorded from.")]] = None,
        until: FromQuery[Annotated[str | None, _time("to", "Recorded before.")]] = None,
        limit: FromQuery[Annotated[int, QueryParameter(name="limit", ge=1, le=LIMIT_MAX)]] = DEFAULT_LIMIT,
        cursor: FromQuery[
            Annotated[
                str | None,
                QueryParameter(name="cursor", description="`pagination.nextCursor` of the part before."),
            ]
        ] = None,
        format_: FromQuery[Annotated[Format, QueryParameter(name="format")]] = Format.JSON,
    ) -> Json[AuditTrail]:
        wanted = AuditWanted(
            tenant_id=act.tenant_id,
            scope=act.scope,
            limit=limit if format_ is Format.JSON else CSV_PART,
            actor_id=actor_id,
            entity_type=entity_type,
            entity_id=entity_id,
            action=action,
            outcome=outcome,
            request_id=request_id,
            location_id=location_id,
            since=moment("from", since),
            until=moment("to", until),
        )
        place = read_cursor(cursor, _Place)
        if place is not None:
            require_mark(place.mark, wanted)
            wanted = msgspec.structs.replace(wanted, after=place.after)
        found = await audit.records(wanted)
        if format_ is Format.CSV:
            streamed: Json[AuditTrail] = csv_answer(
                "audit", [column.encode_name for column in COLUMNS], _parts(audit, wanted, found)
            )
            return streamed
        next_cursor = None if found.after is None else write_cursor(mark_of(wanted), found.after)
        return Json(
            AuditTrail(data=found.rows, pagination=AuditContinuation(limit=limit, next_cursor=next_cursor))
        )


async def _parts(audit: AuditReader, wanted: AuditWanted, found: AuditPage) -> AsyncGenerator[list[list[object]]]:
    """The list from its first page on; between two pages nothing of the database is kept busy."""
    while True:
        yield [[_cell(getattr(record, column.name)) for column in COLUMNS] for record in found.rows]
        if found.after is None:
            return
        found = await audit.records(msgspec.structs.replace(wanted, after=found.after))


def _cell(value: object) -> object:
    if isinstance(value, msgspec.Raw):
        return bytes(value).decode()
    if isinstance(value, list | tuple):
        return " ".join(map(str, value))
    return value
