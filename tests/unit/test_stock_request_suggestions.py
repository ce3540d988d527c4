"""How much a stocklist asks for."""

from decimal import Decimal

import pytest

from domain.stock_requests.stocklists import suggested_quantity


@pytest.mark.parametrize(
    ("maximum", "minimum", "pack", "has", "gets", "expected"),
    [
        pytest.param("40", None, None, "15", "0", "25", id="up to the maximum"),
        pytest.param("40", None, None, "15", "10", "15", id="less what is coming"),
        pytest.param("40", None, None, "50", "0", "0", id="never less than nothing"),
        pytest.param("40", None, None, "-5", "0", "40", id="what is promised twice does not raise it"),
        pytest.param("40", None, "12", "15", "0", "24", id="whole packs, not above the maximum"),
        pytest.param("40", None, "12", "38", "0", "0", id="less than a pack is none"),
        pytest.param("10", None, "12", "0", "0", "12", id="an empty shelf gets a pack all the same"),
        pytest.param("40", "10", None, "11", "0", "0", id="nothing above the minimum"),
        pytest.param("40", "10", None, "10", "0", "30", id="all of it at the minimum"),
        pytest.param("12", "10", "24", "9", "0", "24", id="a pack where there is not even the minimum"),
        pytest.param("2.5", None, "0.5", "1.2", "0", "1", id="packs of a fraction"),
    ],
)
def test_what_is_suggested(
    *, maximum: str, minimum: str | None, pack: str | None, has: str, gets: str, expected: str
) -> None:
    found = suggested_quantity(
        maximum=Decimal(maximum),
        minimum=None if minimum is None else Decimal(minimum),
        pack=None if pack is None else Decimal(pack),
        has=Decimal(has),
        gets=Decimal(gets),
    )

    assert found == Decimal(expected)
