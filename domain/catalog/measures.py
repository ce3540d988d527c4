"""Units of measure, and what one is of another."""

from collections.abc import Sequence
from fractions import Fraction
from uuid import UUID

from domain.access.model import Act
from domain.catalog.model import Conversion, Uom
from domain.catalog.ports import CatalogWork
from domain.catalog.rules import checked, checked_all, conversion_problems, require_everywhere, uom_problems
from domain.catalog.service import Changes, added, added_many, changed, locked, removed, replaced
from domain.catalog.units import factor_between
from domain.catalog.views import ConversionView, UomView
from domain.errors import DomainError, FieldError, Reason

CONVERSION, UOM = "conversion", "uom"


async def create_uom(work: CatalogWork, *, act: Act, uom: Uom) -> UomView:
    require_everywhere(act)
    return await added(work, work.uoms, UOM, checked(uom, uom_problems))


async def create_uoms_many(
    work: CatalogWork, *, act: Act, uoms: Sequence[Uom], at: str = "uoms"
) -> Sequence[UUID]:
    require_everywhere(act)
    return await added_many(work, work.uoms, UOM, checked_all(uoms, uom_problems, at=at))


async def change_uom(
    work: CatalogWork, *, act: Act, uom_id: UUID, changes: Changes, expected_version: int | None
) -> UomView:
    require_everywhere(act)
    stored = await locked(work.uoms, UOM, uom_id, expected_version=expected_version)
    return await changed(work, work.uoms, UOM, stored, checked(replaced(stored.facts, changes), uom_problems))


async def delete_uom(work: CatalogWork, *, act: Act, uom_id: UUID, expected_version: int | None = None) -> None:
    require_everywhere(act)
    stored = await locked(work.uoms, UOM, uom_id, expected_version=expected_version)
    await removed(work, work.uoms, UOM, stored)


async def create_conversion(work: CatalogWork, *, act: Act, conversion: Conversion) -> ConversionView:
    """Say what one of a unit is of another, once for each two units and never against what was said before."""
    require_everywhere(act)
    conversion = checked(conversion, conversion_problems)
    _require_agreement(conversion, others=await work.conversions_for(conversion.product_id))
    return await added(work, work.conversions, CONVERSION, conversion)


async def create_conversions_many(
    work: CatalogWork, *, act: Act, conversions: Sequence[Conversion], at: str = "conversions"
) -> Sequence[UUID]:
    """Create the first conversions of products, thousands at once.

    Whether each agrees with others of its product is not looked up: what is contradictory must come singly.
    """
    require_everywhere(act)
    clean = checked_all(conversions, conversion_problems, at=at)
    seen: set[object] = set()
    for n, one in enumerate(clean):
        pair = (one.product_id, frozenset((one.from_uom_id, one.to_uom_id)))
        if pair in seen:
            raise FieldError((f"{at}[{n}].toUomId", "a conversion between these units stands above already"))
        seen.add(pair)
    return await added_many(work, work.conversions, CONVERSION, clean)


async def change_conversion(
    work: CatalogWork, *, act: Act, conversion_id: UUID, changes: Changes, expected_version: int | None
) -> ConversionView:
    """Correct a conversion's factor."""
    require_everywhere(act)
    stored = await locked(work.conversions, CONVERSION, conversion_id, expected_version=expected_version)
    conversion = checked(replaced(stored.facts, changes), conversion_problems)
    others = [
        one
        for one in await work.conversions_for(conversion.product_id)
        if (one.from_uom_id, one.to_uom_id) != (conversion.from_uom_id, conversion.to_uom_id)
    ]
    _require_agreement(conversion, others=others)
    return await changed(work, work.conversions, CONVERSION, stored, conversion)


async def delete_conversion(
    work: CatalogWork, *, act: Act, conversion_id: UUID, expected_version: int | None = None
) -> None:
    require_everywhere(act)
    stored = await locked(work.conversions, CONVERSION, conversion_id, expected_version=expected_version)
    await removed(work, work.conversions, CONVERSION, stored)


def _require_agreement(conversion: Conversion, *, others: Sequence[Conversion]) -> None:
    """Refuse a second conversion between two units, and one that a way over others contradicts."""
    pair = {conversion.from_uom_id, conversion.to_uom_id}
    if any({one.from_uom_id, one.to_uom_id} == pair for one in others):
        message = "There is a conversion between these units already; change its factor instead"
        raise DomainError(Reason.DUPLICATE, message, field="toUomId")
    known = factor_between(
        conversion.from_uom_id,
        conversion.to_uom_id,
        product_id=conversion.product_id,
        conversions=others,
    )
    if known is not None and known != Fraction(conversion.factor):
        message = f"contradicts the other conversions, by which it is {float(known):g}"
        raise FieldError(("factor", message))
