"""What may become of stock that is past its date: the rules by themselves."""

from datetime import date, timedelta
from decimal import Decimal

import msgspec
import pytest

from domain.expiry.destruction import DestructionAction, DestructionState, allowed_actions
from domain.expiry.disposal import ExpiringStock, marked_quantity, shortage_of
from domain.expiry.model import Code, KnownLot, LotPolicy, LotStatus
from domain.expiry.rules import validate_incoming
from domain.ledger.places import Place
from domain.values import new_id

TODAY = date(2026, 11, 22)
TEN, FOUR, ZERO = Decimal(10), Decimal(4), Decimal(0)


def a_line(*, expires_in: int | None = -1) -> ExpiringStock:
    expires_on = None if expires_in is None else TODAY + timedelta(days=expires_in)
    return ExpiringStock(
        line_id=new_id(),
        product_id=new_id(),
        sku="MILK",
        unit_cost=Decimal(1),
        location_id=new_id(),
        today=TODAY,
        place=Place(bin_id=new_id(), bin_code="A", lot_id=new_id(), lot_number="1", expires_on=expires_on),
        on_hand=TEN,
        reserved=ZERO,
        is_marked=False,
        marked_part=ZERO,
        held_otherwise=ZERO,
    )


@pytest.mark.parametrize(("expires_in", "expired"), [(-1, True), (0, False), (1, False), (None, False)])
def test_stock_is_good_through_its_expiry_day(expires_in: int | None, *, expired: bool) -> None:
    assert a_line(expires_in=expires_in).is_expired is expired


def test_no_more_is_marked_than_there_is() -> None:
    line = a_line()

    assert marked_quantity(line) == 0
    assert marked_quantity(msgspec.structs.replace(line, marked_part=FOUR)) == 4
    assert marked_quantity(msgspec.structs.replace(line, marked_part=Decimal(40))) == 10
    assert marked_quantity(msgspec.structs.replace(line, marked_part=FOUR, is_marked=True)) == 10


@pytest.mark.parametrize(("reserved", "left", "short"), [(0, 0, None), (4, 4, None), (4, 3, 1), (4, 0, 4)])
def test_what_is_reserved_beyond_what_is_left_is_short(reserved: int, left: int, short: int | None) -> None:
    found = shortage_of(new_id(), reserved=Decimal(reserved), left=Decimal(left))

    assert (found and found.shortage) == short


def test_only_what_is_pending_can_be_decided() -> None:
    assert allowed_actions(DestructionState.PENDING) == [DestructionAction.CANCEL, DestructionAction.DESTROY]
    assert allowed_actions(DestructionState.DESTROYED) == []
    assert allowed_actions(DestructionState.CANCELED) == []


@pytest.mark.parametrize("status", [LotStatus.ACTIVE, LotStatus.RECALLED])
def test_stock_of_a_held_lot_may_come_in_with_a_warning(status: LotStatus) -> None:
    product = LotPolicy(product_id=new_id(), sku="MILK", is_lot_controlled=True)
    lot = KnownLot(
        id=new_id(), product_id=product.product_id, number="1", expires_on=None, status=status, is_held=True
    )

    found = validate_incoming(product, lot_number="1", expires_on=None, existing=lot, today=TODAY)

    assert found.errors == ()
    assert [warning.code for warning in found.warnings] == [Code.LOT_ON_HOLD]
