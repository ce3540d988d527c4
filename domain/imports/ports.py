"""What imports need from the outside."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol
from uuid import UUID

from domain.access.model import Act
from domain.imports.model import FileKind, ImportResult, ImportStatus
from domain.jobs.model import Job
from domain.jobs.ports import Result


class ImportWork(Protocol):
    """One transaction of imports."""

    async def store_input(self, job_id: UUID, name: str, content: bytes) -> None:
        """Keep the file as it came, beside its job."""
        ...

    async def record_job(self, result: ImportResult, *, description: str) -> None:
        """The job of an import that was done in the request: it has ended when it is first seen."""
        ...

    async def finish_job(self, job: Job, result: Result | None) -> None: ...


class ImportReads(Protocol):
    """Status and files. Who is limited to locations sees their own imports only."""

    async def status(self, act: Act, job_id: UUID) -> ImportStatus | None: ...

    async def input(self, act: Act, job_id: UUID) -> tuple[str, bytes] | None:
        """The file's name and its content, untouched."""
        ...

    def rows(
        self, act: Act, job_id: UUID, kind: FileKind
    ) -> tuple[Sequence[str], AsyncIterator[Sequence[Sequence[object]]]]:
        """The columns and, part by part, the rows of a file that is made of what is stored.

        Ask for the status first: an import that the caller may not see gives no rows.
        """
        ...


type BeginImports = Callable[[Act], AbstractAsyncContextManager[ImportWork]]
