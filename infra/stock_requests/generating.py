"""Requests made of stocklists, inside a unit of work."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from domain.access.model import Act
from domain.stock_requests.stocklists import Needs, StocklistFacts, StocklistView
from infra.catalog.repository import SqlRecords
from infra.db.pool import Driver
from infra.stock_requests.stocklists import STOCKLISTS, read_needs
from infra.stock_requests.work import StockRequestSqlWork

DRAFT_OF = """
    SELECT r.id FROM stock_requests r
    WHERE r.tenant_id = $1 AND r.stocklist_id = $2 AND r.state = 'DRAFT' ORDER BY r.id LIMIT 1
"""
GENERATED = "UPDATE stocklists SET generated_at = $3 WHERE tenant_id = $1 AND id = $2"
DUE = """
    SELECT x.id FROM stocklists x
    WHERE x.tenant_id = $1 AND x.is_active
        AND coalesce(x.generated_at, x.created_at) + make_interval(days => x.review_period_days) <= $2
    ORDER BY coalesce(x.generated_at, x.created_at), x.id
    LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED
"""


class GeneratingSqlWork(StockRequestSqlWork):
    """The `GeneratingWork` port."""

    def __init__(self, driver: Driver, act: Act) -> None:
        super().__init__(driver, act)
        self.stocklists: SqlRecords[StocklistFacts, StocklistView] = SqlRecords(STOCKLISTS, driver, act.tenant_id)

    async def needs(self, *, origin_id: UUID, destination_id: UUID, stocklist_id: UUID) -> Needs:
        return await read_needs(
            self.driver, self.act.tenant_id, origin_id, destination_id, stocklist_id=stocklist_id, scope=None
        )

    async def draft_of(self, stocklist_id: UUID) -> UUID | None:
        found: UUID | None = await self.driver.fetchval(DRAFT_OF, self.act.tenant_id, stocklist_id)
        return found

    async def note_generated(self, stocklist_id: UUID, at: datetime) -> None:
        await self.driver.execute(GENERATED, self.act.tenant_id, stocklist_id, at)

    async def due(self, now: datetime, limit: int) -> Sequence[UUID]:
        return [row["id"] for row in await self.driver.fetch(DUE, self.act.tenant_id, now, limit)]
