"""What holds for the whole company: `/api/admin/settings`."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any, Protocol

import msgspec
from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import JSONBody, SkipValidation
from msgspec import UNSET, Meta, UnsetType, field

from app.http.acts import Begin, Work, once
from app.http.routes import route
from app.http.wire import Answer, Body, Json, Text64, Version
from domain.access.model import Act, Permission
from domain.access.ports import Revocations
from domain.catalog.rules import path_of
from domain.errors import FieldError, Reason
from domain.settings.model import (
    TIERS_MAX,
    Approvals,
    CountDays,
    RetentionDays,
    SettingsView,
    WarningDays,
)
from domain.settings.ports import SettingsReader, SettingsWork
from domain.settings.service import change_settings
from domain.values import Quantity, encodable


class SettingsUnit(SettingsWork, Work, Protocol):
    """The unit of work as the HTTP layer needs it, with idempotency."""


type BeginSettings = Begin[SettingsUnit]


class Tolerance(Body, frozen=True, kw_only=True):
    """How far a count may differ and be accepted by itself; null sets no such bound."""

    units: Quantity | None = None
    percent: Quantity | None = None
    value: Quantity | None = None


class ToleranceByClass(Body, frozen=True, kw_only=True):
    """By the ABC class of the product, in place of the general tolerance."""

    a: Tolerance | None = field(name="A", default=None)
    b: Tolerance | None = field(name="B", default=None)
    c: Tolerance | None = field(name="C", default=None)


class Thresholds(Body, frozen=True, kw_only=True):
    """Percent of the whole up to which cumulative shares are of class A and B; the rest is C."""

    a: Quantity = field(name="A", default=Quantity(80))
    b: Quantity = field(name="B", default=Quantity(95))


class EveryDays(Body, frozen=True, kw_only=True):
    """After how many days products of each class are due to be counted again."""

    a: CountDays = field(name="A", default=30)
    b: CountDays = field(name="B", default=90)
    c: CountDays = field(name="C", default=180)


class Tier(Body, frozen=True, kw_only=True):
    """What is worth more than `above` takes so many people to approve."""

    above: Quantity
    approvals: Approvals = 1


class ChangeSettings(Body, frozen=True, kw_only=True):
    """What is left out stays; null puts a setting back to its default."""

    root_cause_threshold: Quantity | UnsetType | None = UNSET
    count_tolerance_units: Quantity | UnsetType | None = UNSET
    count_tolerance_percent: Quantity | UnsetType | None = UNSET
    count_tolerance_value: Quantity | UnsetType | None = UNSET
    count_tolerance_by_class: ToleranceByClass | UnsetType | None = UNSET
    approval_tiers: Annotated[list[Tier], Meta(max_length=TIERS_MAX)] | UnsetType | None = UNSET
    abc_thresholds: Thresholds | UnsetType | None = UNSET
    count_every_days: EveryDays | UnsetType | None = UNSET
    expiry_warning_days: WarningDays | UnsetType | None = UNSET
    lot_control: bool | UnsetType | None = UNSET
    audit_retention_days: RetentionDays | UnsetType | None = UNSET
    job_retention_days: RetentionDays | UnsetType | None = UNSET
    default_time_zone: Text64 | UnsetType | None = UNSET
    expected_version: Version | None = None


class SettingsData(Answer, frozen=True, kw_only=True):
    data: SettingsView


class SettingsController(Controller):
    path = "/api/admin/settings"
    tags: Sequence[str] | None = ("Administration",)

    @route(
        "GET",
        "/",
        operation="getSettings",
        summary="Get the company's settings",
        permissions=Permission.ADMIN_SETTINGS,
    )
    async def read(
        self,
        act: NamedDependency[SkipValidation[Act]],
        settings: NamedDependency[SkipValidation[SettingsReader]],
    ) -> Json[SettingsData]:
        return Json(SettingsData(data=await settings.view(act.tenant_id)))

    @route(
        "PATCH",
        "/",
        operation="changeSettings",
        summary="Change the company's settings",
        permissions=Permission.ADMIN_SETTINGS,
        description="They hold at once, whichever process the next request meets. Lot control is switched on only "
        "while no product under lot control has stock without a lot number.",
        errors=[Reason.STALE_VERSION, Reason.IN_USE, Reason.LOCATION_DENIED],
        example={"rootCauseThreshold": 1000, "expiryWarningDays": 45},
    )
    async def change(
        self,
        data: JSONBody[ChangeSettings],
        act: NamedDependency[SkipValidation[Act]],
        begin_settings: NamedDependency[SkipValidation[BeginSettings]],
        revocations: NamedDependency[SkipValidation[Revocations]],
    ) -> Json[SettingsData]:
        changes = _changes(data)

        async def do(work: SettingsUnit) -> SettingsData:
            view = await change_settings(work, act=act, changes=changes, expected_version=data.expected_version)
            return SettingsData(data=view)

        answer = await once(begin_settings, act, do)
        await revocations.confirm()
        return answer


def _changes(data: ChangeSettings) -> dict[str, Any]:
    """What is set, by the names that it is stored under."""
    changes: dict[str, Any] = msgspec.to_builtins(data, builtin_types=(Decimal,), enc_hook=encodable)
    changes.pop("expectedVersion", None)
    if not changes:
        names = ", ".join(path_of(name) for name in data.__struct_fields__ if name != "expected_version")
        raise FieldError(("", f"names nothing to change; there are {names}"))
    return changes
