"""Supplies inside a unit of work, beside the posting that brings them, and to read."""

from typing import Any

from domain.access.model import Act
from domain.availability.supplies import SupplyFacts, SupplyView
from infra.availability.kinds import SUPPLY
from infra.catalog.queries import SqlShelf
from infra.catalog.repository import RecordsSql, SqlRecords
from infra.db.pool import Database, Driver
from infra.ledger.new_lots import LotPostingSqlWork

SUPPLIES = RecordsSql(SUPPLY)


class ReceivingSqlWork(LotPostingSqlWork):
    """The `SupplyWork` and `ReceivingWork` ports."""

    def __init__(self, driver: Driver, act: Act) -> None:
        super().__init__(driver, act)
        self.supplies: SqlRecords[SupplyFacts, SupplyView] = SqlRecords(SUPPLIES, driver, act.tenant_id)


class SqlSupplyQueries:
    """The `SupplyQueries` port."""

    def __init__(self, database: Database) -> None:
        self.supplies: SqlShelf[Any, Any] = SqlShelf(database, SUPPLY)
