"""Of what days a line's stock is.

The ledger knows how much stands on a line, and layers tell of what fill dates that is. Only imports write layers;
everything else moves stock without a word about its days, and `settle` says what that means for them.
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

ZERO = Decimal(0)


def settle(layers: Mapping[date, Decimal], on_hand: Decimal) -> dict[date, Decimal]:
    """The layers that there are when so much is on hand.

    Stock without a date goes first: nobody knows how old it is. Then the oldest layers went, and a layer that went
    is there with nothing in it. What came otherwise has no date. Settling twice is settling once.
    """
    settled = dict(layers)
    gone = sum(layers.values(), ZERO) - on_hand
    for day in sorted(layers):
        if gone <= 0:
            break
        taken = min(settled[day], gone)
        settled[day] -= taken
        gone -= taken
    return settled


def undated(layers: Mapping[date, Decimal], on_hand: Decimal) -> Decimal:
    """What of the stock no settled layer tells of."""
    return on_hand - sum(layers.values(), ZERO)
