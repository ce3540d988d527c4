"""The accuracy of the records, by what they are grouped by."""

from collections import Counter
from decimal import Decimal
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from domain.counting.accuracy import Accuracy, CountedOnce, accuracy, accuracy_by

ids = st.sampled_from([UUID(int=number) for number in range(1, 4)])
lines = st.lists(
    st.builds(
        CountedOnce,
        batch_id=ids,
        location_id=ids,
        abc_class=st.sampled_from([None, "A", "B", "C"]),
        counter_id=ids,
        is_within=st.booleans(),
    )
)


def test_accuracy_is_the_share_of_lines_within_their_tolerance() -> None:
    assert Accuracy(counted=3, within=2).share == Decimal("0.6667")
    assert Accuracy(counted=8, within=8).share == 1
    assert Accuracy(counted=8, within=0).share == 0


def test_nothing_counted_is_neither_good_nor_bad() -> None:
    assert accuracy([]).share is None


@given(lines)
def test_groups_add_up_to_the_whole(counted: list[CountedOnce]) -> None:
    whole = accuracy(counted)

    for groups in (
        accuracy_by(counted, lambda line: line.batch_id),
        accuracy_by(counted, lambda line: line.location_id),
        accuracy_by(counted, lambda line: line.abc_class),
        accuracy_by(counted, lambda line: line.counter_id),
    ):
        sums: Counter[str] = Counter()
        for group in groups.values():
            assert 0 <= group.within <= group.counted
            assert group.counted > 0
            sums.update(counted=group.counted, within=group.within)
        assert (sums["counted"], sums["within"]) == (whole.counted, whole.within)
