"""What a job's handler is given, and what it may rely on."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from domain.access.model import Act
from domain.jobs.model import Job

type Result = Mapping[str, Any]


class JobCanceled(Exception):  # noqa: N818 - it is no error: somebody wished it
    """The job is to stop: raised by `step` and `finish_in`; let it pass."""


class Superseded(Exception):  # noqa: N818 - it is no error: another attempt goes on
    """Another attempt has taken over, or the job has ended: whatever this one does must be undone. Let it pass."""


class FinishingWork(Protocol):
    """The unit of work of a job's effects: every area's unit of work is one."""

    async def finish_job(self, job: Job, result: Result | None) -> None: ...


class Running(Protocol):
    """One attempt at a job."""

    @property
    def job(self) -> Job:
        """As it stood when this attempt began."""
        ...

    @property
    def act(self) -> Act:
        """An act of who asked for it, with the rights that they have now; the tenant's own, for its schedule's."""
        ...

    async def step(self, current: str, completed: int, total: int) -> None:
        """Say how far it is, in a transaction of its own, and that it is alive.

        Raises:
            JobCanceled: somebody asked for it to be canceled.
            Superseded: another attempt has taken over.
        """
        ...

    async def finish_in(self, work: FinishingWork, result: Result | None = None) -> None:
        """Mark the job as done in the transaction of its effects, as the last thing before its end.

        Once it is committed both are there, and no attempt follows; an attempt that was superseded meanwhile is
        rolled back. This is what makes a job's effects happen exactly once.

        Raises:
            JobCanceled: somebody asked for it to be canceled.
            Superseded: another attempt has taken over.
        """
        ...


type JobHandler = Callable[[Running], Awaitable[Result | None]]
"""Does the work of a type of job.

One that returns without `finish_in` must be idempotent: it may be done again if the process ends right then. A
DomainError fails the job at once with that message, but for those that another attempt may overcome (contention,
an overload); every other error lets it be tried again later, until its attempts are used up.
"""
