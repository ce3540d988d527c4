"""GS1 element strings, as scanners and labels have them."""

from datetime import date

from biip import ParseError
from biip.gs1_messages import GS1Message
from biip.gtin import Gtin

from domain.expiry.control import Scanned

SEPARATOR = "\x1d"
_WRITTEN = ("\u241d", "<GS>", "{GS}")
"""How the separator (FNC1) is written where it cannot be sent itself."""
_SYMBOLOGIES = ("]C1", "]e0", "]d2", "]Q3", "]J1")
"""What scanners put in front of a barcode that is of element strings."""
_GTIN_LENGTHS = frozenset({8, 12, 13, 14})


class Gs1ElementStrings:
    """The `ElementStrings` port."""

    def read(self, text: str) -> Scanned:
        for written in _WRITTEN:
            text = text.replace(written, SEPARATOR)
        if not text.isascii():
            message = "has characters that no GS1 barcode has"
            raise ValueError(message)
        for symbology in _SYMBOLOGIES:
            text = text.removeprefix(symbology)
        text = text.strip(SEPARATOR + " ")
        if text.isdigit() and len(text) in _GTIN_LENGTHS:
            return Scanned(gtin=_gtin(text))
        return _scanned(_message(text))


def _message(text: str) -> GS1Message:
    try:
        message = GS1Message.parse_hri(text) if text.startswith("(") else GS1Message.parse(text)
    except ParseError:
        message = None
    if message is None or not message.element_strings:
        problem = "is not made of GS1 element strings"
        raise ValueError(problem)
    if text.startswith("(") and message.as_hri() != "".join(text.split()):
        problem = "has something between its element strings"
        raise ValueError(problem)
    return message


def _gtin(text: str) -> str:
    try:
        return Gtin.parse(text).as_gtin_14()
    except ParseError:
        problem = f"{text} is not a GTIN: its check digit does not fit"
        raise ValueError(problem) from None


def _scanned(message: GS1Message) -> Scanned:
    values: dict[str, str] = {}
    dates: dict[str, date | None] = {}
    for element in message.element_strings:
        code = element.ai.ai
        if values.setdefault(code, element.value) != element.value:
            problem = f"says ({code}) twice, and not the same"
            raise ValueError(problem)
        dates[code] = element.date
    # The GTIN of a single article, or of what a carton contains so many of (37).
    gtin = values.get("01") or values.get("02")
    best_before = dates.get("15")
    count = values.get("30") or values.get("37")
    return Scanned(
        gtin=None if gtin is None else _gtin(gtin),
        lot_number=values.get("10"),
        expires_on=dates.get("17") or best_before,
        best_before=best_before,
        manufactured_on=dates.get("11"),
        serial=values.get("21"),
        quantity=None if count is None else int(count),
    )
