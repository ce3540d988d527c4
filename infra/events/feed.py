"""The feed as it is read: a window of positions by the primary key, whatever the filters."""

import asyncio
import contextlib
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from domain.errors import DomainError
from domain.events.feed import REACH, Event, EventFeed, Feed, FeedWanted
from infra.db.errors import AWAY
from infra.db.pool import Database

READ = f"""
    WITH head AS MATERIALIZED (SELECT event_position AS position FROM ledger_heads WHERE tenant_id = $1)
    SELECT head.position AS head, e.* FROM head LEFT JOIN LATERAL (
        SELECT e.position, e.type, e.entity_type, e.entity_id, e.location_ids, e.recorded_at, e.request_id,
            e.payload
        FROM events e
        WHERE e.tenant_id = $1 AND e.position > $2 AND e.position <= least(head.position, $2 + {REACH})
            AND split_part(e.type, '.', 1) <> ALL ($4::text[])
            AND ($5::uuid[] IS NULL OR e.location_ids && $5)
            AND ($6::text IS NULL OR e.type = $6)
            AND ($7::text IS NULL OR starts_with(e.type, $7))
            AND ($8::text IS NULL OR e.entity_type = $8)
            AND ($9::uuid IS NULL OR e.entity_id = $9)
            AND ($10::uuid IS NULL OR $10 = ANY (e.location_ids))
        ORDER BY e.position LIMIT $3
    ) e ON true
    ORDER BY e.position
"""  # noqa: S608 - of a constant
HEAD = "SELECT event_position FROM ledger_heads WHERE tenant_id = $1"
EVERY = 0.25
"""Seconds between two looks at a tenant's head, while anybody waits for it.

Not LISTEN: a NOTIFY in every posting would make PostgreSQL commit all tenants' postings one after another (it
holds one lock over all databases' notifying commits). One look serves all who wait in this process.
"""

_payload: msgspec.json.Decoder[Any] = msgspec.json.Decoder(float_hook=Decimal)


class SqlEventFeed(EventFeed):
    """The `EventFeed` port."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._tails: dict[UUID, _Tail] = {}
        self.followers = 0

    async def read(self, wanted: FeedWanted) -> Feed:
        type_ = wanted.type or ""
        is_area = type_.endswith(".*")
        async with self._database.bound(wanted.tenant_id) as driver:
            rows = await driver.fetch(
                READ,
                wanted.tenant_id,
                wanted.after,
                wanted.limit,
                sorted(wanted.hidden),
                None if wanted.scope is None else list(wanted.scope),
                None if is_area else wanted.type,
                type_[:-1] if is_area else None,
                wanted.entity_type,
                wanted.entity_id,
                wanted.location_id,
            )
        head = rows[0]["head"]
        events = tuple(event_of(row) for row in rows if row["position"] is not None)
        looked_at = max(wanted.after, min(head, wanted.after + REACH))
        is_full = len(events) == wanted.limit
        return Feed(events=events, next=events[-1].position if is_full else looked_at, head=head)

    async def wait(self, tenant_id: UUID, after: int, seconds: float) -> bool:
        tail = self._tails.setdefault(tenant_id, _Tail(self._database, tenant_id))
        return await tail.wait(after, seconds)


class _Tail:
    """Looks at one tenant's head for all who wait, and at nothing while nobody does."""

    def __init__(self, database: Database, tenant_id: UUID) -> None:
        self._database = database
        self._tenant_id = tenant_id
        self._moved = asyncio.Condition()
        self._waiting = 0
        self._head = 0
        self._looking: asyncio.Task[None] | None = None

    async def wait(self, after: int, seconds: float) -> bool:
        self._waiting += 1
        try:
            if self._looking is None or self._looking.done():
                self._looking = asyncio.create_task(self._look())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds), self._moved:
                    await self._moved.wait_for(lambda: self._head > after)
        finally:
            self._waiting -= 1
        return self._head > after

    async def _look(self) -> None:
        while self._waiting:
            with contextlib.suppress(*AWAY, DomainError):  # the next look may find it again, or have a connection
                async with self._database.bound(self._tenant_id) as driver:
                    self._head = await driver.fetchval(HEAD, self._tenant_id)
                async with self._moved:
                    self._moved.notify_all()
            await asyncio.sleep(EVERY)


def event_of(row: Any) -> Event:
    return Event(
        position=row["position"],
        type=row["type"],
        entity_type=row["entity_type"],
        entity_id=row["entity_id"],
        location_ids=tuple(row["location_ids"]),
        recorded_at=row["recorded_at"],
        request_id=row["request_id"],
        payload=_payload.decode(row["payload"]),
    )
