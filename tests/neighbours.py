"""Two tenants with a row in every table, for tests of the walls between them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from domain.access.model import Permission
from domain.ledger.model import Entry, Kind, Posted, Posting
from domain.values import new_id
from infra.access.provision import create_api_key, create_tenant, create_user, grant
from infra.db.pool import BIND, Database
from infra.ledger.post import post

PASSWORD = "correct horse battery staple"


class Neighbour(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant, and what of it others might try to reach."""

    tenant_id: UUID
    slug: str
    user_id: UUID
    email: str
    deputy_id: UUID
    key_id: UUID
    key: str
    uom_id: UUID
    product_id: UUID
    location_id: UUID
    bin_id: UUID
    lot_id: UUID
    job_id: UUID


async def settle(admin_url: str, database: Database, slug: str) -> Neighbour:
    """Make a tenant that has something of everything."""
    email = f"clerk@{slug}.example"
    tenant_id = await create_tenant(admin_url, slug, slug.title())
    user_id = await create_user(admin_url, email, "Clerk", PASSWORD)
    await grant(admin_url, tenant_id, user_id, "operator")
    deputy_id = await create_user(admin_url, f"deputy@{slug}.example", "Deputy", PASSWORD)
    await grant(admin_url, tenant_id, deputy_id, "supervisor")
    key_id, key = await create_api_key(admin_url, tenant_id, "ERP", [Permission.INVENTORY_READ])
    neighbour = Neighbour(
        tenant_id=tenant_id,
        slug=slug,
        user_id=user_id,
        email=email,
        deputy_id=deputy_id,
        key_id=key_id,
        key=key,
        uom_id=new_id(),
        product_id=new_id(),
        location_id=new_id(),
        bin_id=new_id(),
        lot_id=new_id(),
        job_id=new_id(),
    )
    connection = await asyncpg.connect(admin_url)
    try:
        await connection.execute(BIND, str(tenant_id))
        await _furnish(connection, neighbour)
    finally:
        await connection.close()
    async with database.bound(tenant_id) as driver:
        (posted,) = await post(driver, [_opening(neighbour)])
    assert isinstance(posted, Posted)
    connection = await asyncpg.connect(admin_url)
    try:
        await connection.execute(BIND, str(tenant_id))
        await _promise(connection, neighbour, posted)
        for table, row in (*_asked_for(neighbour), *_listed(neighbour), *_called(neighbour), *_mapped(neighbour)):
            await insert(connection, table, {"tenant_id": tenant_id, **row})
    finally:
        await connection.close()
    return neighbour


async def _furnish(connection: "asyncpg.Connection[Any]", of: Neighbour) -> None:
    category, other_uom = new_id(), new_id()
    rows: list[tuple[str, dict[str, object]]] = [
        ("categories", {"id": category, "code": "C", "name": "Category"}),
        ("uoms", {"id": of.uom_id, "code": "EA", "name": "Each"}),
        ("uoms", {"id": other_uom, "code": "BOX", "name": "Box"}),
        ("products", {"id": of.product_id, "sku": "P", "name": "P", "uom_id": of.uom_id, "category_id": category}),
        (
            "uom_conversions",
            {"id": new_id(), "from_uom_id": other_uom, "to_uom_id": of.uom_id, "factor": Decimal(12)},
        ),
        ("locations", {"id": of.location_id, "code": "L", "name": "L", "type": "WAREHOUSE", "time_zone": "UTC"}),
        ("areas", {"id": new_id(), "location_id": of.location_id, "code": "A", "name": "A"}),
        ("bins", {"id": of.bin_id, "location_id": of.location_id, "code": "B", "name": "B", "is_default": True}),
        ("lots", {"id": of.lot_id, "product_id": of.product_id, "number": "", "is_default": True}),
        ("stock_levels", {"product_id": of.product_id, "location_id": of.location_id}),
        ("roles", {"code": "picker", "name": "Picker"}),
        ("role_permissions", {"role": "picker", "permission": "inventory.write"}),
        ("idempotency_keys", {"principal_id": of.user_id, "operation": "o", "key": "k", "fingerprint": b"f"}),
    ]
    begins = datetime(2026, 1, 1, tzinfo=UTC)
    rows += [
        (
            "invitations",
            {
                "id": new_id(),
                "email": f"guest@{of.slug}.example",
                "name": "Guest",
                "token_hash": of.user_id.bytes,
                "grants": '[{"role": "viewer"}]',
                "expires_at": begins,
            },
        ),
        (
            "delegations",
            {
                "id": new_id(),
                "from_user_id": of.deputy_id,
                "to_user_id": of.user_id,
                "permissions": ["stockrequests.approve"],
                "starts_at": begins,
                "ends_at": begins + timedelta(days=1),
            },
        ),
        (
            "jobs",
            {
                "id": of.job_id,
                "type": "t",
                "description": "D",
                "arguments": "{}",
                "attempts_max": 1,
                "created_by": of.user_id,
                "creator": "Clerk",
                "user_id": of.user_id,
                "permission": "inventory.read",
                "request_id": "r",
            },
        ),
        (
            "tokens",
            {
                "id": new_id(),
                "user_id": of.deputy_id,
                "token_hash": of.deputy_id.bytes,
                "last4": "AbCd",
                "password_set_at": begins,
                "created_at": begins,
                "expires_at": begins,
            },
        ),
    ]
    for table, row in rows:
        await insert(connection, table, {"tenant_id": of.tenant_id, **row})
    await connection.execute(
        "INSERT INTO sessions (tenant_id, id, user_id, token_hash, created_at, seen_at, expires_at) "
        "VALUES ($1, $2, $3, $4, now(), now(), now() + interval '1 hour')",
        of.tenant_id,
        new_id(),
        of.user_id,
        of.user_id.bytes,
    )


async def _promise(connection: "asyncpg.Connection[Any]", of: Neighbour, posted: Posted) -> None:
    """Rows of what binds and explains stock: one of each, straight into the tables."""
    channel, reservation, line = new_id(), new_id(), posted.movements[0].line_id
    batch, counted = new_id(), new_id()
    place = {"product_id": of.product_id, "location_id": of.location_id}
    run = new_id()
    due = datetime(2026, 1, 1, tzinfo=UTC).date()
    transfer, transfer_line = new_id(), new_id()
    rows: list[tuple[str, dict[str, object]]] = [
        ("channels", {"id": channel, "code": "WEB", "name": "Web", "type": "DIRECT"}),
        ("channel_locations", {"channel_id": channel, "location_id": of.location_id}),
        ("channel_policies", {"id": new_id(), "channel_id": channel}),
        ("channel_usage", {**place, "channel_id": channel, "period": "F:1", "used": Decimal(0)}),
        (
            "reservations",
            {
                "id": reservation,
                "group_id": new_id(),
                "kind": "HARD",
                "state": "RELEASED",
                **place,
                "quantity": Decimal(1),
                "open_quantity": Decimal(0),
            },
        ),
        ("reservation_lines", {"reservation_id": reservation, "line_id": line, "quantity": Decimal(1)}),
        (
            "holds",
            {
                "id": new_id(),
                "type": "LEGAL",
                "scope": "LINE",
                "state": "RELEASED",
                "line_id": line,
                "reason": "R",
            },
        ),
        ("supplies", {"id": new_id(), **place, "quantity": Decimal(5), "due_on": due}),
        (
            "destructions",
            {
                "id": new_id(),
                "location_id": of.location_id,
                "lines": "[]",
                "transfer_posting_id": posted.posting_id,
            },
        ),
        (
            "put_away_tasks",
            {
                "id": new_id(),
                "number": "PA-000001",
                "state": "CANCELED",
                **place,
                "lot_id": of.lot_id,
                "from_line_id": line,
                "from_bin_id": of.bin_id,
                "quantity": Decimal(1),
                "suggested_bin_id": of.bin_id,
                "strategy": "REQUESTED",
            },
        ),
        (
            "replenishment_orders",
            {
                "id": new_id(),
                "number": "RP-000001",
                **place,
                "quantity": Decimal(1),
                "method": "MANUAL",
                "source": "SUPPLIER",
            },
        ),
        ("document_numbers", {"type": "TRANSFER", "last": 1}),
        (
            "document_history",
            {"id": new_id(), "type": "TRANSFER", "document_id": new_id(), "action": "create", "to_state": "DRAFT"},
        ),
        (
            "transfers",
            {
                "id": transfer,
                "number": "TR-1",
                "type": "INTERNAL",
                "state": "COMPLETED",
                "origin_location_id": of.location_id,
                "destination_location_id": of.location_id,
            },
        ),
        (
            "transfer_lines",
            {
                "id": transfer_line,
                "transfer_id": transfer,
                "number": 1,
                "product_id": of.product_id,
                "quantity": Decimal(1),
            },
        ),
        (
            "transfer_picks",
            {"id": new_id(), "transfer_id": transfer, "line_id": transfer_line, "stock_line_id": line},
        ),
        ("transfer_receipts", {"id": new_id(), "transfer_id": transfer, "kind": "RECEIVED", "lines": "[]"}),
        (
            "abc_runs",
            {
                "id": run,
                "location_id": of.location_id,
                "measure": "VALUE",
                "from_day": due,
                "to_day": due,
                "threshold_a": Decimal(80),
                "threshold_b": Decimal(95),
                "total": Decimal(1),
                "products": 1,
                "position": 1,
            },
        ),
        (
            "abc_run_lines",
            {
                "run_id": run,
                "rank": 1,
                "product_id": of.product_id,
                "abc_class": "C",
                "computed_class": "C",
                "is_overridden": False,
                "amount": Decimal(1),
                "share": Decimal(100),
                "cumulative_share": Decimal(100),
            },
        ),
        (
            "count_tasks",
            {"id": new_id(), "location_id": of.location_id, "bin_id": of.bin_id, "reason": "MANUAL"},
        ),
        (
            "cycle_counts",
            {
                "id": batch,
                "number": "CC-1",
                "location_id": of.location_id,
                "type": "SPOT",
                "snapshot_position": 1,
                "line_count": 1,
            },
        ),
        ("cycle_count_assignees", {"batch_id": batch, "user_id": of.user_id}),
        (
            "cycle_count_lines",
            {
                "id": counted,
                "batch_id": batch,
                **place,
                "bin_id": of.bin_id,
                "lot_id": of.lot_id,
                "sequence": 1,
                "unit_cost": Decimal(1),
                "snapshot_quantity": Decimal(10),
                "snapshot_position": 1,
            },
        ),
        (
            "cycle_count_entries",
            {
                "id": new_id(),
                "batch_id": batch,
                "count_line_id": counted,
                "round": 1,
                "expected": Decimal(10),
                "position": 1,
            },
        ),
        (
            "cycle_count_approvals",
            {
                "id": new_id(),
                "batch_id": batch,
                "count_line_id": counted,
                "round": 1,
                "variance": Decimal(1),
                "action": "PROPOSE",
                "actor_id": of.user_id,
                "actor_ids": [of.user_id],
                "actor": "Somebody",
            },
        ),
        (
            "availability_records",
            {"id": new_id(), "line_id": line, **place, "position": 1, "terms": "{}", "drift": Decimal(0)},
        ),
    ]
    rows += _imported(of, line)
    for table, row in rows:
        await insert(connection, table, {"tenant_id": of.tenant_id, **row})


def _imported(of: Neighbour, line: UUID) -> list[tuple[str, dict[str, object]]]:
    """An import with all that is kept of one."""
    job = {"job_id": new_id()}
    day = {"date_filled": datetime(2026, 1, 1, tzinfo=UTC).date()}
    counts = ("total", "created", "updated", "unchanged", "deleted", "failed")
    words = ("item_name", "bin_name", "lot_name", "date_filled", "quantity", "uom", "messages")
    return [
        ("fill_layers", {**job, **day, "line_id": line, "quantity": Decimal(1)}),
        (
            "imports",
            {
                **job,
                "type": "inventory-import",
                "description": "I",
                "options": "{}",
                "is_applied": False,
                "is_dry_run": False,
                "message": "M",
                "actor_id": of.user_id,
                "actor": "Clerk",
                **dict.fromkeys(counts, 0),
            },
        ),
        ("import_rows", {**job, "n": 0, "action": "error", **dict.fromkeys(words, "")}),
        ("import_layers", {**job, **day, "line_id": line}),
        ("import_files", {**job, "name": "a.csv", "content": b"a"}),
    ]


def _asked_for(of: Neighbour) -> list[tuple[str, dict[str, object]]]:
    """A stock request with all that hangs on one."""
    request = new_id()
    return [
        ("approval_rules", {"rules": "[]"}),
        (
            "stock_requests",
            {
                "id": request,
                "number": "SR-000001",
                "type": "STOCK",
                "origin_location_id": of.location_id,
                "destination_location_id": of.location_id,
                "requester_id": of.user_id,
                "requester": "Clerk",
                "author_ids": [of.user_id],
            },
        ),
        (
            "stock_request_lines",
            {
                "id": new_id(),
                "request_id": request,
                "line_no": 1,
                "product_id": of.product_id,
                "requested": Decimal(1),
                "open": Decimal(1),
            },
        ),
        ("stock_request_categories", {"request_id": request, "category_id": new_id()}),
        ("stock_request_tiers", {"request_id": request, "round": 1, "tier": 1, "name": "T"}),
        (
            "stock_request_decisions",
            {
                "id": new_id(),
                "request_id": request,
                "round": 1,
                "tier": 1,
                "decision": "APPROVED",
                "decider_id": of.deputy_id,
                "decider": "Deputy",
                "decider_ids": [of.deputy_id],
                "version_seen": 1,
            },
        ),
        (
            "stock_request_comments",
            {"id": new_id(), "request_id": request, "author_id": of.user_id, "author": "Clerk", "body": "B"},
        ),
    ]


def _mapped(of: Neighbour) -> list[tuple[str, dict[str, object]]]:
    """What a partner calls our fields, and a record of nothing."""
    place = {"product_id": of.product_id, "location_id": of.location_id, "bin_id": of.bin_id}
    return [
        ("field_mappings", {"key_id": of.key_id, "mapping": "{}"}),
        ("empty_records", {"id": new_id(), **place}),
    ]


def _listed(of: Neighbour) -> list[tuple[str, dict[str, object]]]:
    """A stocklist, and what requests are counted by (their counts follow from the requests themselves)."""
    stocklist, elsewhere = new_id(), new_id()
    return [
        ("locations", {"id": elsewhere, "code": "L2", "name": "L2", "type": "STORE", "time_zone": "UTC"}),
        (
            "stocklists",
            {
                "id": stocklist,
                "code": "S",
                "name": "S",
                "origin_location_id": of.location_id,
                "destination_location_id": elsewhere,
                "mode": "PULL",
            },
        ),
        (
            "stocklist_lines",
            {"stocklist_id": stocklist, "product_id": of.product_id, "position": 1, "maximum": Decimal(5)},
        ),
    ]


def _called(of: Neighbour) -> list[tuple[str, dict[str, object]]]:
    """A webhook with all that hangs on one."""
    webhook = new_id()
    event = {"webhook_id": webhook, "position": 1, "type": "inventory.opened.v1"}
    return [
        (
            "webhooks",
            {
                "id": webhook,
                "url": "https://erp.example/",
                "user_id": of.user_id,
                "maker": "Clerk",
                "state": "PAUSED",
                "paused_reason": "BY_HAND",
            },
        ),
        ("webhook_secrets", {"webhook_id": webhook, "id": new_id(), "secret": "whsec_none"}),
        ("webhook_cursors", {"webhook_id": webhook, "position": 1}),
        (
            "webhook_deliveries",
            {
                **event,
                "id": new_id(),
                "entity_type": "posting",
                "entity_id": new_id(),
                "keys": [],
                "state": "DEAD",
            },
        ),
        (
            "webhook_attempts",
            {**event, "id": new_id(), "message_id": "msg", "attempt": 1, "outcome": "DEAD", "duration_ms": 1},
        ),
    ]


async def insert(connection: "asyncpg.Connection[Any]", table: str, row: dict[str, object]) -> None:
    places = ", ".join(f"${n}" for n in range(1, len(row) + 1))
    await connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", *row.values())


def _opening(of: Neighbour) -> Posting:
    entry = Entry(
        kind=Kind.OPENING,
        product_id=of.product_id,
        location_id=of.location_id,
        bin_id=of.bin_id,
        lot_id=of.lot_id,
        delta=Decimal(10),
    )
    return Posting(id=new_id(), kind=Kind.OPENING, entries=(entry,))
