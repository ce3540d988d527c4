"""Transfers inside a transaction."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from domain.access.model import Act
from domain.catalog.model import Mixing
from domain.documents import DocumentType
from domain.ledger.model import Direction
from domain.replenishment.following import follow_transfer
from domain.transfers.model import (
    LineWanted,
    NewTransfer,
    ReceiptKind,
    ReceiptLine,
    Transfer,
    TransferState,
    TransferType,
)
from domain.transfers.ports import (
    Cause,
    Delivered,
    End,
    Expected,
    LineChange,
    Named,
    NamedBin,
    PickRow,
    Room,
    Shelf,
    StockPlace,
    TransitBin,
)
from domain.values import new_id
from infra.counting.raising import RaisesTasks
from infra.db.pool import Driver
from infra.db.work import encoded
from infra.documents.work import DocumentSqlWork
from infra.replenishment.following import FollowSqlWork
from infra.transfers import sql
from infra.transfers.rows import TRANSFER, decode_transfer

TRANSIT_CODES = ("IN-TRANSIT", "IN-TRANSIT-2", "IN-TRANSIT-3")
"""What the place of what is on its way is called: the first that is no other location's."""


class SqlTransferStore:
    """The `TransferStore` port."""

    def __init__(self, driver: Driver, act: Act) -> None:
        self._driver = driver
        self._act = act
        self._tenant = act.tenant_id

    async def named(
        self, locations: Sequence[UUID], products: Sequence[UUID], lots: Sequence[UUID], bins: Sequence[UUID]
    ) -> Named:
        rows = await self._driver.fetch(
            sql.NAMED, self._tenant, list(locations), list(products), list(lots), list(bins)
        )
        of: dict[str, list[Any]] = {"location": [], "product": [], "lot": [], "bin": []}
        for row in rows:
            of[row["what"]].append(row)
        return Named(
            locations={
                r["id"]: End(id=r["id"], type=r["text"], is_active=r["active"], today=r["today"])
                for r in of["location"]
            },
            products={r["id"]: r["active"] for r in of["product"]},
            lots={r["id"]: r["parent"] for r in of["lot"]},
            bins={
                r["id"]: NamedBin(id=r["id"], location_id=r["parent"], code=r["text"], is_active=r["active"])
                for r in of["bin"]
            },
        )

    async def add(
        self, transfer_id: UUID, *, number: str, type_: TransferType, state: TransferState, new: NewTransfer
    ) -> None:
        caller = self._act.caller
        await self._driver.execute(
            sql.ADD,
            self._tenant,
            transfer_id,
            number,
            type_,
            state,
            new.origin_id,
            new.destination_id,
            new.source_type,
            new.source_id,
            new.reference,
            new.due_on,
            new.comment,
            caller.principal_id,
            caller.actor,
        )
        await self._add_lines(transfer_id, new.lines)

    async def replace(self, transfer_id: UUID, new: NewTransfer, *, with_lines: bool) -> None:
        await self._driver.execute(sql.REPLACE, self._tenant, transfer_id, new.reference, new.due_on, new.comment)
        if with_lines:
            await self._driver.execute(sql.REMOVE_LINES, self._tenant, transfer_id)
            await self._add_lines(transfer_id, new.lines)

    async def _add_lines(self, transfer_id: UUID, lines: Sequence[LineWanted]) -> None:
        if lines:
            await self._driver.execute(
                sql.ADD_LINES,
                self._tenant,
                transfer_id,
                [new_id() for _ in lines],
                [line.product_id for line in lines],
                [line.lot_id for line in lines],
                [line.from_bin_id for line in lines],
                [line.to_bin_id for line in lines],
                [line.quantity for line in lines],
                [line.note for line in lines],
            )

    async def locked(self, transfer_id: UUID) -> Transfer | None:
        # Read after the lock: a statement that waits for it would show the lines as they were before.
        found = await self._driver.fetchval(sql.LOCK, self._tenant, transfer_id)
        return await self.view(transfer_id) if found else None

    async def view(self, transfer_id: UUID) -> Transfer:
        return decode_transfer(await self._driver.fetchval(TRANSFER, self._tenant, transfer_id))

    async def move(self, transfer_id: UUID, to: TransferState, *, ship_posting_id: UUID | None = None) -> None:
        await self._driver.execute(sql.MOVE, self._tenant, transfer_id, to, ship_posting_id)

    async def add_picks(self, transfer_id: UUID, picks: Sequence[PickRow]) -> None:
        await self._driver.execute(sql.ADD_PICKS, self._tenant, transfer_id, encoded(list(picks)))

    async def set_picks(self, picks: Sequence[PickRow]) -> None:
        if picks:
            await self._driver.execute(sql.SET_PICKS, self._tenant, encoded(list(picks)))

    async def change_lines(self, changes: Sequence[LineChange]) -> None:
        # One line may be changed more than once: an update of a join would take only one of them.
        for change in changes:
            await self._driver.execute(
                sql.CHANGE_LINE,
                self._tenant,
                change.id,
                change.surplus,
                change.pick_reason,
                change.discrepancy_reason,
                change.supply_id,
            )

    async def shelves(self, product_id: UUID, location_id: UUID) -> list[Shelf]:
        rows = await self._driver.fetch(sql.SHELVES, self._tenant, product_id, location_id)
        return [Shelf(**dict(row)) for row in rows]

    async def rooms(self, bin_ids: Sequence[UUID]) -> dict[UUID, Room]:
        await self._driver.execute(sql.LOCK_BINS, self._tenant, list(bin_ids))
        rows = await self._driver.fetch(sql.ROOMS, self._tenant, list(bin_ids))
        return {
            row["bin_id"]: Room(
                bin_id=row["bin_id"],
                code=row["code"],
                mixing=Mixing(row["mixing"]),
                capacity=row["capacity"],
                filled=row["filled"],
                lots=frozenset(zip(row["products"], row["lots"], strict=True)),
            )
            for row in rows
        }

    async def places(self, line_ids: Sequence[UUID]) -> dict[UUID, StockPlace]:
        rows = await self._driver.fetch(sql.PLACES, self._tenant, sorted(set(line_ids)))
        return {row["line_id"]: StockPlace(**dict(row)) for row in rows}

    async def transit(self, origin_id: UUID) -> TransitBin:
        row = await self._driver.fetchrow(sql.TRANSIT, self._tenant)
        if row is None:
            await self._make_transit(origin_id)
            row = await self._driver.fetchrow(sql.TRANSIT, self._tenant)
        assert row is not None, "it has just been made, by us or by another"
        return TransitBin(location_id=row["location_id"], bin_id=row["bin_id"])

    async def _make_transit(self, origin_id: UUID) -> None:
        """Whoever comes second waits here for the first one's commit, and then finds it."""
        for code in TRANSIT_CODES:
            await self._driver.execute(sql.MAKE_TRANSIT, self._tenant, new_id(), code, origin_id)
            location_id = await self._driver.fetchval(sql.TRANSIT_LOCATION, self._tenant)
            if location_id is not None:
                await self._driver.execute(sql.MAKE_TRANSIT_BIN, self._tenant, new_id(), location_id)
                return

    async def lines_at(self, bin_: TransitBin, lots: Sequence[tuple[UUID, UUID]]) -> dict[UUID, UUID]:
        rows = await self._driver.fetch(
            sql.LINES_AT,
            self._tenant,
            bin_.location_id,
            bin_.bin_id,
            [product_id for product_id, _ in lots],
            [lot_id for _, lot_id in lots],
        )
        return {row["lot_id"]: row["id"] for row in rows}

    async def expect(
        self, transfer_id: UUID, location_id: UUID, due_on: date | None, expected: Sequence[Expected]
    ) -> None:
        await self._driver.execute(
            sql.EXPECT,
            self._tenant,
            str(transfer_id),
            location_id,
            due_on,
            [one.id for one in expected],
            [one.product_id for one in expected],
            [one.quantity for one in expected],
        )

    async def deliver(self, delivered: Sequence[Delivered]) -> None:
        if delivered:
            await self._driver.execute(
                sql.DELIVER,
                self._tenant,
                [one.id for one in delivered],
                [one.quantity for one in delivered],
                [one.ends for one in delivered],
            )

    async def receipt(
        self,
        transfer_id: UUID,
        kind: ReceiptKind,
        *,
        posting_id: UUID | None,
        lines: Sequence[ReceiptLine],
        comment: str | None,
    ) -> None:
        caller = self._act.caller
        await self._driver.execute(
            sql.RECEIPT,
            self._tenant,
            new_id(),
            transfer_id,
            kind,
            posting_id,
            encoded(list(lines)),
            comment,
            caller.principal_id,
            caller.actor,
        )

    async def causes(self, ids: Sequence[UUID], code: str) -> tuple[Mapping[UUID, Cause], UUID | None]:
        rows = await self._driver.fetch(sql.CAUSES, self._tenant, list(ids), code)
        usual = next((row["id"] for row in rows if row["code"] == code and row["is_active"]), None)
        named = {
            row["id"]: Cause(id=row["id"], direction=Direction(row["direction"]), is_active=row["is_active"])
            for row in rows
            if row["id"] in ids
        }
        return named, usual


class TransferSqlWork(RaisesTasks, DocumentSqlWork):
    """The `TransferWork` port."""

    def __init__(self, driver: Driver, act: Act) -> None:
        super().__init__(driver, act)
        self.transfers = SqlTransferStore(driver, act)

    async def followed(self, transfer: Transfer) -> None:
        if transfer.source_type == DocumentType.REPLENISHMENT:
            following = FollowSqlWork(self.driver, self.act)
            await follow_transfer(following, transfer_id=transfer.id, state=transfer.state)
