"""The values of a record: how each must be written, and what is said of one that is not."""

import re
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache

from domain.values import Quantity, clean_line

LENGTHS: Mapping[str, int] = {"item_name": 300, "bin_name": 265, "lot_name": 64, "uom": 200}
"""A bin's name may have its location's code and a slash in front."""
SHOWN = 80
_NUMBER = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SERIAL = re.compile(r"[0-9]{4,5}(\.[0-9]{1,20})?")
_ENDS_OF_TIME = (date.min, date.max)
"""To the database they are no days but infinity; programs send the first for a day that they do not know."""
_EPOCH = date(1899, 12, 30)
"""Day 0 of spreadsheets."""


def read_name(column: str, text: str) -> str:
    """A name, trimmed and in one normal form.

    Raises:
        ValueError: what is wrong with it; its column is named.
    """
    if column == "lot_name" and not text.strip():
        return ""
    try:
        return _clean(text, LENGTHS[column])
    except ValueError as problem:
        message = f"{column} {problem}"
        raise ValueError(message) from None


@lru_cache(maxsize=65_536)
def _clean(text: str, longest: int) -> str:
    return clean_line(text, longest=longest)


def read_quantity(text: str) -> Decimal:
    """A number greater than zero, written with a decimal point.

    Raises:
        ValueError: what is wrong with it.
    """
    written = text.strip()
    if not written:
        message = "quantity must not be empty"
    elif "," in written:
        message = (
            f"quantity '{_shown(written)}' has a comma: write decimals with a point and no thousands separators, "
            "for example 1234.5"
        )
    elif _NUMBER.fullmatch(written) is None:
        message = f"quantity '{_shown(written)}' is not a number: write it in digits, for example 1234.5"
    else:
        return check_quantity(Decimal(written))
    raise ValueError(message)


def check_quantity(number: int | Decimal) -> Decimal:
    """A number within what can be stored, and greater than zero.

    Raises:
        ValueError: what is wrong with it.
    """
    try:
        quantity = Quantity.of(number)
    except ValueError as problem:
        message = f"quantity {problem}"
        raise ValueError(message) from None
    if quantity <= 0:
        message = "quantity must be greater than zero"
        raise ValueError(message)
    return quantity


@lru_cache(maxsize=16_384)
def read_day(text: str, *, column: str = "date_filled") -> date:
    """A day as YYYY-MM-DD: what others write may mean two different days.

    Raises:
        ValueError: what is wrong with it, and what is wanted.
    """
    written = text.strip()
    if not written:
        message = f"{column} must not be empty"
        raise ValueError(message)
    if _DAY.fullmatch(written) is not None:
        try:
            day = date.fromisoformat(written)
        except ValueError:
            message = f"{column} '{written}' is not a day of the calendar"
            raise ValueError(message) from None
        if day in _ENDS_OF_TIME:
            message = f"{column} must be a day after 0001-01-01 and before 9999-12-31"
            raise ValueError(message)
        return day
    message = f"{column} '{_shown(written)}' is not a date as YYYY-MM-DD, for example 2026-01-31"
    if _SERIAL.fullmatch(written) is not None:
        meant = _EPOCH + timedelta(days=int(written.partition(".")[0]))
        message = f"{message}; it looks like a spreadsheet's number for {meant}"
    raise ValueError(message)


def _shown(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
