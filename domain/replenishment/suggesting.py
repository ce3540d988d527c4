"""What to order, how much of it, and from where. Pure functions over the facts of one statement.

Demand is what left the location by issues and consumption (less what was taken back of it), day by day in the
location's time, over the last so many days, today among them; days without any count as zero. What could not be
sold for want of stock is not in it.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from math import ceil
from typing import Any
from uuid import UUID

import msgspec

from domain.catalog.views import View
from domain.replenishment.formulas import (
    DAYS_OF_YEAR,
    economic_order_quantity,
    mean_and_deviation,
    reorder_point,
    rounded_down,
    rounded_up,
    safety_stock,
    z_of,
)
from domain.replenishment.model import (
    LEAD_TIME_DAYS,
    REVIEW_DAYS,
    SERVICE_LEVEL,
    ZERO,
    Facts,
    Method,
    SafetyMethod,
    Source,
    Surplus,
)
from domain.values import plain

_PLACE = Decimal("0.0001")
_STEPS = tuple(Decimal(1).scaleb(-places) for places in range(5))
_LEVEL = float(SERVICE_LEVEL)
NEVER = float("inf")


class Weighed(msgspec.Struct, frozen=True, gc=False):
    """What the facts of a product come to."""

    facts: Facts
    mean: float
    deviation: float
    safety: Decimal
    """What is planned with; `facts.safety_stock` is what availability keeps back."""
    point: Decimal | None
    """Of reordering; None where the configuration says too little."""
    target: Decimal
    """Up to which is ordered."""
    economic: Decimal | None
    position: Decimal
    quantity: Decimal
    coverage: float
    """For so many days what is available suffices."""

    @property
    def is_due(self) -> bool:
        return self.quantity > ZERO


def weigh(facts: Facts, *, days: int) -> Weighed:
    """Whether a product is due, and how much of it. Due is what has come down to its reorder point.

    | method | reorder point | up to |
    | --- | --- | --- |
    | MIN_MAX | minimum | maximum |
    | REORDER_POINT | given | maximum; without one, what the days until the next review use |
    | EOQ | given, or d̄·L + SS | the economic order quantity more than there is, or just above the point |
    | DEMAND | d̄·L + SS, no less than the minimum | and what the days until the next review use |

    A maximum, where it is given, is not passed by more than one order multiple; a minimum order is ordered whole.
    """
    mean, deviation = mean_and_deviation(total=facts.used, squares=facts.used_squares, days=days)
    lead = LEAD_TIME_DAYS if facts.lead_time_days is None else facts.lead_time_days
    safety = facts.safety_stock
    if facts.safety_method == SafetyMethod.COMPUTED:
        safety = _safety(facts, mean, deviation, lead)
    position = facts.available + facts.inbound + facts.planned
    point, target, economic = _levels(facts, mean=mean, lead=lead, safety=safety, position=position)
    quantity = ZERO
    if point is not None and position <= point and target > position:
        quantity = ordered(target - position, multiple=multiple_of(facts), minimum=facts.min_order_qty)
    return Weighed(
        facts,
        mean,
        deviation,
        safety,
        point,
        target,
        economic,
        position,
        quantity,
        float(facts.available) / mean if mean > 0 else NEVER,
    )


def computed_safety(facts: Facts, *, days: int) -> Decimal:
    """The safety stock that demand, lead time and service level ask for now."""
    mean, deviation = mean_and_deviation(total=facts.used, squares=facts.used_squares, days=days)
    lead = LEAD_TIME_DAYS if facts.lead_time_days is None else facts.lead_time_days
    return _safety(facts, mean, deviation, lead)


def ordered(wanted: Decimal, *, multiple: Decimal, minimum: Decimal | None = None) -> Decimal:
    """A quantity as it can be ordered: in whole multiples, and no less than the least order."""
    return rounded_up(max(wanted, minimum or ZERO), multiple)


def multiple_of(facts: Facts) -> Decimal:
    """Its order multiple, or the least quantity of its unit."""
    return facts.order_multiple or _STEPS[facts.decimals]


def urgency(weighed: Weighed) -> tuple[bool, float, str]:
    """What runs out first comes first; what is not due comes last."""
    return not weighed.is_due, weighed.coverage, weighed.facts.sku


def _safety(facts: Facts, mean: float, deviation: float, lead: int) -> Decimal:
    level = _LEVEL if facts.service_level is None else facts.service_level
    exact = safety_stock(
        z=z_of(level),
        mean=mean,
        deviation=deviation,
        lead_time=lead,
        lead_deviation=facts.lead_time_sd_days or 0.0,
    )
    # In whole units of the product, and rather one more: what is kept back is stock.
    return _up(exact, facts.decimals)


def _levels(
    facts: Facts, *, mean: float, lead: int, safety: Decimal, position: Decimal
) -> tuple[Decimal | None, Decimal, Decimal | None]:
    """The reorder point, what is ordered up to, and the economic order quantity where it is asked for."""
    most, economic = facts.max_qty, None

    # Only where they are asked for: of very many products they would take most of the time.
    def computed() -> Decimal:
        return _rounded(reorder_point(mean=mean, lead_time=lead, safety=float(safety)))

    def until_review() -> Decimal:
        return _rounded(mean * (facts.review_days or REVIEW_DAYS))

    match facts.method:
        case Method.MIN_MAX:
            if facts.min_qty is None or most is None:
                return None, ZERO, None
            return facts.min_qty, most, None
        case Method.REORDER_POINT:
            if facts.reorder_qty is None:
                return None, ZERO, None
            point = facts.reorder_qty
            target = point + max(until_review(), multiple_of(facts)) if most is None else most
        case Method.EOQ:
            if not facts.order_cost or not facts.holding_cost:
                return None, ZERO, None
            point = computed() if facts.reorder_qty is None else facts.reorder_qty
            annual = max(0.0, mean) * DAYS_OF_YEAR
            economic = _rounded(
                economic_order_quantity(
                    annual_demand=annual, order_cost=facts.order_cost, holding_cost=facts.holding_cost
                )
            )
            target = max(position + economic, point)
        case _:
            assert facts.method == Method.DEMAND
            point = max(computed(), facts.min_qty or ZERO)
            target = point + until_review()
    if most is not None:
        target = min(target, most)
        point = min(point, most)
    return point, target, economic


def _rounded(value: float) -> Decimal:
    # By way of an integer: all digits of a binary fraction, most to be dropped again, take four times as long.
    return Decimal(round(value * 10_000)).scaleb(-4) if value > 0 else ZERO


def _up(value: float, decimals: int) -> Decimal:
    # What floating point adds to a whole number is no reason for one more.
    return Decimal(ceil(value * 10**decimals - 1e-6)).scaleb(-decimals) if value > 0 else ZERO


class SourcePart(View, frozen=True, kw_only=True):
    """Where a part of it comes from. `canGive` is what the location has above what it keeps for itself."""

    type: Source
    location_id: UUID | None = None
    location_code: str | None = None
    location_name: str | None = None
    supplier: str | None = None
    quantity: Decimal
    can_give: Decimal | None = None
    available: Decimal | None = None
    keeps: Decimal | None = None


def sources(weighed: Weighed, surplus: Sequence[Surplus]) -> tuple[SourcePart, ...]:
    """Surplus elsewhere first: the location that is asked first, then who has most; the rest from the supplier.

    Locations give whole multiples. What nobody gives is in no part.
    """
    facts, left, parts = weighed.facts, weighed.quantity, list[SourcePart]()
    multiple = multiple_of(facts)
    for place in sorted(
        surplus,
        key=lambda one: (one.location_id != facts.source_location_id, -one.quantity, one.location_code),
    ):
        quantity = rounded_down(min(left, place.quantity), multiple)
        if quantity <= ZERO:
            continue
        parts.append(
            SourcePart(
                type=Source.LOCATION,
                location_id=place.location_id,
                location_code=place.location_code,
                location_name=place.location_name,
                quantity=plain(quantity),
                can_give=plain(place.quantity),
                available=plain(place.available),
                keeps=plain(place.kept),
            )
        )
        left -= quantity
    if left > ZERO and facts.source == Source.SUPPLIER:
        quantity = ordered(left, multiple=multiple, minimum=facts.min_order_qty if not parts else None)
        parts.append(SourcePart(type=Source.SUPPLIER, supplier=facts.supplier, quantity=plain(quantity)))
    return tuple(parts)


def reasoning(weighed: Weighed, *, days: int) -> dict[str, Any]:
    """The numbers that it follows from, and what they come to in a sentence."""
    facts = weighed.facts
    level = _LEVEL if facts.service_level is None else facts.service_level
    is_computed = facts.safety_method == SafetyMethod.COMPUTED
    return {
        "text": _sentence(weighed),
        "available": plain(facts.available),
        "inbound": plain(facts.inbound),
        "planned": plain(facts.planned),
        "position": plain(weighed.position),
        "periodDays": days,
        "demandInPeriod": _shown(facts.used),
        "daysWithDemand": facts.used_days,
        "demandPerDay": _shown(weighed.mean),
        "demandDeviation": _shown(weighed.deviation),
        "leadTimeDays": LEAD_TIME_DAYS if facts.lead_time_days is None else facts.lead_time_days,
        "leadTimeSdDays": _shown(facts.lead_time_sd_days or 0.0),
        "reviewDays": facts.review_days or REVIEW_DAYS,
        "serviceLevel": _shown(level) if is_computed else None,
        "z": _shown(z_of(level)) if is_computed else None,
        "safetyStock": plain(weighed.safety),
        "reorderPoint": None if weighed.point is None else plain(weighed.point),
        "target": None if weighed.point is None else plain(weighed.target),
        "economicOrderQuantity": None if weighed.economic is None else plain(weighed.economic),
        "orderMultiple": plain(multiple_of(facts)),
        "minOrderQty": facts.min_order_qty,
        "quantity": plain(weighed.quantity),
    }


MISSING = {
    Method.MIN_MAX: "a minimum and a maximum",
    Method.REORDER_POINT: "a reorder point",
    Method.EOQ: "an order cost and a holding cost",
}


def _sentence(weighed: Weighed) -> str:
    facts = weighed.facts
    if weighed.point is None:
        return f"{facts.method} needs {MISSING[facts.method]}: nothing can be computed."
    have = f"{_say(facts.available)} available"
    if facts.inbound:
        have += f", {_say(facts.inbound)} on the way"
    if facts.planned:
        have += f", {_say(facts.planned)} planned"
    if not weighed.is_due:
        return f"{have}: above the reorder point of {_say(weighed.point)}."
    lasts = "" if weighed.coverage == NEVER else f", which lasts {weighed.coverage:.1f} days"
    rounding = f" in multiples of {_say(multiple_of(facts))}"
    if facts.min_order_qty:
        rounding += f", at least {_say(facts.min_order_qty)}"
    return (
        f"{have}{lasts}: not above the reorder point of {_say(weighed.point)}. "
        f"Up to {_say(weighed.target)} it takes {_say(weighed.quantity)}{rounding}."
    )


def _say(quantity: Decimal) -> str:
    return f"{plain(quantity):f}"


def _shown(value: float) -> Decimal:
    return plain(Decimal(value).quantize(_PLACE))


class StockTerms(View, frozen=True, kw_only=True):
    """`available` is what the lines can give, each by itself."""

    on_hand: Decimal
    blocked: Decimal
    expired: Decimal
    held: Decimal
    reserved: Decimal
    available: Decimal


class Suggestion(View, frozen=True, kw_only=True):
    """What to bring to the location, and why.

    `safetyStock` is what is planned with, `safetyStockKept` what availability keeps back: they differ when it is
    computed and demand has changed since the configuration was saved. `source` is the first of `sources`.
    """

    product_master_id: UUID
    global_sku: str
    product_name: str
    uom: str
    location_id: UUID
    method: Method
    is_due: bool = msgspec.field(name="due")
    current: Decimal
    terms: StockTerms
    inbound: Decimal
    inbound_overdue: Decimal
    planned: Decimal
    position: Decimal
    demand_per_day: Decimal
    demand_deviation: Decimal
    demand_in_period: Decimal
    days_with_demand: int
    coverage_days: Decimal | None
    runs_out_on: date | None
    safety_stock: Decimal
    safety_stock_kept: Decimal
    reorder_point: Decimal | None
    target: Decimal | None
    economic_order_quantity: Decimal | None
    suggested_quantity: Decimal
    uncovered: Decimal
    """What no source gives."""
    source: SourcePart | None
    sources: tuple[SourcePart, ...]
    reasoning: Mapping[str, Any]


def suggestion(
    weighed: Weighed, surplus: Iterable[Surplus], *, location_id: UUID, today: date, days: int
) -> Suggestion:
    """All of it, as it is shown."""
    facts = weighed.facts
    parts = sources(weighed, [one for one in surplus if one.product_id == facts.product_id])
    given = sum((part.quantity for part in parts), ZERO)
    lasts = weighed.coverage != NEVER
    return Suggestion(
        product_master_id=facts.product_id,
        global_sku=facts.sku,
        product_name=facts.name,
        uom=facts.uom,
        location_id=location_id,
        method=facts.method,
        is_due=weighed.is_due,
        current=plain(facts.available),
        terms=StockTerms(
            on_hand=plain(facts.on_hand),
            blocked=plain(facts.blocked),
            expired=plain(facts.expired),
            held=plain(facts.held),
            reserved=plain(facts.reserved),
            available=plain(facts.available),
        ),
        inbound=plain(facts.inbound),
        inbound_overdue=plain(facts.overdue),
        planned=plain(facts.planned),
        position=plain(weighed.position),
        demand_per_day=_shown(weighed.mean),
        demand_deviation=_shown(weighed.deviation),
        demand_in_period=_shown(facts.used),
        days_with_demand=facts.used_days,
        coverage_days=_shown(weighed.coverage) if lasts else None,
        runs_out_on=_day(today, weighed.coverage) if lasts else None,
        safety_stock=plain(weighed.safety),
        safety_stock_kept=plain(facts.safety_stock),
        reorder_point=None if weighed.point is None else plain(weighed.point),
        target=None if weighed.point is None else plain(weighed.target),
        economic_order_quantity=None if weighed.economic is None else plain(weighed.economic),
        suggested_quantity=plain(weighed.quantity),
        uncovered=plain(max(ZERO, weighed.quantity - given)),
        source=parts[0] if parts else None,
        sources=parts,
        reasoning=reasoning(weighed, days=days),
    )


def _day(today: date, coverage: float) -> date | None:
    """None where it lasts for generations."""
    return today + timedelta(days=int(coverage)) if coverage < 36_500 else None  # noqa: PLR2004 - a century
