"""Lots: put on record before their stock comes, corrected, taken out of use."""

from collections.abc import Sequence
from uuid import UUID

from domain.access.model import Act
from domain.catalog.model import Lot
from domain.catalog.ports import CatalogWork
from domain.catalog.rules import checked, checked_all, lot_problems, require_everywhere
from domain.catalog.service import Changes, added, added_many, changed, locked, removed, replaced
from domain.catalog.views import LotView
from domain.errors import DomainError, Reason, not_found
from domain.expiry.model import LotPolicy, LotStatus

LOT = "lot"
_IN_AND_OUT_OF_USE = {LotStatus.ACTIVE, LotStatus.INACTIVE}


async def create_lot(work: CatalogWork, *, act: Act, lot: Lot) -> LotView:
    require_everywhere(act)
    policy = await _policy(work, lot.product_id)
    return await added(work, work.lots, LOT, checked(lot, lambda clean: lot_problems(clean, policy)))


async def create_lots_many(
    work: CatalogWork, *, act: Act, lots: Sequence[Lot], at: str = "lots"
) -> Sequence[UUID]:
    """Create thousands of lots by the same rules; their ids, in their order. Three statements."""
    require_everywhere(act)
    policies = (await work.lot_facts({(lot.product_id, "") for lot in lots})).policies
    for n, lot in enumerate(lots):
        if lot.product_id not in policies:
            raise not_found("product", field=f"{at}[{n}].productMasterId")
    clean = checked_all(lots, lambda lot: lot_problems(lot, policies[lot.product_id]), at=at)
    return await added_many(work, work.lots, LOT, clean)


async def change_lot(
    work: CatalogWork, *, act: Act, lot_id: UUID, changes: Changes, expected_version: int | None
) -> LotView:
    """Correct a lot as a whole, or take it out of use and back.

    That it expired or is recalled is for the acts that say so to decide, here it can be neither set nor unset.
    """
    require_everywhere(act)
    stored = await locked(work.lots, LOT, lot_id, expected_version=expected_version)
    before = stored.facts
    if before.is_default:
        raise DomainError(Reason.IN_USE, "The default lot of a product follows its product and cannot be changed")
    lot = replaced(before, changes)
    if lot.status != before.status and not {lot.status, before.status} <= _IN_AND_OUT_OF_USE:
        message = f"The lot is {before.status}, which is not changed here"
        raise DomainError(Reason.INVALID_TRANSITION, message, state=before.status, allowedActions=())
    policy = await _policy(work, lot.product_id)
    lot = checked(lot, lambda clean: lot_problems(clean, policy, before=before))
    return await changed(work, work.lots, LOT, stored, lot)


async def delete_lot(work: CatalogWork, *, act: Act, lot_id: UUID, expected_version: int | None = None) -> None:
    require_everywhere(act)
    stored = await locked(work.lots, LOT, lot_id, expected_version=expected_version)
    if stored.facts.is_default:
        raise DomainError(Reason.IN_USE, "The default lot of a product follows its product and cannot be deleted")
    await removed(work, work.lots, LOT, stored)


async def _policy(work: CatalogWork, product_id: UUID) -> LotPolicy:
    policy = (await work.lot_facts([(product_id, "")])).policies.get(product_id)
    if policy is None:
        raise not_found("product", field="productMasterId")
    return policy
