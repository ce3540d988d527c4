"""Destroying expired stock: `/api/inventory/destructions`."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter, SkipValidation

from app.http.acts import Begin, once
from app.http.paging import read_cursor, write_cursor
from app.http.routes import route
from app.http.wire import Answer, Body, Json, Text200, Text2000, Version
from app.session_api.expired import DisposalUnit
from app.session_api.inventory import LocationId, mark_of, require_mark
from app.session_api.recorded import positioned
from domain.access.model import Act, Permission
from domain.errors import FieldError, Reason, not_found
from domain.expiry.destruction import (
    Decided,
    Destruction,
    DestructionAction,
    DestructionState,
    cancel_destruction,
    destroy,
)
from domain.expiry.reading import DestructionsWanted, ExpiredReader

DEFAULT_LIMIT, LIMIT_MAX = 50, 200


class DecideRequest(Body, frozen=True, kw_only=True):
    """`destroy` needs a `witness` and a `method`; `cancel` brings the stock back to where it was."""

    action: DestructionAction
    witness: Text200 | None = None
    method: Text200 | None = None
    certificate_number: Text200 | None = None
    comment: Text2000 | None = None
    expected_version: Version | None = None


class DestructionContinuation(Answer, frozen=True, kw_only=True):
    limit: int
    next_cursor: str | None


class DestructionList(Answer, frozen=True, kw_only=True):
    data: Sequence[Destruction]
    pagination: DestructionContinuation


class DestructionData(Answer, frozen=True, kw_only=True):
    data: Destruction


class DecidedDestruction(Answer, frozen=True, kw_only=True):
    ledger_position: int
    destruction: Destruction


class DecidedDestructionData(Answer, frozen=True, kw_only=True):
    data: DecidedDestruction


class _At(msgspec.Struct, frozen=True, array_like=True):
    """A cursor: in which list, and the last one shown."""

    mark: int
    after: UUID


class DestructionController(Controller):
    path = "/api/inventory/destructions"
    tags: Sequence[str] | None = ("Expiry and lot control",)

    @route(
        "GET",
        "/",
        operation="listDestructions",
        summary="List destructions",
        permissions=Permission.INVENTORY_READ,
        description="The newest first.",
        query={"limit": 20},
    )
    async def browse(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        expired_stock: NamedDependency[SkipValidation[ExpiredReader]],
        location_id: FromQuery[LocationId] = None,
        in_state: FromQuery[Annotated[DestructionState | None, QueryParameter(name="state")]] = None,
        limit: FromQuery[Annotated[int, QueryParameter(name="limit", ge=1, le=LIMIT_MAX)]] = DEFAULT_LIMIT,
        cursor: FromQuery[
            Annotated[
                str | None,
                QueryParameter(name="cursor", description="`pagination.nextCursor` of the part before."),
            ]
        ] = None,
    ) -> Json[DestructionList]:
        wanted = DestructionsWanted(
            tenant_id=act.tenant_id, scope=act.scope, limit=limit, location_id=location_id, state=in_state
        )
        at = read_cursor(cursor, _At)
        if at is not None:
            require_mark(at.mark, wanted)
            wanted = msgspec.structs.replace(wanted, after=at.after)
        found = await expired_stock.destructions(wanted)
        after = None if found.after is None else write_cursor(mark_of(wanted), found.after)
        return Json(
            DestructionList(data=found.rows, pagination=DestructionContinuation(limit=limit, next_cursor=after))
        )

    @route(
        "GET",
        "/{destruction_id:uuid}",
        operation="getDestruction",
        summary="Get a destruction",
        permissions=Permission.INVENTORY_READ,
        errors=[Reason.NOT_FOUND],
    )
    async def read(
        self,
        *,
        destruction_id: FromPath[UUID],
        act: NamedDependency[SkipValidation[Act]],
        expired_stock: NamedDependency[SkipValidation[ExpiredReader]],
    ) -> Json[DestructionData]:
        found = await expired_stock.destruction(act.tenant_id, act.scope, destruction_id)
        if found is None:
            raise not_found("destruction")
        return Json(DestructionData(data=found))

    @route(
        "POST",
        "/{destruction_id:uuid}",
        operation="decideDestruction",
        summary="Destroy what was put aside, or cancel its destruction",
        permissions=Permission.INVENTORY_WRITE,
        description="`destroy` writes the stock off, once, and keeps who witnessed it, how it was done and the "
        "certificate's number. `cancel` takes the transfer back. Either only while it is PENDING.",
        errors=[
            Reason.NOT_FOUND,
            Reason.STALE_VERSION,
            Reason.INVALID_TRANSITION,
            Reason.INSUFFICIENT_STOCK,
            Reason.REVERSAL_BLOCKED,
            Reason.COUNTED_SINCE,
            Reason.POSITION_FROZEN,
            Reason.INACTIVE,
            Reason.LOCATION_DENIED,
        ],
        example={
            "action": "destroy",
            "witness": "R. Maier",
            "method": "Incineration",
            "certificateNumber": "C-1042",
        },
    )
    async def decide(
        self,
        *,
        destruction_id: FromPath[UUID],
        data: JSONBody[DecideRequest],
        act: NamedDependency[SkipValidation[Act]],
        begin_disposal: NamedDependency[SkipValidation[Begin[DisposalUnit]]],
    ) -> Json[DecidedDestructionData]:
        _require_fields(data)

        async def do(work: DisposalUnit) -> DecidedDestructionData:
            decided = await _decided(work, act, destruction_id, data)
            answer = DecidedDestruction(ledger_position=decided.position, destruction=decided.destruction)
            return DecidedDestructionData(data=answer)

        return positioned(await once(begin_disposal, act, do))


async def _decided(work: DisposalUnit, act: Act, destruction_id: UUID, data: DecideRequest) -> Decided:
    if data.action is DestructionAction.CANCEL:
        return await cancel_destruction(
            work,
            act=act,
            destruction_id=destruction_id,
            comment=data.comment,
            expected_version=data.expected_version,
        )
    assert data.witness is not None
    assert data.method is not None
    return await destroy(
        work,
        act=act,
        destruction_id=destruction_id,
        witness=data.witness,
        method=data.method,
        certificate_number=data.certificate_number,
        comment=data.comment,
        expected_version=data.expected_version,
    )


def _require_fields(data: DecideRequest) -> None:
    said = {"witness": data.witness, "method": data.method, "certificateNumber": data.certificate_number}
    if data.action is DestructionAction.CANCEL:
        problems = [(name, "has no meaning for cancel") for name, value in said.items() if value is not None]
    else:
        problems = [(name, "is required to destroy") for name in ("witness", "method") if said[name] is None]
    if problems:
        raise FieldError(*problems)
