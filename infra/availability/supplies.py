"""Supplies inside a unit of work, beside the posting that brings them, and to read."""

from typing import Any
from uuid import UUID

from domain.access.model import Act
from domain.availability.supplies import SupplyFacts, SupplyView
from domain.documents import DocumentType
from domain.replenishment.following import follow_supply
from infra.availability.kinds import SUPPLY
from infra.catalog.queries import SqlShelf
from infra.catalog.repository import RecordsSql, SqlRecords
from infra.db.pool import Database, Driver
from infra.db.work import SqlWork
from infra.ledger.new_lots import LotPostingSqlWork
from infra.replenishment.following import FollowSqlWork

SUPPLIES = RecordsSql(SUPPLY)


class SupplySqlWork(SqlWork):
    """The `SupplyWork` port."""

    def __init__(self, driver: Driver, act: Act) -> None:
        super().__init__(driver, act)
        self.supplies: SqlRecords[SupplyFacts, SupplyView] = SqlRecords(SUPPLIES, driver, act.tenant_id)

    async def supply_followed(self, supply_id: UUID, supply: SupplyFacts) -> None:
        if supply.source_type == DocumentType.REPLENISHMENT and supply.source_id is not None:
            following = FollowSqlWork(self.driver, self.act)
            await follow_supply(following, supply_id=supply_id, number=supply.source_id, state=supply.state)


class ReceivingSqlWork(SupplySqlWork, LotPostingSqlWork):
    """The `SupplyWork` and `ReceivingWork` ports."""


class SqlSupplyQueries:
    """The `SupplyQueries` port."""

    def __init__(self, database: Database) -> None:
        self.supplies: SqlShelf[Any, Any] = SqlShelf(database, SUPPLY)
