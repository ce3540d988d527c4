"""A posting that is to be taken back, in one statement."""

from uuid import UUID

import msgspec
from asyncpg import Record

from domain.access.model import Act
from domain.ledger.model import Kind
from domain.ledger.reversing import Original, OriginalMovement, ReversalFacts
from infra.db.pool import Database
from infra.ledger.answers import KEYED, answered, key_of

# A posting's movements stand at consecutive positions: they are found by the key of their table.
FACTS = f"""
    SELECT k.fingerprint, k.outcome, p.kind, d.number AS led_by,
        (
            SELECT jsonb_agg(jsonb_build_object('line_id', m.line_id, 'delta', m.delta,
                'effective_at', m.effective_at, 'reason_code_id', m.reason_code_id,
                'place', jsonb_build_object('bin_id', l.bin_id, 'bin_code', b.code, 'lot_id', l.lot_id,
                    'lot_number', t.number, 'expires_on', t.expires_on)) ORDER BY m.position)
            FROM (
                SELECT * FROM movements x
                WHERE x.tenant_id = $1 AND x.position >= p.first_position
                    AND x.position < p.first_position + p.movement_count
                OFFSET 0
            ) m
            CROSS JOIN LATERAL (SELECT * FROM stock_lines x WHERE x.tenant_id = $1 AND x.id = m.line_id OFFSET 0) l
            CROSS JOIN LATERAL (SELECT * FROM bins x WHERE x.tenant_id = $1 AND x.id = l.bin_id OFFSET 0) b
            CROSS JOIN LATERAL (SELECT * FROM lots x WHERE x.tenant_id = $1 AND x.id = l.lot_id OFFSET 0) t
        ) AS movements
    FROM (SELECT 1) one
    {KEYED}
    LEFT JOIN LATERAL (SELECT * FROM postings x WHERE x.tenant_id = $1 AND x.id = $5 OFFSET 0) p ON true
    LEFT JOIN LATERAL (
        SELECT x.number FROM transfers x
        WHERE x.tenant_id = $1 AND p.source_type = 'TRANSFER' AND x.type = 'STANDARD'
            AND x.id = CASE WHEN p.source_id ~ '^[0-9a-f-]{{36}}$' THEN p.source_id::uuid END OFFSET 0
    ) d ON true
"""  # noqa: S608 - of constants

_movements = msgspec.json.Decoder(list[OriginalMovement])


class SqlReversalReads:
    """The `ReversalReads` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def facts(self, act: Act, posting_id: UUID) -> ReversalFacts:
        """One statement."""
        async with self._database.bound(act.tenant_id) as driver:
            row = await driver.fetchrow(FACTS, *key_of(act), posting_id)
        assert row is not None
        original = None
        if row["kind"] is not None:
            original = Original(
                id=posting_id,
                kind=Kind(row["kind"]),
                movements=read_movements(row),
                led_by=row["led_by"],
            )
        return ReversalFacts(answered=answered(act, row), original=original)


def read_movements(row: Record) -> list[OriginalMovement]:
    """The movements in a row of `FACTS`."""
    return _movements.decode(row["movements"] or "[]")
