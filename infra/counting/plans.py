"""What planners write: classes set by hand, and runs that are kept."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from domain.catalog.model import AbcClass
from domain.counting.abc import Classified
from domain.counting.planning import Plan, RunHead
from domain.errors import not_found
from infra.db.work import SqlWork

SET_CLASS = """
    INSERT INTO stock_levels AS x (tenant_id, product_id, location_id, abc_class)
    SELECT p.tenant_id, p.id, l.id, $4 FROM products p JOIN locations l ON l.tenant_id = p.tenant_id AND l.id = $3
    WHERE p.tenant_id = $1 AND p.id = $2
    ON CONFLICT (tenant_id, product_id, location_id) DO UPDATE
    SET abc_class = excluded.abc_class, version = x.version + 1, updated_at = now()
    RETURNING version
"""
KEEP = """
    INSERT INTO abc_runs (tenant_id, id, location_id, measure, from_day, to_day, threshold_a, threshold_b, total,
        products, position, actor_id, actor)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) RETURNING created_at
"""
LINES = (
    "tenant_id",
    "run_id",
    "rank",
    "product_id",
    "abc_class",
    "computed_class",
    "is_overridden",
    "amount",
    "share",
    "cumulative_share",
)
# Set-based: a run of twenty thousand products is one statement.
KEEP_LINES = f"""
    INSERT INTO abc_run_lines ({", ".join(LINES)})
    SELECT $1, $2, u.* FROM unnest($3::int[], $4::uuid[], $5::text[], $6::text[], $7::bool[], $8::numeric[],
        $9::numeric[], $10::numeric[]) u
"""  # noqa: S608 - the names are this module's own


class PlanSqlWork(SqlWork):
    """The `Overriding` and `Keeping` ports."""

    async def set_class(self, *, product_id: UUID, location_id: UUID, abc_class: AbcClass | None) -> int:
        version: int | None = await self.driver.fetchval(
            SET_CLASS, self.act.tenant_id, product_id, location_id, abc_class
        )
        if version is None:
            raise not_found("product or location", field="productMasterId")
        return version

    async def keep_run(self, id_: UUID, location_id: UUID, plan: Plan) -> RunHead:
        run = RunHead(
            id=id_,
            location_id=location_id,
            measure=plan.measure,
            from_day=plan.period.from_day,
            to_day=plan.period.to_day,
            threshold_a=plan.thresholds.a,
            threshold_b=plan.thresholds.b,
            total=plan.total,
            products=len(plan.rows),
            position=plan.position,
            actor=self.act.caller.actor,
            created_at=await self._keep_head(id_, location_id, plan),
        )
        await self.driver.execute(KEEP_LINES, self.act.tenant_id, id_, *_columns([one.row for one in plan.rows]))
        return run

    async def _keep_head(self, id_: UUID, location_id: UUID, plan: Plan) -> Any:
        return await self.driver.fetchval(
            KEEP,
            self.act.tenant_id,
            id_,
            location_id,
            plan.measure,
            plan.period.from_day,
            plan.period.to_day,
            plan.thresholds.a,
            plan.thresholds.b,
            plan.total,
            len(plan.rows),
            plan.position,
            self.act.caller.principal_id,
            self.act.caller.actor,
        )


def _columns(rows: Sequence[Classified]) -> tuple[list[Any], ...]:
    return (
        [row.rank for row in rows],
        [row.product_id for row in rows],
        [row.abc_class for row in rows],
        [row.computed_class for row in rows],
        [row.is_overridden for row in rows],
        [row.amount for row in rows],
        [row.share for row in rows],
        [row.cumulative_share for row in rows],
    )
