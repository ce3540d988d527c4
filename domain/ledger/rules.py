"""Rules of adjustments: pure functions."""

from domain.errors import FieldError
from domain.ledger.model import Direction, ReasonCode


def check_reason(
    reason: ReasonCode | None, *, comment: str | None, root_cause: str | None, at: str = ""
) -> Direction | None:
    """Whether a reason may be used as it is; the one direction that it allows, if it allows only one.

    The direction itself is checked under the line's lock, where an absolute quantity becomes a difference.

    Raises:
        FieldError: the reason is not known or not active, or lacks what it requires. `at` prefixes the paths.
    """
    if reason is None:
        raise FieldError((f"{at}reasonCodeId", "is not one of your reason codes"))
    problems = []
    if not reason.is_active:
        problems.append((f"{at}reasonCodeId", f"the reason {reason.code} is no longer in use"))
    if reason.requires_comment and not comment:
        problems.append((f"{at}comment", f"the reason {reason.code} requires a comment"))
    if reason.requires_root_cause and not root_cause:
        problems.append((f"{at}rootCause", f"the reason {reason.code} requires a root cause"))
    if problems:
        raise FieldError(*problems)
    return None if reason.direction is Direction.BOTH else reason.direction
