"""The unit of work of imports."""

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from domain.catalog.model import Conversion
from domain.errors import ContentionError, DomainError, Reason
from domain.imports.facts import (
    BinPlace,
    Catalogue,
    Item,
    Layer,
    LayerChange,
    LayerNow,
    LayerWrite,
    Moved,
    Place,
    ScopeLine,
    Standing,
    Undoable,
    Unit,
)
from domain.imports.model import DeleteRow, ImportResult, Names, RowOutcome
from domain.ledger.model import Posted, Posting
from infra.db.work import SqlWork, encoded, who_acts
from infra.imports import sql
from infra.imports.layers import read_layers
from infra.imports.scope import by_names, by_rows
from infra.ledger.post import CALL, encode, read_outcome

BRIEF_FROM = 2_000
"""From so many entries on, a posting's answer and event leave its movements out: they would be megabytes."""
ROWS = 5_000
"""Of a statement that keeps rows."""
_items = msgspec.json.Decoder(list[tuple[str, UUID, UUID, bool]])
_bins = msgspec.json.Decoder(list[tuple[str, BinPlace]])
_lots = msgspec.json.Decoder(list[tuple[UUID, str, UUID]])
_units = msgspec.json.Decoder(list[Unit])
_conversions = msgspec.json.Decoder(list[Conversion], float_hook=Decimal)


class ImportSqlWork(SqlWork):
    """The `ImportWork` port."""

    _patience: float | None = None
    """Of the driver, where the usual one does not do."""

    async def be_patient(self) -> None:
        await self.driver.execute(sql.PATIENCE)
        self._patience = sql.PATIENCE_SECONDS

    async def store_input(self, job_id: UUID, name: str, content: bytes) -> None:
        await self.driver.execute(sql.STORE_INPUT, self.act.tenant_id, job_id, name, content)

    async def input(self, job_id: UUID) -> tuple[str, bytes] | None:
        row = await self.driver.fetchrow(sql.READ_INPUT, self.act.tenant_id, job_id)
        return None if row is None else (row["name"], row["content"])

    async def look_up(
        self, items: Collection[str], bins: Collection[str], lots: Collection[tuple[str, str]]
    ) -> Catalogue:
        row = await self.driver.fetchrow(
            sql.LOOK_UP,
            self.act.tenant_id,
            list(items),
            list(bins),
            [item for item, _ in lots],
            [lot for _, lot in lots],
            timeout=self._patience,
        )
        assert row is not None
        return Catalogue(
            items=_grouped(
                (name, Item(id=id_, name=name, uom_id=uom_id, is_active=is_active))
                for name, id_, uom_id, is_active in _items.decode(row["items"] or "[]")
            ),
            bins=_grouped(_bins.decode(row["bins"] or "[]")),
            lots={(product_id, number): lot for product_id, number, lot in _lots.decode(row["lots"] or "[]")},
            units=_units.decode(row["units"] or "[]"),
            conversions=_conversions.decode(row["conversions"] or "[]"),
        )

    async def lines_of(self, places: Sequence[Place]) -> Mapping[Place, UUID]:
        if not places:
            return {}
        found = await self.driver.fetch(
            sql.FIND,
            self.act.tenant_id,
            [place.product_id for place in places],
            [place.location_id for place in places],
            [place.bin_id for place in places],
            [place.lot_id for place in places],
            timeout=self._patience,
        )
        return {places[row["n"] - 1]: row["id"] for row in found}

    async def lines_by_names(self, names: Names) -> Sequence[ScopeLine]:
        return await by_names(self.driver, self.act.tenant_id, names, self.act.scope, timeout=self._patience)

    async def lines_by_rows(self, rows: Sequence[DeleteRow]) -> Sequence[ScopeLine]:
        return await by_rows(self.driver, self.act.tenant_id, rows, self.act.scope)

    async def lock(self, line_ids: Collection[UUID]) -> Sequence[Standing]:
        if not line_ids:
            return []
        ids = sorted(line_ids)
        who = who_acts(self.act.caller, self.act.request_id)
        await self.driver.execute(sql.LOCK, ids, who, timeout=self._patience)
        rows = await self.driver.fetch(sql.STANDING, self.act.tenant_id, ids, timeout=self._patience)
        return [_standing(row) for row in rows]

    async def correction_reason(self) -> UUID | None:
        found: UUID | None = await self.driver.fetchval(sql.REASON, self.act.tenant_id)
        return found

    async def post_bulk(self, posting: Posting) -> Posted:
        if len(posting.entries) < BRIEF_FROM:
            return await self.post(posting)
        # Others are answered while this is written down.
        heads, entries = await asyncio.to_thread(encode, [posting], claimed=True)
        (row,) = await self.driver.fetch(CALL, heads, entries, True, timeout=self._patience)
        answer = read_outcome(row["code"], row["outcome"], replayed=row["replayed"])
        if isinstance(answer, DomainError):
            raise answer
        return answer

    async def write_layers(self, layers: Sequence[LayerWrite]) -> None:
        if not layers:
            return
        written = await self.driver.fetchval(
            sql.WRITE_LAYERS,
            self.act.tenant_id,
            [_what(layer) for layer in layers],
            [layer.line_id for layer in layers],
            [layer.day for layer in layers],
            [layer.after for layer in layers],
            [layer.job_id for layer in layers],
            timeout=self._patience,
        )
        if written != len(layers):
            message = "Another import writes the same records at this moment; try again"
            raise ContentionError(Reason.UNAVAILABLE, message, retryAfter=1)

    async def keep(self, result: ImportResult, *, description: str, options: Mapping[str, Any]) -> None:
        key = (self.act.tenant_id, result.job_id)
        kept = await self.driver.fetchval(
            sql.KEEP,
            *key,
            result.type,
            description,
            encoded(options),
            result.is_applied,
            bool(options.get("dry_run")),
            result.message,
            result.total,
            result.created,
            result.updated,
            result.unchanged,
            result.deleted,
            result.failed,
            result.posting_id,
            self.act.caller.principal_id,
            self.act.caller.actor,
        )
        if not kept:
            message = "This import has been applied already"
            raise DomainError(Reason.INVALID_TRANSITION, message, state="APPLIED", allowedActions=[])
        for start in range(0, len(result.rows), ROWS):
            await self.driver.execute(sql.KEEP_ROWS, *key, *_columns(result.rows, start))

    async def keep_layers(self, job_id: UUID, layers: Sequence[tuple[UUID, LayerChange]]) -> None:
        await self.driver.execute(
            sql.KEEP_LAYERS,
            self.act.tenant_id,
            job_id,
            [line_id for line_id, _ in layers],
            [change.day for _, change in layers],
            [change.before for _, change in layers],
            [change.before_job_id for _, change in layers],
            [change.after for _, change in layers],
            timeout=self._patience,
        )

    async def undoable(self, job_id: UUID) -> Undoable | None:
        row = await self.driver.fetchrow(sql.TO_UNDO, self.act.tenant_id, job_id)
        return None if row is None else Undoable(**dict(row))

    async def moved(self, posting_id: UUID) -> Sequence[Moved]:
        rows = await self.driver.fetch(sql.MOVED, self.act.tenant_id, posting_id, timeout=self._patience)
        return [Moved(**dict(row)) for row in rows]

    async def layers_of(self, job_id: UUID) -> Sequence[LayerNow]:
        rows = await self.driver.fetch(sql.LAYERS_OF, self.act.tenant_id, job_id, timeout=self._patience)
        return [
            LayerNow(
                line_id=row["line_id"],
                day=row["date_filled"],
                before=row["before"],
                before_job_id=row["before_job_id"],
                after=row["after"],
                now=None if row["quantity"] is None else Layer(quantity=row["quantity"], job_id=row["job_id"]),
            )
            for row in rows
        ]

    async def names_of(self, line_ids: Sequence[UUID]) -> Mapping[UUID, Mapping[str, str]]:
        rows = await self.driver.fetch(sql.NAMES, self.act.tenant_id, list(set(line_ids)))
        names = ("item_name", "bin_name", "lot_name")
        return {row["id"]: {name: row[name] for name in names} for row in rows}

    async def mark_undone(self, job_id: UUID, posting_id: UUID | None) -> None:
        await self.driver.execute(sql.UNDONE, self.act.tenant_id, job_id, posting_id)


def _grouped[T](pairs: Iterable[tuple[str, T]]) -> dict[str, list[T]]:
    grouped: dict[str, list[T]] = {}
    for name, thing in pairs:
        grouped.setdefault(name, []).append(thing)
    return grouped


def _standing(row: Any) -> Standing:
    return Standing(
        line_id=row["id"],
        place=Place(
            product_id=row["product_id"],
            location_id=row["location_id"],
            bin_id=row["bin_id"],
            lot_id=row["lot_id"],
        ),
        on_hand=row["on_hand"],
        reserved=row["reserved"],
        held=row["held"],
        layers=read_layers(row["layers"]),
    )


def _what(layer: LayerWrite) -> str:
    if layer.after is None:
        return "remove"
    return "make" if layer.before is None else "change"


def _columns(rows: Sequence[RowOutcome], start: int) -> Iterator[list[object]]:
    part = rows[start : start + ROWS]
    yield list(range(start, start + len(part)))
    yield [row.row for row in part]
    yield [row.action for row in part]
    for name in ("item_name", "bin_name", "lot_name", "date_filled", "quantity", "uom"):
        yield [_storable(getattr(row, name)) for row in part]
    yield [row.old for row in part]
    yield [row.new for row in part]
    yield ["\n".join(map(_storable, row.messages)) for row in part]


def _storable(text: str) -> str:
    """PostgreSQL keeps no NUL, and no half of a character."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
