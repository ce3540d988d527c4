"""Cycle counts on the real unit of work: people, and what they do in one call each."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from domain.access.delegations import InForce
from domain.access.model import Act, Caller, Permission
from domain.counting import batches, recording
from domain.counting.approval import APPROVE
from domain.counting.deciding import ResolveAction
from domain.counting.model import Batch, Count, NewBatch, Sitting, Type, Wanted
from domain.counting.resolving import Resolved, Wished, resolve
from domain.counting.resolving_ports import Why
from domain.ledger.model import Direction, ReasonCode
from domain.values import new_id
from infra.counting.work import CountingSqlWork
from infra.db.pool import Database
from infra.db.work import beginning
from tests.ledger.builders import Shelf, Warehouse

COUNTS, READS = Permission.INVENTORY_CYCLECOUNT, Permission.INVENTORY_READ
LINES = """
    SELECT id, product_id, bin_id, lot_id, state, round, resolution, variance, posting_id, counted_quantity
    FROM cycle_count_lines WHERE tenant_id = $1 AND batch_id = $2 ORDER BY sequence, id
"""
SETTINGS = "UPDATE tenants SET settings = $2::jsonb WHERE id = $1"
NOBODY_ELSE = InForce(at=datetime.max.replace(tzinfo=UTC), delegations=())


class CountLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line as the database has it."""

    id: UUID
    product_id: UUID
    bin_id: UUID
    lot_id: UUID
    state: str
    round: int
    resolution: str | None
    variance: Decimal | None
    posting_id: UUID | None
    counted_quantity: Decimal | None


def a_person(warehouse: Warehouse, user_id: UUID, *permissions: Permission) -> Act:
    """An act of somebody who counts, reads and may approve, unless it is said otherwise."""
    caller = Caller(
        tenant_id=warehouse.tenant_id,
        tenant_slug="test",
        tenant_name="Test",
        principal_id=user_id,
        user_id=user_id,
        actor=f"Person {user_id.hex[-4:]}",
        session_id=None,
        key_id=None,
        roles=(),
        rights=dict.fromkeys(permissions or (COUNTS, READS, APPROVE), None),
    )
    permission = COUNTS if COUNTS in caller.rights else APPROVE
    return Act(caller=caller, permission=permission, operation="count", request_id="test")


class Counting(msgspec.Struct, frozen=True):
    """What people do with counts of a warehouse."""

    database: Database
    warehouse: Warehouse

    async def do[T](self, act: Act, what: Callable[[CountingSqlWork], Awaitable[T]]) -> T:
        async with beginning(self.database, CountingSqlWork)(act) as work:
            return await what(work)

    async def begin(self, act: Act, *, is_blind: bool = False, is_freezing: bool = False) -> Batch:
        """A batch of all that is there, started."""
        wanted = NewBatch(
            location_id=self.warehouse.locations[0],
            type=Type.SPOT,
            wanted=Wanted(product_master_ids=self.warehouse.products),
            is_blind=is_blind,
            is_freezing=is_freezing,
        )
        batch = await self.do(act, lambda work: batches.create(work, act=act, wanted=wanted))
        return await self.do(
            act, lambda work: batches.start(work, act=act, batch_id=batch.id, expected_version=None)
        )

    async def record(self, act: Act, batch_id: UUID, found: Mapping[Shelf, Decimal | int]) -> Batch:
        """What was found, by position."""
        numbers = {
            lot: f"LOT-{n}" if n or product in self.warehouse.lot_controlled else None
            for product, lots in self.warehouse.lots.items()
            for n, lot in enumerate(lots)
        }
        counts = [
            Count(
                bin_id=shelf.bin_id,
                product_id=shelf.product_id,
                lot_number=numbers[shelf.lot_id],
                quantity=Decimal(quantity),
            )
            for shelf, quantity in found.items()
        ]
        sitting = Sitting(counts=counts)
        done = await self.do(
            act,
            lambda work: recording.record(
                work, act=act, batch_id=batch_id, sitting=sitting, expected_version=None
            ),
        )
        return done.batch

    async def complete(self, act: Act, batch_id: UUID) -> Batch:
        return await self.do(
            act, lambda work: batches.complete(work, act=act, batch_id=batch_id, expected_version=None)
        )

    async def cancel(self, act: Act, batch_id: UUID) -> Batch:
        return await self.do(
            act, lambda work: batches.cancel(work, act=act, batch_id=batch_id, expected_version=None)
        )

    async def resolve(
        self,
        act: Act,
        batch_id: UUID,
        line_ids: Sequence[UUID],
        action: ResolveAction,
        *,
        in_force: InForce = NOBODY_ELSE,
        expected_version: int | None = None,
    ) -> Resolved:
        reason = ReasonCode(
            id=self.warehouse.reason_id,
            code="FOUND",
            name="Found",
            direction=Direction.BOTH,
            requires_comment=False,
            requires_root_cause=False,
            is_active=True,
            pack="test",
        )
        why = Why(reason_code_id=reason.id, comment="Looked at", root_cause="Unknown")
        wishes = [Wished(line_id=line_id, action=action, why=why) for line_id in line_ids]

        async def decided(work: CountingSqlWork) -> Resolved:
            return await resolve(
                work,
                act=act,
                batch_id=batch_id,
                wishes=wishes,
                expected_version=expected_version,
                in_force=in_force,
                reasons={reason.id: reason},
            )

        return await self.do(act, decided)


async def lines_of(admin: "asyncpg.Connection[Any]", warehouse: Warehouse, batch_id: UUID) -> list[CountLine]:
    return [CountLine(**dict(row)) for row in await admin.fetch(LINES, warehouse.tenant_id, batch_id)]


async def decree(admin: "asyncpg.Connection[Any]", warehouse: Warehouse, **settings: object) -> None:
    """Set the settings of the tenant, by their names on the wire."""
    await admin.execute(SETTINGS, warehouse.tenant_id, msgspec.json.encode(settings).decode())


def people(number: int) -> list[UUID]:
    return [new_id() for _ in range(number)]
