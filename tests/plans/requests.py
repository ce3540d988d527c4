"""A company with many stock requests, made by statements: a year of them, and so much that is still open."""

import random
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from domain.values import new_id
from infra.access.provision import create_tenant
from infra.db.pool import BIND

ORIGINS, DESTINATIONS, CATEGORIES, PRODUCTS, PEOPLE = 3, 12, 20, 400, 25

REQUESTS = """
    INSERT INTO stock_requests (tenant_id, id, number, type, state, origin_location_id, destination_location_id,
        requester_id, requester, author_ids, needed_by, value, round, current_tier, deadline_at, submitted_at,
        decided_at, issued_at, received_at, created_at, updated_at)
    SELECT $1, (lpad(to_hex((extract(epoch FROM q.made) * 1000)::bigint), 12, '0') || '7000a000'
            || lpad(to_hex(q.n), 12, '0'))::uuid,
        'SR-' || lpad(q.n::text, 6, '0'), (ARRAY['STOCK', 'ADHOC', 'E_REQUEST'])[1 + q.n % 3], q.state,
        ($2::uuid[])[1 + q.n % cardinality($2)], ($3::uuid[])[1 + (q.n * 7 / 3) % cardinality($3)],
        ($4::uuid[])[1 + q.n % cardinality($4)], 'Person ' || q.n % cardinality($4),
        ARRAY[($4::uuid[])[1 + q.n % cardinality($4)]],
        CASE WHEN q.n % 3 = 0 THEN (q.made + interval '20 days')::date END, q.n % 900, 1,
        CASE WHEN q.state = 'PENDING_APPROVAL' THEN 1 END,
        CASE WHEN q.state = 'PENDING_APPROVAL' AND q.n % 2 = 0 THEN q.made + interval '3 days' END,
        CASE WHEN q.state <> 'DRAFT' THEN q.made END,
        CASE WHEN q.state NOT IN ('DRAFT', 'PENDING_APPROVAL') THEN q.made + interval '5 hours' END,
        CASE WHEN q.state = 'RECEIVED' THEN q.made + interval '1 day' END,
        CASE WHEN q.state = 'RECEIVED' THEN q.made + interval '3 days' END, q.made, q.made
    FROM (
        SELECT g.n, now() - ($5::int - g.n) * interval '365 days' / $5::int AS made, CASE
            WHEN g.n > $5::int - $6::int THEN 'PENDING_APPROVAL'
            WHEN g.n > $5::int - 2 * $6::int THEN (ARRAY['DRAFT', 'APPROVED', 'PICKING'])[1 + g.n % 3]
            WHEN g.n % 20 < 17 THEN 'RECEIVED'
            WHEN g.n % 20 < 19 THEN 'CANCELED'
            ELSE 'REJECTED' END AS state
        FROM generate_series(1, $5::int) AS g(n)
    ) q
"""
LINES = """
    INSERT INTO stock_request_lines (tenant_id, id, request_id, line_no, product_id, requested, approved, issued,
        received, open, canceled)
    SELECT $1, gen_random_uuid(), r.id, k.n, ($2::uuid[])[1 + (r.seq * 13 + k.n * 101) % cardinality($2)],
        k.n * 10, CASE WHEN r.state IN ('RECEIVED', 'APPROVED', 'PICKING') THEN k.n * 10 END,
        CASE WHEN r.state = 'RECEIVED' THEN k.n * 9 ELSE 0 END,
        CASE WHEN r.state = 'RECEIVED' THEN k.n * 9 ELSE 0 END,
        CASE WHEN r.state IN ('RECEIVED', 'CANCELED') THEN 0 ELSE k.n * 10 END,
        CASE r.state WHEN 'RECEIVED' THEN k.n WHEN 'CANCELED' THEN k.n * 10 ELSE 0 END
    FROM (
        SELECT x.id, x.state, substring(x.number FROM 4)::int AS seq FROM stock_requests x WHERE x.tenant_id = $1
    ) r
    CROSS JOIN generate_series(1, 3) AS k(n)
"""
TIERS = """
    INSERT INTO stock_request_tiers (tenant_id, request_id, round, tier, name, deadline_at, escalate_role)
    SELECT $1, r.id, 1, 1, 'Approval', r.deadline_at, CASE WHEN r.deadline_at IS NOT NULL THEN 'manager' END
    FROM stock_requests r WHERE r.tenant_id = $1 AND r.state <> 'DRAFT'
"""
COUNTED = """
    WITH cells AS MATERIALIZED (
        SELECT r.id, r.origin_location_id, r.destination_location_id, c.*
        FROM stock_requests r CROSS JOIN LATERAL stock_request_cells(r) c WHERE r.tenant_id = $1
    ), listed AS (
        INSERT INTO stock_request_categories (tenant_id, category_id, request_id)
        SELECT $1, c.ref, c.id FROM cells c WHERE c.measure = 'CATEGORY'
    )
    INSERT INTO stock_request_counts (tenant_id, measure, origin_location_id, destination_location_id, state, type,
        day, ref, requests, amount, other)
    SELECT $1, c.measure, c.origin_location_id, c.destination_location_id, c.state, c.type, c.day, c.ref, count(*),
        sum(c.amount), sum(c.other)
    FROM cells c
    GROUP BY c.measure, c.origin_location_id, c.destination_location_id, c.state, c.type, c.day, c.ref
"""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The company, with some of what it has."""

    tenant_id: UUID
    origins: list[UUID]
    destinations: list[UUID]
    people: list[UUID]
    categories: list[UUID]
    products: list[UUID]


async def make_requests(admin_url: str, count: int, *, waiting: int = 150, slug: str = "asked") -> Asked:
    """So many requests of three lines over a year, of which the last `waiting` wait for approval."""
    asked = Asked(
        tenant_id=await create_tenant(admin_url, slug, slug.title()),
        origins=[new_id() for _ in range(ORIGINS)],
        destinations=[new_id() for _ in range(DESTINATIONS)],
        people=[new_id() for _ in range(PEOPLE)],
        categories=[new_id() for _ in range(CATEGORIES)],
        products=[new_id() for _ in range(PRODUCTS)],
    )
    connection = await asyncpg.connect(admin_url)
    try:
        await connection.execute(BIND, str(asked.tenant_id))
        # Rows that no trigger looks at: what they would keep is made below, at once.
        await connection.execute("SET session_replication_role = replica")
        await _furnish(connection, asked)
        tenant = asked.tenant_id
        await connection.execute(REQUESTS, tenant, asked.origins, asked.destinations, asked.people, count, waiting)
        await connection.execute(LINES, tenant, asked.products)
        await connection.execute(TIERS, tenant)
        await connection.execute(COUNTED, tenant)
        await connection.execute("SET session_replication_role = origin")
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()
    return asked


async def _furnish(connection: "asyncpg.Connection[Any]", asked: Asked) -> None:
    tenant, uom = asked.tenant_id, new_id()
    await connection.execute(
        "INSERT INTO uoms (tenant_id, id, code, name) VALUES ($1, $2, 'EA', 'Each')", tenant, uom
    )
    places = [*asked.origins, *asked.destinations]
    await connection.copy_records_to_table(
        "locations",
        columns=["tenant_id", "id", "code", "name", "type", "time_zone"],
        records=[(tenant, id_, f"L{n}", f"L{n}", "WAREHOUSE", "UTC") for n, id_ in enumerate(places)],
    )
    await connection.copy_records_to_table(
        "categories",
        columns=["tenant_id", "id", "code", "name"],
        records=[(tenant, id_, f"C{n}", f"C{n}") for n, id_ in enumerate(asked.categories)],
    )
    await connection.copy_records_to_table(
        "products",
        columns=["tenant_id", "id", "sku", "name", "uom_id", "category_id"],
        records=[
            (tenant, id_, f"P{n}", f"Product {n}", uom, asked.categories[n % CATEGORIES])
            for n, id_ in enumerate(asked.products)
        ],
    )


_NAMES = (
    "RED BLUE GREEN WHITE HANGING HEART LIGHT HOLDER METAL LANTERN CREAM CUPID COAT HANGER KNITTED UNION FLAG HOT "
    "WATER BOTTLE WOOLLY GLASS STAR FROSTED SET BABUSHKA NESTING BOXES HAND WARMER JACK ASSORTED COLOUR BIRD MUG "
    "ORNAMENT POPPYS PLAYHOUSE BEDROOM KITCHEN PRINCESS CHARLOTTE DOLL IVORY COSY VINTAGE ALPHABET"
)
WORDS = _NAMES.split()


async def make_products(admin_url: str, count: int, *, slug: str) -> UUID:
    """A company with so many products, of names as a gift shop's."""
    tenant, uom, dice = await create_tenant(admin_url, slug, slug.title()), new_id(), random.Random(7)
    connection = await asyncpg.connect(admin_url)
    try:
        await connection.execute(BIND, str(tenant))
        await connection.execute("SET session_replication_role = replica")
        await connection.execute(
            "INSERT INTO uoms (tenant_id, id, code, name) VALUES ($1, $2, 'EA', 'Each')", tenant, uom
        )
        await connection.copy_records_to_table(
            "products",
            columns=["tenant_id", "id", "sku", "name", "barcode", "uom_id"],
            records=[
                (tenant, new_id(), f"{10_000 + n}", " ".join(dice.choices(WORDS, k=4)), f"50{n:010}", uom)
                for n in range(count)
            ],
        )
        await connection.execute("SET session_replication_role = origin")
        await connection.execute("VACUUM ANALYZE products")
    finally:
        await connection.close()
    return tenant
