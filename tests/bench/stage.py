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

import asyncpg
import msgspec

from domain.access.model import Permission
from infra.access.passwords import hash_password
from infra.access.provision import create_api_key, create_user, grant
from infra.postgres import Running
from tests.bench.asking import make_asked
from tests.bench.bare import PLAN, Plan, write_plan
from tests.bench.books import Books
from tests.lab import DatabaseUrls, Served, a_database, a_free_port, end, serve, wait_until_ready
from tests.plans.selling import Selling, make_selling
from tests.plans.stock import LINES_PER_PRODUCT, Stock, make_stock

PASSWORD = "a benchmark's own password"
EMAIL = "bench@example.com"
_SCOPES = (
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


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """A filled database, and who may use it."""

    urls: DatabaseUrls
    stock: Stock
    selling: Selling
    key: str
    other_keys: tuple[str, ...]
    """Of other callers, who may do the same."""
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
def a_ledger(cluster: Running, template: str, lines: int, *, asked: bool = False) -> Iterator[Ledger]:
    """A database with so many stock lines, and right books; `asked`: and with a year of stock requests."""
    began = time.perf_counter()
    with a_database(cluster, template) as urls:
        stock = asyncio.run(_fill(urls.admin_url, lines))
        selling = asyncio.run(make_selling(urls.admin_url, stock))
        (key, *others), hashed = asyncio.run(_admit(urls.admin_url, stock))
        if asked:
            asyncio.run(make_asked(urls.admin_url, stock))
        took = time.perf_counter() - began
        yield Ledger(
            urls=urls,
            stock=stock,
            selling=selling,
            key=key,
            other_keys=tuple(others),
            password_hash=hashed,
            seconds=took,
        )


async def _fill(admin_url: str, lines: int) -> Stock:
    stock = await make_stock(admin_url, lines)
    connection: asyncpg.Connection[Any] = await asyncpg.connect(admin_url)
    try:
        await connection.execute("SET session_replication_role = replica")
        for statement in _COMPLETE.format(tenant=stock.tenant_id).split(";\n"):
            if statement.strip():
                await connection.execute(statement, timeout=600)
    finally:
        await connection.close()
    return stock


async def _admit(admin_url: str, stock: Stock) -> tuple[list[str], str]:
    names = ["bench", *(f"bench {n}" for n in range(_OTHERS))]
    keys = [(await create_api_key(admin_url, stock.tenant_id, name, _SCOPES))[1] for name in names]
    user_id = await create_user(admin_url, EMAIL, "Bench", PASSWORD)
    await grant(admin_url, stock.tenant_id, user_id, "admin")
    return keys, hash_password(PASSWORD)


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
