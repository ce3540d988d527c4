"""A product's levels and stock at each location: `/api/products/{id}/inventory-levels`."""

from collections.abc import Sequence
from uuid import UUID

from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import FromHeader, FromPath, SkipValidation

from app.http.headers import MinPosition, at_position
from app.http.routes import route
from app.http.wire import Json
from domain.access.model import Act, Permission, Scope
from domain.errors import Reason, not_found
from domain.ledger.reading import ProductLevels, StockReader


class LevelController(Controller):
    path = "/api/products"
    tags: Sequence[str] | None = ("Inventory",)

    @route(
        "GET",
        "/{product_id:uuid}/inventory-levels",
        operation="getProductInventoryLevels",
        summary="Get product inventory levels",
        permissions=(Permission.PRODUCTS_READ, Permission.INVENTORY_READ),
        description="Each location that has the product or sets levels for it, where you may look at both. "
        "`status` is the worst that is true of what is on hand: out of stock, below the minimum, down to the "
        "reorder point, above the maximum.",
        errors=[Reason.NOT_FOUND],
    )
    async def levels(
        self,
        *,
        product_id: FromPath[UUID],
        act: NamedDependency[SkipValidation[Act]],
        stock: NamedDependency[SkipValidation[StockReader]],
        x_min_ledger_position: FromHeader[MinPosition] = None,
    ) -> Json[ProductLevels]:
        found = await stock.levels(act.tenant_id, _both(act), product_id)
        if found is None:
            raise not_found("product")
        return at_position(found.rows[0], found.position, x_min_ledger_position)


def _both(act: Act) -> Scope:
    """Where the caller holds both permissions."""
    products = act.caller.scope(Permission.PRODUCTS_READ)
    inventory = act.caller.scope(Permission.INVENTORY_READ)
    if products is None or inventory is None:
        return inventory if products is None else products
    return products & inventory
