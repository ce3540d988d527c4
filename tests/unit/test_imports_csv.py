"""Files of records as the world makes them: read, or refused with what is wanted instead."""

import csv
import io
from collections.abc import Sequence
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.http.csv import written
from domain.errors import DomainError, Reason
from domain.imports.csv import COMMAS_MAX, Layout, inspect_csv, parse_csv
from domain.imports.model import COLUMNS, FILE_BYTES_MAX, BadRecord, Record
from domain.imports.records import read_payload

EXACT = Layout(headers_match_exactly=True)
HEADER = ",".join(COLUMNS)
GOOD = "Rug,A-1,L-1,2026-01-31,12.5,EA"


def parsed(content: str | bytes, *, layout: Layout = EXACT, most: int = 1000) -> Sequence[Record | BadRecord]:
    raw = content.encode() if isinstance(content, str) else content
    return parse_csv(raw, file_name="stock.csv", layout=layout, max_records=most)


def refusal(
    content: str | bytes, *, layout: Layout = EXACT, name: str = "stock.csv", most: int = 1000
) -> DomainError:
    raw = content.encode() if isinstance(content, str) else content
    with pytest.raises(DomainError) as refused:
        inspect_csv(raw, file_name=name, layout=layout, max_records=most)
    return refused.value


def a_good_record(row: int = 1) -> Record:
    return Record(
        row=row,
        item_name="Rug",
        bin_name="A-1",
        lot_name="L-1",
        date_filled=date(2026, 1, 31),
        quantity=Decimal("12.5"),
        uom="EA",
    )


@pytest.mark.parametrize(
    "content",
    [
        f"{HEADER}\n{GOOD}\n",
        f"{HEADER}\r\n{GOOD}\r\n",
        f"{HEADER}\r{GOOD}\r",
        f"\ufeff{HEADER}\n{GOOD}",
        f'"{HEADER.replace(",", chr(34) + "," + chr(34))}"\n"Rug","A-1","L-1","2026-01-31","12.5","EA"\n',
        f"{HEADER}\n Rug ,A-1 , L-1,2026-01-31, 12.5 ,EA\n",
        f"{HEADER}\n{GOOD}\n,,,,,\n\n",
    ],
    ids=["lf", "crlf", "cr", "bom", "quoted", "blanks", "empty rows below"],
)
def test_one_record_is_read_from_every_honest_form_of_a_file(content: str) -> None:
    assert parsed(content) == [a_good_record()]


def test_rows_count_as_a_spreadsheet_shows_them_below_the_header() -> None:
    records = parsed(f'{HEADER}\n{GOOD}\n\n"Two\nlines",A-1,L-1,2026-01-31,1,EA\n{GOOD}\n')

    assert [record.row for record in records] == [1, 3, 4]
    assert records[1] == BadRecord(
        row=3,
        raw={
            "item_name": "Two\nlines",
            "bin_name": "A-1",
            "lot_name": "L-1",
            "date_filled": "2026-01-31",
            "quantity": "1",
            "uom": "EA",
        },
        messages=("item_name must be on one line",),
    )


def test_columns_are_found_by_mapping_and_the_others_are_ignored() -> None:
    mappings = {"Wine": "item_name", "Tank": "bin_name", "Lot #": "lot_name", "Filled": "date_filled"}
    layout = Layout(field_mappings={**mappings, "Qty": "quantity", "Unit": "uom"})
    content = "Note,Wine,Tank,Lot #,Filled,Qty,Unit\nx,Rug,A-1,L-1,2026-01-31,12.5,EA\n"

    assert parsed(content, layout=layout) == [a_good_record()]


@pytest.mark.parametrize(
    ("mappings", "message"),
    [
        (None, "Field mappings are required"),
        ({}, "Field mappings are required"),
        ({"Wine": "wine_name"}, "Invalid mapping target"),
        ({"Wine": "item_name"}, "Nothing is mapped to bin_name"),
        ({"a": "item_name", "b": "item_name"}, "Several headers are mapped to item_name"),
        ({"Wine": "item_name", "Wine ": "bin_name"}, "A header is mapped twice"),
        ({name.upper(): name for name in COLUMNS}, "The file has no header 'ITEM_NAME'"),
    ],
)
def test_a_mapping_that_cannot_be_meant_is_refused(mappings: dict[str, str] | None, message: str) -> None:
    assert refusal(f"{HEADER}\n{GOOD}\n", layout=Layout(field_mappings=mappings)).message == message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (f"{HEADER}\n{GOOD}\n".encode("utf-16"), "Invalid file type. Only CSV files are allowed."),
        (f"{HEADER}\n{GOOD}\n".encode("utf-16-le"), "Invalid file type. Only CSV files are allowed."),
        (b"PK\x03\x04\x00\x00", "Invalid file type. Only CSV files are allowed."),
        (f"{HEADER}\nCaf\xe9,,,,,\n".encode("latin-1"), "Invalid file type. Only CSV files are allowed."),
        (b"", "The file is empty: its first row must name the columns"),
        (HEADER, "The file has no records below its header"),
        (f"{HEADER}\n\n,,,,,\n", "The file has no records below its header"),
        (
            f"{HEADER.replace(',', ';')}\n{GOOD.replace(',', ';')}\n",
            "The columns are separated by semicolons: separate them by commas, and write decimals with a point",
        ),
        (
            f"{HEADER.replace(',', chr(9))}\n{GOOD.replace(',', chr(9))}\n",
            "The columns are separated by tabs: separate them by commas, and write decimals with a point",
        ),
        (f"{HEADER},uom\n{GOOD},EA\n", "The header 'uom' stands there twice"),
        (
            f'{HEADER}\nRug,"A-1"x,L-1,2026-01-31,1,EA\n',
            "The file is not valid CSV at line 2: ',' expected after '\"'",
        ),
        (f'{HEADER}\nRug,"A-1,L-1\n', "The file is not valid CSV at line 2: unexpected end of data"),
        (f"{HEADER}\n{',' * (COMMAS_MAX + 1)}\n", f"A row has more than {COMMAS_MAX} cells"),
        (",".join(map(str, range(300))), "The file has more than 200 columns"),
        (f"{HEADER}\n{GOOD}\n{GOOD}\n{GOOD}\n", "The file has more than 2 records"),
        (
            "item_name,bin_name,lot_name,date_filled,quantity,unit\n",
            f"The headers must be {', '.join(COLUMNS)}: 'unit' is not one of them; uom is missing",
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_as_a_whole(content: str | bytes, message: str) -> None:
    refused = refusal(content, most=2)

    assert (refused.reason, refused.message) == (Reason.VALIDATION_ERROR, message)


def test_a_file_of_another_name_or_size_is_refused() -> None:
    assert (
        refusal(f"{HEADER}\n{GOOD}\n", name="stock.xlsx").message
        == "Invalid file type. Only CSV files are allowed."
    )
    too_large = refusal(b"x" * (FILE_BYTES_MAX + 1))
    assert (too_large.reason, too_large.message) == (
        Reason.PAYLOAD_TOO_LARGE,
        "File size exceeds maximum allowed size of 10MB",
    )


@pytest.mark.parametrize(
    "day", ["1/2/2026", "02.01.2026", "2026/01/02", "26-01-02", "2026-1-2", "\u0662\u0660\u0662\u0666-01-02"]
)
def test_a_date_that_may_mean_two_days_is_a_bad_row_with_what_is_wanted(day: str) -> None:
    (record,) = parsed(f"{HEADER}\nRug,A-1,L-1,{day},1,EA\n")

    assert isinstance(record, BadRecord)
    assert record.messages == (f"date_filled '{day}' is not a date as YYYY-MM-DD, for example 2026-01-31",)


def test_a_spreadsheets_number_for_a_day_is_a_bad_row_that_says_which_day_it_looks_like() -> None:
    (record,) = parsed(f"{HEADER}\nRug,A-1,L-1,45321,1,EA\n")

    assert isinstance(record, BadRecord)
    assert record.messages[0].endswith("it looks like a spreadsheet's number for 2024-01-30")


@pytest.mark.parametrize(
    ("quantity", "message"),
    [
        ('"1,5"', "has a comma"),
        ('"1,234.5"', "has a comma"),
        ("1e3", "is not a number"),
        ("NaN", "is not a number"),
        ("+5", "is not a number"),
        ("\u0665", "is not a number"),
        ("0", "must be greater than zero"),
        ("-5", "must be greater than zero"),
        ("1.23456", "must have at most 4 decimal places"),
        ("123456789012345", "must have at most 14 integer digits"),
        ("", "must not be empty"),
    ],
)
def test_a_quantity_that_is_none_is_a_bad_row(quantity: str, message: str) -> None:
    (record,) = parsed(f"{HEADER}\nRug,A-1,L-1,2026-01-31,{quantity},EA\n")

    assert isinstance(record, BadRecord)
    assert message in record.messages[0]


def test_formulas_are_texts_and_a_row_tells_all_that_is_wrong_with_it() -> None:
    formula, broken, short = parsed(f"{HEADER}\n=1+1,@B,'=L,2026-01-31,1,EA\n,,,x,y,\nRug,A-1\n")

    assert isinstance(formula, Record)
    assert (formula.item_name, formula.bin_name, formula.lot_name) == ("=1+1", "@B", "=L")
    assert isinstance(broken, BadRecord)
    assert len(broken.messages) == 5
    assert short == BadRecord(
        row=3, raw={"item_name": "Rug", "bin_name": "A-1"}, messages=("The row has 2 cells, the header has 6",)
    )


TEXTS = st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20).map(str.strip)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(
            *(TEXTS.filter(bool) for _ in range(4)),
            st.dates(),
            st.decimals(min_value="0.0001", max_value="99999999999999", places=4),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_what_is_exported_is_imported_without_loss(
    rows: list[tuple[str, str, str, str, date, Decimal]],
) -> None:
    cells = [(item, bin_, lot, day, quantity, uom) for item, bin_, lot, uom, day, quantity in rows]

    records = parsed(written([COLUMNS, *cells]))

    again = [
        (one.item_name, one.bin_name, one.lot_name, one.date_filled, one.quantity, one.uom)
        for one in records
        if isinstance(one, Record)
    ]
    unchanged = parsed(written([COLUMNS, *again]))
    assert [one.quantity for one in records if isinstance(one, Record)] == [quantity for *_, quantity in rows]
    assert unchanged == records


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_do_more_than_be_refused(content: bytes) -> None:
    for head in (b"", f"{HEADER}\n".encode()):
        try:
            parsed(head + content)
        except DomainError as refused:
            assert refused.reason is Reason.VALIDATION_ERROR  # noqa: PT017 - either way is right


def test_a_long_cell_is_bounded_where_it_is_kept() -> None:
    text = io.StringIO()
    csv.writer(text).writerow(["x" * 100_000, "b", "l", "2026-01-31", "1", "EA"])

    (record,) = parsed(f"{HEADER}\n{text.getvalue()}")

    assert isinstance(record, BadRecord)
    assert record.messages == ("item_name must have at most 300 characters",)
    assert len(record.raw["item_name"]) == 300


def test_requests_give_the_same_records_and_bad_ones_row_by_row() -> None:
    good = {
        "item_name": "Rug",
        "bin_name": "A-1",
        "lot_name": "L-1",
        "date_filled": "2026-01-31",
        "quantity": Decimal("12.5"),
        "uom": "EA",
    }
    odd: list[object] = [
        good,
        "x",
        {**good, "quantity": "5"},
        {**good, "quantity": True},
        {**good, "extra": 1},
        {name: value for name, value in good.items() if name != "uom"},
        {**good, "bin_name": 7, "quantity": 10**5000},
        {**good, "quantity": Decimal("NaN")},
    ]

    records = read_payload(odd)

    assert records[0] == a_good_record(0)
    assert [record.messages for record in records[1:] if isinstance(record, BadRecord)] == [
        ("A record must be an object",),
        ("quantity must be a number",),
        ("quantity must be a number",),
        ("'extra' is not a field of a record",),
        ("uom is required",),
        ("bin_name must be a text",),
        ("quantity must be a finite number",),
    ]
