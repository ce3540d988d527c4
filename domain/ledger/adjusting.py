"""Adjustments: a difference in a direction, or the quantity that a line shall stand at."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import msgspec

from domain.access.model import Act
from domain.ledger.model import Entry, Kind, Posted, Posting
from domain.ledger.ports import Ledger, Reference
from domain.ledger.rules import check_reason
from domain.values import new_id


class Adjustment(msgspec.Struct, frozen=True, kw_only=True):
    """One adjustment of one line: a signed `delta`, or a `target` with what is `expected` to be there."""

    line_id: UUID | None = None
    product_id: UUID | None = None
    location_id: UUID | None = None
    bin_id: UUID | None = None
    lot_id: UUID | None = None
    delta: Decimal | None = None
    target: Decimal | None = None
    expected: Decimal | None = None
    reason_code_id: UUID
    comment: str | None = None
    root_cause: str | None = None
    effective_at: datetime | None = None


async def adjust(
    ledger: Ledger,
    reference: Reference,
    *,
    act: Act,
    adjustments: Sequence[Adjustment],
    force: bool = False,
    at: str = "items",
) -> Posted:
    """Apply adjustments, all or none, in one posting and one round trip.

    `force` takes stock although it is reserved or held: a physical loss is the truth, and the shortage shows.
    """
    settings = await reference.settings(act.tenant_id)
    entries = []
    for n, one in enumerate(adjustments):
        reason = await reference.reason(act.tenant_id, one.reason_code_id)
        direction = check_reason(
            reason,
            comment=one.comment,
            root_cause=one.root_cause,
            at=f"{at}[{n}]." if len(adjustments) > 1 else "",
        )
        entries.append(
            Entry(
                kind=Kind.ADJUSTMENT,
                direction=direction,
                explained_above=settings.root_cause_threshold,
                **{name: getattr(one, name) for name in one.__struct_fields__},
            )
        )
    return await ledger.post(
        Posting(id=new_id(), kind=Kind.ADJUSTMENT, entries=tuple(entries), force=force, act=act)
    )
