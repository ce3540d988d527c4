"""The transaction of a cycle count: the `CountingWork` port."""

from collections.abc import Collection, Sequence
from uuid import UUID

from domain.counting.model import LINES_MOST, Batch, Count, Line, NewBatch, State, Type, Waiver
from domain.counting.ports import Found, Holder, Located, Renewed, Tally, Unknown
from domain.counting.views import BatchView, LineView
from domain.documents import DocumentType
from domain.values import new_id
from infra.catalog.lots import LotSqlWork
from infra.counting import sql
from infra.counting.resolving import ReviewSqlWork
from infra.counting.rows import batch_of, batch_view_of, line_of, line_view_of
from infra.db.work import encoded
from infra.documents.work import HISTORY

NAMED_BATCH = f"""
    SELECT {sql.NAMED_BATCH}, v.net, v.gross FROM cycle_counts c {sql.AT_LOCATION} {sql.VALUES}
    WHERE c.tenant_id = $1 AND c.id = $2
"""  # noqa: S608 - of constants


class CountingSqlWork(ReviewSqlWork, LotSqlWork):
    """Each method is one statement, `batch` two."""

    async def unknown(self, wanted: NewBatch) -> Unknown:
        row = await self.driver.fetchrow(
            sql.UNKNOWN,
            self.act.tenant_id,
            wanted.location_id,
            wanted.wanted.category_id,
            list(wanted.wanted.product_master_ids),
            list(wanted.wanted.bin_ids),
            list(wanted.assignee_ids),
        )
        assert row is not None
        return Unknown(**dict(row))

    async def strangers(self, user_ids: Collection[UUID]) -> set[UUID]:
        rows = await self.driver.fetch(sql.STRANGERS, self.act.tenant_id, list(user_ids))
        return {row["k"] for row in rows}

    async def add_batch(self, id_: UUID, number: str, wanted: NewBatch) -> None:
        caller = self.act.caller
        await self.driver.execute(
            sql.ADD_BATCH,
            self.act.tenant_id,
            id_,
            number,
            wanted.location_id,
            wanted.type,
            wanted.is_blind,
            wanted.is_freezing,
            wanted.scheduled_for,
            wanted.origin,
            encoded(wanted.wanted),
            wanted.note,
            caller.principal_id,
            caller.actor,
        )

    async def batch(self, batch_id: UUID) -> Batch | None:
        # Read after the lock, not with it: who waited for it must see all that the one before has done.
        await self.driver.execute(sql.LOCK, self.act.tenant_id, batch_id)
        row = await self.driver.fetchrow(sql.BATCH, self.act.tenant_id, batch_id)
        return None if row is None else batch_of(row)

    async def renew(self, batch_id: UUID, type_: Type) -> Renewed:
        row = await self.driver.fetchrow(
            sql.RENEW, self.act.tenant_id, batch_id, type_ is Type.SPOT, LINES_MOST, timeout=30
        )
        assert row is not None
        renewed = Renewed(**dict(row))
        if 0 < renewed.added < renewed.total:
            await self.driver.execute(sql.RENUMBER, self.act.tenant_id, batch_id)
        return renewed

    async def holders(self, batch_id: UUID, positions: Sequence[Found] | None = None) -> list[Holder]:
        if positions is None:
            rows = await self.driver.fetch(sql.HOLDERS, self.act.tenant_id, batch_id)
        else:
            rows = await self.driver.fetch(
                sql.HOLDERS_OF,
                self.act.tenant_id,
                batch_id,
                [one.product_id for one in positions],
                [one.bin_id for one in positions],
                [one.lot_id for one in positions],
            )
        return [Holder(**dict(row)) for row in rows]

    async def assign(self, batch_id: UUID, user_ids: Collection[UUID]) -> None:
        await self.driver.execute(sql.ASSIGN, self.act.tenant_id, batch_id, list(user_ids))

    async def freeze(self, batch_id: UUID) -> list[Holder]:
        rows = await self.driver.fetch(sql.FREEZE, self.act.tenant_id, batch_id)
        return [Holder(**dict(row)) for row in rows]

    async def release(self, batch_id: UUID) -> None:
        """Two statements."""
        await self.driver.execute(sql.UNFREEZE, self.act.tenant_id, batch_id)
        await self.driver.execute(sql.LET_GO, self.act.tenant_id, batch_id)

    async def change(
        self,
        batch_id: UUID,
        *,
        to: State | None = None,
        lines: int = 0,
        counted: int = 0,
        waived: int = 0,
        position: int | None = None,
    ) -> Batch:
        row = await self.driver.fetchrow(
            sql.CHANGE, self.act.tenant_id, batch_id, to, lines, counted, waived, position
        )
        assert row is not None
        return batch_of(row)

    async def locate(self, batch: Batch, counts: Sequence[Count]) -> list[Located]:
        """Two statements: what is named, and the lines among it."""
        rows = await self.driver.fetch(
            sql.LOCATE,
            self.act.tenant_id,
            batch.id,
            batch.location_id,
            [one.line_id for one in counts],
            [one.bin_id for one in counts],
            [one.product_id for one in counts],
            [one.lot_number for one in counts],
        )
        named = [row["count_line_id"] for row in rows if row["count_line_id"] is not None]
        lines = {line.id: line for line in await self.lines(batch.id, named)} if named else {}
        return [
            Located(
                line=lines.get(row["count_line_id"]),
                product_id=row["product_id"],
                bin_id=row["bin_id"],
                lot_id=row["lot_id"],
            )
            for row in rows
        ]

    async def add_found(self, batch: Batch, found: Sequence[Found]) -> int:
        status = await self.driver.execute(
            sql.ADD_FOUND,
            self.act.tenant_id,
            batch.id,
            batch.location_id,
            [one.id for one in found],
            [one.product_id for one in found],
            [one.bin_id for one in found],
            [one.lot_id for one in found],
        )
        return int(status.rsplit(" ", 1)[-1])

    async def lines(self, batch_id: UUID, line_ids: Sequence[UUID]) -> list[Line]:
        rows = await self.driver.fetch(sql.LINES, self.act.tenant_id, batch_id, list(line_ids))
        return [line_of(row) for row in rows]

    async def count(self, batch: Batch, tallies: Sequence[Tally]) -> None:
        caller = self.act.caller
        await self.driver.execute(
            sql.COUNT,
            self.act.tenant_id,
            batch.id,
            [one.line_id for one in tallies],
            [one.quantity for one in tallies],
            [one.note for one in tallies],
            [one.matched for one in tallies],
            [one.differing for one in tallies],
            [new_id() for _ in tallies],
            caller.principal_id,
            sorted(caller.identities),
            caller.actor,
        )

    async def waive(self, batch: Batch, waivers: Sequence[Waiver]) -> None:
        caller = self.act.caller
        await self.driver.execute(
            sql.WAIVE,
            self.act.tenant_id,
            batch.id,
            [one.line_id for one in waivers],
            [one.reason for one in waivers],
            caller.principal_id,
            caller.actor,
        )

    async def close_counts(self, batch_id: UUID) -> None:
        await self.driver.execute(sql.CLOSE, self.act.tenant_id, batch_id)

    async def tell_accuracy(self, batch_id: UUID) -> Batch:
        row = await self.driver.fetchrow(sql.ACCURACY, self.act.tenant_id, batch_id)
        assert row is not None
        return batch_of(row)

    async def uncounted(self, batch_id: UUID, most: int) -> list[UUID]:
        rows = await self.driver.fetch(sql.UNCOUNTED, self.act.tenant_id, batch_id, most)
        return [row["id"] for row in rows]

    async def is_posted(self, batch_id: UUID) -> bool:
        return bool(await self.driver.fetchval(sql.IS_POSTED, self.act.tenant_id, batch_id))

    async def batch_view(self, batch_id: UUID) -> BatchView:
        """Two statements: the batch, and its history."""
        row = await self.driver.fetchrow(NAMED_BATCH, self.act.tenant_id, batch_id)
        assert row is not None
        steps = await self.driver.fetch(HISTORY, self.act.tenant_id, DocumentType.CYCLE_COUNT, batch_id)
        return batch_view_of(row, with_values=True, steps=steps)

    async def line_views(self, batch_id: UUID, line_ids: Sequence[UUID]) -> list[LineView]:
        rows = await self.driver.fetch(sql.NAMED_LINES, self.act.tenant_id, batch_id, list(line_ids))
        return [line_view_of(row) for row in rows]
