"""Channels, policies and supplies as the database knows them: kinds as those of the catalog."""

from datetime import date
from uuid import UUID

import msgspec

from domain.availability import channels as model
from domain.availability.supplies import SupplyFacts, SupplyView
from infra.catalog.kinds import SEARCHED, Key, Kind
from infra.db.tables import availability as tables

OVERDUE = "(x.state = 'OPEN' AND x.due_on < (now() AT TIME ZONE l.time_zone)::date)"
"""Whether supply `x` should have come, by the day at its location `l`."""


class ChannelColumns(msgspec.Struct, frozen=True, kw_only=True):
    """A channel without its locations, which are rows of their own."""

    code: str
    name: str
    type: str
    is_active: bool


CHANNEL = Kind(
    name="channel",
    table=tables.channels,
    facts=ChannelColumns,
    view=model.ChannelView,
    shown={
        "location_ids": """(
            SELECT coalesce(array_agg(s.location_id ORDER BY s.location_id), '{}') FROM channel_locations s
            WHERE s.tenant_id = x.tenant_id AND s.channel_id = x.id
        )"""
    },
    filters={
        "search": SEARCHED.format("x.code || ' ' || x.name", "{}"),
        "type": "x.type = {}::text",
        "is_active": "x.is_active = {}::boolean",
    },
    sorts={"code": (Key("code", str),), "name": (Key("name", str), Key("id", UUID))},
)
POLICY = Kind(
    name="channel_policy",
    table=tables.channel_policies,
    facts=model.PolicyFacts,
    view=model.PolicyView,
    shown={"channel_code": "c.code", "location_code": "l.code", "sku": "p.sku"},
    joins="""
        LEFT JOIN channels c ON c.tenant_id = x.tenant_id AND c.id = x.channel_id
        LEFT JOIN locations l ON l.tenant_id = x.tenant_id AND l.id = x.location_id
        LEFT JOIN products p ON p.tenant_id = x.tenant_id AND p.id = x.product_id
    """,
    filters={
        "channel_id": "x.channel_id = {}::uuid",
        "location_id": "x.location_id = {}::uuid",
        "product_id": "x.product_id = {}::uuid",
        "within": "(x.location_id IS NULL OR x.location_id = ANY ({}::uuid[]))",
    },
    sorts={"createdAt": (Key("id", UUID),)},
)
SUPPLY = Kind(
    name="supply",
    table=tables.supplies,
    facts=SupplyFacts,
    view=SupplyView,
    shown={
        "sku": "p.sku",
        "product_name": "p.name",
        "location_code": "l.code",
        "open_quantity": "trim_scale(CASE WHEN x.state = 'OPEN' THEN x.quantity - x.received ELSE 0 END)",
        "is_overdue": OVERDUE,
    },
    joins="""
        JOIN products p ON p.tenant_id = x.tenant_id AND p.id = x.product_id
        JOIN locations l ON l.tenant_id = x.tenant_id AND l.id = x.location_id
    """,
    filters={
        "location_id": "x.location_id = {}::uuid",
        "product_id": "x.product_id = {}::uuid",
        "state": "x.state = {}::text",
        "is_overdue": f"""(
            SELECT {OVERDUE} FROM locations l WHERE l.tenant_id = x.tenant_id AND l.id = x.location_id
        ) = {{}}::boolean""",  # noqa: S608 - ours
        "due_before": "x.due_on < {}::date",
        "source_id": "x.source_id = {}::text",
    },
    sorts={"dueOn": (Key("due_on", date), Key("id", UUID)), "createdAt": (Key("id", UUID),)},
    location="location_id",
)
