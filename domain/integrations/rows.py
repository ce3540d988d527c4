"""Rows as they come from outside: each is judged by itself, so nothing in one may spoil the others."""

from collections.abc import Mapping, Sequence
from typing import Any

from domain.integrations.model import CODE_LONGEST, QUANTITY_MAX, SKU_LONGEST, BadRow, WantedRow
from domain.values import clean_line

FIELDS = ("location_code", "sku_code", "quantity")
REQUIRED = "This field is required"


def read_rows(rows: Sequence[Any]) -> list[WantedRow | BadRow]:
    """The rows in their order, numbered from 0."""
    return [read_row(n, row) for n, row in enumerate(rows)]


def read_row(n: int, row: Any) -> WantedRow | BadRow:
    if not isinstance(row, dict):
        return BadRow(row=n, location_code=None, sku_code=None, errors={"quantity": ["The row must be an object"]})
    problems: dict[str, list[str]] = {}
    code = _code(row, "location_code", CODE_LONGEST, problems)
    sku = _code(row, "sku_code", SKU_LONGEST, problems)
    quantity = _quantity(row, problems)
    for name in row:
        if name not in FIELDS:
            problems[name] = ["Unknown field"]
    if problems:
        return BadRow(row=n, location_code=row.get("location_code"), sku_code=row.get("sku_code"), errors=problems)
    return WantedRow(row=n, location_code=code, sku_code=sku, quantity=quantity)


def _code(row: Mapping[str, Any], name: str, longest: int, problems: dict[str, list[str]]) -> str:
    value = row.get(name)
    if value is None:
        problems[name] = [REQUIRED]
    elif not isinstance(value, str):
        problems[name] = ["Must be a string"]
    else:
        try:
            return clean_line(value, longest=longest)
        except ValueError as problem:
            problems[name] = [str(problem).capitalize()]
    return ""


def _quantity(row: Mapping[str, Any], problems: dict[str, list[str]]) -> int:
    value = row.get("quantity")
    if value is None:
        problems["quantity"] = [REQUIRED]
    elif isinstance(value, bool) or not isinstance(value, int):
        problems["quantity"] = ["Must be a whole number"]
    elif value < 0:
        problems["quantity"] = ["Must not be negative"]
    elif value > QUANTITY_MAX:
        problems["quantity"] = [f"Must be at most {QUANTITY_MAX}"]
    else:
        return value
    return 0
