"""Code 128 against patterns that are known to be right, and what every pattern has."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.session_api.blind_form_page import barcode_of
from domain.counting.code128 import LONGEST, can_be_read, widths_of


def bits(text: str) -> str:
    return "".join("10"[n % 2] * int(width) for n, width in enumerate(widths_of(text)))


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("CC-X", "1101001000010001000110100010001101001101110011100010110111011110101100011101011"),
        ("7/b", "11010010000111011011101011100110010010000110101110001101100011101011"),
    ],
)
def test_a_known_text_has_its_known_pattern(text: str, known: str) -> None:
    assert bits(text) == known


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=LONGEST))
def test_every_sign_is_eleven_modules_with_an_even_number_of_bars(text: str) -> None:
    widths = widths_of(text)

    signs = re.findall("......", widths[:-7])
    assert len(signs) == len(text) + 2
    assert {sum(map(int, sign)) for sign in signs} == {11}
    assert {sum(map(int, sign[::2])) % 2 for sign in signs} == {0}
    assert len({widths_of(char)[6:12] for char in map(chr, range(32, 127))}) == 95


@pytest.mark.parametrize("text", ["", "Regal 3 Ä", "x" * (LONGEST + 1), "a\tb"])
def test_what_cannot_stand_as_a_barcode_has_none(text: str) -> None:
    assert not can_be_read(text)
    assert barcode_of(text) == ""


def test_a_barcode_has_white_on_both_sides_and_its_text_as_a_title() -> None:
    drawn = barcode_of("A<1")

    assert drawn.count("<path") == 1
    assert "<title>A&lt;1</title>" in drawn
    assert 'd="M10 0h2v30h-2z' in drawn
    assert f'viewBox="0 0 {20 + sum(map(int, widths_of("A<1")))} 30"' in drawn
