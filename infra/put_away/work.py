"""Put-away inside a transaction."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from domain.put_away.model import Task, Waiting, WholeTask
from domain.put_away.ports import Place
from domain.put_away.suggesting import Facts
from domain.values import plain
from infra.db.work import encoded
from infra.documents.work import DocumentSqlWork
from infra.put_away.facts import FACTS, NOBODY, facts_of
from infra.put_away.rows import ONE, read_suggestion, whole_task

PLAN_ALONE = "SELECT pg_advisory_xact_lock(hashtextextended('put_away' || $1::text || $2::text, 0))"
FACTS_OF = f"""
    WITH wanted AS (SELECT DISTINCT w.product_id, w.location_id FROM unnest($2::uuid[], $3::uuid[]) AS
        w(product_id, location_id)),
    asked AS (SELECT k.id FROM unnest($4::uuid[]) AS k(id)),
    {FACTS.replace("{without}", "$5")}
    SELECT k.places, t.shelves FROM known k CROSS JOIN told t
"""  # noqa: S608 - ours
# NO KEY: a new line's foreign key must not wait for us, who may be waiting for its writer's lines.
LOCK_BINS = """
    SELECT 1 FROM (SELECT DISTINCT k.id FROM unnest($2::uuid[]) AS k(id) ORDER BY k.id) k
    CROSS JOIN LATERAL (SELECT 1 FROM bins b WHERE b.tenant_id = $1 AND b.id = k.id FOR NO KEY UPDATE) b
"""
# A claim that has run out counts by the clock.
FREE = """greatest(0, s.on_hand - s.held - s.reserved
    + CASE WHEN s.reserved > 0 THEN ledger_lapsed($1, s.id, clock_timestamp()) ELSE 0 END)"""
WAITING = f"""
    SELECT s.id AS line_id, s.product_id, s.lot_id, s.location_id, s.bin_id, {FREE} AS free
    FROM stock_lines s WHERE s.tenant_id = $1 AND s.id = $2
"""  # noqa: S608 - ours
IS_POSTING = "SELECT EXISTS (SELECT FROM postings p WHERE p.tenant_id = $1 AND p.id = $2)"
RECEIVED = f"""
    SELECT s.id AS line_id, s.product_id, s.lot_id, s.location_id, s.bin_id, {FREE} AS free,
        m.received - (
            SELECT coalesce(sum(CASE WHEN t.state = 'CANCELED' THEN t.done_quantity ELSE t.quantity END), 0)
            FROM put_away_tasks t
            WHERE t.tenant_id = $1 AND t.receipt_posting_id = $2 AND t.from_line_id = s.id
        ) AS received
    FROM (
        SELECT x.line_id, sum(x.delta) AS received, min(x.position) AS place
        FROM postings p
        CROSS JOIN LATERAL (
            SELECT y.line_id, y.delta, y.position FROM movements y
            WHERE y.tenant_id = $1 AND y.position >= p.first_position
                AND y.position < p.first_position + p.movement_count
                AND y.delta > 0 AND y.kind IN ('RECEIPT', 'TRANSFER_IN')
            OFFSET 0
        ) x
        WHERE p.tenant_id = $1 AND p.id = $2
        GROUP BY x.line_id
    ) m
    CROSS JOIN LATERAL (SELECT * FROM stock_lines x WHERE x.tenant_id = $1 AND x.id = m.line_id OFFSET 0) s
    CROSS JOIN LATERAL (SELECT b.type FROM bins b WHERE b.tenant_id = $1 AND b.id = s.bin_id OFFSET 0) b
    WHERE b.type = 'RECEIVING'
    ORDER BY m.place
"""  # noqa: S608 - ours
LINES = """
    SELECT DISTINCT s.id FROM unnest($2::uuid[], $3::uuid[]) AS w(product_id, location_id)
    CROSS JOIN LATERAL (
        SELECT x.id FROM stock_lines x
        WHERE x.tenant_id = $1 AND x.product_id = w.product_id AND x.location_id = w.location_id
            AND (x.on_hand > 0 OR x.reserved > 0 OR x.bin_id = ANY ($4))
        OFFSET 0
    ) s
"""
COLUMNS = Task.__struct_fields__
LOCK = f"SELECT {', '.join(COLUMNS)} FROM put_away_tasks WHERE tenant_id = $1 AND id = $2 FOR UPDATE"  # noqa: S608 - ours
ADD = f"""
    INSERT INTO put_away_tasks (tenant_id, {", ".join(COLUMNS)}, actor_id, actor)
    VALUES ($1, {", ".join(f"${n}" for n in range(2, len(COLUMNS) + 4))})
"""  # noqa: S608 - ours
STORE = """
    UPDATE put_away_tasks SET state = $3, quantity = $4, done_quantity = $5, claim_id = $6, to_bin_id = $7,
        override_reason = $8, assignee_id = $9, version = $10, updated_at = clock_timestamp(),
        started_at = CASE WHEN $3 = 'IN_PROGRESS' THEN coalesce(started_at, clock_timestamp()) ELSE started_at END,
        finished_at = CASE WHEN $3 IN ('COMPLETED', 'CANCELED') THEN clock_timestamp() END
    WHERE tenant_id = $1 AND id = $2
"""
IS_MEMBER = "SELECT EXISTS (SELECT FROM memberships WHERE tenant_id = $1 AND user_id = $2 AND is_active)"


class PutAwaySqlWork(DocumentSqlWork):
    """The `PutAwayWork` port."""

    async def plan_alone(self, location_ids: Sequence[UUID]) -> None:
        for location_id in sorted(location_ids):
            await self.driver.execute(PLAN_ALONE, str(self.act.tenant_id), str(location_id))

    async def facts(
        self, places: Sequence[Place], *, bins: Sequence[UUID] = (), without: UUID | None = None
    ) -> Facts:
        products, locations = [place[0] for place in places], [place[1] for place in places]
        row = await self.driver.fetchrow(
            FACTS_OF, self.act.tenant_id, products, locations, list(bins), without or NOBODY
        )
        assert row is not None, "aggregates are one row"
        return facts_of(row["places"], row["shelves"])

    async def lock_bins(self, bin_ids: Sequence[UUID]) -> None:
        await self.driver.execute(LOCK_BINS, self.act.tenant_id, list(bin_ids))

    async def waiting(self, line_id: UUID) -> Waiting | None:
        row = await self.driver.fetchrow(WAITING, self.act.tenant_id, line_id)
        return None if row is None else Waiting(**row)

    async def received(self, posting_id: UUID) -> Sequence[Waiting] | None:
        rows = await self.driver.fetch(RECEIVED, self.act.tenant_id, posting_id)
        if not rows and not await self.driver.fetchval(IS_POSTING, self.act.tenant_id, posting_id):
            return None
        return [Waiting(**row) for row in rows]

    async def lines_of(self, places: Sequence[Place], bin_ids: Sequence[UUID]) -> list[UUID]:
        products, locations = [place[0] for place in places], [place[1] for place in places]
        rows = await self.driver.fetch(LINES, self.act.tenant_id, products, locations, list(bin_ids))
        return [row["id"] for row in rows]

    async def lock(self, task_id: UUID) -> Task | None:
        row = await self.driver.fetchrow(LOCK, self.act.tenant_id, task_id)
        return None if row is None else _task(dict(row))

    async def add(self, task: Task) -> None:
        caller = self.act.caller
        kept = msgspec.structs.asdict(task) | {"explanation": encoded(task.explanation)}
        await self.driver.execute(ADD, self.act.tenant_id, *kept.values(), caller.principal_id, caller.actor)

    async def store(self, task: Task) -> None:
        await self.driver.execute(
            STORE,
            self.act.tenant_id,
            task.id,
            task.state,
            task.quantity,
            task.done_quantity,
            task.claim_id,
            task.to_bin_id,
            task.override_reason,
            task.assignee_id,
            task.version,
        )

    async def whole(self, task_id: UUID) -> WholeTask:
        row = await self.driver.fetchrow(ONE, self.act.tenant_id, task_id)
        assert row is not None, "it was added or locked by this very transaction"
        return whole_task(row)

    async def is_member(self, user_id: UUID) -> bool:
        found: bool = await self.driver.fetchval(IS_MEMBER, self.act.tenant_id, user_id)
        return found


def _task(row: dict[str, Any]) -> Task:
    facts = row | {
        "quantity": plain(row["quantity"]),
        "done_quantity": plain(row["done_quantity"]),
        "explanation": read_suggestion(row["explanation"]),
    }
    task: Task = msgspec.convert(facts, Task, builtin_types=(Decimal, UUID))
    return task
