"""Statements: built with SQLAlchemy Core, compiled once, run on the driver.

Building and compiling on each request would double its cost; mapping rows to entities would cost six times as much
(infra/decisions/0001). A statement's parameters are its `bindparam` names.
"""

from collections.abc import Sequence
from typing import Any

from asyncpg import Record
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.sql import ClauseElement

from infra.db.pool import Driver

_DIALECT = dialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]


class Statement:
    """SQL for the driver with the order of its parameters."""

    def __init__(self, clause: ClauseElement) -> None:
        compiled = clause.compile(dialect=_DIALECT, compile_kwargs={"render_postcompile": True})
        self.sql = str(compiled)
        self._fixed = dict(compiled.params)
        self._names: Sequence[str] = tuple(compiled.positiontup or ())  # type: ignore[attr-defined]

    def arguments(self, given: dict[str, Any]) -> list[Any]:
        unknown = given.keys() - self._fixed.keys()
        assert not unknown, f"the statement has no parameters {sorted(unknown)}"
        return [given[name] if name in given else self._fixed[name] for name in self._names]

    async def fetch(self, driver: Driver, **given: Any) -> list[Record]:
        return await driver.fetch(self.sql, *self.arguments(given))

    async def fetch_row(self, driver: Driver, **given: Any) -> Record | None:
        return await driver.fetchrow(self.sql, *self.arguments(given))

    async def fetch_value(self, driver: Driver, **given: Any) -> Any:
        return await driver.fetchval(self.sql, *self.arguments(given))

    async def execute(self, driver: Driver, **given: Any) -> int:
        """Run it; how many rows it touched."""
        status = await driver.execute(self.sql, *self.arguments(given))
        return int(status.rsplit(" ", 1)[-1])
