"""The `MovementReader` port over one process's pool."""

from uuid import UUID

from domain.access.model import Scope
from domain.ledger.history import (
    AdjustmentEntry,
    AdjustmentsWanted,
    CountsAfter,
    CountSession,
    CountsWanted,
    Movement,
    MovementsWanted,
    Transaction,
)
from domain.ledger.reading import Found
from infra.db.pool import Database
from infra.ledger.queries.adjustments import read_adjustments
from infra.ledger.queries.counts import read_counts
from infra.ledger.queries.movements import read_history, read_movements, read_transaction


class SqlMovementReader:
    """The ledger itself."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def movements(self, wanted: MovementsWanted) -> Found[Movement, int]:
        return await read_movements(self._database, wanted)

    async def history(self, wanted: MovementsWanted) -> Found[Movement, int] | None:
        return await read_history(self._database, wanted)

    async def adjustments(self, wanted: AdjustmentsWanted) -> Found[AdjustmentEntry, int]:
        return await read_adjustments(self._database, wanted)

    async def counts(self, wanted: CountsWanted) -> Found[CountSession, CountsAfter]:
        return await read_counts(self._database, wanted)

    async def transaction(
        self, tenant_id: UUID, scope: Scope, posting_id: UUID
    ) -> Found[Transaction, None] | None:
        return await read_transaction(self._database, tenant_id, scope, posting_id)
