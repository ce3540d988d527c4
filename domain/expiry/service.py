"""Lots that come in: checked, and made where they are new."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from domain.errors import FieldError
from domain.expiry.model import Code, Incoming, KnownLot, LotKey, NewLot
from domain.expiry.ports import LotWork
from domain.expiry.rules import EXPIRY, check_incoming, new_expiries, refuse


async def admit(
    work: LotWork, *, location_id: UUID, lines: Sequence[Incoming], at: str = "lines"
) -> Mapping[LotKey, KnownLot]:
    """The lot of each line (by `line.key`), all of them checked against their products, new ones made.

    Two statements; one when all lots are known. Call it before posting to the ledger.

    Raises:
        FieldError: a line may not come in; nothing was made.
    """
    facts = await work.lot_facts({line.key for line in lines}, location_id=location_id)
    refuse(check_incoming(lines, facts), at=at)
    missing = {line.key for line in lines} - facts.lots.keys()
    if not missing:
        return facts.lots
    expiries = new_expiries(lines)
    wanted = [NewLot(product_id=key[0], number=key[1], expires_on=expiries.get(key)) for key in missing]
    made = await work.ensure_lots(wanted)
    for n, line in enumerate(lines):
        if line.key in made and line.expires_on is not None and made[line.key].expires_on != line.expires_on:
            message = f"the lot was made with another expiry date at the same moment ({Code.EXPIRY_MISMATCH})"
            raise FieldError((f"{at}[{n}].{EXPIRY}", message))
    return {**facts.lots, **made}
