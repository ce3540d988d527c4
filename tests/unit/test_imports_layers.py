"""Of what days stock is: what settling keeps, whatever was taken and brought."""

from datetime import date, timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.imports.layers import settle, undated

QUANTITIES = st.decimals(min_value=0, max_value=1000, places=4)
LAYERS = st.dictionaries(st.dates(date(2026, 1, 1), date(2026, 1, 9)), QUANTITIES, max_size=5)


@settings(max_examples=100, deadline=None)
@given(LAYERS, QUANTITIES)
def test_layers_never_tell_of_more_than_there_is_and_none_is_forgotten(
    layers: dict[date, Decimal], on_hand: Decimal
) -> None:
    settled = settle(layers, on_hand)

    assert settled.keys() == layers.keys()
    assert all(0 <= settled[day] <= layers[day] for day in layers)
    assert undated(settled, on_hand) == max(Decimal(0), on_hand - sum(layers.values()))
    assert settle(settled, on_hand) == settled


@settings(max_examples=100, deadline=None)
@given(LAYERS, QUANTITIES)
def test_the_oldest_layers_go_first(layers: dict[date, Decimal], on_hand: Decimal) -> None:
    settled = settle(layers, on_hand)

    touched = [day for day in sorted(layers) if settled[day] < layers[day]]
    untouched_before = [day for day in sorted(layers) if touched and day < touched[-1]]
    assert all(settled[day] == 0 for day in untouched_before)


def test_stock_without_a_date_goes_before_any_layer() -> None:
    monday = date(2026, 1, 5)
    layers = {monday: Decimal(5), monday + timedelta(days=1): Decimal(5)}

    assert settle(layers, Decimal(12)) == layers
    assert settle(layers, Decimal(8)) == {monday: 3, monday + timedelta(days=1): 5}
    assert settle(layers, Decimal(2)) == {monday: 0, monday + timedelta(days=1): 2}
