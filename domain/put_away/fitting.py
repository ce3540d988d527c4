"""Whether a bin that somebody has named takes a quantity, and what to tell them if it does not."""

from domain.errors import DomainError, FieldError, Reason
from domain.put_away.suggesting import SOFT, Outcome, Shelf, Want, refusal
from domain.values import plain

MESSAGES = {
    Outcome.ELSEWHERE: "is a bin of another location",
    Outcome.SAME_BIN: "is the bin where the stock is already",
    Outcome.NOT_STORAGE: "The bin is not for storage",
    Outcome.NO_ROOM: "The bin has not enough room",
    Outcome.OTHER_LOT: "The bin takes one lot only, and another one stands there or is on its way",
    Outcome.OTHER_PRODUCT: "The bin takes one product only, and another one stands there or is on its way",
}


def require_possible(shelf: Shelf, want: Want, *, with_promises: bool = True) -> Outcome | None:
    """What speaks against a bin and may be overridden, if anything does.

    Raises:
        DomainError: VALIDATION_ERROR, INACTIVE or POSITION_FROZEN: no reason opens this bin.
    """
    outcome = refusal(shelf, want, with_promises=with_promises)
    if outcome is Outcome.INACTIVE:
        raise DomainError(Reason.INACTIVE, f"The bin {shelf.code} is inactive", toBinId=shelf.id)
    if outcome is Outcome.FROZEN:
        message = "The bin is being counted; stock in it may not move until the count is resolved"
        raise DomainError(Reason.POSITION_FROZEN, message, toBinId=shelf.id, batchId=shelf.frozen_by)
    if outcome is Outcome.FORBIDDEN_TYPE:
        raise FieldError(("toBinId", f"is a {shelf.type} bin, where nothing is put away"))
    if outcome is not None and outcome not in SOFT:
        raise FieldError(("toBinId", MESSAGES[outcome]))
    room = shelf.room(with_promises=with_promises)
    return outcome or (Outcome.NO_ROOM if room is not None and want.quantity > room else None)


def require_fit(shelf: Shelf, want: Want, *, reason: str | None = None, with_promises: bool = True) -> None:
    """Refuse a bin that breaks a rule, unless somebody says why they do it all the same.

    Raises:
        DomainError: as `require_possible`; BIN_UNFIT with the rule and the room.
    """
    outcome = require_possible(shelf, want, with_promises=with_promises)
    if outcome is None or reason is not None:
        return
    room = shelf.room(with_promises=with_promises)
    raise DomainError(
        Reason.BIN_UNFIT,
        f"{MESSAGES[outcome]}; say why in overrideReason to use it all the same",
        toBinId=shelf.id,
        rule=outcome,
        requested=plain(want.quantity),
        room=None if room is None else plain(room),
    )
