"""Reservations as rows and as JSON, to the domain's value."""

from decimal import Decimal
from typing import Any

import msgspec

from domain.availability.ports import ClaimedLine, Reservation, Resolved

# One that has run out by the clock is shown as what it is, whether or not it has been swept.
STATE = "CASE WHEN r.state = 'LIVE' AND r.expires_at <= clock_timestamp() THEN 'EXPIRED' ELSE r.state END"
RESERVATION = """
    SELECT r.id, r.group_id, r.kind, %s AS state, r.channel_id, r.product_id, r.location_id, r.quantity,
        r.open_quantity, r.external_ref, r.source_type, r.source_id, r.actor, r.expires_at, r.created_at,
        r.resolved_at, r.version, (
            SELECT jsonb_agg(jsonb_build_object('line_id', c.line_id, 'quantity', trim_scale(c.quantity))
                ORDER BY c.line_id)
            FROM reservation_lines c WHERE c.tenant_id = r.tenant_id AND c.reservation_id = r.id
        ) AS lines
    FROM reservations r
""".replace("%s", STATE)

_lines = msgspec.json.Decoder(tuple[ClaimedLine, ...], float_hook=Decimal)
_resolved = msgspec.json.Decoder(Resolved, float_hook=Decimal)


def reservation(row: Any) -> Reservation:
    """One row of `RESERVATION`."""
    facts = dict(row)
    lines = facts.pop("lines")
    return msgspec.convert(
        {**facts, "lines": _lines.decode(lines) if lines else ()}, Reservation, builtin_types=(Decimal,)
    )


def decode_reservation(text: str) -> Resolved:
    """What `claim_resolve` answers."""
    return _resolved.decode(text)


class Settled(msgspec.Struct, frozen=True):
    """What `claim_settle` answers."""

    code: str
    facts: dict[str, Any] = {}
    resolved: tuple[Resolved, ...] = ()


_settled = msgspec.json.Decoder(Settled, float_hook=Decimal)


def decode_settled(text: str) -> Settled:
    """The claims, each as it is now, or the refusal of the first that could not be resolved."""
    return _settled.decode(text)
