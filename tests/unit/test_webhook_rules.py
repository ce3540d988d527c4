"""What waits for what, for how long, and what an endpoint may be sent."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from domain.access.model import Permission
from domain.events.feed import Event
from domain.values import new_id
from domain.webhooks.delivering import Pace, Standing, is_wanted, keys_of, message_id, outcome_of
from domain.webhooks.model import Outcome, Sent
from infra.webhooks.cursors import Waiting
from infra.webhooks.rounds import planned

HERE, THERE = new_id(), new_id()
LINE, OTHER, THIRD = new_id(), new_id(), new_id()


def an_event(type_: str = "inventory.adjusted.v1", **facts: Any) -> Event:
    return Event(
        **{
            "position": 1,
            "type": type_,
            "entity_type": "posting",
            "entity_id": new_id(),
            "location_ids": (HERE,),
            "recorded_at": datetime(2026, 1, 1, tzinfo=UTC),
            "request_id": None,
            "payload": {},
            **facts,
        }
    )


def waiting(position: int, *keys: UUID, wait: float = 0.0) -> Waiting:
    return Waiting(position=position, keys=frozenset(keys), attempts=1, wait=wait)


def failed(status: int | None = 500) -> Sent:
    return Sent(status=status, error="no", response=None, duration_ms=1)


def test_what_shares_a_key_with_what_is_not_due_waits_with_it_and_nothing_else() -> None:
    plan = planned([waiting(1, LINE, wait=5), waiting(2, LINE, OTHER), waiting(3, OTHER), waiting(4, THIRD)], 10)

    assert [one.position for one in plan.due] == [4]
    assert plan.held == {LINE: 5, OTHER: 5}


def test_what_is_due_is_not_held_back_by_what_comes_behind_it() -> None:
    plan = planned([waiting(1, LINE), waiting(2, LINE, wait=5)], 10)

    assert [one.position for one in plan.due] == [1]


def test_a_round_takes_no_more_than_its_share_and_says_so() -> None:
    plan = planned([waiting(n, new_id()) for n in range(5)], 3)

    assert ([one.position for one in plan.due], plan.is_cut) == ([0, 1, 2], True)


def test_an_event_is_ordered_by_its_thing_and_by_the_stock_it_moved() -> None:
    movements = [{"line_id": str(LINE)}, {"line_id": str(OTHER)}, {"line_id": str(LINE)}]
    event = an_event(payload={"movements": movements})
    huge = an_event(payload={"movements": [{"line_id": str(new_id())} for _ in range(201)]})

    assert keys_of(event) == (event.entity_id, *sorted((LINE, OTHER)))
    assert keys_of(huge) == (huge.entity_id,)
    assert keys_of(an_event(payload=["odd"]))


def test_waits_grow_to_a_limit_and_never_come_at_the_same_moment() -> None:
    pace = Pace()
    waits = [pace.wait_after(attempt) for attempt in range(1, 12)]

    assert all(5 * 4 ** (n - 1) * 0.8 <= wait for n, wait in enumerate(waits[:6], 1))
    assert max(waits) <= pace.longest_wait * 1.2
    assert len({pace.wait_after(1) for _ in range(20)}) > 10
    assert pace.wait_after(10_000) <= pace.longest_wait * 1.2
    assert pace.rest_after_failures(4) is None
    assert pace.rest_after_failures(5) is not None


def test_the_last_attempt_is_the_last_and_gone_is_gone() -> None:
    pace = Pace(attempts_max=3)
    done = Sent(status=200, error=None, response=None, duration_ms=1)

    assert outcome_of(failed(), attempt=2, pace=pace) is Outcome.FAILED
    assert outcome_of(failed(), attempt=3, pace=pace) is Outcome.DEAD
    assert outcome_of(failed(410), attempt=3, pace=pace) is Outcome.GONE
    assert outcome_of(done, attempt=9, pace=pace) is Outcome.DELIVERED


def test_an_endpoint_is_sent_what_its_maker_may_see() -> None:
    everything = dict.fromkeys(Permission)
    limited = {Permission.EVENTS_READ: frozenset({HERE})}

    def standing(rights: Any, *, types: tuple[str, ...] = (), places: Any = None) -> Standing:
        found = Standing.of(rights, types=types, location_ids=places)
        assert found is not None
        return found

    assert Standing.of({}, types=(), location_ids=None) is None
    assert standing(everything).shows(an_event("access.user.changed.v1"))
    assert not standing({Permission.EVENTS_READ: None}).shows(an_event("access.user.changed.v1"))
    assert standing(limited).shows(an_event())
    assert not standing(limited).shows(an_event(location_ids=(THERE,)))
    assert not standing(limited).shows(an_event(location_ids=()))
    assert not standing(limited, places=[THERE]).shows(an_event(location_ids=(HERE, THERE)))
    assert not standing(everything, types=("transfer.*",)).shows(an_event())


def test_an_area_is_a_part_of_names_up_to_a_dot() -> None:
    assert is_wanted("stock_request.stocklist.changed.v1", ("stock_request.*",))
    assert is_wanted("stock_request.stocklist.changed.v1", ("stock_request.stocklist.*",))
    assert not is_wanted("stock_requests.changed.v1", ("stock_request.*",))
    assert is_wanted("anything", ())


def test_an_id_is_the_same_for_every_attempt_and_another_for_every_endpoint() -> None:
    assert message_id(HERE, 7) == message_id(HERE, 7)
    assert len({message_id(HERE, 7), message_id(HERE, 8), message_id(THERE, 7)}) == 3
