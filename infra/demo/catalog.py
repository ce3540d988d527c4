"""The plan's products, places and lots in the demo tenant: what is missing is made, what is there is found."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from uuid import UUID

from domain.values import new_id
from infra.db.pool import Database, Driver
from infra.demo.naming import CATEGORIES, OTHER
from infra.demo.places import LOCATIONS
from infra.demo.plan import Plan
from infra.demo.stock import Lot

EACH, CASE = "EA", "CASE"
DEFAULT_BIN = "DEFAULT"
CAPABILITIES = {"WAREHOUSE": ["RECEIVES", "SHIPS", "PICKS", "COUNTS"], "STORE": ["RECEIVES", "PICKS", "COUNTS"]}

# The columns of each table that the demonstration fills, with their types.
UOMS = {"id": "uuid", "code": "text", "name": "text"}
CATEGORY = {"id": "uuid", "code": "text", "name": "text"}
PRODUCT = {
    "id": "uuid",
    "sku": "text",
    "name": "text",
    "category_id": "uuid",
    "uom_id": "uuid",
    "unit_cost": "numeric",
    "is_lot_controlled": "boolean",
    "is_expiry_required": "boolean",
    "shelf_life_days": "int",
}
CONVERSION = {"id": "uuid", "product_id": "uuid", "from_uom_id": "uuid", "to_uom_id": "uuid", "factor": "numeric"}
LOCATION = {"id": "uuid", "code": "text", "name": "text", "type": "text", "time_zone": "text"}
AREA = {"id": "uuid", "location_id": "uuid", "code": "text", "name": "text"}
BIN = {
    "id": "uuid",
    "location_id": "uuid",
    "area_id": "uuid",
    "code": "text",
    "name": "text",
    "type": "text",
    "zone": "text",
    "walk_order": "int",
    "is_default": "boolean",
}
LOT = {
    "id": "uuid",
    "product_id": "uuid",
    "number": "text",
    "manufactured_on": "date",
    "expires_on": "date",
    "is_default": "boolean",
}
FIND_LOTS = """
    SELECT l.product_id, l.number, l.id FROM unnest($2::uuid[], $3::text[]) AS n(product_id, number)
    JOIN lots l ON l.tenant_id = $1 AND l.product_id = n.product_id AND l.number = n.number
"""


class Catalog:
    """Makes the plan's catalog, and tells the ids of what the plan numbers."""

    def __init__(self, database: Database, tenant_id: UUID) -> None:
        self._database = database
        self._tenant = tenant_id
        self.products: list[UUID] = []
        self.locations: list[UUID] = []
        self.bins: list[UUID] = []

    async def make(self, plan: Plan) -> None:
        """All of it in one transaction."""
        async with self._database.transaction(self._tenant) as driver:
            await self._make_products(driver, plan)
            await self._make_places(driver, plan)

    async def make_lots(self, lots: Sequence[Lot]) -> list[UUID]:
        """The ids of these lots, in their order."""
        if not lots:
            return []
        async with self._database.transaction(self._tenant) as driver:
            rows = [
                (new_id(), self.products[lot.product], lot.number, lot.made, lot.expires, False) for lot in lots
            ]
            await self._insert(driver, "lots", LOT, rows)
            found = await driver.fetch(FIND_LOTS, self._tenant, [row[1] for row in rows], [row[2] for row in rows])
        ids = {(row["product_id"], row["number"]): row["id"] for row in found}
        return [ids[row[1], row[2]] for row in rows]

    async def reasons(self) -> dict[str, UUID]:
        """The tenant's reason codes."""
        async with self._database.bound(self._tenant) as driver:
            return await self._ids(driver, "reason_codes", "code")

    async def _make_products(self, driver: Driver, plan: Plan) -> None:
        products = plan.assortment.products
        await self._insert(driver, "uoms", UOMS, [(new_id(), EACH, "Each"), (new_id(), CASE, "Case")])
        kinds = [(new_id(), category.code, category.name) for category in (*CATEGORIES, OTHER)]
        await self._insert(driver, "categories", CATEGORY, kinds)
        uoms, categories = await self._ids(driver, "uoms", "code"), await self._ids(driver, "categories", "code")
        rows = [
            (
                new_id(),
                product.sku,
                product.name,
                categories[product.category],
                uoms[EACH],
                Decimal(product.cost_mils or 0) / 1000,
                product.has_lots,
                product.has_lots,
                product.shelf_life_days,
            )
            for product in products
        ]
        await self._insert(driver, "products", PRODUCT, rows)
        ids = await self._ids(driver, "products", "sku")
        self.products = [ids[product.sku] for product in products]
        numbered = list(zip(self.products, products, strict=True))
        unnumbered = [(new_id(), id_, "", None, None, True) for id_, product in numbered if not product.has_lots]
        await self._insert(driver, "lots", LOT, unnumbered)
        cases = [(new_id(), id_, uoms[CASE], uoms[EACH], Decimal(product.case_size)) for id_, product in numbered]
        await self._insert(driver, "uom_conversions", CONVERSION, cases)

    async def _make_places(self, driver: Driver, plan: Plan) -> None:
        sites = [(new_id(), site.code, site.name, site.kind, site.time_zone) for site in LOCATIONS]
        await self._insert(driver, "locations", LOCATION, sites)
        ids = await self._ids(driver, "locations", "code")
        self.locations = [ids[site.code] for site in LOCATIONS]
        for site in LOCATIONS:
            await driver.execute(
                "UPDATE locations SET capabilities = $3 WHERE tenant_id = $1 AND id = $2",
                self._tenant,
                ids[site.code],
                CAPABILITIES[site.kind],
            )
        rows = [(new_id(), self.locations[area.location], area.code, area.name) for area in plan.shelving.areas]
        await self._insert(driver, "areas", AREA, rows)
        areas = await self._placed(driver, "areas")
        bins: list[tuple[object, ...]] = [
            (
                new_id(),
                self.locations[place.location],
                areas[self.locations[place.location], place.area],
                place.code,
                place.code,
                place.type,
                place.area,
                place.order,
                False,
            )
            for place in plan.shelving.bins
        ]
        bins += [
            (new_id(), id_, None, DEFAULT_BIN, "Default bin", "STANDARD", None, 0, True) for id_ in self.locations
        ]
        await self._insert(driver, "bins", BIN, bins)
        found = await self._placed(driver, "bins")
        self.bins = [found[self.locations[place.location], place.code] for place in plan.shelving.bins]

    async def _insert(
        self, driver: Driver, table: str, columns: Mapping[str, str], rows: Sequence[tuple[object, ...]]
    ) -> None:
        """Insert what is not there yet, in one statement."""
        arrays = ", ".join(f"${n}::{type_}[]" for n, type_ in enumerate(columns.values(), start=2))
        statement = (
            f"INSERT INTO {table} (tenant_id, {', '.join(columns)}) "  # noqa: S608 - the names stand above
            f"SELECT $1, * FROM unnest({arrays}) ON CONFLICT DO NOTHING"
        )
        if rows:
            await driver.execute(statement, self._tenant, *map(list, zip(*rows, strict=True)))

    async def _ids(self, driver: Driver, table: str, code: str) -> dict[str, UUID]:
        rows = await driver.fetch(
            f"SELECT {code}, id FROM {table} WHERE tenant_id = $1",  # noqa: S608 - the names are ours
            self._tenant,
        )
        return {row[0]: row[1] for row in rows}

    async def _placed(self, driver: Driver, table: str) -> dict[tuple[UUID, str], UUID]:
        rows = await driver.fetch(
            f"SELECT location_id, code, id FROM {table} WHERE tenant_id = $1",  # noqa: S608 - the names are ours
            self._tenant,
        )
        return {(row[0], row[1]): row[2] for row in rows}
