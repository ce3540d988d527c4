"""Inventory record accuracy (IRA): of the lines that were counted, the share that was within its tolerance.

A line counts once, by its last count; one that was waived was not counted. More here and less there do not make up
for each other: the sum of variances is no measure of accuracy.
"""

from collections.abc import Callable, Iterable, Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from uuid import UUID

import msgspec

PLACES = Decimal("0.0001")
"""Shares are shown to a hundredth of a percent."""


class CountedOnce(msgspec.Struct, frozen=True, kw_only=True):
    """A counted line as accuracy sees it."""

    batch_id: UUID
    location_id: UUID
    abc_class: str | None
    counter_id: UUID
    """Whose count it was, the last one."""
    is_within: bool


class Accuracy(msgspec.Struct, frozen=True, kw_only=True):
    counted: int
    within: int

    @property
    def share(self) -> Decimal | None:
        """From 0 to 1; None where nothing was counted, which is neither good nor bad."""
        if self.counted == 0:
            return None
        return (Decimal(self.within) / self.counted).quantize(PLACES, ROUND_HALF_EVEN)


def accuracy(lines: Iterable[CountedOnce]) -> Accuracy:
    """The accuracy of lines taken together."""
    counted = within = 0
    for line in lines:
        counted += 1
        within += line.is_within
    return Accuracy(counted=counted, within=within)


def accuracy_by[K](lines: Iterable[CountedOnce], key: Callable[[CountedOnce], K]) -> Mapping[K, Accuracy]:
    """The accuracy of each batch, class, location or counter, as `key` says."""
    groups: dict[K, list[CountedOnce]] = {}
    for line in lines:
        groups.setdefault(key(line), []).append(line)
    return {name: accuracy(group) for name, group in groups.items()}
