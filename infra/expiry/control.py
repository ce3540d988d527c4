"""Products by GTIN, and the facts about lots with the holds that lie on them."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from domain.expiry.model import LotFacts, LotKey
from infra.catalog.lots import read_facts
from infra.db.pool import Database

PRODUCTS = """
    SELECT p.id, p.barcode FROM unnest($2::text[]) AS w(barcode)
    CROSS JOIN LATERAL (
        SELECT * FROM products x WHERE x.tenant_id = $1 AND x.barcode = w.barcode AND x.is_active OFFSET 0
    ) p
    ORDER BY p.sku
"""
_LENGTHS = (14, 13, 12, 8)


class SqlLotControl:
    """The `LotControl` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def products(self, tenant_id: UUID, gtins: Collection[str]) -> Mapping[str, Sequence[UUID]]:
        spelled = {spelling: gtin for gtin in gtins for spelling in _spellings(gtin)}
        async with self._database.bound(tenant_id) as driver:
            rows = await driver.fetch(PRODUCTS, tenant_id, list(spelled))
        found: dict[str, list[UUID]] = defaultdict(list)
        for row in rows:
            found[spelled[row["barcode"]]].append(row["id"])
        return found

    async def facts(
        self, tenant_id: UUID, wanted: Collection[LotKey], *, location_id: UUID | None = None
    ) -> LotFacts:
        async with self._database.bound(tenant_id) as driver:
            return await read_facts(driver, tenant_id, wanted, location_id, with_holds=True)


def _spellings(gtin: str) -> list[str]:
    """A GTIN with as many digits as it can be kept with: shorter ones only lack zeros in front."""
    return [gtin[-length:] for length in _LENGTHS if not gtin[:-length].strip("0")]
