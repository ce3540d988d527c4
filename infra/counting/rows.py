"""Rows of batches and lines as the domain knows them."""

from typing import Any

import msgspec
from asyncpg import Record

from domain.counting.model import Batch, Line, LineState, Origin, Resolution, State, Type, Wanted
from domain.counting.views import BatchView, LineView, Person
from domain.documents import PastStep
from domain.values import plain

_wanted = msgspec.json.Decoder(Wanted)
_people = msgspec.json.Decoder(list[Person])
_details = msgspec.json.Decoder(dict[str, Any])
_BATCH = tuple(name for name in Batch.__struct_fields__)
_LINE = tuple(name for name in Line.__struct_fields__)
_OF_LINE = tuple(name for name in LineView.__struct_fields__ if name != "line")
_STEP = tuple(name for name in PastStep.__struct_fields__)


def batch_of(row: Record) -> Batch:
    fields = {name: row[name] for name in _BATCH}
    fields |= {
        "type": Type(row["type"]),
        "state": State(row["state"]),
        "origin": Origin(row["origin"]),
        "wanted": _wanted.decode(row["wanted"]),
        "assignee_ids": tuple(row["assignee_ids"]),
    }
    return Batch(**fields)


def line_of(row: Record) -> Line:
    fields = {name: row[name] for name in _LINE}
    for name in ("unit_cost", "snapshot_quantity", "counted_quantity", "expected_quantity", "variance"):
        fields[name] = None if row[name] is None else plain(row[name])
    fields |= {
        "state": LineState(row["state"]),
        "resolution": None if row["resolution"] is None else Resolution(row["resolution"]),
    }
    return Line(**fields)


def batch_view_of(row: Record, *, with_values: bool, steps: list[Record] | None = None) -> BatchView:
    value, gross = (row["net"], row["gross"]) if with_values else (None, None)
    return BatchView(
        batch=batch_of(row),
        location_code=row["location_code"],
        location_name=row["location_name"],
        assignees=_people.decode(row["assignees"]),
        variance_value=None if value is None else plain(value),
        variance_value_gross=None if gross is None else plain(gross),
        history=[
            PastStep(**({name: step[name] for name in _STEP} | {"details": _details.decode(step["details"])}))
            for step in steps or ()
        ],
    )


def line_view_of(row: Record) -> LineView:
    return LineView(line=line_of(row), **{name: row[name] for name in _OF_LINE})
