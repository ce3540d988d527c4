"""Suggestions for a location: facts, what others can give, and arithmetic; however many, as many statements."""

from collections.abc import Sequence
from datetime import date, timedelta
from uuid import UUID

import msgspec

from domain.access.model import Act
from domain.errors import FieldError, not_found
from domain.replenishment.ports import FactsWanted, ReplenishmentFacts
from domain.replenishment.suggesting import Suggestion, suggestion, urgency, weigh

EARLIEST = date(1970, 1, 1)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    location_id: UUID
    days: int
    until: date | None = None
    limit: int
    page: int = 1
    with_all: bool = False
    """Those too that are not due."""
    product_ids: Sequence[UUID] | None = None
    category_id: UUID | None = None


class Suggestions(msgspec.Struct, frozen=True, kw_only=True):
    position: int
    location_code: str
    location_name: str
    first_day: date
    last_day: date
    items: Sequence[Suggestion]
    total: int
    due: int
    looked_at: int


async def suggest(facts: ReplenishmentFacts, *, act: Act, asked: Asked) -> Suggestions:
    """What to bring to a location, most urgent first. Stores nothing.

    Raises:
        DomainError: NOT_FOUND, LOCATION_DENIED.
    """
    act.caller.require_location(act.permission, asked.location_id)
    if asked.until is not None and asked.until < EARLIEST:
        raise FieldError(("periodEnd", f"must not be before {EARLIEST}"))
    wanted = FactsWanted(
        tenant_id=act.tenant_id,
        scope=act.scope,
        location_id=asked.location_id,
        days=asked.days,
        until=asked.until,
        product_ids=asked.product_ids,
        category_id=asked.category_id,
    )
    found = await facts.facts(wanted)
    if found is None:
        raise not_found("location", field="locationId")
    weighed = [weigh(row, days=asked.days) for row in found.rows]
    due = [one for one in weighed if one.is_due]
    listed = sorted(weighed if asked.with_all else due, key=urgency)
    shown = listed[(asked.page - 1) * asked.limit : asked.page * asked.limit]
    needy = [one.facts.product_id for one in shown if one.is_due]
    surplus = await facts.surplus(act.tenant_id, act.scope, asked.location_id, needy) if needy else []
    return Suggestions(
        position=found.position,
        location_code=found.location_code,
        location_name=found.location_name,
        first_day=found.last_day - timedelta(days=asked.days - 1),
        last_day=found.last_day,
        items=[
            suggestion(one, surplus, location_id=asked.location_id, today=found.today, days=asked.days)
            for one in shown
        ],
        total=len(listed),
        due=len(due),
        looked_at=len(weighed),
    )
