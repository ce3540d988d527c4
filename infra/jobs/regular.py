"""The regular work of every tenant: when it is due, and whether there is anything to do.

A job is only asked for where something is to be done, so that the list of jobs tells what happened. `is_due` are
statements with the tenant as `$1`; one that is none is due whenever its turn comes.
"""

from datetime import datetime, time, timedelta

import msgspec

from domain.access.model import Permission
from infra.jobs.housekeeping import IS_LITTERED

LAPSED = """
    SELECT DISTINCT product_id, location_id FROM reservations
    WHERE tenant_id = $1 AND state = 'LIVE' AND expires_at <= now() ORDER BY 1, 2
"""
# A tier that is past its deadline and has somebody to go to, and has not been told of yet.
OVERDUE = """
    SELECT r.id FROM stock_requests r
    JOIN stock_request_tiers t
        ON t.tenant_id = r.tenant_id AND t.request_id = r.id AND t.round = r.round AND t.tier = r.current_tier
    WHERE r.tenant_id = $1 AND r.state = 'PENDING_APPROVAL' AND r.deadline_at <= now()
        AND (t.escalate_role IS NOT NULL OR cardinality(t.escalate_user_ids) > 0)
        AND NOT EXISTS (
            SELECT FROM document_history h
            WHERE h.tenant_id = $1 AND h.document_id = r.id AND h.action = 'escalate'
                AND h.details = jsonb_build_object('round', r.round, 'tier', r.current_tier)
        )
    ORDER BY r.deadline_at, r.id LIMIT 200
"""
STOCKLISTS = """
    SELECT EXISTS (
        SELECT FROM stocklists x
        WHERE x.tenant_id = $1 AND x.is_active
            AND coalesce(x.generated_at, x.created_at) + make_interval(days => x.review_period_days) <= now()
    )
"""
# Where somebody waits for what there is some of, unclaimed and not held, as far as the totals tell.
WAITED_FOR = """
    SELECT DISTINCT r.origin_location_id AS location_id FROM stock_request_lines l
    JOIN stock_requests r ON r.tenant_id = l.tenant_id AND r.id = l.request_id
    JOIN stock_totals t
        ON t.tenant_id = l.tenant_id AND t.product_id = l.product_id AND t.location_id = r.origin_location_id
    WHERE l.tenant_id = $1 AND l.backordered > 0 AND r.state IN ('APPROVED', 'PICKING')
        AND t.sellable > t.reserved + t.held
    ORDER BY 1
"""
# Stock whose lot has expired lately by the date of its place, and that was never marked: a mark that somebody has
# released is not made again. Nowhere is it later than at UTC+14.
EXPIRED = """
    SELECT s.id, s.location_id
    FROM (
        SELECT x.id FROM lots x
        WHERE x.tenant_id = $1 AND x.expires_on < (now() AT TIME ZONE 'UTC' + interval '14 hours')::date
            AND x.expires_on > now()::date - 32
    ) t
    JOIN stock_lines s ON s.tenant_id = $1 AND s.lot_id = t.id AND s.on_hand > 0
    JOIN lots x ON x.tenant_id = $1 AND x.id = t.id
    JOIN locations l ON l.tenant_id = $1 AND l.id = s.location_id
    WHERE x.expires_on < (now() AT TIME ZONE l.time_zone)::date
        AND NOT EXISTS (
            SELECT FROM holds h WHERE h.tenant_id = $1 AND h.line_id = s.id AND h.reason = 'EXPIRED'
        )
    ORDER BY s.location_id, s.id LIMIT 2000
"""


class Regular(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of regular work."""

    type: str
    description: str
    permission: Permission
    every: timedelta | None = None
    """How often; else nightly."""
    weekday: int | None = None
    """Of what is done nightly, the only night of the week, from 0 for Monday."""
    is_due: str | None = None


REGULAR: tuple[Regular, ...] = (
    Regular(
        type="reservation-sweep",
        description="Let go of claims whose time has run out",
        permission=Permission.INVENTORY_WRITE,
        every=timedelta(minutes=10),
        is_due=f"SELECT EXISTS ({LAPSED})",
    ),
    Regular(
        type="request-escalation",
        description="Tell of requests whose deadline has passed",
        permission=Permission.STOCKREQUESTS_WRITE,
        every=timedelta(minutes=5),
        is_due=f"SELECT EXISTS ({OVERDUE})",
    ),
    Regular(
        type="stocklist-generation",
        description="Make requests of the stocklists that are due",
        permission=Permission.STOCKREQUESTS_WRITE,
        every=timedelta(hours=1),
        is_due=STOCKLISTS,
    ),
    Regular(
        type="backorder-allocation",
        description="Serve requests that wait for stock",
        permission=Permission.STOCKREQUESTS_WRITE,
        every=timedelta(hours=1),
        is_due=f"SELECT EXISTS ({WAITED_FOR})",
    ),
    Regular(
        type="expiry-marking",
        description="Mark the stock that has expired",
        permission=Permission.INVENTORY_WRITE,
        every=timedelta(hours=1),
        is_due=f"SELECT EXISTS ({EXPIRED})",
    ),
    Regular(
        type="ledger-verify",
        description="Recompute every balance from the movements",
        permission=Permission.ADMIN_SETTINGS,
    ),
    Regular(
        type="abc-run",
        description="Classify what moved at each location",
        permission=Permission.INVENTORY_CYCLECOUNT,
        weekday=6,
    ),
    Regular(
        type="housekeeping",
        description="Remove what is no longer kept",
        permission=Permission.ADMIN_SETTINGS,
        is_due=IS_LITTERED,
    ),
)


def next_turn(work: Regular, now: datetime, *, night_hour: int) -> datetime:
    """When its next turn is, after `now` (UTC)."""
    if work.every is not None:
        return now + work.every
    begins = datetime.combine(now.date(), time(night_hour), tzinfo=now.tzinfo)
    while begins <= now or work.weekday not in {None, begins.weekday()}:
        begins += timedelta(days=1)
    return begins


def spread(work: Regular) -> timedelta:
    """Within what time of their turn tenants follow each other, so that not all begin at the same moment."""
    return timedelta(minutes=45) if work.every is None else work.every / 10
