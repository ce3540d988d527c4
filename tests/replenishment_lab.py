"""What tests of replenishment are built from."""

from decimal import Decimal
from typing import Any

from domain.replenishment.model import Facts, Method, SafetyMethod, Source
from domain.values import new_id

DAYS = 90
_NUMBERS = {
    "min_qty",
    "reorder_qty",
    "max_qty",
    "safety_stock",
    "order_multiple",
    "min_order_qty",
    "available",
    "inbound",
    "planned",
}


def some_facts(**given: Any) -> Facts:
    """A product of whole units with nothing in stock, nothing used and nothing configured but what is given.

    What was used was so much each day, unless more is said.
    """
    zero = Decimal(0)
    used = float(given.get("used", 0))
    usual: dict[str, Any] = {
        "product_id": new_id(),
        "sku": "SKU",
        "name": "Product",
        "uom": "EA",
        "decimals": 0,
        "method": Method.MIN_MAX,
        "min_qty": None,
        "reorder_qty": None,
        "max_qty": None,
        "safety_method": SafetyMethod.GIVEN,
        "safety_stock": zero,
        "service_level": None,
        "lead_time_days": None,
        "lead_time_sd_days": None,
        "review_days": None,
        "order_multiple": None,
        "min_order_qty": None,
        "order_cost": None,
        "holding_cost": None,
        "source": Source.SUPPLIER,
        "source_location_id": None,
        "supplier": None,
        "on_hand": zero,
        "blocked": zero,
        "expired": zero,
        "held": zero,
        "reserved": zero,
        "available": zero,
        "inbound": zero,
        "overdue": zero,
        "planned": zero,
        "used": used,
        "used_squares": used * used / DAYS,
        "used_days": DAYS if used else 0,
    }
    exact = {
        name: Decimal(str(value)) if name in _NUMBERS and value is not None else value
        for name, value in given.items()
    }
    return Facts(**(usual | exact))
