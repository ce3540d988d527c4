"""What barcodes say, and what is not one."""

from datetime import date

import pytest

from domain.expiry.control import Scanned
from infra.expiry.gs1 import Gs1ElementStrings

GTIN = "09506000134352"
GS = "\x1d"


@pytest.mark.parametrize(
    "text",
    [
        f"01{GTIN}1731113010AB-1{GS}21S7",
        f"]d201{GTIN}1731113010AB-1{GS}21S7",
        f"{GS}01{GTIN}1731113010AB-1{GS}21S7{GS}",
        f"01{GTIN}1731113010AB-1\u241d21S7",
        f"01{GTIN}1731113010AB-1<GS>21S7",
        f"(01){GTIN}(17)311130(10)AB-1(21)S7",
        f"(01) {GTIN} (17) 311130 (10) AB-1 (21) S7",
    ],
)
def test_a_label_says_the_same_scanned_and_typed(text: str) -> None:
    assert Gs1ElementStrings().read(text) == Scanned(
        gtin=GTIN, lot_number="AB-1", expires_on=date(2031, 11, 30), serial="S7"
    )


def test_a_day_of_zeros_is_the_last_of_the_month() -> None:
    assert Gs1ElementStrings().read(f"01{GTIN}17320200").expires_on == date(2032, 2, 29)


def test_the_best_before_date_stands_in_for_an_expiry_date() -> None:
    best, both = (Gs1ElementStrings().read(f"01{GTIN}15310101{more}") for more in ("", "17310201"))

    assert (best.expires_on, best.best_before) == (date(2031, 1, 1), date(2031, 1, 1))
    assert (both.expires_on, both.best_before) == (date(2031, 2, 1), date(2031, 1, 1))


def test_counts_and_the_day_of_making_are_read() -> None:
    read = Gs1ElementStrings().read(f"02{GTIN}11300131{'37'}24")

    assert (read.gtin, read.manufactured_on, read.quantity) == (GTIN, date(2030, 1, 31), 24)
    assert Gs1ElementStrings().read(f"01{GTIN}3012").quantity == 12


@pytest.mark.parametrize("text", ["9506000134352", GTIN, "96385074"])
def test_a_plain_gtin_names_its_product(text: str) -> None:
    assert Gs1ElementStrings().read(text) == Scanned(gtin=text.zfill(14))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hello", "element strings"),
        (" ", "element strings"),
        ("9506000134353", "check digit"),
        (f"01{GTIN[:-1]}317311130", "check digit"),
        (f"01{GTIN}17310230", "element strings"),
        (f"01{GTIN}10A{GS}10B", "twice"),
        (f"(01){GTIN}(17)311130x(10)A", "element strings"),
        (f"(01){GTIN}(10)A(b)", "between"),
        ("01\u0669\u0665\u0660\u0666\u0660\u0660\u0660\u0661\u0663\u0664\u0663\u0665\u0662", "characters"),
    ],
)
def test_what_is_no_barcode_is_refused_in_words(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Gs1ElementStrings().read(text)
