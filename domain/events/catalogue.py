"""Every type of event that there is: what it tells of, when it is written, and what it looks like.

The examples are events that were really written (catalogue.json). A test holds what is written, by the source and
by the tables, against this list: an event whose type is not here is a mistake.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

FILE = Path(__file__).with_name("catalogue.json")


class EventType(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One type. `thing.happened.v1`: a version never changes its shape but by new fields."""

    type: str
    when: str
    """What has happened when it is written."""
    entity_type: str
    """What `entityId` is the id of."""
    example: Mapping[str, Any]
    """`data` of such an event."""
    optional: tuple[str, ...] = ()
    """Fields of the example that are not always there."""


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """The file."""

    types: tuple[EventType, ...]


TYPES: Mapping[str, EventType] = {
    one.type: one for one in msgspec.json.decode(FILE.read_bytes(), type=Listed).types
}
AREAS = frozenset(f"{name.split('.', 1)[0]}.*" for name in TYPES)
"""What a subscription to a whole area is called."""
