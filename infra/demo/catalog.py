"""The plan's products, places and lots in the demo tenant, made by the catalog's own services."""

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

from domain.access.model import Act
from domain.catalog.measures import create_conversions_many, create_uoms_many
from domain.catalog.model import (
    AbcClass,
    Area,
    Bin,
    BinType,
    Category,
    Conversion,
    Location,
    LocationType,
    Product,
    StockLevels,
    Uom,
)
from domain.catalog.places import create_areas_many, create_bins_many, create_locations_many
from domain.catalog.products import create_categories_many, create_products_many, put_levels
from domain.catalog.rules import DEFAULT_CAPABILITIES
from domain.expiry.model import NewLot
from infra.catalog.repository import SqlCatalogWork
from infra.db.pool import Database
from infra.db.work import beginning
from infra.demo.naming import CATEGORIES, OTHER
from infra.demo.places import DC, LOCATIONS
from infra.demo.plan import Plan
from infra.demo.stock import Lot

EACH, CASE = Uom(code="EA", name="Each"), Uom(code="CASE", name="Case")
IS_MADE = "SELECT EXISTS (SELECT 1 FROM locations WHERE tenant_id = $1)"
PRODUCTS = "SELECT sku, id FROM products WHERE tenant_id = $1"
PLACES = "SELECT code, id FROM locations WHERE tenant_id = $1"
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
        """Make it all in one transaction, or find what an earlier load made."""
        tenant_id = self._act.tenant_id
        async with self._database.bound(tenant_id) as driver:
            self.reasons = dict(await driver.fetch(REASONS, tenant_id))
            is_made = await driver.fetchval(IS_MADE, tenant_id)
        if is_made:
            await self._find(plan)
            return
        async with self._begin(self._act) as work:
            await self._make_products(work, plan)
            await self._make_places(work, plan)
            await self._set_levels(work, plan)

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

    async def _find(self, plan: Plan) -> None:
        tenant_id = self._act.tenant_id
        async with self._database.bound(tenant_id) as driver:
            products = dict(await driver.fetch(PRODUCTS, tenant_id))
            places = dict(await driver.fetch(PLACES, tenant_id))
            bins = {(place, code): id_ for place, code, id_ in await driver.fetch(BINS, tenant_id)}
        self.products = [products[product.sku] for product in plan.assortment.products]
        self.locations = [places[site.code] for site in LOCATIONS]
        self.bins = [bins[self.locations[place.location], place.code] for place in plan.shelving.bins]

    async def _make_products(self, work: SqlCatalogWork, plan: Plan) -> None:
        act, products = self._act, plan.assortment.products
        each, case = await create_uoms_many(work, act=act, uoms=[EACH, CASE])
        kinds = [Category(code=kind.code, name=kind.name) for kind in (*CATEGORIES, OTHER)]
        made = await create_categories_many(work, act=act, categories=kinds)
        categories = {kind.code: id_ for kind, id_ in zip(kinds, made, strict=True)}
        self.products += await create_products_many(
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
                for id_, product in zip(self.products, products, strict=True)
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
        self.locations += await create_locations_many(work, act=act, locations=sites)
        areas = await create_areas_many(
            work,
            act=act,
            areas=[
                Area(location_id=self.locations[area.location], code=area.code, name=area.name)
                for area in shelving.areas
            ],
        )
        named = {(area.location, area.code): id_ for area, id_ in zip(shelving.areas, areas, strict=True)}
        self.bins += await create_bins_many(
            work,
            act=act,
            bins=[
                Bin(
                    location_id=self.locations[place.location],
                    area_id=named[place.location, place.area],
                    code=place.code,
                    name=place.code,
                    type=BinType(place.type),
                    zone=place.area,
                    walk_order=place.order,
                )
                for place in shelving.bins
            ],
        )

    async def _set_levels(self, work: SqlCatalogWork, plan: Plan) -> None:
        """The reorder rule that feeds the most valuable products, where a planner looks for it."""
        for number, product in enumerate(plan.assortment.products):
            if product.abc != AbcClass.A:
                continue
            level, pick_bin = plan.restock.level(number, DC), plan.shelving.pick_bin[DC][number]
            await put_levels(
                work,
                act=self._act,
                product_id=self.products[number],
                location_id=self.locations[DC],
                levels=StockLevels(
                    reorder_qty=Decimal(level.low),
                    max_qty=Decimal(level.full),
                    preferred_bin_id=None if pick_bin is None else self.bins[pick_bin],
                    lead_time_days=plan.restock.lead_days(number),
                    abc_class=AbcClass.A,
                ),
                expected_version=None,
            )
