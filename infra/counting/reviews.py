"""What waits to be decided, and the accuracy of counts: the `ReviewReader` port. `$1` is the tenant."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from domain.counting.accuracy import Accuracy
from domain.counting.variances import (
    AccuracyPage,
    AccuracyWanted,
    GroupAccuracy,
    Grouping,
    VariancePage,
    VariancesWanted,
    VarianceView,
)
from infra.counting import sql
from infra.counting.resolving import STANDING_COLUMNS, STANDING_JOINS, said_of, settings_of, standing_of
from infra.db.pool import Database

_FILTERS: Mapping[str, str] = {
    "scope": "c.location_id = ANY (${n}::uuid[])",
    "location": "c.location_id = ${n}",
    "batch": "c.batch_id = ${n}",
    "after": "(c.counted_at, c.id) > (${n}, ${n1})",
}
# What is worth no more than the lowest tier needs nobody's approval. A line that was booked to since may be worth
# more than when it was counted: both figures are looked at by whoever decides, this one only narrows.
FOR_APPROVAL = """
    abs(v.counted_quantity - v.expected) * v.unit_cost > (
        SELECT min((x ->> 'above')::numeric) FROM tenants t, jsonb_array_elements(t.settings -> 'approvalTiers') x
        WHERE t.id = $1)
"""
UNDER_REVIEW = """
    FROM cycle_counts k JOIN cycle_count_lines c ON c.tenant_id = $1 AND c.batch_id = k.id AND c.state = 'VARIANCE'
"""
NAMES = """k.number AS batch_number, k.version AS batch_version, y.code AS location_code, y.name AS location_name,
    p.sku, p.name AS product_name, u.code AS uom, b.code AS bin_code, l.number AS lot_number, c.counter_id,
    c.counter, c.note"""
NAMED = """
    JOIN locations y ON y.tenant_id = $1 AND y.id = c.location_id
    JOIN products p ON p.tenant_id = $1 AND p.id = c.product_id
    JOIN uoms u ON u.tenant_id = $1 AND u.id = p.uom_id
    JOIN lots l ON l.tenant_id = $1 AND l.id = c.lot_id
"""
LIMITS = (51, 101, 201, 10_001)
"""Literals, as plans with a parameter for a limit are a guess. The last is for who looks for what awaits them."""
GROUPS: Mapping[Grouping, tuple[str, str, str]] = {
    Grouping.BATCH: ("c.batch_id", "k.number", ""),
    Grouping.CLASS: ("NULL::uuid", "c.abc_class", ""),
    Grouping.COUNTER: ("c.counter_id", "max(c.counter)", ""),
    Grouping.LOCATION: (
        "c.location_id",
        "y.name",
        "JOIN locations y ON y.tenant_id = $1 AND y.id = c.location_id",
    ),
}
"""The id and the name of a group, and where the name is from."""


class SqlReviewReader:
    """One statement each."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def variances(self, wanted: VariancesWanted) -> VariancePage:
        values = {
            "scope": None if wanted.scope is None else list(wanted.scope),
            "location": wanted.location_id,
            "batch": wanted.batch_id,
        }
        given = {name: value for name, value in values.items() if value is not None}
        arguments: list[Any] = [wanted.tenant_id, *given.values()]
        size = next(size for size in LIMITS if size > wanted.limit)
        if wanted.after is not None:
            arguments += wanted.after
        else:
            arguments.append((wanted.page - 1) * wanted.limit)
        statement = _variances(
            tuple(given), size, is_after=wanted.after is not None, is_for_approval=wanted.is_for_approval
        )
        async with self._database.bound(wanted.tenant_id) as driver:
            rows = await driver.fetch(statement, *arguments)
        # One row at least, for the total of a page beyond the end.
        shown = [row for row in rows if row["id"] is not None]
        return VariancePage(
            views=[_view(row) for row in shown[: wanted.limit]],
            has_more=len(shown) > wanted.limit,
            total=rows[0]["total"],
            settings=settings_of(rows[0]["settings"]),
            position=rows[0]["ledger_position"],
        )

    async def accuracy(self, wanted: AccuracyWanted) -> AccuracyPage:
        scope = None if wanted.scope is None else list(wanted.scope)
        arguments = (wanted.tenant_id, scope, wanted.location_id, wanted.from_day, wanted.to_day)
        offset = (wanted.page - 1) * wanted.limit
        async with self._database.bound(wanted.tenant_id) as driver:
            rows = await driver.fetch(_accuracy(wanted.by), *arguments, wanted.limit, offset)
        return AccuracyPage(
            groups=[
                GroupAccuracy(
                    id=row["id"],
                    name=row["name"],
                    accuracy=Accuracy(counted=row["counted"], within=row["within"]),
                )
                for row in rows
                if row["counted"] is not None
            ],
            total=rows[0]["total"],
            overall=Accuracy(counted=rows[0]["all_counted"], within=rows[0]["all_within"]),
        )


@lru_cache(maxsize=64)
def _variances(filters: tuple[str, ...], limit: int, *, is_after: bool, is_for_approval: bool) -> str:
    conditions = ["k.tenant_id = $1", "k.state = 'REVIEW'"]
    conditions += [_FILTERS[name].format(n=n) for n, name in enumerate(filters, start=2)]
    where = " AND ".join(conditions)
    at = len(filters) + 2
    place = f" AND {_FILTERS['after'].format(n=at, n1=at + 1)}" if is_after else ""
    offset = "" if is_after else f"OFFSET ${at}"
    narrowed = f"WHERE {FOR_APPROVAL}" if is_for_approval else ""
    return f"""
        SELECT head.position AS ledger_position, (SELECT t.settings FROM tenants t WHERE t.id = $1) AS settings,
            (SELECT count(*) {UNDER_REVIEW} WHERE {where})::int AS total, r.*
        FROM ({sql.HEAD}) head
        LEFT JOIN (
            SELECT * FROM (
                SELECT {STANDING_COLUMNS}, {NAMES} {UNDER_REVIEW} {STANDING_JOINS} {NAMED} WHERE {where}{place}
            ) v {narrowed}
            ORDER BY v.counted_at, v.id LIMIT {limit} {offset}
        ) r ON true
        ORDER BY r.counted_at, r.id
    """  # noqa: S608 - of constants


@lru_cache(maxsize=8)
def _accuracy(by: Grouping) -> str:
    id_, name, join = GROUPS[by]
    grouped = ", ".join(one for one in (id_, name) if not one.startswith(("NULL", "max(")))
    return f"""
        WITH counted AS MATERIALIZED (
            SELECT {id_} AS id, {name} AS name, count(*)::int AS counted,
                count(*) FILTER (WHERE c.resolution = 'AUTO')::int AS within
            FROM cycle_count_lines c
            JOIN cycle_counts k ON k.tenant_id = $1 AND k.id = c.batch_id AND k.state = 'COMPLETED' {join}
            WHERE c.tenant_id = $1 AND c.resolution IS NOT NULL
                AND ($2::uuid[] IS NULL OR c.location_id = ANY ($2)) AND ($3::uuid IS NULL OR c.location_id = $3)
                AND c.resolved_at >= coalesce(($4::date)::timestamp AT TIME ZONE 'UTC', '-infinity')
                AND c.resolved_at < coalesce(($5::date + 1)::timestamp AT TIME ZONE 'UTC', 'infinity')
            GROUP BY {grouped}
        )
        SELECT w.total, w.all_counted, w.all_within, r.*
        FROM (
            SELECT count(*)::int AS total, coalesce(sum(counted), 0)::int AS all_counted,
                coalesce(sum(within), 0)::int AS all_within FROM counted
        ) w
        LEFT JOIN (SELECT * FROM counted ORDER BY name NULLS LAST, id LIMIT $6 OFFSET $7) r ON true
        ORDER BY r.name NULLS LAST, r.id
    """  # noqa: S608 - of constants


def _view(row: Mapping[str, Any]) -> VarianceView:
    standing = standing_of(row)
    return VarianceView(
        standing=standing,
        batch_number=row["batch_number"],
        batch_version=row["batch_version"],
        location_code=row["location_code"],
        location_name=row["location_name"],
        sku=row["sku"],
        product_name=row["product_name"],
        uom=row["uom"],
        bin_code=row["bin_code"],
        lot_number=row["lot_number"],
        counter_id=row["counter_id"],
        counter=row["counter"],
        note=row["note"],
        said=said_of(row, standing.variance),
    )
