"""What follows a failed attempt, and what may be done with a job. Pure."""

from datetime import timedelta
from enum import StrEnum

import msgspec

from domain.access.model import Caller, Permission
from domain.access.rules import known_permission
from domain.errors import ContentionError, DomainError, Reason
from domain.jobs.model import Job, JobState
from domain.workflow import Move, Workflow

FIRST_DELAY = timedelta(seconds=2)
LONGEST_DELAY = timedelta(minutes=15)
_PASSING = frozenset({Reason.UNAVAILABLE, Reason.IDEMPOTENCY_IN_PROGRESS, Reason.RATE_LIMITED})


class JobAction(StrEnum):
    """What somebody may do with a job."""

    CANCEL = "cancel"
    RETRY = "retry"


class JobFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A job as one caller finds it."""

    caller: Caller
    job: Job

    def refusal(self, permission: Permission) -> DomainError | None:
        return self.caller.refusal(permission)


def _may_ask(facts: JobFacts) -> DomainError | None:
    """Nobody has a job done again that they could not ask for; but who administers may, for whoever asked."""
    permission = known_permission(facts.job.permission)
    if permission is None or sees_all(facts.caller):
        return None
    return facts.caller.refusal(permission)


WORKFLOW: Workflow[JobState, JobAction, JobFacts] = Workflow(
    [
        Move(
            state=JobState.QUEUED,
            action=JobAction.CANCEL,
            to=(JobState.CANCELED,),
            permission=Permission.INVENTORY_READ,
        ),
        Move(
            state=JobState.RUNNING,
            action=JobAction.CANCEL,
            to=(JobState.RUNNING, JobState.CANCELED),
            permission=Permission.INVENTORY_READ,
        ),
        Move(
            state=JobState.FAILED,
            action=JobAction.RETRY,
            to=(JobState.QUEUED,),
            permission=Permission.INVENTORY_READ,
            guards=(_may_ask,),
        ),
    ]
)


def sees_all(caller: Caller) -> bool:
    """Whether somebody sees everybody's jobs: who administers the tenant does, all others see their own."""
    return caller.rights.get(Permission.ADMIN_SETTINGS, frozenset()) is None


def passes(error: Exception) -> bool:
    """Whether another attempt may overcome an error: a refusal stays one, all else may pass."""
    if isinstance(error, ContentionError):
        return True
    return not isinstance(error, DomainError) or error.reason in _PASSING


def retry_delay(attempt: int, chance: float) -> timedelta:
    """How long to wait after a failed attempt: twice as long each time, up to a half less by `chance`.

    So that what failed together does not come again together.
    """
    longest = min(FIRST_DELAY * float(2 ** min(attempt - 1, 30)), LONGEST_DELAY)
    return longest * (1 - chance / 2)


def told(error: Exception) -> str:
    """An error in a sentence for whoever asked for the job; of a fault no more than its kind."""
    if isinstance(error, DomainError):
        return error.message[:4000]
    return f"Something went wrong ({type(error).__name__})"
