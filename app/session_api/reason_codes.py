"""The company's own reason codes: `/api/inventory/adjustments/reason-codes`."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, SkipValidation
from msgspec import UNSET, Meta, UnsetType, field

from app.http.acts import once
from app.http.routes import route
from app.http.wire import Answer, Body, Json, Text200, Version
from app.session_api.catalog import changes_in
from app.session_api.settings import BeginSettings, SettingsUnit
from domain.access.model import Act, Permission
from domain.access.ports import Revocations
from domain.errors import Reason
from domain.ledger.model import Direction, ReasonCode, ReasonFacts
from domain.ledger.ports import Reference
from domain.settings.service import change_reason, create_reason

type Code = Annotated[str, Meta(min_length=1, max_length=64, pattern="^[A-Za-z0-9][A-Za-z0-9_.-]*$")]


class ReasonCodeAnswer(Answer, frozen=True, kw_only=True):
    """`pack` is where it comes from; the company's own are of `own`."""

    id: UUID
    code: str
    name: str
    direction: Direction
    requires_comment: bool
    requires_root_cause: bool
    active: bool
    pack: str
    version: int


class ReasonCodes(Answer, frozen=True, kw_only=True):
    data: Sequence[ReasonCodeAnswer]


class ReasonCodeData(Answer, frozen=True, kw_only=True):
    data: ReasonCodeAnswer


class CreateReasonCode(Body, frozen=True, kw_only=True):
    """Codes are of letters, digits, `_`, `.` and `-`."""

    code: Code
    name: Text200
    direction: Direction
    requires_comment: bool = False
    requires_root_cause: bool = False
    is_active: bool = field(name="active", default=True)


class ChangeReasonCode(Body, frozen=True, kw_only=True):
    """What is left out stays. Code and direction never change: what was posted would mean something else."""

    name: Text200 | UnsetType = UNSET
    requires_comment: bool | UnsetType = UNSET
    requires_root_cause: bool | UnsetType = UNSET
    is_active: bool | UnsetType = field(name="active", default=UNSET)
    expected_version: Version | None = None


class ReasonCodeController(Controller):
    path = "/api/inventory/adjustments/reason-codes"
    tags: Sequence[str] | None = ("Adjustments",)

    @route(
        "GET",
        "/",
        operation="listAdjustmentReasonCodes",
        summary="List adjustment reason codes",
        permissions=Permission.INVENTORY_ADJUST,
    )
    async def browse(
        self,
        act: NamedDependency[SkipValidation[Act]],
        reference: NamedDependency[SkipValidation[Reference]],
    ) -> Json[ReasonCodes]:
        return Json(ReasonCodes(data=[_shown(reason) for reason in await reference.reasons(act.tenant_id)]))

    @route(
        "POST",
        "/",
        operation="createReasonCode",
        summary="Create a reason code",
        permissions=Permission.ADMIN_SETTINGS,
        errors=[Reason.DUPLICATE, Reason.LOCATION_DENIED],
        status=HTTPStatus.CREATED,
        example={"code": "TASTING", "name": "Opened for a tasting", "direction": "OUT", "requiresComment": True},
    )
    async def create(
        self,
        data: JSONBody[CreateReasonCode],
        act: NamedDependency[SkipValidation[Act]],
        begin_settings: NamedDependency[SkipValidation[BeginSettings]],
        revocations: NamedDependency[SkipValidation[Revocations]],
    ) -> Json[ReasonCodeData]:
        reason = ReasonFacts(**{name: getattr(data, name) for name in data.__struct_fields__})

        async def do(work: SettingsUnit) -> ReasonCodeData:
            return ReasonCodeData(data=_shown(await create_reason(work, act=act, reason=reason)))

        answer = await once(begin_settings, act, do, status=HTTPStatus.CREATED)
        await revocations.confirm()
        return answer

    @route(
        "PATCH",
        "/{reason_code_id:uuid}",
        operation="changeReasonCode",
        summary="Change a reason code, or take it out of use",
        permissions=Permission.ADMIN_SETTINGS,
        errors=[Reason.NOT_FOUND, Reason.STALE_VERSION, Reason.LOCATION_DENIED],
        example={"name": "Found behind the rack", "requiresComment": False},
    )
    async def change(
        self,
        reason_code_id: FromPath[UUID],
        data: JSONBody[ChangeReasonCode],
        act: NamedDependency[SkipValidation[Act]],
        begin_settings: NamedDependency[SkipValidation[BeginSettings]],
        revocations: NamedDependency[SkipValidation[Revocations]],
    ) -> Json[ReasonCodeData]:
        changes = changes_in(data)

        async def do(work: SettingsUnit) -> ReasonCodeData:
            changed = await change_reason(
                work,
                act=act,
                reason_code_id=reason_code_id,
                changes=changes,
                expected_version=data.expected_version,
            )
            return ReasonCodeData(data=_shown(changed))

        answer = await once(begin_settings, act, do)
        await revocations.confirm()
        return answer


def _shown(reason: ReasonCode) -> ReasonCodeAnswer:
    return ReasonCodeAnswer(
        id=reason.id,
        code=reason.code,
        name=reason.name,
        direction=Direction(reason.direction),
        requires_comment=reason.requires_comment,
        requires_root_cause=reason.requires_root_cause,
        active=reason.is_active,
        pack=reason.pack,
        version=reason.version,
    )
