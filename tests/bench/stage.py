"""Where a benchmark plays: a ledger of a size on a durable PostgreSQL, the real server on it, and the bare one."""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from domain.access.credentials import hash_of, last4_of, new_import_token
from domain.access.model import Permission
from domain.values import new_id
from infra.access.passwords import hash_password
from infra.access.provision import create_api_key, create_user, grant
from infra.postgres import Running
from tests.bench.asking import make_asked
from tests.bench.bare import PLAN, Plan, write_plan
from tests.bench.books import Books
from tests.bench.by_hand import make_by_hand
from tests.lab import DatabaseUrls, Served, a_database, a_free_port, end, serve, wait_until_ready
from tests.plans.selling import Selling, make_selling
from tests.plans.stock import LINES_PER_PRODUCT, Stock, make_stock

SLUG = "t1"
"""Of the company: see tests/plans/stock.py."""
PASSWORD = "a benchmark's own password"
EMAIL = "bench@example.com"
_SCOPES = (
    Permission.EVENTS_READ,
    Permission.INTEGRATIONS_INVENTORY_WRITE,
    Permission.INVENTORY_ADJUST,
    Permission.INVENTORY_CYCLECOUNT,
    Permission.INVENTORY_READ,
    Permission.INVENTORY_WRITE,
    Permission.LOCATIONS_READ,
    Permission.PRODUCTS_READ,
    Permission.REPLENISHMENT_READ,
    Permission.STOCKREQUESTS_APPROVE,
    Permission.STOCKREQUESTS_READ,
    Permission.STOCKREQUESTS_WRITE,
)
_OTHERS = 2
"""Who counts must not resolve, and who asks must not approve."""

_UNLIMITED = {"STOREKEEPER_RATE_LIMITS": "off", "STOREKEEPER_LOGIN_FREE_GUESSES": "0"}
"""One caller sends all requests of a benchmark, and logs in all the time."""

# What the ledger itself would have written beside the movements, so that its own check finds nothing to say. And
# of each product there shall be a lot that can be reserved.
_COMPLETE = """
INSERT INTO events (tenant_id, position, type, entity_type, entity_id, payload, recorded_at)
SELECT tenant_id, row_number() OVER (ORDER BY first_position), ledger_event_type(kind), 'posting', id,
    jsonb_build_object('posting_id', id), recorded_at
FROM postings WHERE tenant_id = '{tenant}';
UPDATE ledger_heads h SET event_position = e.n, quantity_in = m.quantity_in, quantity_out = m.quantity_out
FROM (SELECT count(*) AS n FROM events WHERE tenant_id = '{tenant}') e,
    (
        SELECT coalesce(sum(delta) FILTER (WHERE delta > 0), 0) AS quantity_in,
            coalesce(-sum(delta) FILTER (WHERE delta < 0), 0) AS quantity_out
        FROM movements WHERE tenant_id = '{tenant}'
    ) m
WHERE h.tenant_id = '{tenant}';
UPDATE lots SET expires_on = current_date + 400 WHERE number LIKE 'LOT-%-0' AND expires_on < current_date + 60;
VACUUM ANALYZE events;
"""
# The stretch in the middle of the feed is read, so it tells what it would.
_TOLD = """
UPDATE events e
SET payload = jsonb_build_object('posting_id', e.entity_id, 'recorded_at', e.recorded_at) || p.payload,
    location_ids = p.location_ids
FROM (
    SELECT m.posting_id, array_agg(DISTINCT m.location_id) AS location_ids,
        jsonb_build_object('kind', min(m.kind), 'first_position', min(m.position), 'position', max(m.position),
            'movements', jsonb_agg(jsonb_build_object(
                'entry', m.position - m.first_position, 'kind', m.kind, 'line_id', m.line_id,
                'product_id', m.product_id, 'location_id', m.location_id, 'delta', trim_scale(m.delta),
                'before', trim_scale(m.balance_after - m.delta), 'after', trim_scale(m.balance_after),
                'reserved', 0, 'held', 0, 'version', m.line_version, 'effective_at', m.effective_at
            ) ORDER BY m.position)) AS payload
    FROM (
        SELECT m.*, p.first_position FROM events e
        JOIN postings p ON p.tenant_id = e.tenant_id AND p.id = e.entity_id
        JOIN movements m ON m.tenant_id = e.tenant_id
            AND m.position BETWEEN p.first_position AND p.first_position + p.movement_count - 1
        WHERE e.tenant_id = $1 AND e.position BETWEEN $2 + 1 AND $2 + 1000
    ) m GROUP BY m.posting_id
) p
WHERE e.tenant_id = $1 AND e.position BETWEEN $2 + 1 AND $2 + 1000 AND e.entity_id = p.posting_id
"""
_TOKEN = """
INSERT INTO tokens (tenant_id, id, user_id, token_hash, last4, password_set_at, created_at, expires_at)
SELECT $1, $2, id, $4, $5, password_changed_at, now(), now() + interval '30 days' FROM users WHERE id = $3
"""


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """A filled database, and who may use it."""

    urls: DatabaseUrls
    stock: Stock
    selling: Selling
    key: str
    other_keys: tuple[str, ...]
    """Of other callers, who may do the same."""
    token: str
    """Of a person, for imports."""
    events: int
    password_hash: str
    seconds: float
    """How long it took to make."""

    @property
    def lines(self) -> int:
        return self.stock.lines

    @property
    def products(self) -> int:
        return self.lines // LINES_PER_PRODUCT

    def line(self, number: int) -> str:
        """The id of a line by its number; 0 is the hot one."""
        return f"{str(self.stock.hot_line_id)[:24]}{number:012x}"


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """A ledger with its two servers."""

    cluster: Running
    ledger: Ledger
    books: Books
    app: Served
    bare: Served


@contextmanager
def a_ledger(
    cluster: Running, template: str, lines: int, *, asked: bool = False, by_hand: bool = False
) -> Iterator[Ledger]:
    """A database with so many stock lines, and right books; with a year of stock requests, if so `asked`.

    `by_hand`: and with tables for the limits of what comes in bulk.
    """
    began = time.perf_counter()
    with a_database(cluster, template) as urls:
        stock, events = asyncio.run(_fill(urls.admin_url, lines))
        selling = asyncio.run(make_selling(urls.admin_url, stock))
        (key, *others), token, hashed = asyncio.run(_admit(urls.admin_url, stock))
        if asked:
            asyncio.run(make_asked(urls.admin_url, stock))
        if by_hand:
            asyncio.run(make_by_hand(urls.admin_url, stock.tenant_id))
        took = time.perf_counter() - began
        yield Ledger(
            urls=urls,
            stock=stock,
            selling=selling,
            key=key,
            other_keys=tuple(others),
            token=token,
            events=events,
            password_hash=hashed,
            seconds=took,
        )


async def _fill(admin_url: str, lines: int) -> tuple[Stock, int]:
    stock = await make_stock(admin_url, lines)
    connection: asyncpg.Connection[Any] = await asyncpg.connect(admin_url)
    try:
        await connection.execute("SET session_replication_role = replica")
        for statement in _COMPLETE.format(tenant=stock.tenant_id).split(";\n"):
            if statement.strip():
                await connection.execute(statement, timeout=600)
        events: int = await connection.fetchval(
            "SELECT event_position FROM ledger_heads WHERE tenant_id = $1", stock.tenant_id
        )
        await connection.execute(_TOLD, stock.tenant_id, events // 2)
    finally:
        await connection.close()
    return stock, events


async def _admit(admin_url: str, stock: Stock) -> tuple[list[str], str, str]:
    names = ["bench", *(f"bench {n}" for n in range(_OTHERS))]
    keys = [(await create_api_key(admin_url, stock.tenant_id, name, _SCOPES))[1] for name in names]
    user_id = await create_user(admin_url, EMAIL, "Bench", PASSWORD)
    await grant(admin_url, stock.tenant_id, user_id, "admin")
    return keys, await _token(admin_url, stock.tenant_id, user_id), hash_password(PASSWORD)


async def _token(admin_url: str, tenant_id: UUID, user_id: UUID) -> str:
    """As it is issued for the right password."""
    token_id = new_id()
    token = new_import_token(token_id)
    connection: asyncpg.Connection[Any] = await asyncpg.connect(admin_url)
    try:
        await connection.execute(_TOKEN, tenant_id, token_id, user_id, hash_of(token), last4_of(token))
    finally:
        await connection.close()
    return token


@contextmanager
def a_stage(cluster: Running, ledger: Ledger, plan: Plan, *, workers: int) -> Iterator[Stage]:
    """Both servers, serving. Neither costs anything while the other is measured."""
    with ExitStack() as stack:
        books = stack.enter_context(Books(ledger.urls.admin_url, ledger.stock.tenant_id))
        app = stack.enter_context(serve(ledger.urls, workers=workers, environment=_UNLIMITED))
        bare = stack.enter_context(_serve_bare(plan, workers=workers))
        yield Stage(cluster=cluster, ledger=ledger, books=books, app=app, bare=bare)


@contextmanager
def _serve_bare(plan: Plan, *, workers: int) -> Iterator[Served]:
    with tempfile.TemporaryDirectory(prefix="storekeeper-bench-") as folder:
        file, log, port = Path(folder) / "plan", Path(folder) / "log", a_free_port()
        write_plan(file, plan)
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.bench.bare", str(port), str(workers)],
                env={**os.environ, PLAN: str(file)},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        served = Served(url=f"http://127.0.0.1:{port}", process=process, log=log)
        try:
            wait_until_ready(served)
            yield served
        finally:
            end(served)
