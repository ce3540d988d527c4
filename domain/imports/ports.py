"""What imports need from the outside."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from domain.access.model import Act
from domain.imports.facts import (
    Catalogue,
    LayerChange,
    LayerNow,
    LayerWrite,
    Moved,
    Place,
    ScopeLine,
    Standing,
    Undoable,
)
from domain.imports.model import DeleteRow, FileKind, ImportResult, ImportStatus, Names
from domain.jobs.model import Job
from domain.jobs.ports import Result
from domain.ledger.model import Posted, Posting


class ImportWork(Protocol):
    """One transaction of imports."""

    async def be_patient(self) -> None:
        """Let this transaction take minutes: it has very many records."""
        ...

    async def store_input(self, job_id: UUID, name: str, content: bytes) -> None:
        """Keep the file as it came, beside its job."""
        ...

    async def input(self, job_id: UUID) -> tuple[str, bytes] | None:
        """The file's name and what is in it."""
        ...

    async def enqueue(
        self,
        type_: str,
        arguments: Mapping[str, Any],
        *,
        description: str,
        id_: UUID | None = None,
        total_steps: int = 1,
        not_before: datetime | None = None,
    ) -> UUID: ...

    async def record_job(
        self,
        type_: str,
        arguments: Mapping[str, Any],
        *,
        description: str,
        id_: UUID | None = None,
        total_steps: int = 1,
        result: Mapping[str, Any] | None = None,
        error: str | None = None,
    ) -> UUID: ...

    async def finish_job(self, job: Job, result: Result | None) -> None: ...

    async def look_up(
        self, items: Collection[str], bins: Collection[str], lots: Collection[tuple[str, str]]
    ) -> Catalogue:
        """What there is under these names; lots by item and number. One statement for ten thousand names."""
        ...

    async def lines_of(self, places: Sequence[Place]) -> Mapping[Place, UUID]:
        """Those that there are."""
        ...

    async def lines_by_names(self, names: Names) -> Sequence[ScopeLine]:
        """The lines with stock or layers that filters tell of, within the locations of the act."""
        ...

    async def lines_by_rows(self, rows: Sequence[DeleteRow]) -> Sequence[ScopeLine]:
        """Likewise those that rows tell of, with the indices of these rows."""
        ...

    async def lock(self, line_ids: Collection[UUID]) -> Sequence[Standing]:
        """Lock lines in the ledger's order, and read them."""
        ...

    async def correction_reason(self) -> UUID | None:
        """The tenant's reason for corrections, where it has one."""
        ...

    async def post(self, posting: Posting) -> Posted: ...

    async def post_bulk(self, posting: Posting) -> Posted:
        """Post to the ledger; the movements of a large posting are in neither the answer nor the event."""
        ...

    async def write_layers(self, layers: Sequence[LayerWrite]) -> None:
        """Write layers.

        Raises:
            ContentionError: one of them was made or taken away by somebody else, at this moment.
        """
        ...

    async def keep(self, result: ImportResult, *, description: str, options: Mapping[str, Any]) -> None:
        """Keep what was decided, before its posting is made.

        Raises:
            DomainError: INVALID_TRANSITION if this import was applied already.
        """
        ...

    async def keep_layers(self, job_id: UUID, layers: Sequence[tuple[UUID, LayerChange]]) -> None:
        """Keep the layers that were written on lines, as they were before."""
        ...

    async def undoable(self, job_id: UUID) -> Undoable | None: ...
    async def moved(self, posting_id: UUID) -> Sequence[Moved]: ...
    async def layers_of(self, job_id: UUID) -> Sequence[LayerNow]: ...

    async def names_of(self, line_ids: Sequence[UUID]) -> Mapping[UUID, Mapping[str, str]]:
        """What people call the lines: item, bin and lot."""
        ...

    async def mark_undone(self, job_id: UUID, posting_id: UUID | None) -> None: ...

    async def record(
        self, type_: str, entity_type: str, entity_id: UUID, payload: object, *, locations: Sequence[UUID] = ()
    ) -> int: ...


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
