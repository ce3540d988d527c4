"""Lots that come in: the table of what is refused and what is worth a warning."""

import re
import time
from datetime import date, timedelta
from uuid import UUID

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from domain.errors import FieldError
from domain.expiry.model import Code, Incoming, KnownLot, LotFacts, LotPolicy, LotStatus
from domain.expiry.pattern import LotPattern
from domain.expiry.rules import check_incoming, refuse, validate_incoming

TODAY = date(2026, 3, 10)
PRODUCT = UUID(int=1)

PLAIN = LotPolicy(product_id=PRODUCT, sku="BOLT-M8")
LOTS = LotPolicy(product_id=PRODUCT, sku="YEAST", is_lot_controlled=True)
STRICT = LotPolicy(
    product_id=PRODUCT,
    sku="SERUM",
    is_lot_controlled=True,
    is_expiry_required=True,
    shelf_life_days=365,
    min_remaining_shelf_life_days=30,
    expiry_warning_days=60,
    lot_pattern="(L|X)-[0-9]{4}",
)


def a_lot(
    *, expires_on: date | None = None, status: LotStatus = LotStatus.ACTIVE, number: str = "L-0001"
) -> KnownLot:
    return KnownLot(id=UUID(int=7), product_id=PRODUCT, number=number, expires_on=expires_on, status=status)


def in_days(days: int) -> date:
    return TODAY + timedelta(days=days)


# policy, lot number, days to expiry, existing lot; the codes of the errors and of the warnings
type Case = tuple[LotPolicy, str | None, int | None, KnownLot | None, str, str]
TABLE: dict[str, Case] = {
    "no lot control, no lot": (PLAIN, None, None, None, "", ""),
    "no lot control, empty lot": (PLAIN, "", None, None, "", ""),
    "no lot control, a lot": (PLAIN, "L1", None, None, "LOT_FORMAT", ""),
    "no lot control, an expiry": (PLAIN, None, 10, None, "EXPIRY_MISMATCH", ""),
    "lot control, no lot": (LOTS, None, 10, None, "LOT_REQUIRED", ""),
    "lot control, empty lot": (LOTS, "", None, None, "LOT_REQUIRED", ""),
    "lot control, any lot": (LOTS, "any thing", None, None, "", ""),
    "lot control, spaces around": (LOTS, " L1", None, None, "LOT_FORMAT", ""),
    "lot control, a control character": (LOTS, "L\0001", None, None, "LOT_FORMAT", ""),
    "lot control, not in normal form": (LOTS, "e\u0301", None, None, "LOT_FORMAT", ""),
    "lot control, 65 characters": (LOTS, "L" * 65, None, None, "LOT_FORMAT", ""),
    "lot control, 64 characters": (LOTS, "L" * 64, None, None, "", ""),
    "usable through its expiry day": (LOTS, "L1", 0, None, "", ""),
    "expired yesterday": (LOTS, "L1", -1, None, "EXPIRED_NOT_ALLOWED", ""),
    "all that it takes": (STRICT, "L-0001", 200, None, "", ""),
    "expiry missing": (STRICT, "L-0001", None, None, "EXPIRY_REQUIRED", ""),
    "pattern missed": (STRICT, "L-00012", 200, None, "LOT_FORMAT", ""),
    "pattern missed and expired": (STRICT, "Z", -1, None, "LOT_FORMAT EXPIRED_NOT_ALLOWED", ""),
    "just long enough": (STRICT, "X-0001", 30, None, "", "EXPIRING_SOON"),
    "a day too short": (STRICT, "X-0001", 29, None, "SHELF_LIFE_TOO_SHORT", "EXPIRING_SOON"),
    "last day without a warning": (STRICT, "X-0001", 61, None, "", ""),
    "beyond its shelf life": (STRICT, "X-0001", 366, None, "", "EXPIRY_IMPLAUSIBLE"),
    "at its shelf life": (STRICT, "X-0001", 365, None, "", ""),
    "a known lot needs no expiry again": (STRICT, "L-0001", None, a_lot(expires_on=in_days(90)), "", ""),
    "a known lot, the same expiry": (STRICT, "L-0001", 90, a_lot(expires_on=in_days(90)), "", ""),
    "a known lot, another expiry": (STRICT, "L-0001", 91, a_lot(expires_on=in_days(90)), "EXPIRY_MISMATCH", ""),
    "a known lot without expiry, one given": (LOTS, "L1", 91, a_lot(), "EXPIRY_MISMATCH", ""),
    "a known lot without expiry, one required": (STRICT, "L-0001", None, a_lot(), "EXPIRY_REQUIRED", ""),
    "a known lot that has expired": (LOTS, "L1", None, a_lot(expires_on=in_days(-1)), "EXPIRED_NOT_ALLOWED", ""),
    "a known lot off the pattern": (STRICT, "OLD", None, a_lot(number="OLD", expires_on=in_days(90)), "", ""),
    "a lot marked as expired": (LOTS, "L1", None, a_lot(status=LotStatus.EXPIRED), "EXPIRED_NOT_ALLOWED", ""),
    "a lot out of use": (LOTS, "L1", None, a_lot(status=LotStatus.INACTIVE), "LOT_ON_HOLD", ""),
    "a recalled lot": (LOTS, "L1", None, a_lot(status=LotStatus.RECALLED), "", "LOT_ON_HOLD"),
}


@pytest.mark.parametrize("case", TABLE.values(), ids=TABLE.keys())
def test_a_lot_comes_in_or_is_told_why_not(case: Case) -> None:
    policy, number, days, existing, errors, warnings = case

    found = validate_incoming(
        policy,
        lot_number=number,
        expires_on=None if days is None else in_days(days),
        existing=existing,
        today=TODAY,
    )

    assert " ".join(error.code for error in found.errors) == errors
    assert " ".join(warning.code for warning in found.warnings) == warnings


def test_expiry_at_the_ends_of_the_calendar_is_judged_without_overflow() -> None:
    found = validate_incoming(STRICT, lot_number="L-0001", expires_on=date.max, existing=None, today=TODAY)

    assert [warning.code for warning in found.warnings] == [Code.EXPIRY_IMPLAUSIBLE]


def check(*lines: Incoming, policy: LotPolicy = LOTS) -> list[str]:
    facts = LotFacts(policies={PRODUCT: policy}, lots={}, today=TODAY)
    return [" ".join(error.code for error in found.errors) for found in check_incoming(lines, facts)]


def test_an_unknown_product_is_named_by_its_line() -> None:
    assert check(Incoming(product_id=PRODUCT, lot_number="A"), Incoming(product_id=UUID(int=9))) == [
        "",
        "PRODUCT_NOT_FOUND",
    ]


def test_lines_of_one_new_lot_speak_of_one_expiry() -> None:
    lines = [
        Incoming(product_id=PRODUCT, lot_number="A", expires_on=expiry)
        for expiry in (None, in_days(5), in_days(5), in_days(6))
    ]

    assert check(*lines) == ["", "", "", "EXPIRY_MISMATCH"]


def test_one_line_of_a_new_lot_gives_its_expiry_to_the_others() -> None:
    lines = [
        Incoming(product_id=PRODUCT, lot_number="L-0001", expires_on=expiry) for expiry in (None, in_days(90))
    ]

    assert check(*lines, policy=STRICT) == ["", ""]


def test_a_document_is_refused_with_every_error_at_its_path() -> None:
    facts = LotFacts(policies={PRODUCT: STRICT}, lots={}, today=TODAY)
    lines = [Incoming(product_id=PRODUCT), Incoming(product_id=PRODUCT, lot_number="?", expires_on=in_days(90))]

    with pytest.raises(FieldError) as refused:
        refuse(check_incoming(lines, facts), at="lines")

    fields = refused.value.facts["fields"]
    assert isinstance(fields, list)
    assert [field["path"] for field in fields] == ["lines[0].lotNumber", "lines[1].lotNumber"]


FITS = [
    ("[A-Z]{2}[0-9]{6}", "AB123456"),
    (r"\d{2}-\w+", "26-ab_9"),
    ("(?:LOT|BATCH)-?[0-9]+", "BATCH7"),
    ("A*B?C+", "AACC"),
    ("^X$", "X"),
    ("a{2,}", "aaaa"),
    ("a{1,3}", "aaa"),
    (r"\.\-\\", ".-\\"),
    ("[^0-9]+", "äß"),
    ("[a-]+", "a-a"),
    ("(a|b)*", ""),
    ("(a?b?)+c", "babac"),
    ("a|", "a"),
]
FITS_NOT = [
    ("[A-Z]{2}[0-9]{6}", "AB12345"),
    ("[A-Z]{2}", "ABC"),
    (r"\d", "\u0661"),
    ("X", "aXb"),
    ("a{2}", "a"),
    ("a{1,3}", "aaaa"),
    ("a+", ""),
    (".", "ab"),
]


@pytest.mark.parametrize(("pattern", "number"), FITS)
def test_a_number_fits_a_pattern(pattern: str, number: str) -> None:
    assert LotPattern(pattern).fits(number)


@pytest.mark.parametrize(("pattern", "number"), FITS_NOT)
def test_a_number_does_not_fit_a_pattern(pattern: str, number: str) -> None:
    assert not LotPattern(pattern).fits(number)


@pytest.mark.parametrize(
    "pattern",
    [
        "(",
        ")",
        "(a",
        "[a",
        "[]",
        "[z-a]",
        "[\\d-z]",
        "a**",
        "*",
        "a{2",
        "a{x}",
        "a{3,2}",
        "a{65}",
        "a{\u0663}",
        r"\b",
        r"(a)\1",
        "(?=a)",
        "(?P<x>a)",
        "a$b",
        "a^b",
        "(a{60}){60}",
        "(" * 9 + "a" + ")" * 9,
        "a\\",
    ],
)
def test_a_pattern_outside_of_the_subset_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        LotPattern(pattern)


ATOMS = st.sampled_from(["a", "b", "[ab]", "[^a]", ".", r"\d", "0"])
PATTERNS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["?", "*", "+", "{2}", "{1,2}", "{0,1}", "{1,}"])).map(
            lambda pair: f"(?:{pair[0]}){pair[1]}"
        ),
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]}|{pair[1]})"),
    ),
    max_leaves=5,
)


@settings(max_examples=300, deadline=None)
@given(pattern=PATTERNS, number=st.text("ab01", max_size=6))
def test_the_subset_means_what_regular_expressions_mean(pattern: str, number: str) -> None:
    try:
        fits = LotPattern(pattern).fits(number)
    except ValueError:  # nested too deep, or too large
        reject()

    assert fits == (re.fullmatch(pattern, number) is not None)


def test_a_pattern_made_to_backtrack_is_answered_at_once() -> None:
    began = time.process_time()

    for hostile in ("(a+)+b", "(a|a)*b", "a*" * 90 + "b", "(a?){64}a{64}"):
        assert not LotPattern(hostile).fits("a" * 63 + "c")

    assert time.process_time() - began < 1
