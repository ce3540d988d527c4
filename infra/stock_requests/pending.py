"""What waits for a decider: the guard's predicate (domain/stock_requests/states.py) for all requests at once.

The guard is a function of one request; a test holds both against each other over random requests and people.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from domain.access.delegations import may_decide
from domain.catalog.views import Page, Window
from domain.errors import FieldError
from domain.stock_requests.reading import AskedLine, RequestItem, Waiting, WaitingRequest
from domain.stock_requests.states import APPROVE, Decider
from infra.availability.terms import decoded
from infra.catalog.queries import LIMITS
from infra.db.pool import Database
from infra.stock_requests.lists import ENDS, column

# $2 the moment; $3 all names of the caller; $4, $5, $6 in whose name they may decide: the person whose roles
# count, the one in whose place, and a location (null: all); $7, $8, $9 the roles of these persons, likewise.
MINE = """
    SELECT x.id, x.submitted_at, t.tier, t.name AS tier_name, t.is_escalated
    FROM stock_requests x
    CROSS JOIN LATERAL (
        SELECT e.tier, e.name, e.is_escalated,
            CASE WHEN e.is_escalated THEN e.escalate_role ELSE e.role END AS role,
            CASE WHEN e.is_escalated THEN e.escalate_user_ids ELSE e.user_ids END AS user_ids
        FROM (
            SELECT y.*, (y.escalate_role IS NOT NULL OR cardinality(y.escalate_user_ids) > 0)
                AND coalesce(y.deadline_at <= $2::timestamptz, false) AS is_escalated
            FROM stock_request_tiers y
            WHERE y.tenant_id = $1 AND y.request_id = x.id AND y.round = x.round AND y.tier = x.current_tier
            OFFSET 0
        ) e
    ) t
    CROSS JOIN LATERAL (
        SELECT array_agg(i.id) AS have
        FROM stock_request_decisions y CROSS JOIN LATERAL unnest(y.decider_ids || y.on_behalf_of) AS i(id)
        WHERE y.tenant_id = $1 AND y.request_id = x.id AND y.round = x.round AND y.withdrawn_at IS NULL
            AND i.id IS NOT NULL
    ) d
    WHERE x.tenant_id = $1 AND x.state = 'PENDING_APPROVAL'
        AND NOT (x.author_ids || x.requester_id) && $3::uuid[]
        AND NOT coalesce(d.have && $3::uuid[], false)
        AND EXISTS (
            SELECT FROM unnest($4::uuid[], $5::uuid[], $6::uuid[]) AS a(person, behalf, location)
            WHERE (a.location IS NULL OR a.location = x.origin_location_id)
                AND (a.behalf IS NULL OR NOT a.behalf = ANY (x.author_ids || x.requester_id))
                AND (a.behalf IS NULL OR NOT coalesce(a.behalf = ANY (d.have), false))
                AND (
                    t.role IS NULL AND cardinality(t.user_ids) = 0
                    OR a.person = ANY (t.user_ids)
                    OR EXISTS (
                        SELECT FROM unnest($7::uuid[], $8::text[], $9::uuid[]) AS g(person, role, location)
                        WHERE g.person = a.person AND g.role = t.role
                            AND (g.location IS NULL OR g.location = x.origin_location_id)
                    )
                )
        )
"""
COUNT = f"SELECT count(*) FROM ({MINE}) m"  # noqa: S608 - ours
_MORE = {
    "age_hours": "round((extract(epoch FROM $2::timestamptz - x.submitted_at) / 3600)::numeric, 2)",
    "is_escalated": "m.is_escalated",
    "tier": "m.tier",
    "tier_name": "m.tier_name",
    "tier_count": "(SELECT count(*) FROM stock_request_tiers n WHERE n.tenant_id = x.tenant_id "
    "AND n.request_id = x.id AND n.round = x.round)",
    "round": "x.round",
}
_OWN = frozenset(RequestItem.__struct_fields__)
# In the words of the answer, so that it is decoded straight into it.
_SHOWN = ", ".join(
    f'{column(one.name) if one.name in _OWN else _MORE[one.name]} AS "{one.encode_name}"'
    for one in msgspec.structs.fields(WaitingRequest)
    if one.name != "lines"
)


class _Asked(AskedLine, frozen=True, kw_only=True):
    """A line as the database writes it."""


class _Item(WaitingRequest, frozen=True, kw_only=True):
    """A request as the database writes it, still without its lines."""

    lines: Sequence[Any] = ()


_items = msgspec.json.Decoder(list[_Item], float_hook=Decimal)
_lines = msgspec.json.Decoder(list[_Asked], float_hook=Decimal)


class SqlPendingReads:
    """The `PendingReads` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def count(self, decider: Decider) -> int:
        tenant_id = decider.caller.tenant_id
        async with self._database.bound(tenant_id) as driver:
            found: int = await driver.fetchval(COUNT, tenant_id, *asking(decider))
        return found

    async def waiting(self, decider: Decider, window: Window) -> Waiting:
        tenant_id = decider.caller.tenant_id
        limit = next(size for size in LIMITS if size > window.limit)
        is_after = window.after is not None
        place = _place(window.after) if is_after else [(window.page - 1) * window.limit]
        async with self._database.bound(tenant_id) as driver:
            row = await driver.fetchrow(
                _page_sql(limit=limit, is_after=is_after), tenant_id, *asking(decider), *place
            )
        assert row is not None
        items = _items.decode(row["items"])
        shown, more = items[: window.limit], len(items) > window.limit
        terms = decoded(row["terms"])
        last = shown[-1] if more else None
        page: Page[WaitingRequest] = Page(
            items=[WaitingRequest(**msgspec.structs.asdict(one)) for one in shown],
            total=None if is_after else row["total"],
            next_after=None if last is None else [_moment(last.submitted_at), str(last.id)],
        )
        return Waiting(position=terms.position, page=page, lines=_lines.decode(row["lines"]), offers=terms.offers)


def asking(decider: Decider) -> list[Any]:
    """The decider as parameters of `MINE`, from the second on."""
    authorities: list[tuple[UUID | None, UUID | None, UUID | None]] = []
    for one in may_decide(APPROVE, decider.at, decider.caller, decider.delegations):
        person = one.on_behalf_of or decider.caller.user_id
        places: Sequence[UUID | None] = [None] if one.scope is None else sorted(one.scope)
        authorities += [(person, one.on_behalf_of, place) for place in places]
    roles = [
        (person, granted.role, granted.location_id) for person, held in decider.grants.items() for granted in held
    ]
    return [
        decider.at,
        sorted(decider.caller.identities),
        *([one[n] for one in authorities] for n in range(3)),
        *([one[n] for one in roles] for n in range(3)),
    ]


def _page_sql(*, limit: int, is_after: bool) -> str:
    where = "WHERE (m.submitted_at, m.id) > ($10::timestamptz, $11::uuid)" if is_after else ""
    offset = "" if is_after else "OFFSET $10"
    total = "NULL::bigint" if is_after else "(SELECT count(*) FROM mine)"
    return f"""
        WITH mine AS MATERIALIZED ({MINE}),
        page AS MATERIALIZED (
            SELECT * FROM mine m {where} ORDER BY m.submitted_at, m.id LIMIT {limit} {offset}
        ), asked AS MATERIALIZED (
            SELECT l.request_id, l.id AS line_id, l.line_no, l.product_id, x.origin_location_id AS location_id,
                p.sku, p.name AS product_name, l.requested
            FROM page m
            CROSS JOIN LATERAL (
                SELECT * FROM stock_requests y WHERE y.tenant_id = $1 AND y.id = m.id OFFSET 0
            ) x
            CROSS JOIN LATERAL (
                SELECT * FROM stock_request_lines y WHERE y.tenant_id = $1 AND y.request_id = m.id OFFSET 0
            ) l
            CROSS JOIN LATERAL (
                SELECT y.sku, y.name FROM products y WHERE y.tenant_id = $1 AND y.id = l.product_id OFFSET 0
            ) p
        ), places AS MATERIALIZED (SELECT DISTINCT a.product_id, a.location_id FROM asked a)
        SELECT {total} AS total, (
            SELECT coalesce(jsonb_agg(to_jsonb(i) ORDER BY i."submittedAt", i.id), '[]') FROM (
                SELECT {_SHOWN} FROM page m
                CROSS JOIN LATERAL (
                    SELECT * FROM stock_requests y WHERE y.tenant_id = $1 AND y.id = m.id OFFSET 0
                ) x {ENDS}
            ) i
        ) AS items, (
            SELECT coalesce(jsonb_agg(to_jsonb(a) - 'line_no' ORDER BY a.request_id, a.line_no), '[]') FROM asked a
        ) AS lines, availability_terms(
            ARRAY(SELECT s.product_id FROM places s ORDER BY s.product_id, s.location_id),
            ARRAY(SELECT s.location_id FROM places s ORDER BY s.product_id, s.location_id), false) AS terms
    """  # noqa: S608 - ours


def _moment(value: datetime | None) -> str:
    assert value is not None, "what waits was submitted"
    return value.isoformat()


def _place(after: Sequence[str | int] | None) -> list[Any]:
    try:
        moment, id_ = after or ()
        return [datetime.fromisoformat(str(moment)), UUID(str(id_))]
    except ValueError:
        raise FieldError(("cursor", "is not a cursor of this list")) from None
