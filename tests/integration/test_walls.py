"""The database keeps tenants apart and stock in the ledger's hands, whatever the application does (P-34, P-35)."""

import json
from collections.abc import AsyncGenerator
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from domain.errors import DomainError, Reason
from domain.ledger.model import Entry, Kind, Posting
from domain.values import new_id
from infra.db.pool import BIND, Database
from infra.ledger.post import post
from tests.catalogue import GLOBAL_TABLES, STOCK, findings
from tests.lab import DatabaseUrls
from tests.neighbours import Neighbour, insert, settle

type Connection = asyncpg.Connection[Any]


@pytest.fixture(scope="module")
async def neighbours(database_urls: DatabaseUrls) -> tuple[Neighbour, Neighbour]:
    database = await Database.connect(database_urls.app_url)
    try:
        return (
            await settle(database_urls.admin_url, database, "acme"),
            await settle(database_urls.admin_url, database, "bolt"),
        )
    finally:
        await database.close()


@pytest.fixture
async def admin(database_urls: DatabaseUrls) -> AsyncGenerator[Connection]:
    """The superuser, whose changes are undone."""
    connection = await asyncpg.connect(database_urls.admin_url)
    transaction = connection.transaction()
    await transaction.start()
    try:
        yield connection
    finally:
        await transaction.rollback()
        await connection.close()


@pytest.fixture
async def app(database_urls: DatabaseUrls) -> AsyncGenerator[Connection]:
    """A fresh connection of the application's role, bound to nobody."""
    connection = await asyncpg.connect(database_urls.app_url)
    try:
        yield connection
    finally:
        await connection.close()


async def tables(connection: Connection) -> list[str]:
    rows = await connection.fetch(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 2200 ORDER BY 1"
    )
    return [row["relname"] for row in rows if row["relname"] != "alembic_version"]


async def seen_by(connection: Connection) -> dict[str, int]:
    """How many rows of each table a connection is shown, unfiltered."""
    return {
        table: await connection.fetchval(f"SELECT count(*) FROM {table}") for table in await tables(connection)
    }


def tenant_of(table: str) -> str:
    return {"tenants": "id", "users": "id"}.get(table, "tenant_id")


async def test_the_catalogue_shows_no_breach_of_the_walls(admin: Connection) -> None:
    assert await findings(admin) == set()


BAD_TABLE = "CREATE TABLE bad (tenant_id uuid NOT NULL, id uuid, PRIMARY KEY (tenant_id, id))"
POLICY = "USING (tenant_id = nullif(current_setting('app.tenant', true), '')::uuid)"
BARE_POLICY = "USING (tenant_id = current_setting('app.tenant', true)::uuid)"
BAD_KEY = "ALTER TABLE lots ADD CONSTRAINT bad_fk"
DEFINER = "LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS 'SELECT 1'"


@pytest.mark.parametrize(
    ("damage", "breach"),
    [
        ("CREATE TABLE bad (id uuid PRIMARY KEY)", "a table without a tenant: bad"),
        (BAD_TABLE, "a table without forced row-level security: bad"),
        (
            f"{BAD_TABLE}; ALTER TABLE bad ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON bad {POLICY}",
            "a table without forced row-level security: bad",
        ),
        ("ALTER TABLE lots NO FORCE ROW LEVEL SECURITY", "a table without forced row-level security: lots"),
        ("ALTER TABLE users NO FORCE ROW LEVEL SECURITY", "a table without forced row-level security: users"),
        ("DROP POLICY of_tenant ON lots", "a tenant table without the tenant's policy: lots"),
        (
            f"DROP POLICY of_tenant ON lots; CREATE POLICY of_tenant ON lots {POLICY}",
            "a tenant table without the tenant's policy: lots",
        ),
        (
            f"DROP POLICY of_tenant ON lots; CREATE POLICY of_tenant ON lots {BARE_POLICY}",
            "a tenant table without the tenant's policy: lots",
        ),
        ("CREATE POLICY more ON lots USING (true)", "another policy that lets rows through: lots.more"),
        (
            "CREATE POLICY more ON lots TO storekeeper_auth USING (true)",
            "another policy that lets rows through: lots.more",
        ),
        ("CREATE UNIQUE INDEX bad ON lots (number)", "a unique key that is not led by the tenant: bad"),
        (
            f"{BAD_TABLE}; CREATE UNIQUE INDEX i ON bad (id); {BAD_KEY} FOREIGN KEY (id) REFERENCES bad (id)",
            "a foreign key that can leave the tenant: bad_fk",
        ),
        (
            f"{BAD_KEY} FOREIGN KEY (id, tenant_id) REFERENCES products NOT VALID",
            "a foreign key that can leave the tenant: bad_fk",
        ),
        ("CREATE VIEW bad AS SELECT * FROM lots", "a view, whose owner's rights stand in for the reader's: bad"),
        (
            "CREATE MATERIALIZED VIEW bad AS SELECT * FROM lots",
            "a view, whose owner's rights stand in for the reader's: bad",
        ),
        (f"CREATE FUNCTION bad() RETURNS int {DEFINER}", "a function with another's rights: bad"),
        (
            f"CREATE SCHEMA aside; CREATE FUNCTION aside.ledger_post() RETURNS int {DEFINER}",
            "a function with another's rights: ledger_post",
        ),
        (
            "ALTER FUNCTION auth_by_key(bytea) OWNER TO postgres",
            "a function with another's rights: auth_by_key",
        ),
        (
            "ALTER FUNCTION auth_by_key(bytea) RESET search_path",
            "a function with another's rights that trusts the caller's search path, or everybody: auth_by_key",
        ),
        (
            "GRANT EXECUTE ON FUNCTION auth_by_key(bytea) TO PUBLIC",
            "a function with another's rights that trusts the caller's search path, or everybody: auth_by_key",
        ),
        ("ALTER ROLE storekeeper_app BYPASSRLS", "a role that row-level security does not hold: storekeeper_app"),
        (
            "ALTER ROLE storekeeper_ledger BYPASSRLS",
            "a role that row-level security does not hold: storekeeper_ledger",
        ),
        (
            "GRANT storekeeper_ledger TO storekeeper_app",
            "a role that the application could become: storekeeper_ledger",
        ),
        ("ALTER TABLE lots OWNER TO storekeeper_app", "a thing that the application owns: table lots"),
        ("ALTER TABLE lots OWNER TO storekeeper_ledger", "a table that a function's owner owns: lots"),
        (
            "GRANT UPDATE (on_hand) ON stock_lines TO storekeeper_app",
            "stock that the application may write: stock_lines: UPDATE",
        ),
        ("GRANT INSERT ON movements TO PUBLIC", "stock that the application may write: movements: INSERT"),
        (
            "GRANT TRUNCATE ON lots TO storekeeper_app",
            "a table that can be emptied past row-level security: lots: storekeeper_app",
        ),
        (
            "GRANT USAGE ON SCHEMA limits TO PUBLIC",
            "a schema aside that the application may enter: limits",
        ),
        ("CREATE SCHEMA aside", "a schema aside that the application may enter: aside"),
        (
            "GRANT SELECT (account) ON limits.login_devices TO storekeeper_app",
            "a counter that the application may read or write: login_devices: SELECT",
        ),
        ("GRANT CREATE ON SCHEMA public TO PUBLIC", "a schema where the application may make things: public"),
    ],
)
async def test_the_catalogue_test_sees_each_kind_of_damage(admin: Connection, damage: str, breach: str) -> None:
    await admin.execute(damage)

    assert breach in await findings(admin)


async def test_without_any_filter_a_bound_connection_is_shown_its_tenants_rows_alone(
    neighbours: tuple[Neighbour, Neighbour], app: Connection, admin: Connection
) -> None:
    everything = await seen_by(admin)
    for one in neighbours:
        await app.execute(BIND, str(one.tenant_id))
        shown = await seen_by(app)
        foreign = {
            table: await app.fetchval(
                f"SELECT count(*) FROM {table} WHERE {tenant_of(table)} <> ALL ($1)",
                [one.tenant_id, one.user_id, one.deputy_id],
            )
            for table in shown
        }

        assert set(foreign.values()) == {0}
        assert all(0 < shown[table] < everything[table] for table in shown), "every table has rows of both"


async def test_an_unbound_connection_is_shown_nothing(
    neighbours: tuple[Neighbour, Neighbour], app: Connection
) -> None:
    assert set((await seen_by(app)).values()) == {0}


async def test_a_connection_that_was_bound_for_one_transaction_is_shown_nothing_afterwards(
    neighbours: tuple[Neighbour, Neighbour], app: Connection
) -> None:
    async with app.transaction():
        await app.execute("SELECT set_config('app.tenant', $1, true)", str(neighbours[0].tenant_id))
        inside = await seen_by(app)

    assert min(inside.values()) > 0
    assert await app.fetchval("SELECT current_setting('app.tenant', true)") == ""
    assert set((await seen_by(app)).values()) == {0}


async def writable(admin: Connection, right: str) -> list[str]:
    return [
        table
        for table in await tables(admin)
        if table not in GLOBAL_TABLES
        and await admin.fetchval("SELECT has_table_privilege('storekeeper_app', $1::text, $2)", table, right)
    ]


async def test_no_row_can_be_made_for_another_tenant(
    neighbours: tuple[Neighbour, Neighbour], app: Connection, admin: Connection
) -> None:
    mine, theirs = neighbours
    await app.execute(BIND, str(mine.tenant_id))
    refused = []
    for table in await writable(admin, "INSERT"):
        row = await admin.fetchval(f"SELECT to_jsonb(t) FROM {table} t WHERE tenant_id = $1", theirs.tenant_id)
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            await app.execute(
                f"INSERT INTO {table} SELECT (jsonb_populate_record(NULL::{table}, $1)).*",
                json.dumps({**json.loads(row), "id": str(new_id())}),
            )
        refused.append(table)

    assert {"products", "grants", "sessions", "api_keys"} <= set(refused)


async def test_no_row_of_another_tenant_can_be_changed_taken_or_given_away(
    neighbours: tuple[Neighbour, Neighbour], app: Connection, admin: Connection
) -> None:
    mine, theirs = neighbours
    await app.execute(BIND, str(mine.tenant_id))
    for table in await writable(admin, "UPDATE"):
        changed = await app.execute(f"UPDATE {table} SET tenant_id = $1 WHERE tenant_id = $2", *ids(mine, theirs))
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            await app.execute(f"UPDATE {table} SET tenant_id = $1", theirs.tenant_id)

        assert changed == "UPDATE 0"
    for table in await writable(admin, "DELETE"):
        assert await app.execute(f"DELETE FROM {table} WHERE tenant_id = $1", theirs.tenant_id) == "DELETE 0"


def ids(*neighbours: Neighbour) -> list[UUID]:
    return [neighbour.tenant_id for neighbour in neighbours]


async def test_a_foreign_parent_is_refused_even_to_those_whom_no_policy_holds(
    neighbours: tuple[Neighbour, Neighbour], admin: Connection
) -> None:
    mine, theirs = neighbours
    children: list[tuple[str, dict[str, object]]] = [
        ("products", {"id": new_id(), "sku": "X", "name": "X", "uom_id": theirs.uom_id}),
        ("bins", {"id": new_id(), "location_id": theirs.location_id, "code": "X", "name": "X"}),
        ("lots", {"id": new_id(), "product_id": theirs.product_id, "number": "X"}),
        ("grants", {"id": new_id(), "user_id": theirs.user_id, "role": "viewer"}),
        ("grants", {"id": new_id(), "user_id": mine.user_id, "role": "viewer", "location_id": theirs.location_id}),
        ("stock_levels", {"product_id": mine.product_id, "location_id": theirs.location_id}),
    ]
    for table, row in children:
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            async with admin.transaction():
                await insert(admin, table, {"tenant_id": mine.tenant_id, **row})


async def test_the_ledger_does_not_find_another_tenants_goods(
    neighbours: tuple[Neighbour, Neighbour], database_urls: DatabaseUrls
) -> None:
    mine, theirs = neighbours
    entry = Entry(
        kind=Kind.RECEIPT,
        product_id=theirs.product_id,
        location_id=theirs.location_id,
        bin_id=theirs.bin_id,
        lot_id=theirs.lot_id,
        delta=Decimal(1),
    )
    database = await Database.connect(database_urls.app_url)
    try:
        async with database.bound(mine.tenant_id) as driver:
            (answer,) = await post(driver, [Posting(id=new_id(), kind=Kind.RECEIPT, entries=(entry,))])
        async with database.unbound() as driver:
            await driver.execute(BIND, "")
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="no tenant is bound"):
                await post(driver, [Posting(id=new_id(), kind=Kind.RECEIPT, entries=(entry,))])
    finally:
        await database.close()

    assert isinstance(answer, DomainError)
    assert answer.reason is Reason.NOT_FOUND


@pytest.mark.parametrize("table", STOCK)
@pytest.mark.parametrize(
    "change",
    ["INSERT INTO {0} DEFAULT VALUES", "UPDATE {0} SET tenant_id = tenant_id", "DELETE FROM {0}", "TRUNCATE {0}"],
)
async def test_the_application_cannot_write_stock_past_the_ledger(
    neighbours: tuple[Neighbour, Neighbour], app: Connection, table: str, change: str
) -> None:
    await app.execute(BIND, str(neighbours[0].tenant_id))

    with pytest.raises(asyncpg.InsufficientPrivilegeError, match=f"permission denied for table {table}"):
        await app.execute(change.format(table))


@pytest.mark.parametrize("role", ["postgres", "storekeeper_owner"])
@pytest.mark.parametrize("table", ["movements", "postings", "events"])
@pytest.mark.parametrize(
    "change", ["UPDATE {0} SET recorded_at = now()", "DELETE FROM {0}", "TRUNCATE {0} CASCADE"]
)
async def test_history_is_not_changed_even_by_those_who_own_it(
    neighbours: tuple[Neighbour, Neighbour], admin: Connection, role: str, table: str, change: str
) -> None:
    await admin.execute(BIND, str(neighbours[0].tenant_id))
    await admin.execute(f"SET LOCAL ROLE {role}")

    with pytest.raises(asyncpg.RestrictViolationError, match="corrected by a compensating posting"):
        await admin.execute(change.format(table))


MOVES = """
    INSERT INTO movements (
        tenant_id, position, posting_id, line_id, line_version, product_id, location_id, kind, delta,
        balance_after, effective_at, recorded_at
    )
    SELECT tenant_id, position + n, posting_id, line_id, line_version + n, product_id, location_id, made.kind,
        made.delta, balance_after, now(), now()
    FROM movements, unnest($2::int[], $3::text[], $4::numeric[]) AS made(n, kind, delta)
    WHERE tenant_id = $1 AND position = 1
"""


@pytest.mark.parametrize(
    ("kinds", "deltas"),
    [
        (["TRANSFER_OUT"], [-1]),
        (["TRANSFER_OUT", "TRANSFER_IN"], [-3, 2]),
        (["PUT_AWAY", "PUT_AWAY"], [-1, 2]),
        (["LOT_CORRECTION"], [1]),
    ],
)
async def test_a_move_inside_the_tenant_that_makes_or_loses_stock_is_refused_even_past_the_ledger(
    neighbours: tuple[Neighbour, Neighbour], admin: Connection, kinds: list[str], deltas: list[int]
) -> None:
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await admin.execute(MOVES, neighbours[0].tenant_id, list(range(1, len(kinds) + 1)), kinds, deltas)

    assert refused.value.constraint_name == "ck_movements_conservation"


async def test_a_move_inside_the_tenant_that_adds_up_is_not_refused(
    neighbours: tuple[Neighbour, Neighbour], admin: Connection
) -> None:
    kinds = ["TRANSFER_OUT", "TRANSFER_IN"]

    assert await admin.execute(MOVES, neighbours[0].tenant_id, [1, 2], kinds, [-2, 2]) == "INSERT 0 2"
