"""Products, their categories, and the levels that a planner wants to keep of them."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from domain.access.model import Act
from domain.catalog.model import Category, Product, StockLevels
from domain.catalog.ports import CatalogWork, LevelKey
from domain.catalog.rules import (
    checked,
    checked_all,
    level_problems,
    no_problems,
    product_problems,
    require_everywhere,
)
from domain.catalog.service import (
    Changes,
    added,
    added_many,
    changed,
    facts_of,
    locked,
    removed,
    replaced,
    told_of,
    told_of_many,
)
from domain.catalog.views import CategoryView, ProductView, StockLevelsView
from domain.errors import DomainError, FieldError, Reason
from domain.expiry.model import NewLot
from domain.values import new_id

CATEGORY, PRODUCT = "category", "product"


async def create_product(work: CatalogWork, *, act: Act, product: Product) -> ProductView:
    """Create a product; one without lot control gets its default lot."""
    require_everywhere(act)
    product = checked(product, product_problems)
    id_ = new_id()
    await work.products.add({id_: product})
    await _default_lots(work, {id_: product})
    return await told_of(work, work.products, PRODUCT, id_, product)


async def create_products_many(
    work: CatalogWork, *, act: Act, products: Sequence[Product], at: str = "products"
) -> Sequence[UUID]:
    """Create thousands of products by the same rules; their ids, in their order. Three statements."""
    require_everywhere(act)
    if not products:
        return ()
    rows = {new_id(): product for product in checked_all(products, product_problems, at=at)}
    await work.products.add(rows)
    await _default_lots(work, rows)
    await told_of_many(work, PRODUCT, tuple(rows))
    return tuple(rows)


async def change_product(
    work: CatalogWork, *, act: Act, product_id: UUID, changes: Changes, expected_version: int | None
) -> ProductView:
    """Change a product.

    Lot control is switched on only while nothing is on hand without a lot number, and off only while nothing is
    on hand under one. A posting under way may still come in on the other side: its stock shows there under its
    lot, and a lot correction moves it.
    """
    require_everywhere(act)
    stored = await locked(work.products, PRODUCT, product_id, expected_version=expected_version)
    product = checked(replaced(stored.facts, changes), product_problems)
    if product.is_lot_controlled != stored.facts.is_lot_controlled:
        await _switch_lot_control(work, product_id, on=product.is_lot_controlled)
    return await changed(work, work.products, PRODUCT, stored, product)


async def delete_product(
    work: CatalogWork, *, act: Act, product_id: UUID, expected_version: int | None = None
) -> None:
    require_everywhere(act)
    stored = await locked(work.products, PRODUCT, product_id, expected_version=expected_version)
    await removed(work, work.products, PRODUCT, stored)


async def put_levels(
    work: CatalogWork,
    *,
    act: Act,
    product_id: UUID,
    location_id: UUID,
    levels: StockLevels,
    expected_version: int | None,
) -> StockLevelsView:
    """Set what a planner wants to have of a product at a location. Three statements."""
    act.caller.require_location(act.permission, location_id)
    levels = checked(levels, level_problems)
    if levels.source_location_id == location_id:
        raise FieldError(("sourceLocationId", "must be another location"))
    actual = await work.lock_levels(product_id, location_id)
    if expected_version is not None and expected_version != actual:
        message = "The levels have been changed since you read them"
        raise DomainError(Reason.STALE_VERSION, message, expected=expected_version, actual=actual)
    (view,) = await work.put_levels({(product_id, location_id): levels})
    payload = {
        "productMasterId": product_id,
        "locationId": location_id,
        "version": view.version,
        **facts_of(levels),
    }
    await work.record("catalog.levels.set.v1", PRODUCT, product_id, payload, locations=[location_id])
    return view


async def put_levels_many(
    work: CatalogWork, *, act: Act, levels: Mapping[LevelKey, StockLevels], at: str = "levels"
) -> None:
    """Set the levels of thousands of products at locations by the same rules, in one statement and one event."""
    if not levels:
        return
    locations = sorted({location_id for _, location_id in levels})
    for location_id in locations:
        act.caller.require_location(act.permission, location_id)
    clean = dict(zip(levels, checked_all(list(levels.values()), level_problems, at=at), strict=True))
    for n, ((_, location_id), one) in enumerate(clean.items()):
        if one.source_location_id == location_id:
            raise FieldError((f"{at}[{n}].sourceLocationId", "must be another location"))
    await work.put_levels(clean)
    batch = new_id()
    payload = {"batch": batch, "count": len(clean), "ids": sorted({product_id for product_id, _ in clean})}
    await work.record("catalog.levels.batch_set.v1", "levels_batch", batch, payload, locations=locations)


async def create_category(work: CatalogWork, *, act: Act, category: Category) -> CategoryView:
    require_everywhere(act)
    return await added(work, work.categories, CATEGORY, checked(category, no_problems))


async def create_categories_many(
    work: CatalogWork, *, act: Act, categories: Sequence[Category], at: str = "categories"
) -> Sequence[UUID]:
    require_everywhere(act)
    return await added_many(work, work.categories, CATEGORY, checked_all(categories, no_problems, at=at))


async def change_category(
    work: CatalogWork, *, act: Act, category_id: UUID, changes: Changes, expected_version: int | None
) -> CategoryView:
    """Change a category; one that moves may not come to stand below itself."""
    require_everywhere(act)
    stored = await locked(work.categories, CATEGORY, category_id, expected_version=expected_version)
    category = checked(replaced(stored.facts, changes), no_problems)
    moves = category.parent_id != stored.facts.parent_id
    if moves and category.parent_id is not None and category_id in await work.category_path(category.parent_id):
        raise FieldError(("parentId", "is the category itself or stands below it"))
    return await changed(work, work.categories, CATEGORY, stored, category)


async def delete_category(
    work: CatalogWork, *, act: Act, category_id: UUID, expected_version: int | None = None
) -> None:
    require_everywhere(act)
    stored = await locked(work.categories, CATEGORY, category_id, expected_version=expected_version)
    await removed(work, work.categories, CATEGORY, stored)


async def _default_lots(work: CatalogWork, products: dict[UUID, Product]) -> None:
    """Stock without a lot number is kept in a lot too: rows, never nulls."""
    controlled = {id_ for id_, product in products.items() if product.is_lot_controlled}
    if controlled and not (await work.tenant_settings()).lot_control:
        controlled = set()
    lots = [NewLot(product_id=id_, number="") for id_ in products if id_ not in controlled]
    if lots:
        await work.ensure_lots(lots)


async def _switch_lot_control(work: CatalogWork, product_id: UUID, *, on: bool) -> None:
    if on and not (await work.tenant_settings()).lot_control:
        return  # nobody has to name a lot: the default one stays
    stock = await work.lot_stock(product_id)
    wrong = stock.unnumbered if on else stock.numbered
    if wrong:
        kind = "without a lot number" if on else "in numbered lots"
        message = f"{wrong} on hand {kind}: lot control can be switched {'on' if on else 'off'} when it is gone"
        raise DomainError(Reason.IN_USE, message, usedBy={"stockLines": wrong})
    if on:
        await work.retire_default_lot(product_id)
    else:
        await work.make_default_lot(product_id)
