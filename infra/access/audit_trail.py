"""The audit trail to read: what the database has recorded and the ledger, as one list. One statement a page.

Both have ids that begin with the time of their making, so the page comes from the two primary keys, newest first,
and only what is on it is looked up further.
"""

from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec
from asyncpg import Record

from domain.access.audit import ACTIONS, POSTING, AuditPage, AuditRecord, AuditWanted, Outcome
from domain.ledger.model import Kind
from infra.db.pool import Database
from infra.ledger.queries.sql import Query, size_for

LINES_SHOWN = 100
"""Of a posting with more lines the rest is in the transaction itself."""

_STATEMENT = """
    SELECT r.*, g.location_ids AS posted_at, g.before AS stood, g.after AS stands,
        (SELECT k.id FROM api_keys k WHERE k.tenant_id = :tenant AND k.id = r.actor_id) AS key
    FROM ({page}) r
    LEFT JOIN LATERAL (
        SELECT array_agg(DISTINCT m.location_id) AS location_ids,
            jsonb_build_object('lines', jsonb_agg(jsonb_build_object(
                'inventoryItemId', m.line_id, 'quantityOnHand', trim_scale(m.balance_after - m.delta))
                ORDER BY m.position) FILTER (WHERE m.position < r.first_position + {shown})) AS before,
            jsonb_build_object(
                'transactionType', r.kind, 'sourceType', r.source_type, 'sourceId', r.source_id,
                'comment', r.comment, 'reversesId', r.reverses_id, 'movementCount', r.movement_count,
                'lines', jsonb_agg(jsonb_build_object(
                'inventoryItemId', m.line_id, 'productMasterId', m.product_id, 'locationId', m.location_id,
                'quantityOnHand', trim_scale(m.balance_after), 'reasonCodeId', m.reason_code_id,
                'comment', m.comment, 'rootCause', m.root_cause)
                ORDER BY m.position) FILTER (WHERE m.position < r.first_position + {shown})) AS after
        FROM movements m
        WHERE r.kind IS NOT NULL AND m.tenant_id = :tenant
            AND m.position BETWEEN r.first_position AND r.first_position + r.movement_count - 1 {seen}
    ) g ON true
    ORDER BY r.id DESC
"""
_LOGGED = """
    (SELECT a.id, a.recorded_at, a.outcome, a.action, a.entity_type, a.entity_id, a.location_ids, a.actor_id,
        a.actor, a.session_id, a.key_id, a.request_id, a.before, a.after, NULL::text AS kind,
        NULL::bigint AS first_position, NULL::int AS movement_count, NULL::text AS source_type,
        NULL::text AS source_id, NULL::text AS comment, NULL::uuid AS reverses_id
    FROM audit_log a WHERE a.tenant_id = (SELECT :tenant::uuid) {where}
    ORDER BY a.id DESC LIMIT {size})
"""
_POSTED = """
    (SELECT p.id, p.recorded_at, 'DONE' AS outcome, NULL::text AS action, 'posting' AS entity_type,
        p.id::text AS entity_id, NULL::uuid[] AS location_ids, p.actor_id, p.actor, p.session_id,
        NULL::uuid AS key_id, p.request_id, NULL::jsonb AS before, NULL::jsonb AS after, p.kind, p.first_position,
        p.movement_count, p.source_type, p.source_id, p.comment, p.reverses_id
    FROM postings p WHERE p.tenant_id = (SELECT :tenant::uuid) {where}
    ORDER BY p.id DESC LIMIT {size})
"""
_BOTH = "SELECT * FROM ({parts}) b ORDER BY b.id DESC LIMIT {size}"
_SEEN = "AND m.location_id = ANY (:scope)"
_AT = """EXISTS (
        SELECT FROM movements m WHERE m.tenant_id = :tenant
            AND m.position BETWEEN p.first_position AND p.first_position + p.movement_count - 1
            AND m.location_id = {place}
    )"""

_FILTERS: dict[str, tuple[str | None, str | None]] = {
    # What each filter is on a row of the log, and on a posting; None where there can be no such record.
    "actor": ("a.actor_id = (SELECT :actor::uuid)", "p.actor_id = (SELECT :actor::uuid)"),
    "type": ("a.entity_type = (SELECT :type::text)", None),
    "entity": ("a.entity_id = (SELECT :entity::text)", None),
    "posting": (None, "p.id = (SELECT :posting::uuid)"),
    "postings": (None, "true"),
    "action": ("a.action = :action", None),
    "kinds": (None, "p.kind = ANY (:kinds)"),
    "done": ("a.outcome = 'DONE'", "true"),
    "refused": ("a.outcome = 'REFUSED'", None),
    "request": ("a.request_id = :request", "p.request_id = :request"),
    "location": ("a.location_ids @> ARRAY[:location::uuid]", _AT.format(place=":location")),
    # What belongs to no location is for those who may look everywhere.
    "scope": ("a.location_ids <> '{}' AND a.location_ids <@ :scope", _AT.format(place="ANY (:scope)")),
    "since": ("a.recorded_at >= :since", "p.recorded_at >= :since"),
    "until": ("a.recorded_at < :until", "p.recorded_at < :until"),
    "first": ("a.id >= (SELECT :first::uuid)", "p.id >= (SELECT :first::uuid)"),
    "end": ("a.id < (SELECT :end::uuid)", "p.id < (SELECT :end::uuid)"),
    "after": ("a.id < (SELECT :after::uuid)", "p.id < (SELECT :after::uuid)"),
}


class SqlAuditReader:
    """The `AuditReader` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def records(self, wanted: AuditWanted) -> AuditPage:
        values = {name: value for name, value in _values(wanted).items() if value is not None}
        query = _query(frozenset(values), size_for(wanted.limit))
        if query is None:
            return AuditPage(rows=(), after=None)
        async with self._database.bound(wanted.tenant_id) as driver:
            rows = await query.fetch(driver, {"tenant": wanted.tenant_id, **values})
        shown = [_record(row) for row in rows[: wanted.limit]]
        return AuditPage(rows=shown, after=shown[-1].id if len(rows) > wanted.limit else None)


def _values(wanted: AuditWanted) -> dict[str, Any]:
    first, end = wanted.ids
    is_posting = wanted.entity_type == POSTING
    return {
        "actor": wanted.actor_id,
        "type": None if is_posting else wanted.entity_type,
        "entity": None if is_posting else wanted.entity_id,
        "posting": _id(wanted.entity_id) if is_posting and wanted.entity_id is not None else None,
        "postings": is_posting or None,
        "action": None if wanted.kinds else wanted.action,
        "kinds": list(wanted.kinds) if wanted.kinds else None,
        "done": wanted.outcome is Outcome.DONE or None,
        "refused": wanted.outcome is Outcome.REFUSED or None,
        "request": wanted.request_id,
        "location": wanted.location_id,
        "scope": None if wanted.scope is None else sorted(wanted.scope),
        "since": wanted.since,
        "until": wanted.until,
        "first": first,
        "end": end,
        "after": wanted.after,
    }


def _id(text: str) -> UUID:
    """A posting's id; what cannot be one is nobody's."""
    try:
        return UUID(text)
    except ValueError:
        return UUID(int=0)


@lru_cache(maxsize=4096)
def _query(filters: frozenset[str], size: int) -> Query | None:
    """The statement for these filters; None where no record can be meant."""
    logged, posted = _side(filters, 0), _side(filters, 1)
    parts = [
        template.format(where=where, size=size)
        for template, where in ((_LOGGED, logged), (_POSTED, posted))
        if where is not None
    ]
    if not parts:
        return None
    page = _BOTH.format(parts=" UNION ALL ".join(parts), size=size)
    return Query(_STATEMENT, page=page, shown=str(LINES_SHOWN), seen=_SEEN if "scope" in filters else "")


def _side(filters: frozenset[str], side: int) -> str | None:
    conditions = [_FILTERS[name][side] for name in sorted(filters)]
    if None in conditions:
        return None
    return "".join(f" AND {condition}" for condition in conditions)


def _record(row: Record) -> AuditRecord:
    is_posting = row["kind"] is not None
    before, after = (row["stood"], row["stands"]) if is_posting else (row["before"], row["after"])
    return AuditRecord(
        id=row["id"],
        recorded_at=row["recorded_at"],
        outcome=Outcome(row["outcome"]),
        action=ACTIONS[Kind(row["kind"])] if is_posting else row["action"],
        entity_type=row["entity_type"],
        entity_id=row["entity_id"],
        location_ids=(row["posted_at"] or ()) if is_posting else row["location_ids"],
        actor_id=row["actor_id"],
        actor=row["actor"],
        session_id=row["session_id"],
        key_id=row["key"] if is_posting else row["key_id"],
        request_id=row["request_id"],
        before=None if before is None else msgspec.Raw(before.encode()),
        after=None if after is None else msgspec.Raw(after.encode()),
    )
