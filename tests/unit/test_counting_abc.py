"""ABC classes: a table added up by hand, the real year, and what holds for every table."""

from collections import Counter
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.catalog.model import AbcClass
from domain.counting.abc import Ranked, Thresholds, classify, require_thresholds
from domain.errors import FieldError
from infra.demo import packed

A, B, C = AbcClass.A, AbcClass.B, AbcClass.C


def ranked(*amounts: int | str | Decimal) -> list[Ranked]:
    return [
        Ranked(product_id=UUID(int=n), sku=f"SKU-{n:05}", amount=Decimal(amount))
        for n, amount in enumerate(amounts)
    ]


def test_a_table_that_was_added_up_by_hand() -> None:
    table = classify(ranked(5, 50, 30, 10, 4, 1))

    assert [(str(row.amount), str(row.share), str(row.cumulative_share), row.abc_class) for row in table] == [
        ("50", "50.0000", "50.0000", A),
        ("30", "30.0000", "80.0000", A),
        ("10", "10.0000", "90.0000", B),
        ("5", "5.0000", "95.0000", B),
        ("4", "4.0000", "99.0000", C),
        ("1", "1.0000", "100.0000", C),
    ]
    assert [row.rank for row in table] == [1, 2, 3, 4, 5, 6]


def test_what_crosses_a_threshold_belongs_to_the_class_after_it() -> None:
    table = classify(ranked("79.9999", "0.0002", "19.9999"))

    assert [(str(row.cumulative_share), row.abc_class) for row in table] == [
        ("79.9999", A),
        ("99.9998", C),
        ("100.0000", C),
    ]


def test_a_cumulative_share_shown_is_above_a_threshold_when_the_exact_one_is() -> None:
    table = classify(ranked(80_000_001, 19_999_999))

    assert (str(table[0].cumulative_share), table[0].abc_class) == ("80.0001", B)


def test_nothing_is_c_and_what_came_back_is_not_taken_off_the_others() -> None:
    table = classify(ranked(0, 8, -3, 2))

    assert [(row.product_id.int, str(row.amount), str(row.share), row.abc_class) for row in table] == [
        (1, "8", "80.0000", A),
        (3, "2", "20.0000", C),
        (0, "0", "0.0000", C),
        (2, "0", "0.0000", C),
    ]
    assert [row.abc_class for row in classify(ranked(0, 0))] == [C, C]
    assert classify([]) == []


def test_what_a_person_set_is_in_force_and_the_computed_class_stays_visible() -> None:
    table = classify(ranked(50, 30, 20), overrides={UUID(int=2): A, UUID(int=0): C})

    assert [(row.abc_class, row.computed_class, row.is_overridden) for row in table] == [
        (C, A, True),
        (A, A, False),
        (A, C, True),
    ]


def test_equals_are_ranked_by_their_code() -> None:
    table = classify(list(reversed(ranked(1, 1, 1, 1))))

    assert [row.product_id.int for row in table] == [0, 1, 2, 3]


@pytest.mark.parametrize(("a", "b", "path"), [(-1, 95, "aThreshold"), (80, 101, "bThreshold"), (95, 80, "bThr")])
def test_thresholds_that_cannot_be_meant_are_refused(a: int, b: int, path: str) -> None:
    with pytest.raises(FieldError, match=path):
        require_thresholds(Thresholds(a=Decimal(a), b=Decimal(b)))


def test_the_full_online_retail_year_has_803_a_983_b_and_2136_c_of_3922_codes() -> None:
    """Rows with a positive quantity and price, by code to the letter, by value."""
    _, columns = packed.read(packed.SHIPPED)
    sold: Counter[str] = Counter()
    for row in packed.from_columns(columns):
        if row.qty > 0 and row.mils > 0:
            sold[row.code] += row.qty * row.mils

    table = classify(
        Ranked(product_id=UUID(int=n), sku=code, amount=Decimal(mils) / 1000)
        for n, (code, mils) in enumerate(sold.items())
    )

    assert len(table) == 3922
    assert Counter(row.abc_class for row in table) == {A: 803, B: 983, C: 2136}
    assert table[802].cumulative_share <= 80 < table[803].cumulative_share
    assert table[1785].cumulative_share <= 95 < table[1786].cumulative_share


AMOUNTS = st.lists(st.decimals(min_value=-1000, max_value=10**9, places=4), max_size=60)


@given(AMOUNTS, st.integers(0, 100), st.integers(0, 100))
def test_every_table_ranks_adds_up_and_never_gives_a_better_class_to_less(
    amounts: list[Decimal], first: int, second: int
) -> None:
    thresholds = Thresholds(a=Decimal(min(first, second)), b=Decimal(max(first, second)))

    table = classify(ranked(*amounts), thresholds=thresholds)

    assert [row.rank for row in table] == list(range(1, len(amounts) + 1))
    assert sorted(row.product_id for row in table) == [UUID(int=n) for n in range(len(amounts))]
    assert [row.amount for row in table] == sorted((row.amount for row in table), reverse=True)
    assert [row.computed_class for row in table] == sorted(row.computed_class for row in table)
    total = sum((row.amount for row in table), Decimal(0))
    if total:
        assert abs(sum((row.share for row in table), Decimal(0)) - 100) <= Decimal("0.0001") * len(table)
        assert table[-1].cumulative_share == 100
    for row in table:
        by_hand = A if row.cumulative_share <= thresholds.a else B if row.cumulative_share <= thresholds.b else C
        assert row.computed_class == (by_hand if row.amount else C)
