"""The `StockReader` port over one process's pool."""

from uuid import UUID

from domain.access.model import Scope
from domain.ledger.reading import (
    After,
    BinStock,
    Found,
    InventoryItem,
    LinesWanted,
    LocationStock,
    ProductLevels,
)
from infra.db.pool import Database
from infra.ledger.queries.levels import read_levels
from infra.ledger.queries.lines import read_lines
from infra.ledger.queries.places import read_bins, read_locations


class SqlStockReader:
    """Stock as it stands."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def lines(self, wanted: LinesWanted) -> Found[InventoryItem, After]:
        return await read_lines(self._database, wanted)

    async def locations(self, tenant_id: UUID, scope: Scope) -> Found[LocationStock, None]:
        return await read_locations(self._database, tenant_id, scope)

    async def bins(
        self, tenant_id: UUID, scope: Scope, location_id: UUID, *, limit: int, offset: int
    ) -> Found[BinStock, None] | None:
        return await read_bins(self._database, tenant_id, scope, location_id, limit=limit, offset=offset)

    async def levels(self, tenant_id: UUID, scope: Scope, product_id: UUID) -> Found[ProductLevels, None] | None:
        return await read_levels(self._database, tenant_id, scope, product_id)
