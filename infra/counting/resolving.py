"""Counted lines as they stand, and what was decided upon them: the `ReviewWork` port. `$1` is the tenant."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from domain.counting.approval import Signature
from domain.counting.model import LineState
from domain.counting.resolving_ports import NewSignature, Outcome, Standing, Why
from domain.counting.tolerance import Variance
from domain.counting.variances import Said
from domain.settings.model import TenantSettings
from infra.db.work import encoded
from infra.documents.work import DocumentSqlWork

UNDECIDED = "c.state IN ('MATCHED', 'VARIANCE')"
SETTINGS = "SELECT settings FROM tenants WHERE id = $1"
STOCK_LINES = """
    SELECT s.id FROM cycle_count_lines c
    JOIN stock_lines s ON s.tenant_id = $1 AND s.product_id = c.product_id AND s.location_id = c.location_id
        AND s.bin_id = c.bin_id AND s.lot_id = c.lot_id
    WHERE c.tenant_id = $1 AND c.batch_id = $2 AND {}
"""
# What was on hand when the line was counted: what is now, without what has happened since. What was booked since,
# as of an earlier time, happened before the count, and a reversal when the reversed did. Movements are looked for
# by their product, since a line's own may be many and the latest positions of a product are few.
STANDING_COLUMNS = """
    c.id, c.batch_id, c.location_id, c.product_id, c.bin_id, c.lot_id, c.state, c.round, c.abc_class, c.unit_cost,
    c.counted_quantity, c.counted_at, s.id AS stock_line_id, coalesce(s.on_hand, 0) AS on_hand,
    s.counted_at AS stock_counted_at, b.frozen_by, coalesce(s.on_hand, 0) - coalesce(m.since, 0) AS expected,
    e.rounds, a.signed"""
STANDING_JOINS = """
    JOIN bins b ON b.tenant_id = $1 AND b.id = c.bin_id
    LEFT JOIN stock_lines s ON s.tenant_id = $1 AND s.product_id = c.product_id AND s.location_id = c.location_id
        AND s.bin_id = c.bin_id AND s.lot_id = c.lot_id
    LEFT JOIN LATERAL (
        SELECT sum(x.delta) AS since
        FROM (
            SELECT * FROM movements y
            WHERE y.tenant_id = $1 AND y.product_id = c.product_id AND y.position > c.counted_position OFFSET 0
        ) x
        WHERE x.line_id = s.id AND NOT (x.effective_at < x.recorded_at AND x.effective_at <= c.counted_at)
    ) m ON true
    LEFT JOIN LATERAL (
        SELECT jsonb_agg(r.ids ORDER BY r.round) AS rounds
        FROM (
            SELECT x.round, jsonb_agg(i.id) AS ids FROM cycle_count_entries x, unnest(x.counter_ids) AS i(id)
            WHERE x.tenant_id = $1 AND x.count_line_id = c.id GROUP BY x.round
        ) r
    ) e ON true
    LEFT JOIN LATERAL (
        SELECT jsonb_agg(jsonb_build_object('action', x.action, 'variance', x.variance, 'identities', x.actor_ids,
            'on_behalf_of', x.on_behalf_of, 'reason_code_id', x.reason_code_id, 'comment', x.comment,
            'root_cause', x.root_cause, 'actor', x.actor, 'recorded_at', x.recorded_at) ORDER BY x.id) AS signed
        FROM cycle_count_approvals x WHERE x.tenant_id = $1 AND x.count_line_id = c.id AND x.round = c.round
    ) a ON true"""
STANDING = f"""
    SELECT {STANDING_COLUMNS} FROM cycle_count_lines c {STANDING_JOINS}
    WHERE c.tenant_id = $1 AND c.batch_id = $2 AND c.counted_quantity IS NOT NULL AND {{}}
    ORDER BY c.sequence, c.id
"""  # noqa: S608 - of constants
NAMED = "c.id = ANY ($3::uuid[])"
WRITE = """
    UPDATE cycle_count_lines c
    SET state = d.state, round = d.round, expected_quantity = d.expected, variance = d.variance,
        resolution = d.resolution, reason_code_id = d.reason_code_id, root_cause = d.root_cause,
        comment = d.comment, on_behalf_of = d.on_behalf_of, posting_id = d.posting_id,
        proposed_by = CASE WHEN d.state <> 'RECOUNT' THEN coalesce(d.proposed_by, c.proposed_by) END,
        resolver_id = CASE WHEN d.resolution IS NOT NULL THEN $4::uuid END,
        resolver = CASE WHEN d.resolution IS NOT NULL THEN $5::text END,
        resolved_at = CASE WHEN d.resolution IS NOT NULL THEN clock_timestamp() END,
        version = c.version + 1, updated_at = now()
    FROM jsonb_to_recordset($3::jsonb) AS d(id uuid, state text, round int, expected numeric, variance numeric,
        resolution text, reason_code_id uuid, root_cause text, comment text, proposed_by uuid, on_behalf_of uuid,
        posting_id uuid)
    WHERE c.tenant_id = $1 AND c.batch_id = $2 AND c.id = d.id
"""
# The lines that were accepted by themselves are those within their tolerance.
TELL = """
    UPDATE cycle_counts c SET accurate_count = k.accurate
    FROM (
        SELECT count(*) FILTER (WHERE x.resolution = 'AUTO')::int AS accurate,
            count(*) FILTER (WHERE x.state <> 'RESOLVED')::int AS left_open
        FROM cycle_count_lines x WHERE x.tenant_id = $1 AND x.batch_id = $2
    ) k
    WHERE c.tenant_id = $1 AND c.id = $2
    RETURNING k.left_open
"""
SIGN = """
    INSERT INTO cycle_count_approvals (tenant_id, id, batch_id, count_line_id, round, variance, action, actor_id,
        actor_ids, actor, on_behalf_of, delegation_id, reason_code_id, root_cause, comment)
    SELECT $1, d.id, $2, d.line_id, d.round, d.variance, d.action, $4::uuid, $5::uuid[], $6::text, d.on_behalf_of,
        d.delegation_id, d.reason_code_id, d.root_cause, d.comment
    FROM jsonb_to_recordset($3::jsonb) AS d(id uuid, line_id uuid, round int, variance numeric, action text,
        on_behalf_of uuid, delegation_id uuid, reason_code_id uuid, root_cause text, comment text)
"""

_settings = msgspec.json.Decoder(TenantSettings)


class _Signed(msgspec.Struct, frozen=True):
    action: str
    actor: str
    variance: Decimal
    identities: tuple[UUID, ...]
    on_behalf_of: UUID | None
    reason_code_id: UUID | None
    comment: str | None
    root_cause: str | None
    recorded_at: datetime


_rounds = msgspec.json.Decoder(list[frozenset[UUID]])
_signed = msgspec.json.Decoder(list[_Signed])


class ReviewSqlWork(DocumentSqlWork):
    """The `ReviewWork` port: each method is one statement, `write_outcomes` two."""

    async def settings(self) -> TenantSettings:
        stored = await self.driver.fetchval(SETTINGS, self.act.tenant_id)
        return settings_of(stored)

    async def stock_lines_of(self, batch_id: UUID, line_ids: Collection[UUID] | None) -> list[UUID]:
        rows = await self._lines(STOCK_LINES, batch_id, line_ids)
        return [row["id"] for row in rows]

    async def standing(self, batch_id: UUID, line_ids: Collection[UUID] | None) -> list[Standing]:
        return [standing_of(row) for row in await self._lines(STANDING, batch_id, line_ids)]

    async def write_outcomes(self, batch_id: UUID, outcomes: Sequence[Outcome]) -> int:
        caller = self.act.caller
        if outcomes:
            rows = encoded([_flat(outcome) for outcome in outcomes])
            await self.driver.execute(WRITE, self.act.tenant_id, batch_id, rows, caller.principal_id, caller.actor)
        left: int = await self.driver.fetchval(TELL, self.act.tenant_id, batch_id)
        return left

    async def write_signatures(self, batch_id: UUID, signatures: Sequence[NewSignature]) -> None:
        if not signatures:
            return
        caller = self.act.caller
        await self.driver.execute(
            SIGN,
            self.act.tenant_id,
            batch_id,
            encoded([_signature_row(signature) for signature in signatures]),
            caller.principal_id,
            sorted(caller.identities),
            caller.actor,
        )

    async def _lines(self, statement: str, batch_id: UUID, line_ids: Collection[UUID] | None) -> list[Any]:
        if line_ids is None:
            return list(await self.driver.fetch(statement.format(UNDECIDED), self.act.tenant_id, batch_id))
        narrowed = statement.format(NAMED)
        return list(await self.driver.fetch(narrowed, self.act.tenant_id, batch_id, list(line_ids)))


def settings_of(stored: str | None) -> TenantSettings:
    """A tenant's settings as they are stored: those that are not are as by default."""
    return _settings.decode(stored) if stored else TenantSettings()


def standing_of(row: Mapping[str, Any]) -> Standing:
    """A line from `STANDING_COLUMNS`."""
    variance = Variance(expected=row["expected"], counted=row["counted_quantity"], unit_cost=row["unit_cost"])
    signed = _signatures(row, variance)
    first = signed[0] if signed else None
    return Standing(
        id=row["id"],
        batch_id=row["batch_id"],
        location_id=row["location_id"],
        state=LineState(row["state"]),
        abc_class=row["abc_class"],
        variance=variance,
        counted_at=row["counted_at"],
        rounds=_rounds.decode(row["rounds"]) if row["rounds"] else [],
        proposer=frozenset(id_ for one in signed if one.action == "PROPOSE" for id_ in one.identities),
        signatures=[
            Signature(identities=frozenset(one.identities), on_behalf_of=one.on_behalf_of)
            for one in signed
            if one.action == "APPROVE"
        ],
        on_hand=row["on_hand"],
        stock_counted_at=row["stock_counted_at"],
        frozen_by=row["frozen_by"],
        product_id=row["product_id"],
        bin_id=row["bin_id"],
        lot_id=row["lot_id"],
        stock_line_id=row["stock_line_id"],
        round=row["round"],
        why=Why(
            reason_code_id=first.reason_code_id, comment=first.comment, root_cause=first.root_cause
        ) if first else Why(),
    )  # fmt: skip


def said_of(row: Mapping[str, Any], variance: Variance) -> list[Said]:
    """Who proposed and who approved a variance, first to last."""
    return [
        Said(
            action=one.action,
            actor=one.actor,
            on_behalf_of=one.on_behalf_of,
            comment=one.comment,
            recorded_at=one.recorded_at,
        )
        for one in _signatures(row, variance)
    ]


def _signatures(row: Mapping[str, Any], variance: Variance) -> list[_Signed]:
    # Who agreed to another variance has not agreed to this one.
    signed = _signed.decode(row["signed"]) if row["signed"] else []
    return [one for one in signed if one.variance == variance.units]


def _flat(outcome: Outcome) -> dict[str, object]:
    told = msgspec.structs.asdict(outcome)
    return told | msgspec.structs.asdict(told.pop("why"))


def _signature_row(signature: NewSignature) -> dict[str, object]:
    authority = signature.authority
    return {
        "id": signature.id,
        "line_id": signature.line_id,
        "round": signature.round,
        "variance": signature.variance,
        "action": "APPROVE" if signature.is_approval else "PROPOSE",
        "on_behalf_of": authority.on_behalf_of if authority else None,
        "delegation_id": authority.delegation_id if authority else None,
        **msgspec.structs.asdict(signature.why),
    }
