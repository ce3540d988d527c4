"""Exports that no spreadsheet runs and that lose nothing (P-47)."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import count
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.http.csv import cell, csv_answer, written
from domain.cells import plain_text, safe_text
from tests.ledger.promises import show

HOSTILE = (
    *("=1+1", "+1", "-1+cmd|' /C calc'!A0", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\0=1", "'=1", "''=1"),
    *('=HYPERLINK("http://evil")', "\uff1d1+1", "\uff0b1", "\uff0d1", "\uff20x", "=", "'", "''"),
)
BEGINNINGS = tuple("=+-@\t\r\n\0\uff1d\uff0b\uff0d\uff20")


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_begins_like_a_formula_and_each_comes_back(text: str) -> None:
    assert not safe_text(text).startswith(BEGINNINGS)
    assert plain_text(safe_text(text)) == text


@given(st.one_of(st.text(), st.text(alphabet="'=+-@\t1a\uff1d")))
def test_any_text_is_safe_and_comes_back(text: str) -> None:
    assert not safe_text(text).startswith(BEGINNINGS)
    assert plain_text(safe_text(text)) == text


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**13), max_value=10**13))
def test_numbers_are_numbers_whatever_their_sign(number: Decimal) -> None:
    assert Decimal(cell(number)) == number
    assert not cell(number).startswith("'")


@given(
    st.lists(st.lists(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"])), min_size=2, max_size=2))
)
def test_what_is_written_is_read_back(rows: list[list[str]]) -> None:
    read = list(csv.reader(io.StringIO(written(rows).decode(), newline="")))

    assert [[plain_text(text) for text in row] for row in read] == rows


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "true"),
        (-3, "-3"),
        (Decimal("-1E+3"), "-1000"),
        (date(2026, 1, 2), "2026-01-02"),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05Z"),
        (UUID(int=0), "00000000-0000-0000-0000-000000000000"),
        ("-3", "'-3"),
    ],
)
def test_a_cell_shows_a_value_as_the_wire_does(value: object, text: str) -> None:
    assert cell(value) == text


async def test_a_list_without_end_is_written_part_by_part() -> None:
    async def parts() -> AsyncIterator[list[tuple[int, int]]]:
        for number in count():
            yield [(number, -number)]

    lines = csv_answer("numbers", ["number", "negative"], parts()).iterator

    assert [await anext(lines) for _ in range(3)] == [b"number,negative\r\n", b"0,0\r\n", b"1,-1\r\n"]
    show("P-47", hostile_cells=len(HOSTILE), formulas=0)
