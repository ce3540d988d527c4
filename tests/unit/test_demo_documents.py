"""What becomes of each order line of the demonstration's data."""

import pytest

from infra.demo import packed
from infra.demo.documents import Act, Document, Tally, Why, documents_of, reason_of
from infra.demo.naming import category_of, keeping_of
from infra.demo.places import DC, LONDON, MANCHESTER, SHOP_MOST, place_of
from infra.demo.rows import Row, by_day

HEART = "WHITE HANGING HEART T-LIGHT HOLDER"


def line(code: str = "85123A", qty: int = 6, description: str = HEART, mils: int = 2550, **other: object) -> Row:
    facts = {"invoice": "536365", "minute": 506, "customer": "17850", "country": "United Kingdom", **other}
    return Row(code=code, qty=qty, description=description, mils=mils, **facts)  # type: ignore[arg-type]


def note(text: str, qty: int, code: str = "85123A") -> Row:
    return line(code, qty, text, 0, customer="", invoice="536589")


def sorted_out(*rows: Row) -> tuple[list[Document], Tally]:
    tally = Tally()
    return documents_of(rows, tally), tally


def test_an_invoice_is_one_issue_of_its_goods() -> None:
    (sale,), tally = sorted_out(line(), line("71053", 2), line("POST", 1, "POSTAGE", 18000))
    assert (sale.act, sale.sign, sale.invoice) == (Act.SALE, -1, "536365")
    assert sale.lines == [("85123A", 6), ("71053", 2)]
    assert (tally.sold, tally.left_out) == (2, {"postage": 1})


@pytest.mark.parametrize(
    ("row", "act", "sign"),
    [
        (line(qty=-2, invoice="C536391"), Act.RETURN, 1),
        (line(mils=0), Act.SALE, -1),
        (line(mils=0, customer=""), Act.SALE, -1),
        (note("", 56), Act.ADJUSTMENT, 1),
        (note("found", 56), Act.ADJUSTMENT, 1),
        (note("John Lewis", 56), Act.ADJUSTMENT, 1),
        (note("", -56), Act.ADJUSTMENT, -1),
        (note("CHECK", -56), Act.ADJUSTMENT, -1),
    ],
)
def test_sign_price_customer_and_note_decide_what_a_line_does(row: Row, act: Act, sign: int) -> None:
    (document,), tally = sorted_out(row)
    assert (document.act, document.sign, document.lines) == (act, sign, [("85123A", abs(row.qty))])
    assert tally.posted == 1


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("POST", "postage"),
        ("DOT", "postage"),
        ("C2", "carriage"),
        ("23444", "carriage"),
        ("M", "manual entry"),
        ("m", "manual entry"),
        ("D", "discount"),
        ("S", "samples billed as a sum"),
        ("BANK CHARGES", "bank charge"),
        ("AMAZONFEE", "marketplace fee"),
        ("CRUK", "charity commission"),
        ("B", "bad debt"),
        ("gift_0001_20", "gift voucher"),
        ("22016", "gift voucher"),
        ("23574", "packing charge"),
        ("23702", "image licence"),
    ],
)
def test_charges_are_no_goods_and_are_counted_by_name(code: str, reason: str) -> None:
    documents, tally = sorted_out(line(code))
    assert (documents, tally.left_out, tally.posted) == ([], {reason: 1}, 0)


def test_pads_and_party_bags_are_goods_although_their_codes_are_words() -> None:
    (sale,), _ = sorted_out(line("PADS"), line("DCGSSGIRL"))
    assert sale.lines == [("PADS", 6), ("DCGSSGIRL", 6)]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("damages/display", Why.DAMAGED),
        ("Unsaleable, destroyed.", Why.DAMAGED),
        ("wet/rusty", Why.DAMAGED),
        ("????missing", Why.LOST),
        ("wrongly sold as sets", Why.MISCODED),
        ("sold as set on dotcom", Why.MISCODED),
        ("amazon sales", Why.CHANNEL),
        ("stock check", Why.COUNTED),
        ("Show Samples", Why.SAMPLE),
        ("OOPS ! adjustment", Why.CORRECTION),
        ("?", Why.UNEXPLAINED),
        ("", Why.UNEXPLAINED),
    ],
)
def test_a_note_gives_the_reason_of_an_adjustment(text: str, why: Why) -> None:
    (document,), tally = sorted_out(note(text, -1))
    assert (document.why, document.note) == (why, text)
    assert tally.adjusted == {why: 1}
    assert reason_of(text, -1) is why


def test_a_note_that_contradicts_the_sign_is_a_correction() -> None:
    assert reason_of("found box", 1) is Why.FOUND
    assert reason_of("found some more on shelf", -1) is Why.CORRECTION
    assert reason_of("damaged", 1) is Why.CORRECTION
    assert reason_of("check", 1) is reason_of("check", -1) is Why.COUNTED


def test_codes_that_differ_by_letter_case_are_one_product() -> None:
    (sale,), tally = sorted_out(line("85123A"), line("85123a", mils=5910))
    assert sale.lines == [("85123A", 6), ("85123A", 6)]
    assert tally.recoded == 1


def test_exact_copies_of_a_line_move_stock_each_and_are_counted() -> None:
    (sale,), tally = sorted_out(line(), line(), line())
    assert (len(sale.lines), tally.sold, tally.repeated) == (3, 3, 2)


def test_an_order_cancelled_on_the_same_day_never_leaves_the_shelf() -> None:
    typo = line("23843", 80_995, invoice="581483")
    undone = line("23843", -80_995, invoice="C581484", minute=520)
    documents, tally = sorted_out(typo, undone, line(qty=-1, invoice="C581485"))
    assert [(document.act, document.lines) for document in documents] == [(Act.RETURN, [("85123A", 1)])]
    assert tally.left_out == {"ordered and cancelled on the same day": 2}


def test_a_cancellation_strikes_out_one_order_of_that_customer_only() -> None:
    orders = [line(), line(), line(customer="12346")]
    documents, tally = sorted_out(*orders, line(qty=-6, invoice="C1", minute=520))
    assert tally.left_out.total() == 2
    assert tally.sold == 2
    assert {document.act for document in documents} == {Act.SALE}


def test_the_parts_of_an_invoice_keep_their_own_minutes() -> None:
    documents, _ = sorted_out(line(minute=506), line("71053", minute=507))
    assert [(document.minute, len(document.lines)) for document in documents] == [(506, 1), (507, 1)]


def test_a_customer_is_always_served_from_the_same_place_unless_the_order_is_large() -> None:
    served = {
        str(n): place_of(customer=str(n), country="United Kingdom", largest=1, adjusted=None) for n in range(500)
    }
    assert set(served.values()) == {DC, LONDON, MANCHESTER}
    for customer in served:
        large = place_of(customer=customer, country="United Kingdom", largest=SHOP_MOST + 1, adjusted=None)
        assert large == DC
    assert place_of(customer="", country="United Kingdom", largest=1, adjusted=None) == DC
    assert place_of(customer="1", country="EIRE", largest=1, adjusted=None) == DC


def test_every_order_line_of_the_year_is_in_exactly_one_count() -> None:
    _, columns = packed.read(packed.SHIPPED)
    tally, posted = Tally(), 0
    for _, rows in by_day(packed.from_columns(columns)):
        posted += sum(len(document.lines) for document in documents_of(rows, tally))
    assert tally.rows == 541_909
    assert tally.posted == posted == 537_712
    assert (tally.sold, tally.given, tally.returned) == (527_090, 419, 8_127)
    assert (tally.adjusted.total(), tally.left_out.total()) == (2_076, 4_197)
    assert tally.left_out["ordered and cancelled on the same day"] == 1_220
    assert (tally.recoded, tally.repeated) == (1_942, 5_232)


@pytest.mark.parametrize(
    ("name", "category", "keeping"),
    [
        ("GROW YOUR OWN BASIL IN ENAMEL MUG", "GARDEN", "seeds"),
        ("ICE CREAM PEN LIP GLOSS", "BATH", "cosmetics"),
        ("PLASTERS IN TIN SKULLS", "BATH", "first aid"),
        ("LAVENDER INCENSE IN TIN", "CANDLE", "fragrance"),
        ("SET OF 12 FORK CANDLES", "CANDLE", "candles"),
        (HEART, "CANDLE", None),
        ("IVORY SWEETHEART SOAP DISH", "BATH", None),
        ("SMALL SINGLE FLAME CANDLE HOLDER", "CANDLE", None),
        ("PANTRY CHOPPING THING", "KITCHEN", None),
        ("REGENCY CAKESTAND 3 TIER", "BAKE", None),
        ("SOMBRERO", "OTHER", None),
    ],
)
def test_a_products_name_tells_its_category_and_whether_it_has_lots(
    name: str, category: str, keeping: str | None
) -> None:
    kept = keeping_of(name)
    assert (category_of(name).code, kept.name if kept else None) == (category, keeping)
