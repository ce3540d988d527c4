"""Headers that answers about stock carry."""

from domain.ledger.model import Posted

POSITION = "X-Ledger-Position"
REPLAYED = "Idempotency-Replayed"


def position_header(position: int) -> dict[str, str]:
    """The tenant's ledger position that an answer reflects."""
    return {POSITION: str(position)}


def ledger_headers(posted: Posted) -> dict[str, str]:
    """The position with a posting in it, and whether this is the stored answer to a retry."""
    headers = position_header(posted.position)
    if posted.replayed:
        headers[REPLAYED] = "true"
    return headers
