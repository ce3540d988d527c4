"""The unit of work of replenishment records: with the transfers and the supply that come of them."""

from collections.abc import Sequence
from uuid import UUID

from domain.access.model import Act, Scope
from domain.documents import DocumentType, PastStep
from domain.replenishment.model import Found, Surplus
from domain.replenishment.ports import FactsWanted
from infra.availability.supplies import SupplySqlWork
from infra.db.pool import Driver
from infra.documents.work import history
from infra.replenishment.facts import read_facts, read_surplus
from infra.replenishment.orders import SqlOrderStore
from infra.transfers.work import TransferSqlWork


class ReplenishmentSqlWork(SupplySqlWork, TransferSqlWork):
    """The `RecordWork` port."""

    def __init__(self, driver: Driver, act: Act) -> None:
        super().__init__(driver, act)
        self.orders = SqlOrderStore(driver, act)

    async def facts(self, wanted: FactsWanted) -> Found | None:
        return await read_facts(self.driver, wanted)

    async def surplus(
        self, tenant_id: UUID, scope: Scope, location_id: UUID, product_ids: Sequence[UUID]
    ) -> list[Surplus]:
        return await read_surplus(self.driver, tenant_id, scope, location_id, product_ids)

    async def history(self, record_id: UUID) -> list[PastStep]:
        return await history(self.driver, self.act.tenant_id, DocumentType.REPLENISHMENT, record_id)
