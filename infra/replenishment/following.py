"""The unit of work of a transfer or a supply, as the replenishment record that follows it sees it."""

from domain.access.model import Act
from infra.db.pool import Driver
from infra.documents.work import DocumentSqlWork
from infra.replenishment.orders import SqlOrderStore


class FollowSqlWork(DocumentSqlWork):
    """The `FollowWork` port."""

    def __init__(self, driver: Driver, act: Act) -> None:
        super().__init__(driver, act)
        self.orders = SqlOrderStore(driver, act)
