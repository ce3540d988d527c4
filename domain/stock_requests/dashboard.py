"""What supervisors see at a glance. Every figure names the list that it counts, and equals that list's total."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Protocol
from uuid import UUID

import msgspec
from msgspec import field

from domain.access.model import Act, Permission, Scope
from domain.catalog.views import View
from domain.stock_requests.model import ZERO, RequestState
from domain.stock_requests.ports import Deciders
from domain.stock_requests.reading import PENDING, PendingReads, link
from domain.values import plain

DAYS_MAX = 92
TOP = 10
CONSIDERED = 250
"""So many requests, the latest submitted, are looked at for the products that are asked for most."""
AGES = (0, 1, 3, 7, 14)
"""Where the buckets of ages begin, in days."""
HOUR = 3600


class Tile(View, frozen=True, kw_only=True):
    """So many requests, and the list of them."""

    requests: int
    href: str


class StateTile(Tile, frozen=True, kw_only=True):
    state: RequestState


class AgeTile(Tile, frozen=True, kw_only=True):
    """Requests that have waited for approval so many days: from the first on, and less than the second."""

    from_days: int
    to_days: int | None


class CycleTime(Tile, frozen=True, kw_only=True):
    """From the submission to the receipt, of what was received in the period."""

    average_hours: Decimal | None


class FillRate(Tile, frozen=True, kw_only=True):
    """What was issued of what was requested, of what was issued in the period."""

    requested: Decimal
    issued: Decimal
    rate: Decimal | None


class TopProduct(Tile, frozen=True, kw_only=True):
    product_id: UUID = field(name="productMasterId")
    sku: str
    name: str
    requested: Decimal


class TopProducts(View, frozen=True, kw_only=True):
    """The products that are asked for most, in the latest requests of the period: in `considered` of them."""

    considered: int
    submitted_from: datetime
    products: Sequence[TopProduct]


class Day(View, frozen=True, kw_only=True):
    """A day of UTC."""

    day: date
    submitted: Tile
    issued: Tile
    received: Tile


class Dashboard(View, frozen=True, kw_only=True):
    """`toDecide` waits for you, and is null where you approve nothing."""

    as_of: datetime
    from_: datetime = field(name="from")
    to: datetime
    total: Tile
    by_state: Sequence[StateTile]
    pending: Tile
    to_decide: Tile | None
    overdue: Tile
    ageing: Sequence[AgeTile]
    cycle_time: CycleTime
    fill_rate: FillRate
    top_products: TopProducts
    daily: Sequence[Day]


class CategoryTile(Tile, frozen=True, kw_only=True):
    """Requests with a product of the category when they were last changed; `requested` is of its products.

    Without an id: of products in no category. A request is counted in each of its categories.
    """

    category_id: UUID | None
    category_code: str | None
    category_name: str | None
    requested: Decimal
    by_state: Sequence[StateTile]


class DayCounted(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a measure on a day."""

    measure: str
    day: date
    requests: int
    amount: Decimal
    other: Decimal


class TopCounted(msgspec.Struct, frozen=True, kw_only=True):
    product_id: UUID
    sku: str
    name: str
    requested: Decimal
    requests: int


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """What one statement counts for the dashboard."""

    states: Mapping[str, int]
    overdue: int
    ages: Sequence[int]
    days: Sequence[DayCounted]
    considered: int
    considered_from: datetime | None
    top: Sequence[TopCounted]


class CategoryCounted(msgspec.Struct, frozen=True, kw_only=True):
    category_id: UUID | None
    category_code: str | None
    category_name: str | None
    state: RequestState
    requests: int
    requested: Decimal


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """Days of UTC, up to today: `from_` is the beginning of the first, `to` the end of the last."""

    now: datetime
    from_: datetime
    to: datetime

    @classmethod
    def last(cls, days: int, now: datetime) -> "Period":
        end = datetime.combine(now.astimezone(UTC).date() + timedelta(days=1), time(), UTC)
        return cls(now=now, from_=end - timedelta(days=days), to=end)

    @property
    def days(self) -> list[date]:
        return [self.from_.date() + timedelta(days=n) for n in range((self.to - self.from_).days)]


class DashboardReads(Protocol):
    """What is counted. Each call is one statement."""

    async def now(self, tenant_id: UUID) -> datetime: ...
    async def counted(self, tenant_id: UUID, period: Period, *, scope: Scope) -> Counted: ...
    async def by_category(self, tenant_id: UUID, *, scope: Scope) -> Sequence[CategoryCounted]: ...


async def dashboard(
    reads: DashboardReads, pending: PendingReads, deciders: Deciders, *, act: Act, days: int
) -> Dashboard:
    """The tiles for this caller, of the last days."""
    period = Period.last(days, await reads.now(act.tenant_id))
    counted = await reads.counted(act.tenant_id, period, scope=act.scope)
    to_decide = None
    decider = await deciders.of(act)
    if act.caller.allows(Permission.STOCKREQUESTS_APPROVE):
        to_decide = Tile(requests=await pending.count(decider), href=link(PENDING))
    return _composed(counted, period, to_decide)


def _composed(counted: Counted, period: Period, to_decide: Tile | None) -> Dashboard:
    states = [
        StateTile(state=state, requests=counted.states.get(state, 0), href=link(status=state))
        for state in RequestState
    ]
    waiting = RequestState.PENDING_APPROVAL
    of_day = {(one.measure, one.day): one for one in counted.days}
    received = [one for one in counted.days if one.measure == "RECEIVED"]
    issued = [one for one in counted.days if one.measure == "ISSUED"]
    top_from = counted.considered_from if counted.considered == CONSIDERED else period.from_
    return Dashboard(
        as_of=period.now,
        from_=period.from_,
        to=period.to,
        total=Tile(requests=sum(counted.states.values()), href=link()),
        by_state=states,
        pending=Tile(requests=counted.states.get(waiting, 0), href=link(status=waiting)),
        to_decide=to_decide,
        overdue=Tile(requests=counted.overdue, href=link(overdue=True)),
        ageing=_ageing(counted.ages, period.now),
        cycle_time=_cycle_time(received, period),
        fill_rate=_fill_rate(issued, period),
        top_products=_top(counted, top_from or period.from_, period.to),
        daily=[
            Day(
                day=day,
                submitted=_on(of_day.get(("SUBMITTED", day)), "submitted", day),
                issued=_on(of_day.get(("ISSUED", day)), "issued", day),
                received=_on(of_day.get(("RECEIVED", day)), "received", day),
            )
            for day in period.days
        ],
    )


def _ageing(ages: Sequence[int], now: datetime) -> list[AgeTile]:
    found = []
    for n, (first, count) in enumerate(zip(AGES, ages, strict=True)):
        last = AGES[n + 1] if n + 1 < len(AGES) else None
        found.append(
            AgeTile(
                from_days=first,
                to_days=last,
                requests=count,
                href=link(
                    status=RequestState.PENDING_APPROVAL,
                    submittedFrom=None if last is None else now - timedelta(days=last),
                    submittedTo=None if first == 0 else now - timedelta(days=first),
                ),
            )
        )
    return found


def _cycle_time(received: Sequence[DayCounted], period: Period) -> CycleTime:
    requests = sum(one.requests for one in received)
    seconds = sum((one.amount for one in received), ZERO)
    average = round(seconds / requests / HOUR, 2) if requests else None
    href = link(receivedFrom=period.from_, receivedTo=period.to)
    return CycleTime(requests=requests, href=href, average_hours=average)


def _fill_rate(issued: Sequence[DayCounted], period: Period) -> FillRate:
    wanted, given = sum((one.amount for one in issued), ZERO), sum((one.other for one in issued), ZERO)
    return FillRate(
        requests=sum(one.requests for one in issued),
        href=link(issuedFrom=period.from_, issuedTo=period.to),
        requested=plain(wanted),
        issued=plain(given),
        rate=round(given / wanted, 4) if wanted else None,
    )


def _top(counted: Counted, since: datetime, to: datetime) -> TopProducts:
    products = [
        TopProduct(
            product_id=one.product_id,
            sku=one.sku,
            name=one.name,
            requested=plain(one.requested),
            requests=one.requests,
            href=link(productMasterId=one.product_id, submittedFrom=since, submittedTo=to),
        )
        for one in counted.top
    ]
    return TopProducts(considered=counted.considered, submitted_from=since, products=products)


def _on(counted: DayCounted | None, what: str, day: date) -> Tile:
    begins = datetime.combine(day, time(), UTC)
    href = link(**{f"{what}From": begins, f"{what}To": begins + timedelta(days=1)})
    return Tile(requests=0 if counted is None else counted.requests, href=href)


async def by_category(reads: DashboardReads, *, act: Act) -> list[CategoryTile]:
    """The categories that are asked for, those with the most requests first."""
    found: dict[UUID | None, list[CategoryCounted]] = {}
    for one in await reads.by_category(act.tenant_id, scope=act.scope):
        found.setdefault(one.category_id, []).append(one)
    tiles = [_category(id_, counted) for id_, counted in found.items()]
    return sorted(tiles, key=lambda tile: (-tile.requests, tile.category_code or ""))


def _category(id_: UUID | None, counted: Sequence[CategoryCounted]) -> CategoryTile:
    which: dict[str, object] = {"uncategorized": True} if id_ is None else {"categoryId": id_}
    by_state = {one.state: one.requests for one in counted}
    return CategoryTile(
        category_id=id_,
        category_code=counted[0].category_code,
        category_name=counted[0].category_name,
        requests=sum(by_state.values()),
        href=link(**which),
        requested=plain(sum((one.requested for one in counted), ZERO)),
        by_state=[
            StateTile(state=state, requests=by_state[state], href=link(**which, status=state))
            for state in RequestState
            if state in by_state
        ],
    )
