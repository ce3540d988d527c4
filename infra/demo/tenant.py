"""The demo tenant: its people, its key, and the mark that says what it is filled with."""

import datetime as dt
from uuid import UUID

import msgspec

from domain.access.model import Permission
from domain.errors import DomainError, Reason
from domain.ledger.reasons import Pack
from infra.access import provision
from infra.db.pool import Database
from infra.demo.rows import DemoDataError

SLUG = "demo"
NAME = "Online Retail (demo)"
KEY_NAME = "Demo key"
# What each default role is there for; the first one is who loads the data.
ROLES = ("admin", "manager", "controller", "operator", "counter", "supervisor", "planner", "requester", "viewer")
PLAN = 1
"""Counts up when the same rows give another plan, so that nobody goes on with half of the old one."""

READ_MARK = "SELECT name, settings -> 'demo' AS mark FROM tenants WHERE id = $1"
WRITE_MARK = "UPDATE tenants SET settings = settings || jsonb_build_object('demo', $2::jsonb) WHERE id = $1"
FIND_USER = "SELECT user_id FROM auth_by_email($1) LIMIT 1"
OLD_KEYS = "SELECT id FROM api_keys WHERE tenant_id = $1 AND name = $2 AND revoked_at IS NULL"


class DemoUser(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who can log in to the demo."""

    email: str
    password: str
    role: str


class Filled(msgspec.Struct, frozen=True, kw_only=True):
    """What a whole tenant was filled with."""

    first_day: dt.date
    last_day: dt.date
    products: int
    locations: int
    bins: int
    lots: int
    stock_lines: int
    postings: int
    movements: int
    order_lines: int
    counts: dict[str, int]
    """Order lines by what became of them; they add up to `order_lines`."""
    product_id: UUID
    """The product that most order lines ask for, of those without lots; the calls to try are about it."""
    location_id: UUID
    """The distribution centre."""
    reason_code_id: UUID
    """A reason for an adjustment upwards."""


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """Which plan the tenant is being filled with; kept in the tenant's settings."""

    fingerprint: str
    """Of the source's rows."""
    days: int | None
    batch: int
    """Movements in a batch: who goes on must cut the plan where it was cut before."""
    plan: int = PLAN
    filled: Filled | None = None
    """Set when it is whole."""


def users() -> tuple[DemoUser, ...]:
    """One for each default role, each with a password that anybody can tell: it is a demo."""
    return tuple(
        DemoUser(email=f"{role}@demo.example", password=f"{role}-demo-password", role=role) for role in ROLES
    )


async def has_demo(admin_url: str) -> bool:
    """Whether the demo tenant is there, whole."""
    tenant_id = await provision.find_tenant(admin_url, SLUG)
    if tenant_id is None:
        return False
    database = await Database.connect(admin_url, size=1)
    try:
        _, mark = await _read_mark(database, tenant_id)
    finally:
        await database.close()
    return mark is not None and mark.filled is not None


async def open_tenant(database: Database, admin_url: str, wanted: Mark) -> tuple[UUID, Mark]:
    """The tenant, made or found, and its mark.

    Raises:
        DemoDataError: it holds something else than this plan, or a part of something else.
    """
    tenant_id = await provision.find_tenant(admin_url, SLUG)
    if tenant_id is None:
        tenant_id = await provision.create_tenant(admin_url, SLUG, NAME, packs=(Pack.GENERAL, Pack.RETAIL))
    name, mark = await _read_mark(database, tenant_id)
    if mark is None and name == NAME:  # just made, or made by somebody who got no further
        await write_mark(database, tenant_id, wanted)
        return tenant_id, wanted
    if mark is None:
        raise DemoDataError(f"there is a tenant called {SLUG!r} that is not the demonstration: rename it first")
    if msgspec.structs.replace(mark, filled=None) == wanted:
        return tenant_id, mark
    has = "the whole year" if mark.days is None else f"the last {mark.days} days"
    whole = "holds" if mark.filled else "is half filled with"
    raise DemoDataError(
        f"the demo tenant {whole} {has} of its source, which is not what was asked for: "
        "a ledger is never emptied, so load into a fresh database (`make clean` removes the embedded one)"
    )


async def write_mark(database: Database, tenant_id: UUID, mark: Mark) -> None:
    """Note in the tenant's settings how far it is."""
    async with database.bound(tenant_id) as driver:
        await driver.execute(WRITE_MARK, tenant_id, msgspec.json.encode(mark).decode())


async def _read_mark(database: Database, tenant_id: UUID) -> tuple[str, Mark | None]:
    async with database.bound(tenant_id) as driver:
        row = await driver.fetchrow(READ_MARK, tenant_id)
    assert row is not None, "the tenant was found a moment ago"
    return row["name"], row["mark"] and msgspec.json.decode(row["mark"], type=Mark)


async def let_in(database: Database, admin_url: str, tenant_id: UUID, user: DemoUser) -> UUID:
    """A person of the demo with their role, made or found."""
    try:
        user_id = await provision.create_user(admin_url, user.email, f"Demo {user.role}", user.password)
    except DomainError as refused:
        if refused.reason is not Reason.DUPLICATE:
            raise
        async with database.unbound() as driver:
            user_id = await driver.fetchval(FIND_USER, user.email)
    await provision.grant(admin_url, tenant_id, user_id, user.role)
    return user_id


async def new_key(database: Database, admin_url: str, tenant_id: UUID) -> str:
    """A key for all but administration; it takes the place of an earlier one, whose text nobody can tell again."""
    async with database.bound(tenant_id) as driver:
        old = await driver.fetch(OLD_KEYS, tenant_id, KEY_NAME)
    for row in old:
        await provision.revoke_api_key(admin_url, tenant_id, row["id"])
    scopes = [scope for scope in Permission if not scope.startswith("admin.")]
    _, key = await provision.create_api_key(admin_url, tenant_id, KEY_NAME, scopes)
    return key
