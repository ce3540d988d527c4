"""Quantities set in bulk, in SQL: each act is one statement, for one row as for thousands."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from domain.errors import DomainError
from domain.integrations.model import Aftermath, Pair, Place, Sku, Standing
from domain.ledger.model import Posted, Posting
from domain.ledger.shortage import ShortLine
from domain.values import Quantity, new_id
from infra.db.work import SqlWork
from infra.integrations.sql import named
from infra.ledger.post import CALL, encode, read_outcome

AMBIGUOUS_MAX = 10
PATIENCE_SECONDS = 300
PATIENCE = f"SELECT set_config('statement_timeout', '{PATIENCE_SECONDS}s', true)"
PLACES = f"""
    SELECT a.code, f.rank, f.location_id, f.bin_id, f.location_code, f.bin_code, f.is_default, f.is_active,
        f.frozen_by
    FROM unnest($3::text[]) AS a(code)
    CROSS JOIN LATERAL ({named("a.code", active=True)} LIMIT {AMBIGUOUS_MAX}) f
"""  # noqa: S608 - of constants
SKUS = """
    SELECT a.sku, p.id, p.is_active, p.is_lot_controlled, l.id AS lot_id
    FROM unnest($2::text[]) AS a(sku)
    CROSS JOIN LATERAL (
        SELECT * FROM products x WHERE x.tenant_id = $1 AND x.sku = a.sku OFFSET 0
    ) p
    LEFT JOIN LATERAL (
        SELECT x.id FROM lots x WHERE x.tenant_id = $1 AND x.product_id = p.id AND x.number = '' OFFSET 0
    ) l ON true
"""
STANDING = """
    SELECT s.line_id, s.is_in_lots, s.lines > 0 OR e.id IS NOT NULL AS is_known
    FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[])
        WITH ORDINALITY AS a(product_id, location_id, bin_id, lot_id, n)
    CROSS JOIN LATERAL (
        SELECT count(*) AS lines, (array_agg(x.id) FILTER (WHERE x.lot_id = a.lot_id))[1] AS line_id,
            coalesce(bool_or(x.lot_id <> a.lot_id AND x.on_hand > 0), false) AS is_in_lots
        FROM stock_lines x
        WHERE x.tenant_id = $1 AND x.product_id = a.product_id AND x.location_id = a.location_id
            AND x.bin_id = a.bin_id
    ) s
    LEFT JOIN LATERAL (
        SELECT x.id FROM empty_records x
        WHERE x.tenant_id = $1 AND x.bin_id = a.bin_id AND x.product_id = a.product_id OFFSET 0
    ) e ON true
    ORDER BY a.n
"""
# In one order, so that two who keep the same records wait for each other and do not lock crosswise.
KEEP_EMPTY = """
    INSERT INTO empty_records (tenant_id, id, product_id, location_id, bin_id)
    SELECT $1, u.id, u.product_id, u.location_id, u.bin_id
    FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[]) AS u(id, product_id, location_id, bin_id)
    ORDER BY u.bin_id, u.product_id
    ON CONFLICT DO NOTHING RETURNING product_id, bin_id
"""
AFTERMATH = """
    SELECT m.is_new, s.id, s.product_id, s.location_id, s.bin_id, trim_scale(s.on_hand) AS on_hand,
        trim_scale(s.reserved) AS reserved, trim_scale(s.held_part) AS held,
        trim_scale(greatest(0, s.reserved + s.held_part - s.on_hand)) AS short_by, m.delta < 0 AS is_less
    FROM (
        SELECT x.line_id, bool_or(x.line_version = 1) AS is_new, sum(x.delta) AS delta
        FROM movements x WHERE x.tenant_id = $1 AND x.position >= $2 AND x.position <= $3 GROUP BY x.line_id
    ) m
    CROSS JOIN LATERAL (
        SELECT * FROM stock_lines l WHERE l.tenant_id = $1 AND l.id = m.line_id OFFSET 0
    ) s
    WHERE m.is_new OR (m.delta < 0 AND s.on_hand < s.reserved + s.held_part)
    ORDER BY s.id
"""


class SettingSqlWork(SqlWork):
    """The `SettingWork` port."""

    _patience: float | None = None

    async def be_patient(self) -> None:
        await self.driver.execute(PATIENCE)
        self._patience = PATIENCE_SECONDS

    async def places(self, codes: Sequence[str]) -> Mapping[str, Sequence[Place]]:
        scope = self.act.scope
        rows = await self.driver.fetch(
            PLACES,
            self.act.tenant_id,
            None if scope is None else list(scope),
            list(codes),
            timeout=self._patience,
        )
        found: dict[str, list[Place]] = {}
        for row in rows:
            found.setdefault(row["code"], []).append(place_of(row))
        return found

    async def skus(self, skus: Sequence[str]) -> Mapping[str, Sku]:
        rows = await self.driver.fetch(SKUS, self.act.tenant_id, list(skus), timeout=self._patience)
        return {
            row["sku"]: Sku(
                product_id=row["id"],
                is_active=row["is_active"],
                is_lot_controlled=row["is_lot_controlled"],
                lot_id=row["lot_id"],
            )
            for row in rows
        }

    async def standing(self, pairs: Sequence[Pair]) -> Sequence[Standing]:
        rows = await self.driver.fetch(
            STANDING,
            self.act.tenant_id,
            [pair.product_id for pair in pairs],
            [pair.location_id for pair in pairs],
            [pair.bin_id for pair in pairs],
            [pair.lot_id for pair in pairs],
            timeout=self._patience,
        )
        return [Standing(**dict(row)) for row in rows]

    async def keep_empty(self, pairs: Sequence[Pair]) -> frozenset[tuple[UUID, UUID]]:
        rows = await self.driver.fetch(
            KEEP_EMPTY,
            self.act.tenant_id,
            [new_id() for _ in pairs],
            [pair.product_id for pair in pairs],
            [pair.location_id for pair in pairs],
            [pair.bin_id for pair in pairs],
            timeout=self._patience,
        )
        return frozenset((row["product_id"], row["bin_id"]) for row in rows)

    async def set_stock(self, posting: Posting) -> Posted:
        if self._patience is None:
            heads, entries = encode([posting], claimed=True)
        else:  # others are answered while this is written down
            heads, entries = await asyncio.to_thread(encode, [posting], claimed=True)
        (row,) = await self.driver.fetch(CALL, heads, entries, True, timeout=self._patience)
        answer = read_outcome(row["code"], row["outcome"], replayed=row["replayed"])
        if isinstance(answer, DomainError):
            raise answer
        return answer

    async def aftermath(self, posted: Posted) -> Aftermath:
        rows = await self.driver.fetch(
            AFTERMATH, self.act.tenant_id, posted.first_position, posted.position, timeout=self._patience
        )
        return Aftermath(
            new_lines=frozenset((row["product_id"], row["bin_id"]) for row in rows if row["is_new"]),
            short=[_short(row) for row in rows if row["is_less"] and row["short_by"]],
        )


def place_of(row: Any) -> Place:
    return Place(**{name: row[name] for name in Place.__struct_fields__})


def _short(row: Any) -> ShortLine:
    return ShortLine(
        inventory_item_id=row["id"],
        product_master_id=row["product_id"],
        location_id=row["location_id"],
        bin_id=row["bin_id"],
        on_hand=Quantity.of(row["on_hand"]),
        reserved=Quantity.of(row["reserved"]),
        held=Quantity.of(row["held"]),
        short_by=Quantity.of(row["short_by"]),
    )
