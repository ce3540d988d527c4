"""The demonstration's data: the full CSV and the shipped file are two forms of the same rows."""

import datetime as dt
import lzma
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.demo import packed
from infra.demo.derive import derive
from infra.demo.rows import DemoDataError, Row, by_day, read_csv
from tests.demo_lab import as_csv, write_csv

SAMPLE = '''\
InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country
536365,85123A,WHITE HANGING HEART T-LIGHT HOLDER,6,2010-12-01 08:26:00,2.55,17850,United Kingdom
536365,85123a,WHITE HANGING HEART T-LIGHT HOLDER,6,2010-12-01 08:26:00,5.91,17850,United Kingdom
536365,POST,POSTAGE,1,2010-12-01 08:26:00,18.0,17850,United Kingdom
C536379,D,Discount,-1,2010-12-01 09:41:00,27.5,14527,United Kingdom
C536391,22556,PLASTERS IN TIN CIRCUS PARADE ,-12,2010-12-01 10:24:00,1.65,17548,France
536414,22139,,56,2010-12-01 11:52:00,0.0,,United Kingdom
536589,21777,"damaged, ""wet""",-10,2010-12-01 16:50:00,0.0,,United Kingdom
A563186,B,Adjust bad debt,1,2011-08-12 14:51:00,-11062.06,,United Kingdom
561226,PADS,PADS TO MATCH ALL CUSHIONS,1,2011-08-25 09:00:00,0.001,15618,United Kingdom
'''


def write_sample(folder: Path, text: str = SAMPLE) -> Path:
    return write_csv(folder, text)


def test_a_csv_line_is_read_to_the_letter(tmp_path: Path) -> None:
    first, *_, odd, _, last = read_csv(write_sample(tmp_path))
    at = int((dt.datetime(2010, 12, 1, 8, 26) - dt.datetime(1970, 1, 1)).total_seconds()) // 60  # noqa: DTZ001
    name = "WHITE HANGING HEART T-LIGHT HOLDER"
    assert first == Row("536365", "85123A", name, 6, at, 2550, "17850", "United Kingdom")
    assert (odd.description, odd.qty, odd.customer) == ('damaged, "wet"', -10, "")
    assert (last.code, last.mils) == ("PADS", 1)


def test_a_compressed_csv_reads_like_a_plain_one(tmp_path: Path) -> None:
    plain = write_sample(tmp_path)
    small = tmp_path / "sample.csv.xz"
    small.write_bytes(lzma.compress(plain.read_bytes()))
    assert list(read_csv(small)) == list(read_csv(plain))


def test_the_compact_file_gives_back_every_row_of_the_csv(tmp_path: Path) -> None:
    source, target = write_sample(tmp_path), tmp_path / "sample.columns"
    assert derive(source, target) == 9
    header, columns = packed.read(target)
    assert header["licence"] == "CC0-1.0"
    assert list(packed.from_columns(columns)) == list(read_csv(source))


def test_deriving_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    source = write_sample(tmp_path)
    derive(source, tmp_path / "one")
    derive(source, tmp_path / "two")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


rows = st.builds(
    Row,
    invoice=st.builds("{}{:06d}".format, st.sampled_from(packed.PREFIXES), st.integers(0, 999_999)),
    code=st.sampled_from(["85123A", "85123a", "POST", "é", ""]),
    description=st.text(st.characters(exclude_characters="\n", codec="utf-8"), max_size=8),
    qty=st.integers(-(10**6), 10**6),
    minute=st.integers(0, 10**8),
    mils=st.integers(-(10**9), 10**9),
    customer=st.sampled_from(["", "12346", "18287"]),
    country=st.sampled_from(["United Kingdom", "EIRE"]),
)


@given(st.lists(rows, max_size=40))
def test_any_rows_survive_packing(given_rows: list[Row]) -> None:
    assert list(packed.from_columns(packed.to_columns(given_rows))) == given_rows


def test_a_stock_code_may_have_more_prices_than_a_byte_counts() -> None:
    many = [Row("536365", "M", f"n{n % 400}", 1, 0, n % 400, "", "EIRE") for n in range(1200)]
    assert list(packed.from_columns(packed.to_columns(many))) == many


def test_the_shipped_file_holds_the_whole_year_in_little_space() -> None:
    header, columns = packed.read(packed.SHIPPED)
    assert packed.SHIPPED.stat().st_size < 1_500_000
    assert header["derived_from_sha256"] == "e665e37f35c4388f6b58743c5fb993dc721210336971200a11078caa7f318da7"
    days = [(day, len(lines)) for day, lines in by_day(packed.from_columns(columns))]
    assert sum(lines for _, lines in days) == header["rows"] == 541_909
    assert days[0] == (dt.date(2010, 12, 1), 3108)
    assert (days[-1][0], len(days)) == (dt.date(2011, 12, 9), 305)


def test_a_csv_made_of_shipped_rows_derives_to_those_rows(tmp_path: Path) -> None:
    _, columns = packed.read(packed.SHIPPED)
    sample = list(
        islice(packed.from_columns(columns), 77_000, 87_000)
    )  # with the one invoice that is in two parts
    source = write_sample(tmp_path, as_csv(sample))
    assert list(read_csv(source)) == sample
    derive(source, tmp_path / "sample.columns")
    _, again = packed.read(tmp_path / "sample.columns")
    assert list(packed.from_columns(again)) == sample


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "does not start with the columns"),
        (SAMPLE.replace("StockCode", "Sku"), "does not start with the columns"),
        (SAMPLE.replace(",56,", ",many,"), "unreadable after line 7"),
        (SAMPLE.replace(",56,", ","), "unreadable after line 7"),
        (SAMPLE.replace("2010-12-01 11:52:00", "yesterday"), "unreadable after line 7"),
        (SAMPLE.replace(",0.001,", ",nan,"), "unreadable after line 10"),
    ],
)
def test_a_csv_that_cannot_be_read_is_refused_in_one_sentence(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(DemoDataError, match=says):
        list(read_csv(write_sample(tmp_path, text)))


def test_a_missing_or_torn_file_is_refused_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DemoDataError, match="cannot be read"):
        list(read_csv(tmp_path / "nowhere.csv"))
    torn = tmp_path / "torn.csv.xz"
    torn.write_bytes(lzma.compress(SAMPLE.encode() * 50)[:-40])
    with pytest.raises(DemoDataError):
        list(read_csv(torn))
    with pytest.raises(DemoDataError, match="not the demonstration's data"):
        packed.read(write_sample(tmp_path))
    cut = tmp_path / "cut.columns"
    cut.write_bytes(packed.SHIPPED.read_bytes()[:-1000])
    with pytest.raises(DemoDataError, match="not the demonstration's data"):
        packed.read(cut)


def test_rows_that_go_back_in_time_are_refused(tmp_path: Path) -> None:
    head, one, *rest = SAMPLE.splitlines(keepends=True)
    backwards = write_sample(tmp_path, head + "".join(rest) + one)
    with pytest.raises(DemoDataError, match="invoice 536365 goes back in time"):
        list(by_day(read_csv(backwards)))


def test_an_invoice_number_of_another_shape_cannot_be_packed() -> None:
    with pytest.raises(DemoDataError, match="'X12'"):
        packed.to_columns([Row("X12", "85123A", "", 1, 0, 0, "", "EIRE")])
