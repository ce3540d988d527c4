"""What of a body is refused before anything looks at it."""

from datetime import date

import pytest

from app.http.wire import Body, decode
from domain.errors import FieldError


class Wanted(Body, frozen=True, kw_only=True):
    needed_by: date


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_a_day_that_the_database_would_take_for_infinity_is_refused(day: str) -> None:
    with pytest.raises(FieldError) as refused:
        decode(b'{"neededBy": "%s"}' % day.encode(), Wanted)

    assert refused.value.facts["fields"] == [
        {"path": "neededBy", "message": "must be a day after 0001-01-01 and before 9999-12-31"}
    ]


@pytest.mark.parametrize("day", ["0001-01-02", "9999-12-30"])
def test_the_days_between_are_taken(day: str) -> None:
    assert decode(b'{"neededBy": "%s"}' % day.encode(), Wanted).needed_by == date.fromisoformat(day)
