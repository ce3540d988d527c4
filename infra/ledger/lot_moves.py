"""What a lot correction is decided by, in one statement."""

import msgspec

from domain.access.model import Act
from domain.expiry.model import KnownLot, LotPolicy
from domain.ledger.lot_correction import LotMove, LotMoveFacts, WrongLine
from infra.db.pool import Database
from infra.ledger.answers import KEYED, answered, key_of
from infra.settings.sql import LOT_POLICY

FACTS = f"""
    SELECT k.fingerprint, k.outcome, (now() AT TIME ZONE c.time_zone)::date AS today,
        CASE WHEN s.id IS NOT NULL THEN jsonb_build_object('product_id', s.product_id,
            'location_id', s.location_id,
            'place', jsonb_build_object('bin_id', s.bin_id, 'bin_code', b.code, 'lot_id', s.lot_id,
                'lot_number', w.number, 'expires_on', w.expires_on)) END AS line,
        CASE WHEN s.id IS NOT NULL THEN {LOT_POLICY} END AS policy,
        CASE WHEN t.id IS NOT NULL THEN jsonb_build_object('id', t.id, 'product_id', t.product_id,
            'number', t.number, 'expires_on', t.expires_on, 'status', t.status) END AS target
    FROM (SELECT 1) one
    {KEYED}
    LEFT JOIN LATERAL (SELECT * FROM stock_lines x WHERE x.tenant_id = $1 AND x.id = $5 OFFSET 0) s ON true
    LEFT JOIN LATERAL (SELECT * FROM products x WHERE x.tenant_id = $1 AND x.id = s.product_id OFFSET 0) p ON true
    LEFT JOIN LATERAL (
        SELECT * FROM locations x WHERE x.tenant_id = $1 AND x.id = s.location_id OFFSET 0
    ) c ON true
    LEFT JOIN LATERAL (SELECT * FROM bins x WHERE x.tenant_id = $1 AND x.id = s.bin_id OFFSET 0) b ON true
    LEFT JOIN LATERAL (SELECT * FROM lots x WHERE x.tenant_id = $1 AND x.id = s.lot_id OFFSET 0) w ON true
    LEFT JOIN LATERAL (
        SELECT * FROM lots x
        WHERE x.tenant_id = $1 AND x.product_id = s.product_id
            AND CASE WHEN $6::uuid IS NOT NULL THEN x.id = $6 ELSE x.number = $7 END
        OFFSET 0
    ) t ON true
"""  # noqa: S608 - of constants

_line = msgspec.json.Decoder(WrongLine)
_policy = msgspec.json.Decoder(LotPolicy)
_target = msgspec.json.Decoder(KnownLot)


class SqlLotMoveReads:
    """The `LotMoveReads` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def facts(self, act: Act, move: LotMove) -> LotMoveFacts:
        """One statement."""
        async with self._database.bound(act.tenant_id) as driver:
            row = await driver.fetchrow(FACTS, *key_of(act), move.line_id, move.to_lot_id, move.to_lot_number)
        assert row is not None
        return LotMoveFacts(
            answered=answered(act, row),
            line=_line.decode(row["line"]) if row["line"] else None,
            policy=_policy.decode(row["policy"]) if row["policy"] else None,
            today=row["today"],
            target=_target.decode(row["target"]) if row["target"] else None,
        )
