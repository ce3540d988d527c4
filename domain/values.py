"""Values that every area shares: exact quantities and clean text."""

import unicodedata
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from uuid import UUID

import msgspec
from uuid_utils.compat import uuid7

QUANTITY_DIGITS = 14
QUANTITY_PLACES = 4


class Quantity(Decimal):
    """An exact decimal with at most 14 integer digits and 4 places: never a float, never NaN or infinite.

    Arithmetic gives plain `Decimal`; the type marks what was checked at a boundary.
    """

    __slots__ = ()

    @classmethod
    def of(cls, value: int | Decimal) -> "Quantity":
        """Check a number.

        Raises:
            ValueError: it is not finite, too large, or finer than four places.
        """
        try:
            number = Decimal(value)
        except InvalidOperation as problem:
            message = "is not a number"
            raise ValueError(message) from problem
        if not number.is_finite():
            message = "must be a finite number"
            raise ValueError(message)
        # `adjusted` before any arithmetic: 1E+1000000 must cost nothing to refuse.
        if number and number.adjusted() >= QUANTITY_DIGITS:
            message = "must have at most 14 integer digits"
            raise ValueError(message)
        exponent = number.as_tuple().exponent
        assert isinstance(exponent, int)
        if exponent < -QUANTITY_PLACES:
            message = "must have at most 4 decimal places"
            raise ValueError(message)
        return cls(number)


def encodable(value: object) -> object:
    """A value in a type that JSON encoders know: the hook for `Quantity`, which is more than its base to them."""
    if isinstance(value, Decimal):
        return Decimal(value)
    raise NotImplementedError(type(value))


exact_json = msgspec.json.Encoder(decimal_format="number", enc_hook=encodable)
"""Writes decimals as numbers, digit by digit."""


@lru_cache(maxsize=16_384)
def plain(number: Decimal) -> Decimal:
    """The number without trailing zeros and without an exponent: 5, not 5.0000 and not 5E+0."""
    short = number.normalize()
    exponent = short.as_tuple().exponent
    return short.quantize(Decimal(1)) if isinstance(exponent, int) and exponent > 0 else short


def clean_text(value: str, *, longest: int, empty: bool = False) -> str:
    """Trim and NFC-normalise a text from outside.

    Raises:
        ValueError: it is empty, too long, or has control characters (line breaks and tabs are allowed).
    """
    # Most texts are plain ASCII: nothing to normalise, and no letter that must be looked at by itself.
    is_plain = value.isascii() and value.isprintable()
    text = value.strip() if is_plain else unicodedata.normalize("NFC", value).strip()
    if not text and not empty:
        message = "must not be empty"
        raise ValueError(message)
    if len(text) > longest:
        message = f"must have at most {longest} characters"
        raise ValueError(message)
    if not is_plain and any(unicodedata.category(char) in {"Cc", "Cs"} and char not in "\n\r\t" for char in text):
        message = "must not have control characters"
        raise ValueError(message)
    return text


def clean_line(value: str, *, longest: int) -> str:
    """A clean text of one line, as codes, names and numbers are.

    Raises:
        ValueError: it is not clean, or has line breaks or tabs.
    """
    line = clean_text(value, longest=longest)
    if any(char in "\n\r\t" for char in line):
        message = "must be on one line"
        raise ValueError(message)
    return line


def new_id() -> UUID:
    """A UUID version 7: ordered by time, made without asking the database."""
    return uuid7()
