"""Destructions as their rows have them."""

from decimal import Decimal

import msgspec
from asyncpg import Record

from domain.expiry.destruction import Destruction, DestructionLine, DestructionState, allowed_actions
from domain.values import plain

DESTRUCTION = """
    SELECT d.*, l.name AS location_name FROM destructions d
    CROSS JOIN LATERAL (
        SELECT x.name FROM locations x WHERE x.tenant_id = $1 AND x.id = d.location_id OFFSET 0
    ) l
"""
_lines = msgspec.json.Decoder(list[DestructionLine])


def destruction(row: Record) -> Destruction:
    lines = _lines.decode(row["lines"])
    state = DestructionState(row["state"])
    return Destruction(
        id=row["id"],
        location_id=row["location_id"],
        location_name=row["location_name"],
        state=state,
        lines=lines,
        note=row["note"],
        transfer_transaction_id=row["transfer_posting_id"],
        write_off_transaction_id=row["write_off_posting_id"],
        witness=row["witness"],
        method=row["method"],
        certificate_number=row["certificate_number"],
        actor=row["actor"],
        destroyed_at=row["destroyed_at"],
        version=row["version"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        allowed_actions=allowed_actions(state),
        value=plain(round(sum((line.quantity * line.unit_cost for line in lines), Decimal(0)), 4)),
    )
