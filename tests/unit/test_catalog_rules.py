"""The rules of the catalog, one thing at a time and many at once."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from domain.catalog.model import Bin, Category, Conversion, Location, LocationType, Lot, Product, StockLevels, Uom
from domain.catalog.rules import (
    PROBLEMS_MAX,
    bin_problems,
    checked,
    checked_all,
    conversion_problems,
    is_time_zone,
    level_problems,
    location_problems,
    lot_problems,
    no_problems,
    product_problems,
    uom_problems,
)
from domain.errors import FieldError
from domain.expiry.model import LotPolicy, LotStatus

ID, OTHER = UUID(int=1), UUID(int=2)


def a_product(**facts: Any) -> Product:
    return Product(**{"sku": "TEA", "name": "Tea", "uom_id": ID, **facts})


def a_bin(**facts: Any) -> Bin:
    return Bin(**{"location_id": ID, "code": "A-1", "name": "A-1", **facts})


def a_lot(**facts: Any) -> Lot:
    return Lot(**{"product_id": ID, "number": "L-0001", **facts})


def paths(problems: Any) -> list[str]:
    return [path for path, _ in problems]


PRODUCTS = {
    "a plain product": ({}, []),
    "a cost of nothing": ({"unit_cost": Decimal(0)}, []),
    "a negative cost": ({"unit_cost": Decimal("-0.01")}, ["unitCost"]),
    "a cost with five places": ({"unit_cost": Decimal("0.00001")}, ["unitCost"]),
    "a cost that is no number": ({"unit_cost": Decimal("NaN")}, ["unitCost"]),
    "a cost of 15 digits": ({"unit_cost": Decimal("1E14")}, ["unitCost"]),
    "a cost that would take long to expand": ({"unit_cost": Decimal("1E+1000000")}, ["unitCost"]),
    "a day too long": ({"shelf_life_days": 36_501}, ["shelfLifeDays"]),
    "days below nothing": ({"expiry_warning_days": -1}, ["expiryWarningDays"]),
    "expiry without lots": ({"is_expiry_required": True}, ["isExpiryRequired"]),
    "expiry with lots": ({"is_expiry_required": True, "is_lot_controlled": True}, []),
    "too short from the start": (
        {"shelf_life_days": 30, "min_remaining_shelf_life_days": 31},
        ["minRemainingShelfLifeDays"],
    ),
    "a pattern that is none": ({"lot_pattern": "(a"}, ["lotPattern"]),
    "all of it at once": (
        {"unit_cost": Decimal(-1), "is_expiry_required": True, "lot_pattern": "\\1"},
        ["unitCost", "isExpiryRequired", "lotPattern"],
    ),
}


@pytest.mark.parametrize("case", PRODUCTS.values(), ids=PRODUCTS.keys())
def test_a_product_is_told_all_that_is_wrong_with_it(case: tuple[dict[str, Any], list[str]]) -> None:
    facts, wrong = case

    assert paths(product_problems(a_product(**facts))) == wrong


LEVELS = {
    "none": ({}, []),
    "in order": ({"min_qty": 1, "reorder_qty": 1, "max_qty": 2}, []),
    "reorder below min": ({"min_qty": 2, "reorder_qty": 1}, ["reorderQty"]),
    "max below reorder": ({"reorder_qty": 3, "max_qty": 2}, ["maxQty"]),
    "max below min, nothing between": ({"min_qty": 3, "max_qty": 2}, ["maxQty"]),
    "below zero": ({"safety_stock": Decimal(-1)}, ["safetyStock"]),
    "too long a way": ({"lead_time_days": 40_000}, ["leadTimeDays"]),
}


@pytest.mark.parametrize("case", LEVELS.values(), ids=LEVELS.keys())
def test_levels_rise_from_the_minimum_to_the_maximum(case: tuple[dict[str, Any], list[str]]) -> None:
    facts, wrong = case
    exact: dict[str, Any] = {name: Decimal(v) if name.endswith("qty") else v for name, v in facts.items()}
    levels = StockLevels(**exact)

    assert paths(level_problems(levels)) == wrong


@pytest.mark.parametrize("zone", ["Europe/London", "UTC", "America/Argentina/Ushuaia"])
def test_a_time_zone_of_the_iana_database_is_known(zone: str) -> None:
    assert is_time_zone(zone)


@pytest.mark.parametrize(
    "zone", ["Europe/Lundon", "europe/london", "../etc/passwd", "localtime", "Factory", "+01:00"]
)
def test_another_name_is_no_time_zone(zone: str) -> None:
    location = Location(code="X", name="X", type=LocationType.STORE, time_zone=zone)

    assert paths(location_problems(location)) == ["timeZone"]


def test_a_bin_has_a_place_on_the_way_and_room_for_something() -> None:
    assert paths(bin_problems(a_bin())) == []
    assert paths(bin_problems(a_bin(walk_order=-1, capacity_weight=Decimal(-1)))) == [
        "walkOrder",
        "capacityWeight",
    ]
    assert paths(bin_problems(a_bin(is_default=True, is_active=False))) == ["active"]


def test_a_unit_has_as_many_decimals_as_quantities_can_have() -> None:
    assert [paths(uom_problems(Uom(code="X", name="X", decimals=n))) for n in (-1, 0, 4, 5)] == [
        ["decimals"],
        [],
        [],
        ["decimals"],
    ]


@pytest.mark.parametrize(
    ("factor", "is_right"),
    [("12", True), ("0.000000001", True), ("999999999.999999999", True), ("0", False), ("-1", False)]
    + [(text, False) for text in ("1E9", "0.0000000001", "NaN", "Infinity", "1E+999999")],
)
def test_a_factor_is_greater_than_zero_and_exact(factor: str, *, is_right: bool) -> None:
    conversion = Conversion(from_uom_id=ID, to_uom_id=OTHER, factor=Decimal(factor))

    assert paths(conversion_problems(conversion)) == ([] if is_right else ["factor"])


def test_a_unit_converts_to_another_one() -> None:
    conversion = Conversion(from_uom_id=ID, to_uom_id=ID, factor=Decimal(1))

    assert paths(conversion_problems(conversion)) == ["toUomId"]


POLICY = LotPolicy(product_id=ID, sku="S", is_expiry_required=True, lot_pattern="L-[0-9]{4}")
LOTS: dict[str, tuple[dict[str, Any], Lot | None, list[str]]] = {
    "as it should be": ({"expires_on": date(2030, 1, 1)}, None, []),
    "long expired": ({"expires_on": date(1999, 1, 1)}, None, []),
    "off the pattern": ({"number": "X", "expires_on": date(2030, 1, 1)}, None, ["lotNumber"]),
    "without its expiry": ({}, None, ["expiryDate"]),
    "made after it expires": (
        {"expires_on": date(2030, 1, 1), "manufactured_on": date(2030, 1, 2)},
        None,
        ["expiryDate"],
    ),
    "off the pattern as it was": ({"number": "X", "expires_on": date(2030, 1, 1)}, a_lot(number="X"), []),
    "without its expiry as it was": ({"supplier_lot": "7"}, a_lot(), []),
    "expiry taken away": ({}, a_lot(expires_on=date(2030, 1, 1)), ["expiryDate"]),
}


@pytest.mark.parametrize("case", LOTS.values(), ids=LOTS.keys())
def test_a_lot_fits_its_product_and_is_asked_nothing_new_about_what_stays(
    case: tuple[dict[str, Any], Lot | None, list[str]],
) -> None:
    facts, before, wrong = case

    assert paths(lot_problems(a_lot(**facts, status=LotStatus.ACTIVE), POLICY, before=before)) == wrong


def test_texts_are_trimmed_and_normalised() -> None:
    clean = checked(Category(code=" CAFE ", name="Cafe\u0301"), no_problems)

    assert (clean.code, clean.name) == ("CAFE", "Caf\u00e9")


@pytest.mark.parametrize(
    ("facts", "wrong"),
    [
        ({"sku": ""}, "sku"),
        ({"sku": "   "}, "sku"),
        ({"sku": "A\nB"}, "sku"),
        ({"sku": "A\x00B"}, "sku"),
        ({"sku": "X" * 65}, "sku"),
        ({"name": "X" * 301}, "name"),
        ({"description": "X" * 4001}, "description"),
        ({"barcode": ""}, "barcode"),
    ],
)
def test_a_text_that_is_not_clean_is_named(facts: dict[str, Any], wrong: str) -> None:
    with pytest.raises(FieldError) as refused:
        checked(a_product(**facts), product_problems)

    assert refused.value.facts["fields"][0]["path"] == wrong  # type: ignore[index]


def test_a_description_may_have_several_lines() -> None:
    assert checked(a_product(description="One\nTwo"), product_problems).description == "One\nTwo"


def test_many_are_refused_with_the_path_of_each_problem() -> None:
    with pytest.raises(FieldError) as refused:
        checked_all(
            [a_product(), a_product(sku=""), a_product(unit_cost=Decimal(-1))], product_problems, at="rows"
        )

    fields: Any = refused.value.facts["fields"]
    assert [field["path"] for field in fields] == ["rows[1].sku", "rows[2].unitCost"]


def test_what_is_wrong_with_a_whole_file_is_told_up_to_a_bound() -> None:
    with pytest.raises(FieldError) as refused:
        checked_all([a_product(sku="") for _ in range(10_000)], product_problems, at="rows")

    fields: Any = refused.value.facts["fields"]
    assert len(fields) == PROBLEMS_MAX
