"""The books of a benchmark's ledger: what a run stored, and whether all of it is right."""

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self
from uuid import UUID

import asyncpg
import msgspec

from infra.ledger.verify import VerifyReport, verify

_COUNTERS = """
    SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS transactions,
        pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint AS wal
"""
_HEAD = "SELECT position FROM ledger_heads WHERE tenant_id = $1"
_UNEQUAL = """
    SELECT count(*) FROM stock_lines l
    FULL JOIN (SELECT line_id, sum(delta) AS moved FROM movements WHERE tenant_id = $1 GROUP BY line_id) m
        ON m.line_id = l.id
    WHERE l.tenant_id IS NOT DISTINCT FROM $1 AND l.on_hand IS DISTINCT FROM coalesce(m.moved, 0)
"""
_MOVED_BY_HAND = "SELECT count(*) FROM by_hand.movements"
_CLAIMS = "SELECT count(*) FROM reservations WHERE tenant_id = $1"
# What is claimed, said three times: by the claims, by the lines that they stand on, by the totals.
_UNCLAIMED = """
    SELECT (
        SELECT count(*) FROM reservations r
        FULL JOIN (
            SELECT reservation_id, sum(quantity) AS quantity FROM reservation_lines WHERE tenant_id = $1 GROUP BY 1
        ) c ON c.reservation_id = r.id
        WHERE r.tenant_id IS NOT DISTINCT FROM $1 AND r.open_quantity IS DISTINCT FROM coalesce(c.quantity, 0)
    ) + (
        SELECT count(*) FROM (SELECT * FROM stock_lines WHERE tenant_id = $1 AND reserved > 0) s
        FULL JOIN (
            SELECT line_id, sum(quantity) AS quantity FROM reservation_lines WHERE tenant_id = $1 GROUP BY 1
        ) c ON c.line_id = s.id
        WHERE s.reserved IS DISTINCT FROM c.quantity
    ) + (
        SELECT count(*) FROM (SELECT * FROM stock_totals WHERE tenant_id = $1 AND reserved > 0) t
        FULL JOIN (
            SELECT product_id, location_id, sum(reserved) AS quantity FROM stock_lines
            WHERE tenant_id = $1 AND reserved > 0 GROUP BY 1, 2
        ) s ON s.product_id = t.product_id AND s.location_id = t.location_id
        WHERE t.reserved IS DISTINCT FROM s.quantity
    )
"""


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """The books after all runs of a size."""

    lines: int
    unequal_lines: int
    """Lines whose balance is not the sum of their movements."""
    unequal_claims: int
    """Claims, lines and totals that do not say the same of what is claimed."""
    verified: VerifyReport

    @property
    def is_right(self) -> bool:
        return self.unequal_lines == 0 and self.unequal_claims == 0 and self.verified.is_clean


class Books:
    """A connection of the superuser to one database."""

    def __init__(self, url: str, tenant_id: UUID) -> None:
        self._tenant_id = tenant_id
        self._runner = asyncio.Runner()
        self._connection: asyncpg.Connection[Any] = self._run(asyncpg.connect(url))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run(self._connection.close())
        self._runner.close()

    def counters(self) -> tuple[int, int]:
        """The cluster's next transaction id, and how many bytes of log it has written."""
        row = self._run(self._connection.fetchrow(_COUNTERS))
        assert row is not None
        return row["transactions"], row["wal"]

    def position(self) -> int:
        """How many movements the ledger has, once nothing is under way any more."""
        return self._settled(_HEAD)

    def moved_by_hand(self) -> int:
        """How many movements the limits of what comes in bulk have made."""
        return int(self._run(self._connection.fetchval(_MOVED_BY_HAND)))

    def claims(self) -> int:
        """How many claims were ever made, once nothing is under way any more."""
        return self._settled(_CLAIMS)

    def unequal_claims(self) -> int:
        """Claims against lines against totals: how many disagree."""
        return int(self._run(self._connection.fetchval(_UNCLAIMED, self._tenant_id, timeout=600)))

    def settle(self) -> None:
        """Let what is due anyway happen now, and not within whichever run comes next."""
        self._run(self._connection.execute("CHECKPOINT"))

    def check(self, lines: int) -> Checked:
        """Every line against its movements, and the whole ledger as `ledger verify` does it."""
        unequal = self._run(self._connection.fetchval(_UNEQUAL, self._tenant_id, timeout=600))
        report = self._run(verify(self._connection, self._tenant_id))
        claims = self.unequal_claims()
        return Checked(lines=lines, unequal_lines=unequal, unequal_claims=claims, verified=report)

    def _settled(self, statement: str) -> int:
        count = -1
        while count != (now := int(self._run(self._connection.fetchval(statement, self._tenant_id)))):
            count = now
            self._run(asyncio.sleep(0.1))
        return count

    def _run[T](self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)
