"""The plan's products, places and lots in the demo tenant, made by the catalog's own services."""

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from domain.access.model import Act
from domain.catalog.measures import create_conversions_many, create_uoms_many
from domain.catalog.model import Area, Bin, BinType, Category, Conversion, Location, LocationType, Product, Uom
from domain.catalog.places import create_areas_many, create_bins_many, create_locations_many
from domain.catalog.products import create_categories_many, create_products_many
from domain.catalog.rules import DEFAULT_CAPABILITIES
from domain.expiry.model import NewLot
from infra.catalog.repository import SqlCatalogWork
from infra.db.pool import Database
from infra.db.work import beginning
from infra.demo.naming import CATEGORIES, OTHER
from infra.demo.places import LOCATIONS
from infra.demo.plan import Plan
from infra.demo.stock import Lot

EACH, CASE = Uom(code="EA", name="Each"), Uom(code="CASE", name="Case")
IS_MADE = "SELECT EXISTS (SELECT 1 FROM locations WHERE tenant_id = $1)"
PRODUCTS = "SELECT sku, id FROM products WHERE tenant_id = $1"
LOCATION_IDS = "SELECT code, id FROM locations WHERE tenant_id = $1"
BINS = "SELECT location_id, code, id FROM bins WHERE tenant_id = $1"
REASONS = "SELECT code, id FROM reason_codes WHERE tenant_id = $1"


class Catalog:
    """The ids of what the plan numbers."""

    def __init__(self, database: Database, act: Act) -> None:
        self._database = database
        self._begin = beginning(database, SqlCatalogWork)
        self._act = act
        self.products: list[UUID] = []
        self.locations: list[UUID] = []
        self.bins: list[UUID] = []
        self.reasons: dict[str, UUID] = {}

    async def make(self, plan: Plan) -> None:
        """Make it all in one transaction, unless an earlier load did; then learn the ids."""
        tenant_id = self._act.tenant_id
        async with self._database.bound(tenant_id) as driver:
            is_made = await driver.fetchval(IS_MADE, tenant_id)
        if not is_made:
            async with self._begin(self._act) as work:
                await self._make_products(work, plan)
                await self._make_places(work, plan)
        async with self._database.bound(tenant_id) as driver:
            by_sku = dict(await driver.fetch(PRODUCTS, tenant_id))
            by_code = dict(await driver.fetch(LOCATION_IDS, tenant_id))
            in_location = {(row[0], row[1]): row[2] for row in await driver.fetch(BINS, tenant_id)}
            self.reasons = dict(await driver.fetch(REASONS, tenant_id))
        self.products = [by_sku[product.sku] for product in plan.assortment.products]
        self.locations = [by_code[site.code] for site in LOCATIONS]
        self.bins = [in_location[self.locations[place.location], place.code] for place in plan.shelving.bins]

    async def make_lots(self, lots: Sequence[Lot]) -> list[UUID]:
        """The ids of these lots, in their order; those that are there already stay."""
        if not lots:
            return []
        wanted = [
            NewLot(
                product_id=self.products[lot.product],
                number=lot.number,
                expires_on=lot.expires,
                manufactured_on=lot.made,
            )
            for lot in lots
        ]
        async with self._begin(self._act) as work:
            known = await work.ensure_lots(wanted)
        return [known[lot.key].id for lot in wanted]

    async def _make_products(self, work: SqlCatalogWork, plan: Plan) -> None:
        act, products = self._act, plan.assortment.products
        each, case = await create_uoms_many(work, act=act, uoms=[EACH, CASE])
        kinds = (*CATEGORIES, OTHER)
        categories = dict(
            zip(
                [kind.code for kind in kinds],
                await create_categories_many(
                    work, act=act, categories=[Category(code=kind.code, name=kind.name) for kind in kinds]
                ),
                strict=True,
            )
        )
        ids = await create_products_many(
            work,
            act=act,
            products=[
                Product(
                    sku=product.sku,
                    name=product.name,
                    category_id=categories[product.category],
                    uom_id=each,
                    unit_cost=Decimal(product.cost_mils or 0) / 1000,
                    is_lot_controlled=product.has_lots,
                    is_expiry_required=product.has_lots,
                    shelf_life_days=product.shelf_life_days,
                )
                for product in products
            ],
        )
        await create_conversions_many(
            work,
            act=act,
            conversions=[
                Conversion(product_id=id_, from_uom_id=case, to_uom_id=each, factor=Decimal(product.case_size))
                for id_, product in zip(ids, products, strict=True)
            ],
        )

    async def _make_places(self, work: SqlCatalogWork, plan: Plan) -> None:
        act, shelving = self._act, plan.shelving
        sites = [
            Location(
                code=site.code,
                name=site.name,
                type=LocationType(site.kind),
                time_zone=site.time_zone,
                capabilities=DEFAULT_CAPABILITIES[LocationType(site.kind)],
            )
            for site in LOCATIONS
        ]
        locations = await create_locations_many(work, act=act, locations=sites)
        areas = await create_areas_many(
            work,
            act=act,
            areas=[
                Area(location_id=locations[area.location], code=area.code, name=area.name)
                for area in shelving.areas
            ],
        )
        named = {(area.location, area.code): id_ for area, id_ in zip(shelving.areas, areas, strict=True)}
        bins = [
            Bin(
                location_id=locations[place.location],
                area_id=named[place.location, place.area],
                code=place.code,
                name=place.code,
                type=BinType(place.type),
                zone=place.area,
                walk_order=place.order,
            )
            for place in shelving.bins
        ]
        await create_bins_many(work, act=act, bins=bins)
