"""What becomes of each order line: an issue, a return, an adjustment, or a counted reason to leave it out."""

import re
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache

import msgspec

from infra.demo.places import place_of
from infra.demo.rows import Row


class Act(StrEnum):
    """What a document does to the stock."""

    SALE = "sale"
    RETURN = "return"
    ADJUSTMENT = "adjustment"


class Why(StrEnum):
    """Reason of an adjustment, read from the note that stands where a description should."""

    DAMAGED = "DAMAGED"
    LOST = "LOST"
    FOUND = "FOUND"
    MISCODED = "MISCODED"
    COUNTED = "COUNTED"
    SAMPLE = "SAMPLE"
    CHANNEL = "CHANNEL"
    CORRECTION = "CORRECTION"
    UNEXPLAINED = "UNEXPLAINED"
    EXPIRED = "EXPIRED"
    """Made up: the data has no expiry, the plan writes off what its own lots left over."""


# Codes that are no goods. The five-digit ones hide among the goods and were found by their descriptions.
CHARGES = {
    "POST": "postage",
    "DOT": "postage",
    "C2": "carriage",
    "23444": "carriage",
    "M": "manual entry",
    "D": "discount",
    "S": "samples billed as a sum",
    "BANK CHARGES": "bank charge",
    "AMAZONFEE": "marketplace fee",
    "CRUK": "charity commission",
    "B": "bad debt",
    "22016": "gift voucher",
    "23574": "packing charge",
    "23702": "image licence",
}
VOUCHER = "GIFT_"

# A product's name is written in capitals; a note ("found", "check?", "John Lewis") has no three in a row.
NAME = re.compile(r"[A-Z]{3}")
# The first that matches decides: "damages/display" is damage, "wrongly sold as sets" is a wrong code.
NOTES = (
    (
        Why.DAMAGED,
        r"dam?age|dagamed|wet|rust|crush|smash|brok|break|crack|fault|mould|throw|destroy|unsal|smudge|wax|water",
    ),
    (Why.LOST, r"missing|lost|\bmia\b|can't find|mystery|not rcvd"),
    (Why.MISCODED, r"wrong|barcode|mix|code|marked|mrked|sold (as|in|with|sets)|sets|label|20713"),
    (Why.FOUND, r"found|put aside|returned"),
    (Why.SAMPLE, r"sample|display|showroom|given away|mailout"),
    (Why.CHANNEL, r"dotcom|amazon|ebay|online|website|john lewis|cargo"),
    (Why.COUNTED, r"check|count"),
    (Why.CORRECTION, r"adjust|correct|credit|oops|error|test|computer|temp|did  a|push|cant mamage|reverse"),
)
# Reasons that take stock only, or bring it only; the others go either way.
SIGNS = {Why.DAMAGED: -1, Why.LOST: -1, Why.SAMPLE: -1, Why.EXPIRED: -1, Why.FOUND: 1}
_NOTES = tuple((why, re.compile(pattern)) for why, pattern in NOTES)


class Tally(msgspec.Struct, kw_only=True):
    """Every order line is in exactly one of these counts."""

    sold: int = 0
    given: int = 0
    """Goods sent at a price of zero."""
    returned: int = 0
    adjusted: Counter[str] = msgspec.field(default_factory=Counter)
    left_out: Counter[str] = msgspec.field(default_factory=Counter)
    recoded: int = 0
    """Of the lines that count above: the code was written in another letter case."""
    repeated: int = 0
    """Of the lines that count above: an exact copy of an earlier line of the same invoice."""

    @property
    def posted(self) -> int:
        """Order lines that move stock."""
        return self.sold + self.given + self.returned + self.adjusted.total()

    @property
    def rows(self) -> int:
        """All order lines that were read."""
        return self.posted + self.left_out.total()


class Document(msgspec.Struct, kw_only=True):
    """The lines of one invoice and minute that do one thing, at one place."""

    act: Act
    invoice: str
    minute: int
    location: int = 0
    why: Why | None = None
    note: str = ""
    lines: list[tuple[str, int]] = msgspec.field(default_factory=list)
    """Product code and pieces, always positive; `sign` says which way."""
    sign: int = -1


def sku_of(code: str) -> str:
    """Codes that differ by letter case only are one article: their descriptions agree."""
    return code.upper()


def charge_of(sku: str) -> str | None:
    """The name of the charge that this code stands for, if it is not goods."""
    return "gift voucher" if sku.startswith(VOUCHER) else CHARGES.get(sku)


@lru_cache(maxsize=1024)
def reason_of(note: str, sign: int) -> Why:
    """What a stock clerk's note says; nothing, or question marks alone, is no explanation."""
    low = note.lower()
    why = next((why for why, pattern in _NOTES if pattern.search(low)), Why.UNEXPLAINED)
    # "damaged" with pieces coming in takes an earlier entry back, whatever the word says.
    return why if SIGNS.get(why, sign) == sign else Why.CORRECTION


def is_note(description: str) -> bool:
    """Whether the description is a clerk's remark (or missing) instead of the product's name."""
    return NAME.search(description) is None


def documents_of(rows: Sequence[Row], tally: Tally) -> list[Document]:
    """Sort one day's order lines into documents, oldest first, and count every line."""
    struck = _struck_out(rows)
    documents: dict[tuple[str, int, Act, int], Document] = {}
    heads: list[tuple[Document, Row]] = []
    copies = set[Row]()
    for number, row in enumerate(rows):
        sku = sku_of(row.code)
        if (
            reason := "ordered and cancelled on the same day" if number in struck else _no_goods(row, sku)
        ) is not None:
            tally.left_out[reason] += 1
            continue
        if sku != row.code:
            tally.recoded += 1
        if row in copies:
            tally.repeated += 1
        copies.add(row)
        act, sign = _act_of(row)
        key = (row.invoice, row.minute, act, sign)
        if (document := documents.get(key)) is None:
            document = documents[key] = Document(act=act, sign=sign, invoice=row.invoice, minute=row.minute)
            if act is Act.ADJUSTMENT:
                document.why, document.note = reason_of(row.description, sign), row.description
            heads.append((document, row))
        _count(document, row, tally)
        document.lines.append((sku, abs(row.qty)))
    for document, row in heads:
        document.location = place_of(
            customer=row.customer,
            country=row.country,
            largest=max(qty for _, qty in document.lines),
            adjusted=row.invoice if document.act is Act.ADJUSTMENT else None,
        )
    return sorted(documents.values(), key=lambda document: document.minute)


def _no_goods(row: Row, sku: str) -> str | None:
    return charge_of(sku) or (None if row.qty else "no quantity")


def _act_of(row: Row) -> tuple[Act, int]:
    """What the line does, and which way its pieces go."""
    if row.qty > 0:
        free = row.mils == 0 and not row.customer and is_note(row.description)
        return (Act.ADJUSTMENT, 1) if free else (Act.SALE, -1)
    return (Act.RETURN, 1) if row.invoice.startswith("C") else (Act.ADJUSTMENT, -1)


def _count(document: Document, row: Row, tally: Tally) -> None:
    if document.act is Act.SALE:
        if row.mils:
            tally.sold += 1
        else:
            tally.given += 1
    elif document.act is Act.RETURN:
        tally.returned += 1
    elif document.why is not None:
        tally.adjusted[document.why] += 1


def _struck_out(rows: Sequence[Row]) -> set[int]:
    """Lines that a customer's cancellation of the same day, product and quantity undoes, with that cancellation.

    The goods never left the shelf. Two orders of 80,995 and 74,215 pieces, typed by mistake and cancelled
    within minutes, are among them: moved for real, they would need a stock that nobody ever had.
    """
    open_lines: dict[tuple[str, str, int], list[int]] = {}
    struck = set[int]()
    for number, row in enumerate(rows):
        if not row.customer:
            continue
        if row.qty > 0:
            open_lines.setdefault((row.customer, sku_of(row.code), row.qty), []).append(number)
        elif row.invoice.startswith("C"):
            ordered = open_lines.get((row.customer, sku_of(row.code), -row.qty))
            if ordered:
                struck |= {ordered.pop(), number}
    return struck
