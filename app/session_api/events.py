"""What happened, in order: `/api/events`, as pages or as a stream that stays open."""

from collections.abc import AsyncGenerator, Sequence
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Controller, Request
from litestar.di import NamedDependency
from litestar.params import FromHeader, FromQuery, HeaderParameter, QueryParameter, SkipValidation
from litestar.response import Stream

from app.http.guards import still
from app.http.routes import route
from app.http.wire import Answer, Json, encode
from app.session_api.inventory import LocationId
from domain.access.model import Act, Permission
from domain.errors import DomainError, FieldError, Reason
from domain.events.catalogue import TYPES, EventType
from domain.events.feed import Event, EventFeed, FeedWanted, HappenedEvent, hidden_from, told

DEFAULT_LIMIT, LIMIT_MAX = 100, 1_000
TEXT_LENGTH = 100
AS_STREAM = "text/event-stream"
STREAM_PART = 100
HEARTBEAT = 15.0
"""Seconds of silence after which a stream says that it lives, and whether its reader may still read."""
STREAMS_MAX = 100
"""In one process: each counts as a request that is being answered."""
POSITION_DIGITS = 18


class EventPage(Answer, frozen=True, kw_only=True):
    """`next` is what to send as `after` for the next page; once it equals `head` nothing more has happened."""

    data: Sequence[HappenedEvent]
    next: int
    head: int


class EventTypes(Answer, frozen=True, kw_only=True):
    """By name. `example` is what `data` of such an event looks like; fields may come to it, none go."""

    data: Sequence[EventType]


class EventsController(Controller):
    path = "/api/events"
    tags: Sequence[str] | None = ("Events",)

    @route(
        "GET",
        "/",
        operation="listEvents",
        summary="Read what happened, in order",
        permissions=Permission.EVENTS_READ,
        description="Oldest first, by position: positions are in the order of commits and have no gaps, so who "
        "goes on from `next` misses nothing and sees nothing twice. A page may be empty although `next` is not "
        "yet `head`: filters are applied to a bounded stretch. Who has rights at some locations only sees what "
        "happened there. With `Accept: text/event-stream` the answer stays open as Server-Sent Events; "
        "`Last-Event-ID` stands for `after` when a reader comes back. All types: `GET /api/events/types`.",
        query={"after": 0, "limit": 20, "type": "inventory.*"},
    )
    async def events(
        self,
        *,
        request: Request[Any, Any, Any],
        act: NamedDependency[SkipValidation[Act]],
        event_feed: NamedDependency[SkipValidation[EventFeed]],
        after: FromQuery[Annotated[int, QueryParameter(name="after", ge=0, lt=10**POSITION_DIGITS)]] = 0,
        type_: FromQuery[
            Annotated[
                str | None,
                QueryParameter(
                    name="type",
                    max_length=TEXT_LENGTH,
                    description="As in `inventory.adjusted.v1`, or an area as in `inventory.*`.",
                ),
            ]
        ] = None,
        entity_type: FromQuery[
            Annotated[str | None, QueryParameter(name="entityType", max_length=TEXT_LENGTH)]
        ] = None,
        entity_id: FromQuery[Annotated[UUID | None, QueryParameter(name="entityId")]] = None,
        location_id: FromQuery[LocationId] = None,
        limit: FromQuery[Annotated[int, QueryParameter(name="limit", ge=1, le=LIMIT_MAX)]] = DEFAULT_LIMIT,
        last_event_id: FromHeader[
            Annotated[str | None, HeaderParameter(name="Last-Event-ID", max_length=POSITION_DIGITS)]
        ] = None,
    ) -> Json[EventPage]:
        wanted = FeedWanted(
            tenant_id=act.tenant_id,
            scope=act.scope,
            after=after,
            limit=limit,
            hidden=hidden_from(act.caller),
            type=type_,
            entity_type=entity_type,
            entity_id=entity_id,
            location_id=location_id,
        )
        if AS_STREAM in request.headers.get("accept", ""):
            if event_feed.followers >= STREAMS_MAX:
                message = "As many streams are open as this process serves; read by pages"
                raise DomainError(Reason.UNAVAILABLE, message, retryAfter=10)
            if last_event_id is not None:
                wanted = msgspec.structs.replace(wanted, after=_position(last_event_id))
            streamed: Any = Stream(
                _stream(request, event_feed, wanted),
                media_type=AS_STREAM,
                headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
            )
            return streamed  # type: ignore[no-any-return] # the other shape of the same answer
        found = await event_feed.read(wanted)
        rows = [told(event, wanted.scope) for event in found.events]
        return Json(EventPage(data=rows, next=found.next, head=found.head))

    @route(
        "GET",
        "/types",
        operation="listEventTypes",
        summary="List the types of events",
        permissions=Permission.EVENTS_READ,
        description="Every type that there is, when it is written, what its `entityId` is the id of, and a true "
        "example. `optional` names what is not always there.",
    )
    async def types(self) -> Json[EventTypes]:
        return Json(EventTypes(data=tuple(TYPES.values())))


def _position(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise FieldError(("Last-Event-ID", "must be the id of an event of this stream"))
    return int(text)


async def _stream(request: Request[Any, Any, Any], feed: EventFeed, wanted: FeedWanted) -> AsyncGenerator[bytes]:
    """Events as they come, for as long as the reader may read them."""
    wanted = msgspec.structs.replace(wanted, limit=STREAM_PART)
    feed.followers += 1
    try:
        yield b"retry: 1000\n\n"
        while True:
            caller = await still(request, Permission.EVENTS_READ)
            scope, hidden = caller.scope(Permission.EVENTS_READ), hidden_from(caller)
            wanted = msgspec.structs.replace(wanted, scope=scope, hidden=hidden)
            found = await feed.read(wanted)
            if found.events:
                yield b"".join(_message(event, wanted) for event in found.events)
            wanted = msgspec.structs.replace(wanted, after=found.next)
            if found.next >= found.head and not await feed.wait(wanted.tenant_id, wanted.after, HEARTBEAT):
                yield b": alive\n\n"
    except DomainError:
        return  # the reader may read no more, or the database is away: it comes back and is told which
    finally:
        feed.followers -= 1


def _message(event: Event, wanted: FeedWanted) -> bytes:
    data = encode(told(event, wanted.scope))
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.position, event.type.encode(), data)
