"""Refusals: named here, with the facts that explain them; how they look on a wire is an adapter's business."""

from enum import StrEnum


class Reason(StrEnum):
    """Why something was refused. The values are published; they never change meaning."""

    ALREADY_REVERSED = "ALREADY_REVERSED"
    BIN_UNFIT = "BIN_UNFIT"
    COUNTED_SINCE = "COUNTED_SINCE"
    CSRF_FAILED = "CSRF_FAILED"
    DUPLICATE = "DUPLICATE"
    EXPIRED_API_KEY = "EXPIRED_API_KEY"
    IDEMPOTENCY_IN_PROGRESS = "IDEMPOTENCY_IN_PROGRESS"
    IDEMPOTENCY_KEY_REUSED = "IDEMPOTENCY_KEY_REUSED"
    IN_USE = "IN_USE"
    INACTIVE = "INACTIVE"
    INSUFFICIENT_STOCK = "INSUFFICIENT_STOCK"
    INTERNAL = "INTERNAL"
    INVALID_API_KEY = "INVALID_API_KEY"
    INVALID_CREDENTIALS = "INVALID_CREDENTIALS"
    INVALID_TRANSITION = "INVALID_TRANSITION"
    LAST_ADMIN = "LAST_ADMIN"
    LOCATION_DENIED = "LOCATION_DENIED"
    LOT_REQUIRED = "LOT_REQUIRED"
    MAPPING_ERROR = "MAPPING_ERROR"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    NO_CHANGE = "NO_CHANGE"
    NOT_EXPIRED = "NOT_EXPIRED"
    NOT_FOUND = "NOT_FOUND"
    PAYLOAD_TOO_LARGE = "PAYLOAD_TOO_LARGE"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    POSITION_FROZEN = "POSITION_FROZEN"
    QUANTITY_OUT_OF_RANGE = "QUANTITY_OUT_OF_RANGE"
    RATE_LIMITED = "RATE_LIMITED"
    REVERSAL_BLOCKED = "REVERSAL_BLOCKED"
    REVOKED_API_KEY = "REVOKED_API_KEY"
    SELF_APPROVAL = "SELF_APPROVAL"
    SESSION_EXPIRED = "SESSION_EXPIRED"
    STALE_QUANTITY = "STALE_QUANTITY"
    STALE_VERSION = "STALE_VERSION"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    UNAVAILABLE = "UNAVAILABLE"
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"
    VALIDATION_ERROR = "VALIDATION_ERROR"


class DomainError(Exception):
    """A refusal: a reason, a sentence for a person, and facts for a program."""

    def __init__(self, reason: Reason, message: str, **facts: object) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.facts = facts
        self.replayed = False
        """Whether this is the stored answer to a retry."""


class ContentionError(DomainError):
    """Others won; the whole transaction was undone and may be done again."""


class FieldError(DomainError):
    """Input that cannot be meant, with the path of each field and what is wrong with it."""

    def __init__(self, *problems: tuple[str, str]) -> None:
        fields = [{"path": path, "message": message} for path, message in problems]
        summary = "; ".join(f"{path}: {message}" if path else message for path, message in problems[:3])
        super().__init__(Reason.VALIDATION_ERROR, f"The request is not valid: {summary}", fields=fields)


def not_found(what: str, **facts: object) -> DomainError:
    """The same answer for what is not there and for what is another tenant's."""
    return DomainError(Reason.NOT_FOUND, f"No such {what}", **facts)
