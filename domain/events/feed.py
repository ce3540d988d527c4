"""The feed of events: what a reader may see of it, and how they go on.

Positions are handed out under the tenant's head lock, the last that a transaction takes, so they are in the order
of commits and without gaps: whoever has read up to a position misses nothing that was committed before it, and
nothing will ever appear before it (infra/decisions/0002).
"""

import re
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Protocol
from uuid import UUID

import msgspec

from domain.access.model import Caller, Permission, Scope

REACH = 5_000
"""Positions that one read looks at, so that a rare filter costs no more than a common one."""
GUARDED = {"access": Permission.ADMIN_USERS, "settings": Permission.ADMIN_SETTINGS}
"""Areas whose events tell what needs a permission of its own to be read."""
_SNAKE = re.compile(r"_([a-z0-9])")
_NESTED = frozenset({dict, list})


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened, written in the transaction that did it."""

    position: int
    type: str
    """`thing.happened.v1`; a version never changes its shape but by new fields."""
    entity_type: str
    entity_id: UUID
    location_ids: tuple[UUID, ...]
    recorded_at: datetime
    request_id: str | None
    payload: Any


class HappenedEvent(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One event as readers are shown it. `data` is the thing as it was after what happened, by its `type`."""

    position: int
    type: str
    entity_type: str
    entity_id: UUID
    location_ids: Sequence[UUID]
    occurred_at: datetime
    request_id: str | None
    data: Any


class FeedWanted(msgspec.Struct, frozen=True, kw_only=True):
    """A read of the feed."""

    tenant_id: UUID
    scope: Scope
    after: int
    """The position that was read last; 0 is before the first."""
    limit: int
    hidden: frozenset[str] = frozenset()
    """Areas that the reader may not see."""
    type: str | None = None
    """A whole type, or an area as in `inventory.*`."""
    entity_type: str | None = None
    entity_id: UUID | None = None
    location_id: UUID | None = None


class Feed(msgspec.Struct, frozen=True, kw_only=True):
    events: tuple[Event, ...]
    next: int
    """The position to go on from: all up to it was looked at."""
    head: int
    """The last position that there was."""


class EventFeed(Protocol):
    followers: int
    """Streams that are open in this process."""

    async def read(self, wanted: FeedWanted) -> Feed:
        """The next events, oldest first. One statement."""
        ...

    async def wait(self, tenant_id: UUID, after: int, seconds: float) -> bool:
        """Wait until something has happened after a position, or so long; whether something has."""
        ...


def hidden_from(caller: Caller) -> frozenset[str]:
    """The areas that a reader of events may not see."""
    return frozenset(area for area, permission in GUARDED.items() if not caller.allows(permission))


def told(event: Event, scope: Scope) -> HappenedEvent:
    """An event as a reader with this scope is shown it."""
    return HappenedEvent(
        position=event.position,
        type=event.type,
        entity_type=event.entity_type,
        entity_id=event.entity_id,
        location_ids=[place for place in event.location_ids if scope is None or place in scope],
        occurred_at=event.recorded_at,
        request_id=event.request_id,
        data=shown(event.payload, scope),
    )


def shown(payload: Any, scope: Scope) -> Any:
    """A payload with the wire's names, and without the movements at places that the reader may not see."""
    # As decoded, so its types are these: to ask whether it is any mapping costs more than all the rest.
    kind = type(payload)
    if kind is dict:
        return {
            _camel(name): shown(value, scope) if type(value) in _NESTED else value
            for name, value in payload.items()
        }
    if kind is list:
        return [shown(item, scope) for item in payload if scope is None or _is_within(item, scope)]
    return payload


def _is_within(item: Any, scope: frozenset[UUID]) -> bool:
    if not isinstance(item, dict):
        return True
    place = item.get("location_id") or item.get("locationId")
    return place is None or UUID(place) in scope


@lru_cache(1024)
def _camel(name: str) -> str:
    # Keys that are ids or codes stay what they are: only our own names have an underscore before a letter.
    return _SNAKE.sub(lambda found: found[1].upper(), name)
