"""What a period of the ledger says: goods in and out, shrinkage, turns, ageing, stock-outs, count accuracy.

Movements belong to the day on which they took effect, and a reversal to the kind of what it takes back: what was
reversed never happened. Values are at today's unit cost. Quantities of unlike goods add up only as far as their
units do, so ratios of money are what compares. A ratio with nothing to divide by is None.

Turns and days of supply are APICS's (design notes, "Numbers for planners"); ageing takes first in, first out.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from uuid import UUID

import msgspec

from domain.errors import FieldError
from domain.ledger.figures import (
    CENT,
    FLOWS,
    ZERO,
    Amount,
    AnalyticsReads,
    AnalyticsWanted,
    Bucket,
    DayMoved,
    Figures,
    Flow,
    Frame,
    OutFigures,
    Period,
    ReasonMoved,
    money,
)
from domain.values import plain

DAYS_DEFAULT = 30
DAYS_MAX = 400
EARLIEST = date(1900, 1, 1)
A_YEAR = 365
AGES = (0, 31, 61, 91, 181, 366)
"""The first days of the age buckets; the last has no end."""
EXPIRIES = (0, 31, 61)
"""The first days, from today, of the buckets of what expires; what has expired comes before them."""
EXPIRY_HORIZON = 90


class AnalyticsPeriod(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Days are those of `timeZone`: the locations' own where it is one and the same, else UTC."""

    from_date: date
    to_date: date
    days: int
    time_zone: str


class FlowTotal(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What moved, less what was reversed. Issues and destructions count up; others are signed."""

    movements: int
    quantity: Decimal
    value: Decimal


class Adjustments(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    movements: int
    quantity: Decimal
    value: Decimal
    by_reason: Sequence[ReasonMoved]


class Shrinkage(msgspec.Struct, frozen=True, kw_only=True):
    """What adjustments and counts took away, net; below zero where they found more than they missed.

    `rate` is its value as a share of the value that there was to lose: at the start, and received since.
    """

    quantity: Decimal
    value: Decimal
    rate: Decimal | None


class Valuation(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Stock at today's unit cost, at the start of the first day and the end of the last, averaged over ends."""

    start_quantity: Decimal
    start_value: Decimal
    end_quantity: Decimal
    end_value: Decimal
    average_value: Decimal


class AgeBucket(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """From so many days to so many, both included; null where there is no end."""

    from_days: int | None
    to_days: int | None
    quantity: Decimal
    value: Decimal


class StockOuts(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Days that began with stock or brought some and ended without, of a product at a location.

    `days` go from there until stock came again or the period ended. `rate` is the share of all days of all
    products at their locations that were stocked in the period.
    """

    begun: int
    products: int
    days: int
    at_end: int
    rate: Decimal | None


class CountAccuracy(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """IRA: of the lines that were counted, the share that the books had right, with no tolerance."""

    counts: int
    lines_counted: int
    lines_accurate: int
    accuracy: Decimal | None


class AnalyticsDay(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A day's flows, as in the totals, and what stood at its end."""

    date: date
    receipts_quantity: Decimal
    receipts_value: Decimal
    issues_quantity: Decimal
    issues_value: Decimal
    adjustments_quantity: Decimal
    adjustments_value: Decimal
    closing_quantity: Decimal
    closing_value: Decimal


class Analytics(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Start + receipts - issues + adjustments + opening + transfers - destructions = end.

    `ageing` is of the stock at the end of the period; `expiring` of today's, by days from today.
    """

    period: AnalyticsPeriod
    location_id: UUID | None
    category_id: UUID | None
    receipts: FlowTotal
    issues: FlowTotal
    adjustments: Adjustments
    opening: FlowTotal
    transfers: FlowTotal
    destructions: FlowTotal
    shrinkage: Shrinkage
    turns: Decimal | None
    turns_per_year: Decimal | None
    days_of_supply: Decimal | None
    valuation: Valuation
    ageing: Sequence[AgeBucket]
    expiring: Sequence[AgeBucket]
    stock_outs: StockOuts
    count_accuracy: CountAccuracy
    series: Sequence[AnalyticsDay]


async def analyse(reads: AnalyticsReads, wanted: AnalyticsWanted) -> tuple[Analytics, int]:
    """What a period says, and the position of the ledger that it shows.

    Raises:
        FieldError: the period cannot be meant.
        DomainError: NOT_FOUND.
    """
    if wanted.from_day is not None and wanted.to_day is not None:
        _require_period(wanted.from_day, wanted.to_day)
    frame = await reads.frame(wanted)
    period = period_of(wanted, frame)
    figures = await reads.figures(wanted, frame, period)
    return summarise(wanted, frame, period, figures), figures.position


def period_of(wanted: AnalyticsWanted, frame: Frame) -> Period:
    """The days to look at: those asked for, else the thirty up to the last movement, else up to today.

    Days to come are left out: nothing has happened on them, and averages would count them.
    """
    to_day = wanted.to_day or frame.latest_day or frame.today
    if wanted.to_day is None and wanted.from_day is not None and wanted.from_day > to_day:
        to_day = frame.today
    to_day = min(to_day, frame.today)
    if wanted.from_day is not None:
        from_day = wanted.from_day
    else:
        from_day = max(EARLIEST, date.fromordinal(max(1, to_day.toordinal() - DAYS_DEFAULT + 1)))
    _require_period(from_day, to_day)
    return Period(from_day=from_day, to_day=to_day)


def _require_period(from_day: date, to_day: date) -> None:
    if to_day < EARLIEST:
        raise FieldError(("toDate", f"must not be before {EARLIEST}"))
    if from_day > to_day:
        raise FieldError(("fromDate", "must not be after toDate, nor after today"))
    if (to_day - from_day).days >= DAYS_MAX:
        raise FieldError(("fromDate", f"must not be more than {DAYS_MAX} days before the end"))


def summarise(wanted: AnalyticsWanted, frame: Frame, period: Period, figures: Figures) -> Analytics:
    flows = _flows(figures.moved)
    series, start = daily(period, figures)
    end = figures.now - figures.since
    average = sum((day.closing_value for day in series), ZERO) / period.days
    issues, receipts = flows[Flow.ISSUE], flows[Flow.RECEIPT]
    adjusted = flows[Flow.ADJUSTMENT]
    came = start.value + receipts.value + flows[Flow.OPENING].value
    turned = turns(cost_of_issues=-issues.value, average_value=average)
    return Analytics(
        period=AnalyticsPeriod(
            from_date=period.from_day, to_date=period.to_day, days=period.days, time_zone=frame.time_zone
        ),
        location_id=wanted.location_id,
        category_id=wanted.category_id,
        receipts=receipts,
        issues=_turned(issues),
        adjustments=Adjustments(
            movements=adjusted.movements,
            quantity=adjusted.quantity,
            value=adjusted.value,
            by_reason=figures.reasons,
        ),
        opening=flows[Flow.OPENING],
        transfers=flows[Flow.TRANSFER],
        destructions=_turned(flows[Flow.DESTRUCTION]),
        shrinkage=Shrinkage(
            quantity=plain(-adjusted.quantity), value=plain(-adjusted.value), rate=ratio(-adjusted.value, came)
        ),
        turns=turned,
        turns_per_year=ratio(-issues.value * A_YEAR, average * period.days),
        days_of_supply=days_of_supply(on_hand=end.quantity, issued=-issues.quantity, days=period.days),
        valuation=Valuation(
            start_quantity=start.quantity,
            start_value=start.value,
            end_quantity=plain(end.quantity),
            end_value=money(end.value),
            average_value=money(average),
        ),
        ageing=ageing(figures.ages, end),
        expiring=expiring(figures.expiring),
        stock_outs=_stock_outs(figures.outs, period.days),
        count_accuracy=CountAccuracy(
            counts=figures.counts.counts,
            lines_counted=figures.counts.lines,
            lines_accurate=figures.counts.accurate,
            accuracy=ratio(Decimal(figures.counts.accurate), Decimal(figures.counts.lines)),
        ),
        series=series,
    )


def ratio(part: Decimal, whole: Decimal) -> Decimal | None:
    """To four places; None of nothing."""
    return plain((part / whole).quantize(CENT)) if whole > 0 else None


def turns(*, cost_of_issues: Decimal, average_value: Decimal) -> Decimal | None:
    """How often the stock was used up in the period: cost of issues / average stock value."""
    return ratio(cost_of_issues, average_value)


def days_of_supply(*, on_hand: Decimal, issued: Decimal, days: int) -> Decimal | None:
    """On hand / average daily issues.

    Planning divides what is *available*; of a day that is past, what was promised then is not known.
    """
    return ratio(on_hand * days, issued)


def daily(period: Period, figures: Figures) -> tuple[list[AnalyticsDay], Amount]:
    """Each day of the period, and what stood at its start: today's stock, less what has moved since."""
    days: defaultdict[date, dict[Flow, Amount]] = defaultdict(dict)
    for moved in figures.moved:
        flow = FLOWS[moved.kind]
        days[moved.day][flow] = days[moved.day].get(flow, Amount()) + moved.amount
    closing, series = figures.now - figures.since, []
    for back in range(period.days):
        day = period.to_day - timedelta(days=back)
        flows = days[day]
        received, issued, adjusted, stood = (
            amount.shown()
            for amount in (
                flows.get(Flow.RECEIPT, Amount()),
                -flows.get(Flow.ISSUE, Amount()),
                flows.get(Flow.ADJUSTMENT, Amount()),
                closing,
            )
        )
        series.append(
            AnalyticsDay(
                date=day,
                receipts_quantity=received.quantity,
                receipts_value=received.value,
                issues_quantity=issued.quantity,
                issues_value=issued.value,
                adjustments_quantity=adjusted.quantity,
                adjustments_value=adjusted.value,
                closing_quantity=stood.quantity,
                closing_value=stood.value,
            )
        )
        closing -= sum(flows.values(), Amount())
    return series[::-1], closing.shown()


def ageing(ages: Sequence[Bucket], on_hand: Amount) -> list[AgeBucket]:
    """All of the stock by age. What no receipt of a year accounts for is older."""
    known = {bucket.number: Amount(quantity=bucket.quantity, value=bucket.value) for bucket in ages}
    oldest = len(AGES) - 1
    known[oldest] = on_hand - sum((known.get(n, Amount()) for n in range(oldest)), Amount())
    ends = [*(first - 1 for first in AGES[1:]), None]
    return [_bucket(first, end, known.get(n)) for n, (first, end) in enumerate(zip(AGES, ends, strict=True))]


def expiring(buckets: Sequence[Bucket]) -> list[AgeBucket]:
    """What has expired, and what expires within ninety days."""
    known = {bucket.number: Amount(quantity=bucket.quantity, value=bucket.value) for bucket in buckets}
    starts = [None, *EXPIRIES]
    ends = [*(first - 1 for first in EXPIRIES), EXPIRY_HORIZON]
    return [_bucket(first, end, known.get(n)) for n, (first, end) in enumerate(zip(starts, ends, strict=True))]


def _bucket(first: int | None, end: int | None, amount: Amount | None) -> AgeBucket:
    shown = (amount or Amount()).shown()
    return AgeBucket(from_days=first, to_days=end, quantity=shown.quantity, value=shown.value)


def _flows(moved: Sequence[DayMoved]) -> dict[Flow, FlowTotal]:
    totals = dict.fromkeys(Flow, (0, Amount()))
    for one in moved:
        movements, amount = totals[FLOWS[one.kind]]
        totals[FLOWS[one.kind]] = movements + one.movements, amount + one.amount
    return {
        flow: FlowTotal(movements=movements, quantity=plain(amount.quantity), value=money(amount.value))
        for flow, (movements, amount) in totals.items()
    }


def _turned(flow: FlowTotal) -> FlowTotal:
    """What went out, counted up."""
    return FlowTotal(movements=flow.movements, quantity=plain(-flow.quantity), value=plain(-flow.value))


def _stock_outs(outs: OutFigures, days: int) -> StockOuts:
    return StockOuts(
        begun=outs.begun,
        products=outs.products,
        days=outs.days,
        at_end=outs.at_end,
        rate=ratio(Decimal(outs.days), Decimal(outs.stocked * days)),
    )
