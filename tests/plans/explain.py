"""What a statement does to find its rows: its plan, as the driver's kept one has it, with what it really read."""

import json
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from infra.db.pool import BIND, Database

SMALL = frozenset({"ledger_heads", "locations", "reason_codes", "stock_counts", "tenants", "uoms"})
"""Tables that have as many rows as a company has places, units or reasons: reading all of them is no scan."""

_OF_THE_DRIVER = ("pg_catalog", "current_setting('jit')", "set_config('jit'")
"""What asyncpg asks once about a type that it has not met yet."""

type Sent = tuple[str, tuple[Any, ...]]


class Plan(msgspec.Struct, frozen=True):
    """A statement's plan after it was run."""

    root: dict[str, Any]

    @classmethod
    def of(cls, text: str) -> "Plan":
        return cls(json.loads(text)[0]["Plan"])

    def nodes(self) -> Iterator[dict[str, Any]]:
        waiting = [self.root]
        while waiting:
            node = waiting.pop()
            waiting.extend(node.get("Plans", ()))
            if node["Actual Loops"]:
                yield node

    @property
    def scans(self) -> list[str]:
        """The tables that it reads from end to end."""
        return [
            node["Relation Name"]
            for node in self.nodes()
            if node["Node Type"] == "Seq Scan" and node["Relation Name"] not in SMALL
        ]

    @property
    def most_sorted(self) -> int:
        """The most rows that it sorts at once."""
        sorts = [node for node in self.nodes() if node["Node Type"] in {"Sort", "Incremental Sort"}]
        return max((_rows(node["Plans"][0]) // int(node["Actual Loops"]) for node in sorts), default=0)

    @property
    def examined(self) -> int:
        """The rows of tables that it looks at, those that it then leaves aside with them."""
        looked_at = sum(
            _rows(node) + round(node.get("Rows Removed by Filter", 0) * node["Actual Loops"])
            for node in self.nodes()
            if node["Node Type"].endswith("Scan") and node.get("Relation Name", "ledger_heads") not in SMALL
        )
        return int(looked_at)

    @property
    def pages(self) -> int:
        """The pages of tables and indexes that it touches, in memory or not."""
        return int(self.root["Shared Hit Blocks"]) + int(self.root["Shared Read Blocks"])


def _rows(node: dict[str, Any]) -> int:
    rows: int = round(node["Actual Rows"] * node["Actual Loops"])
    return rows


@asynccontextmanager
async def listening(database: Database, *, connections: int = 1) -> AsyncGenerator[list[Sent]]:
    """The statements that the database is sent meanwhile. It must have so many connections and no more."""
    sent: list[Sent] = []

    def note(query: Any) -> None:
        if query.query != BIND and not any(mark in query.query for mark in _OF_THE_DRIVER):
            sent.append((query.query, query.args))

    async with AsyncExitStack() as lent:
        drivers = [await lent.enter_async_context(database.unbound()) for _ in range(connections)]
        heard = [driver._con for driver in drivers]  # type: ignore[attr-defined]
    for connection in heard:
        connection.add_query_logger(note)
    try:
        yield sent
    finally:
        for connection in heard:
            connection.remove_query_logger(note)


class Explainer:
    """A connection as the application has it, bound to a tenant."""

    def __init__(self, connection: "asyncpg.Connection[Any]") -> None:
        self._connection = connection

    @classmethod
    @asynccontextmanager
    async def opened(cls, url: str, tenant_id: UUID) -> "AsyncGenerator[Explainer]":
        settings = {"role": "storekeeper_app", "jit": "off"}
        connection = await asyncpg.connect(url, server_settings=settings)
        try:
            await connection.execute(BIND, str(tenant_id))
            yield cls(connection)
        finally:
            await connection.close()

    async def kept(self, statement: str, arguments: Sequence[Any]) -> Plan:
        """Its generic plan: the one that a connection keeps, made without knowing any argument."""
        return await self._explain(statement, arguments, "force_generic_plan")

    async def fresh(self, statement: str, arguments: Sequence[Any]) -> Plan:
        """Its plan for these arguments: what the first calls of a connection use."""
        return await self._explain(statement, arguments, "force_custom_plan")

    async def choice(self, statement: str, arguments: Sequence[Any]) -> str:
        """Which of the two a connection has settled on after some calls."""
        prepared = await self._connection.prepare(statement)
        for _ in range(8):
            await prepared.fetch(*arguments)
        row = await self._connection.fetchrow(
            "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE name = $1", prepared.get_name()
        )
        assert row is not None
        return "kept" if row["generic_plans"] >= 3 else "fresh"

    async def _explain(self, statement: str, arguments: Sequence[Any], mode: str) -> Plan:
        run = self._connection.execute
        await run(f"SET plan_cache_mode = {mode}")
        await run(f"PREPARE looked_at AS {statement}")
        try:
            given = ", ".join(literal(argument) for argument in arguments)
            query = f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) EXECUTE looked_at ({given})"
            await self._connection.fetchval(query)  # which may still find hint bits to set and catalogs to read
            return Plan.of(await self._connection.fetchval(query))
        finally:
            await run("DEALLOCATE looked_at")
            await run("RESET plan_cache_mode")


def literal(value: Any) -> str:
    """An argument as SQL."""
    if value is None:
        return "NULL"
    if isinstance(value, list):
        return f"ARRAY[{', '.join(literal(item) for item in value)}]::{_kind(value)}[]"
    if isinstance(value, bool | int | Decimal):
        return str(value)
    assert isinstance(value, str | UUID | date | datetime), type(value)
    return "'" + str(value).replace("'", "''") + "'"


def _kind(values: list[Any]) -> str:
    return "uuid" if all(value is None or isinstance(value, UUID) for value in values) else "text"
