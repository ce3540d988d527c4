"""Who may see what the books say of what is being counted."""

from domain.access.model import Caller, Permission
from domain.counting.model import Batch, Line, LineState, State
from domain.counting.states import COUNTING

READS = Permission.INVENTORY_READ


def may_count(batch: Batch, caller: Caller) -> bool:
    """Whether the caller is among those who count this batch, while it is counted."""
    if not _covers(caller, COUNTING, batch):
        return False
    return not batch.assignee_ids or caller.user_id in batch.assignee_ids


def sees_figures(batch: Batch, caller: Caller) -> bool:
    """Whether the caller may be shown a quantity of the batch.

    Never without the right to read stock there; and of a blind batch that is still being counted nobody who may
    count it.
    """
    if not _covers(caller, READS, batch):
        return False
    is_counted = batch.state in {State.DRAFT, State.IN_PROGRESS}
    return not (batch.is_blind and is_counted and may_count(batch, caller))


def sees_line(batch: Batch, line: Line, caller: Caller) -> bool:
    """The same of one line: in a blind batch, what is to be counted again is blind once more."""
    if not sees_figures(batch, caller):
        return False
    return not (batch.is_blind and line.state is LineState.RECOUNT and may_count(batch, caller))


def _covers(caller: Caller, permission: Permission, batch: Batch) -> bool:
    if not caller.allows(permission):
        return False
    scope = caller.scope(permission)
    return scope is None or batch.location_id in scope
