"""Statements with names in them, and the pieces that all of them share."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, get_args, get_type_hints
from uuid import UUID

from domain.access.model import Scope
from infra.db.pool import Driver

_NAME = re.compile(r"(?<!:):([a-z_]+)")

SIZES = (20, 50, 100, 200, 500)
"""The pages that are read: the next larger one than asked for, so that LIMIT is a literal in few statements."""


class Query:
    """SQL for the driver; `:name` is a parameter, `{name}` a piece given at the start."""

    def __init__(self, text: str, **pieces: str) -> None:
        names: list[str] = []

        def numbered(match: re.Match[str]) -> str:
            if match[1] not in names:
                names.append(match[1])
            return f"${names.index(match[1]) + 1}"

        self.sql = _NAME.sub(numbered, text.format(**pieces))
        self.names = tuple(names)

    async def fetch(self, driver: Driver, given: Mapping[str, Any]) -> Any:
        return await driver.fetch(self.sql, *[given[name] for name in self.names])

    async def fetch_row(self, driver: Driver, given: Mapping[str, Any]) -> Any:
        return await driver.fetchrow(self.sql, *[given[name] for name in self.names])


# Most quantities and costs of a page stand on it several times, and on the next page again.
_number = lru_cache(maxsize=8192)(Decimal)


def into[T](kind: Callable[..., T], start: int) -> Callable[..., T]:
    """Rows as structs by position, from the column `start` on; what follows a row replaces its last columns.

    Numbers are selected as text: the driver reads a numeric 10000 as 1E+4, and takes longer over it.
    """
    kinds = list(get_type_hints(kind).values())
    numbers = tuple(n for n, hint in enumerate(kinds) if hint is Decimal or Decimal in get_args(hint))
    stop = start + len(kinds)

    def build(row: Any, *last: object) -> T:
        values = [*row[start : stop - len(last)], *last]
        for n in numbers:
            if (text := values[n]) is not None:
                values[n] = _number(text)
        return kind(*values)

    return build


def size_for(limit: int) -> int:
    """The LIMIT that reads a page and one row more, which says whether there is another page."""
    return next(size for size in SIZES if size >= limit) + 1


def within(scope: Scope, location_id: UUID | None) -> list[UUID] | None:
    """The locations to look at; None is all of them. One that the caller may not see is one that has nothing."""
    if location_id is None:
        return None if scope is None else sorted(scope)
    return [location_id] if scope is None or location_id in scope else []


def like(text: str) -> str:
    """A pattern for texts that contain this one."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


NOT_FOR_SALE = "b.type IN ('HOLD', 'QUARANTINE', 'DAMAGE')"
EXPIRED = "coalesce(t.expires_on < l.today, false)"
BLOCKED = f"({NOT_FOR_SALE} OR t.status <> 'ACTIVE' OR {EXPIRED})"
AVAILABLE = f"CASE WHEN {BLOCKED} THEN 0 ELSE greatest(0, s.on_hand - s.reserved - s.held) END"
"""`domain.ledger.reading.available` of line `s` in bin `b` of lot `t` at location `l`; a test compares them."""
ON_HOLD = f"CASE WHEN {NOT_FOR_SALE} THEN s.on_hand ELSE s.held END"
"""What is held of a line: all of it in a bin that is not for sale."""

LOOKUPS = {
    "p.": """
        CROSS JOIN LATERAL (
            SELECT x.sku, x.name, x.unit_cost, x.uom_id FROM products x
            WHERE x.tenant_id = :tenant AND x.id = s.product_id OFFSET 0
        ) p
    """,
    "l.": """
        CROSS JOIN LATERAL (
            SELECT x.code, x.name, (now() AT TIME ZONE x.time_zone)::date AS today FROM locations x
            WHERE x.tenant_id = :tenant AND x.id = s.location_id OFFSET 0
        ) l
    """,
    "b.": """
        CROSS JOIN LATERAL (
            SELECT x.code, x.name, x.type FROM bins x
            WHERE x.tenant_id = :tenant AND x.id = s.bin_id OFFSET 0
        ) b
    """,
    "t.": """
        CROSS JOIN LATERAL (
            SELECT x.number, x.status, x.expires_on FROM lots x
            WHERE x.tenant_id = :tenant AND x.id = s.lot_id OFFSET 0
        ) t
    """,
}
"""What a stock line `s` is of: product `p`, location `l`, bin `b`, lot `t`, each by its full key, a row a time."""
JOINS = {
    "p.": "JOIN products p ON p.tenant_id = s.tenant_id AND p.id = s.product_id",
    "l.": """
        JOIN (
            SELECT x.id, (now() AT TIME ZONE x.time_zone)::date AS today FROM locations x
            WHERE x.tenant_id = :tenant OFFSET 0
        ) l ON l.id = s.location_id
    """,
    "b.": "JOIN bins b ON b.tenant_id = s.tenant_id AND b.id = s.bin_id",
    "t.": "JOIN lots t ON t.tenant_id = s.tenant_id AND t.id = s.lot_id",
}
"""The same for very many lines, in whatever way the planner likes."""
OF_LINE = "".join(LOOKUPS.values())


def needed(joins: Mapping[str, str], *expressions: str) -> str:
    """Those of the joins whose columns the expressions name."""
    text = " ".join(expressions)
    return " ".join(join for alias, join in joins.items() if re.search(rf"\b{re.escape(alias)}", text))
