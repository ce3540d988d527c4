"""What a count of a whole product comes to."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from domain.errors import DomainError, Reason
from domain.expiry.model import KnownLot
from domain.ledger.counting_whole import CountedLine, StandingLine, WholeCount, tally

PRODUCT = UUID(int=1)
BINS = {"A": UUID(int=11), "B": UUID(int=12), "C": UUID(int=13)}
LOTS = {number: UUID(int=21 + n) for n, number in enumerate(("X", "Y"))}


def compare(stood: str, counted: str, *, complete: bool = False) -> str:
    """Of and as words `bin.lot=quantity`; a counted `A.X=5!7` expects seven. Unlisted lines are in brackets."""
    count = WholeCount(
        product_id=PRODUCT,
        location_id=UUID(int=2),
        complete=complete,
        counted_at=datetime(2026, 1, 1, tzinfo=UTC),
        lines=[_counted(word) for word in counted.split()],
    )
    lots = {
        (PRODUCT, number): KnownLot(id=id_, product_id=PRODUCT, number=number, expires_on=None)
        for number, id_ in LOTS.items()
    }
    codes = {id_: code for code, id_ in BINS.items()}
    tallies = tally(count, [_standing(word) for word in stood.split()], lots=lots, bins=codes)
    words = (f"{t.bin_code}.{t.lot_number}={t.difference:+}" for t in tallies)
    return " ".join(word if t.index is not None else f"[{word}]" for word, t in zip(words, tallies, strict=True))


def _counted(word: str) -> CountedLine:
    place, _, quantities = word.partition("=")
    bin_, lot = place.split(".")
    found, _, expected = quantities.partition("!")
    return CountedLine(
        bin_id=BINS[bin_],
        lot_number=lot,
        counted=Decimal(found),
        expected=Decimal(expected) if expected else None,
    )


def _standing(word: str) -> StandingLine:
    place, _, then = word.partition("=")
    bin_, lot = place.split(".")
    return StandingLine(
        line_id=UUID(int=BINS[bin_].int * 100 + LOTS[lot].int),
        bin_id=BINS[bin_],
        bin_code=bin_,
        lot_id=LOTS[lot],
        lot_number=lot,
        expires_on=None,
        then=Decimal(then),
    )


@pytest.mark.parametrize(
    ("stood", "counted", "complete", "expected"),
    [
        pytest.param("A.X=10", "A.X=8.5", False, "A.X=-1.5", id="less than in the books"),
        pytest.param("A.X=10", "A.X=12", False, "A.X=+2", id="more than in the books"),
        pytest.param("A.X=10", "A.X=10", False, "A.X=+0", id="as in the books"),
        pytest.param("A.X=10", "A.X=0", False, "A.X=-10", id="zero is a count"),
        pytest.param("", "A.X=3", False, "A.X=+3", id="where nothing was known to be"),
        pytest.param("", "A.Z=3", False, "A.Z=+3", id="of a lot that is not known"),
        pytest.param("A.X=1 A.Y=2", "A.Y=1", False, "A.Y=-1", id="what is not listed is left alone"),
        pytest.param("A.X=1 A.Y=2", "A.Y=1", True, "A.Y=-1 [A.X=-1]", id="unless the count is complete"),
        pytest.param("A.X=1 B.X=0", "A.X=1", True, "A.X=+0 [B.X=+0]", id="an empty line was counted, too"),
        pytest.param("A.X=1 B.X=2", "", True, "[A.X=-1] [B.X=-2]", id="nothing is there at all"),
        pytest.param("A.X=7", "A.X=5!7", False, "A.X=-2", id="what was expected stood there"),
        pytest.param("", "A.X=5!0", False, "A.X=+5", id="nothing was expected where nothing stood"),
        pytest.param("A.X=-3", "A.X=2", False, "A.X=+5", id="late entries may leave less than nothing then"),
    ],
)
def test_a_count_comes_to_its_differences(stood: str, counted: str, *, complete: bool, expected: str) -> None:
    assert compare(stood, counted, complete=complete) == expected


@pytest.mark.parametrize(("stood", "counted"), [("A.X=7", "A.X=5!8"), ("", "A.X=5!1"), ("A.Y=1", "A.X=5!1")])
def test_another_quantity_than_expected_is_stale(stood: str, counted: str) -> None:
    with pytest.raises(DomainError) as refused:
        compare(stood, counted)

    assert refused.value.reason is Reason.STALE_QUANTITY
