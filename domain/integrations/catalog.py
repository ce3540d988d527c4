"""Places and products on the integrations surface: the catalog's own acts under codes instead of ids."""

from collections.abc import Sequence
from decimal import Decimal
from uuid import UUID

import msgspec

from domain.access.model import Act
from domain.catalog.model import Bin, Location, LocationType, Product
from domain.catalog.places import change_bin, change_location, create_bin, create_location
from domain.catalog.products import change_product, create_product
from domain.catalog.rules import DEFAULT_CAPABILITIES, capabilities
from domain.catalog.service import Changes
from domain.errors import DomainError, FieldError, Reason
from domain.integrations.ports import CodedWork
from domain.integrations.views import PlaceView, ProductRecord


class NewPlace(msgspec.Struct, frozen=True, kw_only=True):
    """A location of its own, or with `parent_code` a bin of that location."""

    code: str
    name: str
    zone: str | None = None
    parent_code: str | None = None


class NewProduct(msgspec.Struct, frozen=True, kw_only=True):
    sku: str
    name: str
    unit: str | None = None
    cost: Decimal = Decimal(0)
    barcode: str | None = None
    is_active: bool = True


def one_place(found: Sequence[PlaceView]) -> PlaceView:
    """The one place that a code names.

    Raises:
        DomainError: NOT_FOUND, there is none, or several are called so.
    """
    if len(found) == 1:
        return found[0]
    if found:
        several = ", ".join(place.code for place in found[:3])
        raise DomainError(Reason.NOT_FOUND, f"Location code is ambiguous: it may be {several}")
    raise DomainError(Reason.NOT_FOUND, "Location not found")


def one_product(found: ProductRecord | None) -> ProductRecord:
    if found is None:
        raise DomainError(Reason.NOT_FOUND, "Product not found")
    return found


async def add_place(work: CodedWork, *, act: Act, place: NewPlace) -> PlaceView:
    """Make a place.

    Raises:
        DomainError: DUPLICATE, a place is called so already; NOT_FOUND, the parent.
    """
    if await work.places_called(place.code):
        raise DomainError(Reason.DUPLICATE, "There is a location with this code already", field="code")
    if place.parent_code is None:
        location = Location(
            code=place.code,
            name=place.name,
            type=LocationType.WAREHOUSE,
            time_zone="",
            capabilities=capabilities(DEFAULT_CAPABILITIES[LocationType.WAREHOUSE]),
        )
        made = await create_location(work, act=act, location=location)
        if place.zone is not None:
            await change_bin(
                work, act=act, bin_id=made.default_bin_id, changes={"zone": place.zone}, expected_version=None
            )
        return one_place(await work.places_called(place.code))
    parent = one_place(await work.places_called(place.parent_code))
    if parent.parent_code is not None:
        raise FieldError(("parent_code", "must be the code of a location, not of a bin"))
    location_id = await _location_of(work, parent)
    bin_ = Bin(location_id=location_id, code=place.code, name=place.name, zone=place.zone)
    await create_bin(work, act=act, place=bin_)
    return one_place(await work.places_called(place.code))


async def change_place(work: CodedWork, *, act: Act, code: str, changes: Changes) -> PlaceView:
    """Change what a place is called, where it is, or whether it is in use."""
    place = one_place(await work.places_called(code))
    of_bin, of_location = dict(changes), dict[str, object]()
    if place.parent_code is None:  # a location: but for its zone, what is said of its default bin is said of it
        of_bin = {name: value for name, value in changes.items() if name == "zone"}
        of_location = {name: value for name, value in changes.items() if name != "zone"}
    if of_bin:
        await change_bin(work, act=act, bin_id=place.id, changes=of_bin, expected_version=None)
    if of_location:
        await change_location(
            work,
            act=act,
            location_id=await _location_of(work, place),
            changes=of_location,
            expected_version=None,
        )
    return one_place(await work.places_called(code))


async def add_product(work: CodedWork, *, act: Act, product: NewProduct) -> ProductRecord:
    unit = await work.unit_called(product.unit)
    if unit is None:
        message = "is not known" if product.unit is not None else "is required: the company has no unit yet"
        raise FieldError(("unit", message))
    facts = Product(
        sku=product.sku,
        name=product.name,
        uom_id=unit,
        unit_cost=product.cost,
        barcode=product.barcode,
        is_active=product.is_active,
    )
    made = await create_product(work, act=act, product=facts)
    return one_product(await work.product_called(made.sku))


async def change_product_called(work: CodedWork, *, act: Act, sku: str, changes: Changes) -> ProductRecord:
    product = one_product(await work.product_called(sku))
    await change_product(work, act=act, product_id=product.id, changes=changes, expected_version=None)
    return one_product(await work.product_called(sku))


async def _location_of(work: CodedWork, place: PlaceView) -> UUID:
    stored = await work.bins.lock(place.id)
    if stored is None:
        raise DomainError(Reason.NOT_FOUND, "Location not found")
    return stored.facts.location_id
