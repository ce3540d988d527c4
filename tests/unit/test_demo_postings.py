"""The plan's steps, said in the ledger's words."""

import datetime as dt
from decimal import Decimal
from uuid import UUID, uuid4

from domain.ledger.model import Direction, Kind
from domain.ledger.reasons import Pack, reasons_of
from infra.demo.documents import SIGNS, Why
from infra.demo.plan import Step
from infra.demo.postings import Translator
from infra.demo.stock import StockLine

AT = dt.datetime(2011, 8, 25, 8, tzinfo=dt.UTC)
PRODUCTS, LOCATIONS, BINS, LOTS = ([uuid4() for _ in range(2)] for _ in range(4))
REASONS = {reason.code: uuid4() for _, reason in reasons_of(Pack.GENERAL, Pack.RETAIL)}


def translator() -> Translator:
    made = Translator(products=PRODUCTS, locations=LOCATIONS, bins=BINS, reasons=REASONS, act=None)
    made.lots += LOTS
    made.lines += [
        StockLine(product=0, location=0, bin=0),
        StockLine(product=1, location=0, bin=0, lot=1),
        StockLine(product=1, location=1, bin=1, lot=1),
    ]
    return made


def step(kind: Kind, *lines: tuple[int, int], why: Why | None = None, comment: str | None = None) -> Step:
    return Step(
        kind=kind,
        at=AT,
        source_type="SALES_ORDER",
        source_id="536365",
        lines=list(lines),
        why=why,
        comment=comment,
    )


def test_a_step_becomes_one_posting_with_an_entry_for_each_line() -> None:
    posting = translator().posting(step(Kind.ISSUE, (0, -6), (1, -2), (0, -1)))
    assert (posting.kind, posting.source_type, posting.source_id) == (Kind.ISSUE, "SALES_ORDER", "536365")
    assert [entry.delta for entry in posting.entries] == [Decimal(-6), Decimal(-2), Decimal(-1)]
    assert {(entry.kind, entry.effective_at) for entry in posting.entries} == {(Kind.ISSUE, AT)}
    first, second, _ = posting.entries
    assert (first.product_id, first.location_id, first.bin_id) == (PRODUCTS[0], LOCATIONS[0], BINS[0])
    assert (first.lot_id, second.lot_id) == (None, LOTS[1])


def test_a_transfer_leaves_one_place_and_arrives_at_the_other_in_one_posting() -> None:
    posting = translator().posting(step(Kind.TRANSFER_OUT, (1, -5), (2, 5)))
    assert [entry.kind for entry in posting.entries] == [Kind.TRANSFER_OUT, Kind.TRANSFER_IN]
    assert sum((entry.delta or Decimal()) for entry in posting.entries) == 0
    assert {entry.lot_id for entry in posting.entries} == {LOTS[1]}


def test_an_adjustment_carries_its_reason_and_the_clerks_note() -> None:
    posting = translator().posting(step(Kind.ADJUSTMENT, (0, 3), why=Why.FOUND, comment="found in w/hse"))
    assert [entry.comment for entry in posting.entries] == ["found in w/hse"]
    assert [(entry.kind, entry.reason_code_id) for entry in posting.entries] == [
        (Kind.ADJUSTMENT, REASONS["FOUND"])
    ]


def test_what_nobody_explains_has_a_reason_and_a_comment_all_the_same() -> None:
    made = translator()
    (gone,) = made.posting(step(Kind.ADJUSTMENT, (0, -3), why=Why.UNEXPLAINED)).entries
    (come,) = made.posting(step(Kind.ADJUSTMENT, (0, 3), why=Why.UNEXPLAINED, comment="??")).entries
    assert (gone.reason_code_id, gone.comment) == (REASONS["SHRINK"], "No reason was given")
    assert (come.reason_code_id, come.comment) == (REASONS["OTHER"], "??")


def test_every_reason_is_one_of_the_tenants_and_goes_its_way() -> None:
    codes = {reason.code: reason.direction for _, reason in reasons_of(Pack.GENERAL, Pack.RETAIL)}
    ways = {Direction.IN: [1], Direction.OUT: [-1], Direction.BOTH: [1, -1]}
    for why in Why:
        for sign in [SIGNS[why]] if why in SIGNS else [1, -1]:
            (entry,) = translator().posting(step(Kind.ADJUSTMENT, (0, sign), why=why)).entries
            (code,) = [code for code, made in REASONS.items() if made == entry.reason_code_id]
            assert sign in ways[codes[code]]


def test_every_posting_has_an_id_of_its_own() -> None:
    made = translator()
    ids: set[UUID] = {made.posting(step(Kind.ISSUE, (0, -1))).id for _ in range(50)}
    assert len(ids) == 50
