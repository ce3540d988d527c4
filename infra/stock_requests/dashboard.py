"""What the dashboards count: from the counts that are kept, from what is open, and from the latest requests.

None of it takes longer for a longer past: the counts have as many rows as the company has ends, states and
categories (days of the period besides), what is open is indexed by itself, and of the latest a bounded number is
looked at.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import msgspec

from domain.access.model import Scope
from domain.stock_requests.dashboard import (
    AGES,
    CONSIDERED,
    TOP,
    CategoryCounted,
    Counted,
    DayCounted,
    Period,
    TopCounted,
)
from domain.stock_requests.model import RequestState
from infra.db.pool import Database
from infra.stock_requests.lists import COUNTED_WITHIN, NOWHERE, OVERDUE

_WITHIN = "($2::uuid[] IS NULL OR x.origin_location_id = ANY ($2) OR x.destination_location_id = ANY ($2))"


def _age(n: int) -> str:
    bounds = []
    if AGES[n]:
        bounds.append(f"x.submitted_at < $5::timestamptz - interval '{AGES[n]} days'")
    if n + 1 < len(AGES):
        bounds.append(f"x.submitted_at >= $5::timestamptz - interval '{AGES[n + 1]} days'")
    return f"count(*) FILTER (WHERE {' AND '.join(bounds)})"


# $3 and $4 are the period, $5 the moment.
COUNTED = f"""
    WITH recent AS MATERIALIZED (
        SELECT x.id, x.submitted_at FROM stock_requests x
        WHERE x.tenant_id = $1 AND x.submitted_at IS NOT NULL AND NOT x.is_deleted AND {_WITHIN}
            AND x.submitted_at >= $3 AND x.submitted_at < $4
        ORDER BY x.submitted_at DESC, x.id DESC LIMIT {CONSIDERED}
    )
    SELECT jsonb_build_object(
        'states', (
            SELECT coalesce(jsonb_object_agg(s.state, s.requests), '{{}}') FROM (
                SELECT c.state, sum(c.requests) AS requests FROM stock_request_counts c
                WHERE c.tenant_id = $1 AND c.measure = 'STATE' AND {COUNTED_WITHIN} GROUP BY c.state
            ) s
        ),
        'overdue', (
            SELECT count(*) FROM ({OVERDUE}) late
            CROSS JOIN LATERAL (
                SELECT * FROM stock_requests y WHERE y.tenant_id = $1 AND y.id = late.id OFFSET 0
            ) x
            WHERE {_WITHIN}
        ),
        'ages', (
            SELECT jsonb_build_array({", ".join(_age(n) for n in range(len(AGES)))}) FROM stock_requests x
            WHERE x.tenant_id = $1 AND x.state = 'PENDING_APPROVAL' AND {_WITHIN}
        ),
        'days', (
            SELECT coalesce(jsonb_agg(to_jsonb(d)), '[]') FROM (
                SELECT c.measure, c.day, sum(c.requests) AS requests, sum(c.amount) AS amount,
                    sum(c.other) AS other
                FROM stock_request_counts c
                WHERE c.tenant_id = $1 AND c.measure IN ('SUBMITTED', 'ISSUED', 'RECEIVED') AND {COUNTED_WITHIN}
                    AND c.day >= ($3::timestamptz AT TIME ZONE 'UTC')::date
                    AND c.day < ($4::timestamptz AT TIME ZONE 'UTC')::date
                GROUP BY c.measure, c.day
            ) d
        ),
        'considered', (SELECT count(*) FROM recent),
        'considered_from', (SELECT min(r.submitted_at) FROM recent r),
        'top', (
            SELECT coalesce(jsonb_agg(to_jsonb(t) ORDER BY t.requested DESC, t.sku), '[]') FROM (
                SELECT k.product_id, p.sku, p.name, k.requested, k.requests FROM (
                    SELECT l.product_id, sum(l.requested) AS requested, count(DISTINCT l.request_id) AS requests
                    FROM recent r
                    CROSS JOIN LATERAL (
                        SELECT y.product_id, y.requested, y.request_id FROM stock_request_lines y
                        WHERE y.tenant_id = $1 AND y.request_id = r.id OFFSET 0
                    ) l
                    GROUP BY l.product_id ORDER BY sum(l.requested) DESC, l.product_id LIMIT {TOP}
                ) k
                CROSS JOIN LATERAL (
                    SELECT y.sku, y.name FROM products y WHERE y.tenant_id = $1 AND y.id = k.product_id OFFSET 0
                ) p
            ) t
        )
    )
"""  # noqa: S608 - ours
BY_CATEGORY = f"""
    SELECT nullif(c.ref, '{NOWHERE}') AS category_id, k.code AS category_code, k.name AS category_name, c.state,
        c.requests, trim_scale(c.requested) AS requested
    FROM (
        SELECT c.ref, c.state, sum(c.requests)::bigint AS requests, sum(c.amount) AS requested
        FROM stock_request_counts c
        WHERE c.tenant_id = $1 AND c.measure = 'CATEGORY' AND {COUNTED_WITHIN}
        GROUP BY c.ref, c.state HAVING sum(c.requests) > 0
    ) c
    LEFT JOIN categories k ON k.tenant_id = $1 AND k.id = c.ref
"""  # noqa: S608 - ours


class _Day(DayCounted, frozen=True, kw_only=True):
    """A day as the database writes it."""


class _Top(TopCounted, frozen=True, kw_only=True):
    """A product as the database writes it."""


class _Counted(Counted, frozen=True, kw_only=True):
    """All of it as the database writes it."""

    days: Sequence[_Day]
    top: Sequence[_Top]


_counted = msgspec.json.Decoder(_Counted, float_hook=Decimal)


class SqlDashboardReads:
    """The `DashboardReads` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def now(self, tenant_id: UUID) -> datetime:
        async with self._database.bound(tenant_id) as driver:
            moment: datetime = await driver.fetchval("SELECT now()")
        return moment

    async def counted(self, tenant_id: UUID, period: Period, *, scope: Scope) -> Counted:
        within = None if scope is None else list(scope)
        async with self._database.bound(tenant_id) as driver:
            text = await driver.fetchval(COUNTED, tenant_id, within, period.from_, period.to, period.now)
        return _counted.decode(text)

    async def by_category(self, tenant_id: UUID, *, scope: Scope) -> Sequence[CategoryCounted]:
        within = None if scope is None else list(scope)
        async with self._database.bound(tenant_id) as driver:
            rows = await driver.fetch(BY_CATEGORY, tenant_id, within)
        return [CategoryCounted(**dict(row) | {"state": RequestState(row["state"])}) for row in rows]
