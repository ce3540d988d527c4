"""Changing what holds for a whole company: its settings, and its reason codes."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from domain.access.model import Act
from domain.catalog.rules import is_time_zone, require_everywhere
from domain.catalog.service import Changes, added, changed, locked, replaced
from domain.errors import DomainError, FieldError, Reason
from domain.ledger.model import ReasonCode, ReasonFacts
from domain.settings.model import SettingsView, TenantSettings, problems_of
from domain.settings.ports import SettingsWork

REASON_CODE = "reason_code"


async def change_settings(
    work: SettingsWork, *, act: Act, changes: Mapping[str, Any], expected_version: int | None
) -> SettingsView:
    """Set what `changes` names; None puts a setting back to its default."""
    require_everywhere(act)
    stored = await work.lock_settings()
    if expected_version is not None and expected_version != stored.version:
        message = "The settings have been changed since you read them"
        raise DomainError(Reason.STALE_VERSION, message, expected=expected_version, actual=stored.version)
    own = {name: value for name, value in {**stored.own, **changes}.items() if value is not None}
    if own == stored.own:
        return await work.view_settings()
    before, after = work.in_force(stored.own), work.in_force(own)
    _check(after)
    if before.lot_control != after.lot_control:
        await _switch_lot_control(work, on=after.lot_control)
    await work.store_settings(own)
    view = await work.view_settings()
    named = {name: own.get(name) for name in sorted(changes) if own.get(name) != stored.own.get(name)}
    payload = {"version": view.version, "changes": named}
    await work.record("settings.changed.v1", "tenant", act.tenant_id, payload)
    return view


async def create_reason(work: SettingsWork, *, act: Act, reason: ReasonFacts) -> ReasonCode:
    """A reason of the company's own, usable at once."""
    require_everywhere(act)
    return await added(work, work.reasons, REASON_CODE, reason)


async def change_reason(
    work: SettingsWork, *, act: Act, reason_code_id: UUID, changes: Changes, expected_version: int | None
) -> ReasonCode:
    """Rename a reason, ask for more or less with it, or take it out of use; its code and direction stay."""
    require_everywhere(act)
    stored = await locked(work.reasons, REASON_CODE, reason_code_id, expected_version=expected_version)
    return await changed(work, work.reasons, REASON_CODE, stored, replaced(stored.facts, changes))


def _check(settings: TenantSettings) -> None:
    problems = list(problems_of(settings))
    if not is_time_zone(settings.default_time_zone):
        problems.append(("defaultTimeZone", "must be a time zone of the IANA database, like Europe/London"))
    if problems:
        raise FieldError(*problems)


async def _switch_lot_control(work: SettingsWork, *, on: bool) -> None:
    """While it is off, every product has a lot without a number, where stock comes that names none."""
    if not on:
        await work.open_default_lots()
        return
    lines = await work.unnumbered_stock()
    if lines:
        message = f"{lines} stock lines of products under lot control have no lot number: give them one first"
        raise DomainError(Reason.IN_USE, message, usedBy={"stockLines": lines})
    await work.close_default_lots()
