"""Holds in SQL: `hold_change` writes them under the ledger's locks; lists and the work that they make."""

from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec

from domain.access.model import Scope
from domain.availability.holds import (
    Changed,
    HoldsWanted,
    HoldView,
    NewHold,
    Problem,
    Trouble,
    scope_of,
)
from domain.errors import DomainError, Reason, not_found
from infra.db.pool import Database
from infra.db.work import SqlWork, encoded, who_acts

CHANGE = "SELECT hold_change($1, $2)"
LOCATION_OF_BIN = "SELECT location_id FROM bins WHERE tenant_id = $1 AND id = $2"
MESSAGES = {
    Reason.NOT_FOUND: "No such thing to hold, or no such hold",
    Reason.LOCATION_DENIED: "Your rights do not cover all locations that this hold lies on",
    Reason.STALE_VERSION: "The hold has changed since you read it",
    Reason.INVALID_TRANSITION: "The hold is released already",
    Reason.VALIDATION_ERROR: "The request is not valid",
    Reason.QUANTITY_OUT_OF_RANGE: "The hold does not cover so much",
}

_FILTERS = {
    "scope": "h.scope <> 'LOT' AND coalesce(h.location_id, s.location_id) = ANY (${n})",
    "location": "coalesce(h.location_id, s.location_id) = ${n}",
    "state": "h.state = ${n}",
    "type": "h.type = ${n}",
    "product": "coalesce(h.product_id, s.product_id, t.product_id) = ${n}",
    "lot": "coalesce(h.lot_id, s.lot_id) = ${n}",
    "line": "h.line_id = ${n}",
    "after": "h.id < ${n}",
}
_HOLDS = """
    SELECT h.id, h.type, h.scope, h.state, h.line_id, h.lot_id, h.bin_id, h.product_id,
        coalesce(h.location_id, s.location_id) AS location_id, trim_scale(h.quantity) AS quantity,
        trim_scale(h.released) AS released, h.reason, h.note, h.expected_until, h.actor, h.created_at,
        h.released_at, h.version
    FROM holds h
    LEFT JOIN stock_lines s ON s.tenant_id = h.tenant_id AND s.id = h.line_id
    LEFT JOIN lots t ON t.tenant_id = h.tenant_id AND t.id = h.lot_id
    WHERE h.tenant_id = $1{where} ORDER BY h.id DESC LIMIT {limit}
"""
_CLAIMED = """
    SELECT s.id::text AS key, s.location_id, s.product_id, s.id AS line_id, NULL::uuid AS document_id,
        q.reserved - CASE WHEN {is_blocked} THEN {given} ELSE s.on_hand END AS quantity, s.updated_at AS since
    FROM stock_lines s
    CROSS JOIN LATERAL (SELECT s.reserved - ledger_lapsed($1, s.id, now()) AS reserved OFFSET 0) q
    CROSS JOIN LATERAL (
        SELECT x.expires_on < (now() AT TIME ZONE l.time_zone)::date OR x.status <> 'ACTIVE' AS is_gone
        FROM lots x, locations l
        WHERE x.tenant_id = $1 AND x.id = s.lot_id AND l.tenant_id = $1 AND l.id = s.location_id OFFSET 0
    ) e
    WHERE s.tenant_id = $1 AND s.reserved > 0 AND ($2::uuid[] IS NULL OR s.location_id = ANY ($2))
        AND ($3::text IS NULL OR s.id > $3::uuid) AND {where}
    ORDER BY s.id LIMIT {limit}
"""
_GIVEN = "CASE WHEN coalesce(e.is_gone, false) THEN 0 ELSE s.on_hand - s.held END"
_PROBLEMS = {
    Trouble.SHORTAGE: _CLAIMED.replace("{is_blocked}", "false").replace("{where}", "q.reserved > s.on_hand"),
    Trouble.BLOCKED_CLAIM: _CLAIMED.replace("{is_blocked}", "true").replace(
        "{where}", "q.reserved <= s.on_hand AND q.reserved > {given}"
    ),
    Trouble.OVERDUE_SUPPLY: """
        SELECT y.due_on || ' ' || y.id AS key, y.location_id, y.product_id, NULL::uuid AS line_id,
            y.id AS document_id, y.quantity - y.received AS quantity, y.due_on::timestamptz AS since
        FROM supplies y
        CROSS JOIN LATERAL (
            SELECT (now() AT TIME ZONE x.time_zone)::date AS today FROM locations x
            WHERE x.tenant_id = $1 AND x.id = y.location_id OFFSET 0
        ) l
        WHERE y.tenant_id = $1 AND y.state = 'OPEN' AND y.quantity > y.received AND y.due_on < l.today
            AND ($2::uuid[] IS NULL OR y.location_id = ANY ($2))
            AND ($3::text IS NULL OR y.due_on || ' ' || y.id > $3)
        ORDER BY 1 LIMIT {limit}
    """,
    Trouble.DRIFT: """
        SELECT a.id::text AS key, a.location_id, a.product_id, a.line_id, a.id AS document_id, a.drift AS quantity,
            a.created_at AS since
        FROM availability_records a
        WHERE a.tenant_id = $1 AND a.drift <> 0 AND ($2::uuid[] IS NULL OR a.location_id = ANY ($2))
            AND ($3::text IS NULL OR a.id > $3::uuid)
        ORDER BY a.id LIMIT {limit}
    """,
}


class _Answer(msgspec.Struct, frozen=True):
    code: str
    facts: dict[str, Any] = {}


_answer = msgspec.json.Decoder(_Answer, float_hook=Decimal)
_changed = msgspec.json.Decoder(Changed, float_hook=Decimal)


class HoldSqlWork(SqlWork):
    """The `HoldWork` port: one statement a change."""

    async def place(self, id_: UUID, hold: NewHold) -> Changed:
        target = hold.target
        location_id = target.location_id
        if target.bin_id is not None:
            found = await self.driver.fetchval(LOCATION_OF_BIN, self.act.tenant_id, target.bin_id)
            if found is None or location_id not in {None, found}:
                raise not_found("bin", field="binId")
            location_id = found
        return await self._change(
            {
                "id": id_,
                "type": hold.type,
                "scope": scope_of(target),
                "line_id": target.line_id,
                "lot_id": target.lot_id,
                "bin_id": target.bin_id,
                "product_id": target.product_id,
                "location_id": location_id,
                "quantity": hold.quantity,
                "reason": hold.reason,
                "note": hold.note,
                "expected_until": hold.expected_until,
            }
        )

    async def release(self, id_: UUID, *, quantity: Decimal | None, version: int | None) -> Changed:
        return await self._change({"id": id_, "release": True, "quantity": quantity, "expected_version": version})

    async def _change(self, hold: dict[str, Any]) -> Changed:
        scope = self.act.scope
        who = msgspec.json.decode(who_acts(self.act.caller, self.act.request_id))
        who["scope"] = None if scope is None else [str(location) for location in sorted(scope)]
        told = await self.driver.fetchval(CHANGE, encoded(hold), encoded(who))
        answer = _answer.decode(told)
        if answer.code != "DONE":
            reason = Reason(answer.code)
            raise DomainError(reason, MESSAGES[reason], **answer.facts)
        return _changed.decode(told)


class SqlHoldReads:
    """The `HoldReads` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def holds(self, wanted: HoldsWanted) -> list[HoldView]:
        values = {
            "scope": None if wanted.scope is None else list(wanted.scope),
            "location": wanted.location_id,
            "state": wanted.state,
            "type": wanted.type,
            "product": wanted.product_id,
            "lot": wanted.lot_id,
            "line": wanted.line_id,
            "after": wanted.after,
        }
        given = {name: value for name, value in values.items() if value is not None}
        async with self._database.bound(wanted.tenant_id) as driver:
            rows = await driver.fetch(_listed(tuple(given), wanted.limit), wanted.tenant_id, *given.values())
        return [msgspec.convert(dict(row), HoldView, builtin_types=(Decimal, UUID)) for row in rows]

    async def problems(
        self, tenant_id: UUID, scope: Scope, *, trouble: Trouble, limit: int, after: str | None
    ) -> list[Problem]:
        text = _PROBLEMS[trouble].replace("{given}", _GIVEN).replace("{limit}", str(limit))
        async with self._database.bound(tenant_id) as driver:
            rows = await driver.fetch(text, tenant_id, None if scope is None else list(scope), after)
        return [Problem(trouble=trouble, **dict(row)) for row in rows]


@lru_cache(maxsize=512)
def _listed(filters: tuple[str, ...], limit: int) -> str:
    where = "".join(f" AND {_FILTERS[name].format(n=n)}" for n, name in enumerate(filters, start=2))
    return _HOLDS.format(where=where, limit=limit)
