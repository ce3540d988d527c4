"""Headers that answers carry."""

from typing import Annotated

from litestar.params import HeaderParameter

from app.http.wire import Json
from domain.errors import DomainError, Reason
from domain.ledger.model import Posted

POSITION = "X-Ledger-Position"
MIN_POSITION = "X-Min-Ledger-Position"
REPLAYED = "Idempotency-Replayed"
NO_STORE = {"Cache-Control": "no-store"}


def position_header(position: int) -> dict[str, str]:
    """The tenant's ledger position that an answer reflects."""
    return {POSITION: str(position)}


def ledger_headers(posted: Posted) -> dict[str, str]:
    """The position with a posting in it, and whether this is the stored answer to a retry."""
    headers = position_header(posted.position)
    if posted.replayed:
        headers[REPLAYED] = "true"
    return headers


# A plain alias: the framework does not look into `type` aliases for what a parameter is called.
MinPosition = Annotated[
    int | None,
    HeaderParameter(
        name=MIN_POSITION,
        ge=0,
        le=2**63 - 1,
        description="The ledger position that the answer must not be older than; 503 while it would be.",
    ),
]


def at_position[T](content: T, position: int, wanted: int | None) -> Json[T]:
    """An answer with the position that it reflects, if that is not older than the client wants.

    Raises:
        DomainError: it is; a server that lags behind answers so until it has caught up.
    """
    if wanted is not None and position < wanted:
        message = f"The ledger stands at {position} here, before {wanted}; try again shortly"
        raise DomainError(Reason.UNAVAILABLE, message, retryAfter=1, position=position, wanted=wanted)
    return Json(content, headers=position_header(position))
