"""Expiring stock and destructions inside a transaction."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec
from asyncpg import Record

from domain.errors import DomainError, Reason
from domain.expiry.destruction import Destruction, DestructionLine, DestructionState, Target
from domain.expiry.disposal import SOURCE, ExpiringStock
from domain.ledger.model import Kind
from domain.ledger.places import Place
from domain.ledger.reversing import Original
from domain.values import new_id, plain
from infra.db.work import SqlWork, encoded, who_acts
from infra.expiry.rows import DESTRUCTION, destruction
from infra.ledger.answers import key_of
from infra.ledger.originals import FACTS as ORIGINAL
from infra.ledger.originals import read_movements

MARK_TYPE = "QUARANTINE"
MARKS = f"""
    SELECT h.line_id, h.id, h.quantity, h.released FROM holds h
    WHERE h.tenant_id = $1 AND h.line_id = ANY ($2) AND h.state = 'ACTIVE' AND h.scope = 'LINE'
        AND h.type = '{MARK_TYPE}' AND h.reason = '{SOURCE}'
    ORDER BY h.id
"""  # noqa: S608 - of constants
# Each look-up is one by full key, whatever the statistics say when the plan is made (LATERAL … OFFSET 0).
STOCK = f"""
    SELECT s.id, s.product_id, p.sku, p.unit_cost, s.location_id, c.today, s.bin_id, b.code, s.lot_id, t.number,
        t.expires_on, s.on_hand, s.whole_holds, s.held_part, m.whole, m.part, s.reserved
            -- a claim that has run out counts by the clock
            - CASE WHEN s.reserved > 0 THEN ledger_lapsed($1, s.id, clock_timestamp()) ELSE 0 END AS reserved
    FROM unnest($2::uuid[]) AS w(id)
    CROSS JOIN LATERAL (SELECT * FROM stock_lines x WHERE x.tenant_id = $1 AND x.id = w.id OFFSET 0) s
    CROSS JOIN LATERAL (SELECT * FROM products x WHERE x.tenant_id = $1 AND x.id = s.product_id OFFSET 0) p
    CROSS JOIN LATERAL (
        SELECT (clock_timestamp() AT TIME ZONE x.time_zone)::date AS today FROM locations x
        WHERE x.tenant_id = $1 AND x.id = s.location_id OFFSET 0
    ) c
    CROSS JOIN LATERAL (SELECT * FROM bins x WHERE x.tenant_id = $1 AND x.id = s.bin_id OFFSET 0) b
    CROSS JOIN LATERAL (SELECT * FROM lots x WHERE x.tenant_id = $1 AND x.id = s.lot_id OFFSET 0) t
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE h.quantity IS NULL) AS whole,
            coalesce(sum(h.quantity - h.released), 0) AS part
        FROM holds h
        WHERE h.tenant_id = $1 AND h.line_id = s.id AND h.state = 'ACTIVE' AND h.scope = 'LINE'
            AND h.type = '{MARK_TYPE}' AND h.reason = '{SOURCE}'
    ) m
"""  # noqa: S608 - of constants
LOCK = "SELECT claim_begin($1, $2, $3)"
HOLD = "SELECT hold_change($1, $2)"
POSITION = "SELECT h.position FROM ledger_heads h WHERE h.tenant_id = $1"
# Of another location any bin is found: why it will not do is the domain's to say.
TARGET = """
    SELECT l.id AS location_id, l.type AS location_type, b.id AS bin_id, b.code AS bin_code, b.type AS bin_type,
        l.is_active AND b.is_active AS is_active
    FROM bins b
    JOIN locations l ON l.tenant_id = $1 AND l.id = b.location_id
    WHERE b.tenant_id = $1 AND CASE
        WHEN $3::uuid IS NOT NULL THEN b.id = $3
        ELSE b.location_id = coalesce($4::uuid, $2::uuid) AND CASE
            WHEN l.type = 'DESTRUCTION' OR l.id <> $2::uuid THEN b.is_default
            ELSE b.type = 'QUARANTINE' AND b.is_active
        END
    END
    ORDER BY b.walk_order, b.code LIMIT 1
"""
ADD = """
    INSERT INTO destructions (tenant_id, id, location_id, lines, note, transfer_posting_id, actor_id, actor)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
LOCKED = f"{DESTRUCTION} WHERE d.tenant_id = $1 AND d.id = $2 FOR UPDATE OF d"
REVERSED = "SELECT EXISTS (SELECT FROM postings p WHERE p.tenant_id = $1 AND p.reverses_id = $2)"
DECIDE = """
    UPDATE destructions SET state = $3, write_off_posting_id = $4, witness = $5, method = $6,
        certificate_number = $7, destroyed_at = CASE WHEN $3 = 'DESTROYED' THEN clock_timestamp() END,
        version = version + 1, updated_at = clock_timestamp()
    WHERE tenant_id = $1 AND id = $2
"""

MESSAGES = {
    Reason.INVALID_TRANSITION: "The mark has been released meanwhile",
    Reason.LOCATION_DENIED: "Your rights do not cover this location",
    Reason.NOT_FOUND: "No such stock line",
}


class _Answer(msgspec.Struct, frozen=True):
    code: str
    facts: dict[str, Any] = {}


_answer = msgspec.json.Decoder(_Answer)


class DisposalSqlWork(SqlWork):
    """The `DestructionWork` port."""

    async def stock(self, line_ids: Collection[UUID]) -> Mapping[UUID, ExpiringStock]:
        rows = await self.driver.fetch(STOCK, self.act.tenant_id, list(line_ids))
        return {row["id"]: _stock(row) for row in rows}

    async def lock(self, places: Collection[tuple[UUID, UUID]]) -> None:
        products, locations = [place[0] for place in places], [place[1] for place in places]
        await self.driver.execute(LOCK, products, locations, self._who())

    async def mark(self, line_id: UUID, *, quantity: Any, note: str | None) -> None:
        hold = {
            "id": new_id(),
            "type": MARK_TYPE,
            "scope": "LINE",
            "line_id": line_id,
            "quantity": quantity,
            "reason": SOURCE,
            "note": note,
        }
        await self._change(hold)

    async def unmark(self, line_ids: Collection[UUID]) -> None:
        if not line_ids:
            return
        for row in await self.driver.fetch(MARKS, self.act.tenant_id, list(line_ids)):
            await self._change({"id": row["id"], "release": True})

    async def position(self) -> int:
        found: int = await self.driver.fetchval(POSITION, self.act.tenant_id)
        return found

    async def target(
        self, location_id: UUID, *, bin_id: UUID | None, target_location_id: UUID | None
    ) -> Target | None:
        row = await self.driver.fetchrow(TARGET, self.act.tenant_id, location_id, bin_id, target_location_id)
        return None if row is None else Target(**row)

    async def add(
        self,
        destruction_id: UUID,
        *,
        location_id: UUID,
        lines: Sequence[DestructionLine],
        note: str | None,
        transfer_id: UUID,
    ) -> None:
        caller = self.act.caller
        await self.driver.execute(
            ADD,
            self.act.tenant_id,
            destruction_id,
            location_id,
            encoded(lines),
            note,
            transfer_id,
            caller.principal_id,
            caller.actor,
        )

    async def locked(self, destruction_id: UUID) -> Destruction | None:
        row = await self.driver.fetchrow(LOCKED, self.act.tenant_id, destruction_id)
        return None if row is None else destruction(row)

    async def original(self, posting_id: UUID) -> Original | None:
        if await self.driver.fetchval(REVERSED, self.act.tenant_id, posting_id):
            return None
        row = await self.driver.fetchrow(ORIGINAL, *key_of(self.act), posting_id)
        assert row is not None
        return Original(id=posting_id, kind=Kind(row["kind"]), movements=read_movements(row))

    async def decide(
        self,
        destruction_id: UUID,
        state: DestructionState,
        *,
        write_off_id: UUID | None = None,
        witness: str | None = None,
        method: str | None = None,
        certificate_number: str | None = None,
    ) -> None:
        await self.driver.execute(
            DECIDE,
            self.act.tenant_id,
            destruction_id,
            state,
            write_off_id,
            witness,
            method,
            certificate_number,
        )

    def _who(self) -> str:
        return who_acts(self.act.caller, self.act.request_id)

    async def _change(self, hold: Mapping[str, Any]) -> None:
        scope = self.act.scope
        who = msgspec.json.decode(self._who()) | {"scope": None if scope is None else sorted(map(str, scope))}
        answer = _answer.decode(await self.driver.fetchval(HOLD, encoded(hold), encoded(who)))
        if answer.code != "DONE":
            reason = Reason(answer.code)
            raise DomainError(reason, MESSAGES.get(reason, "The mark was refused"), **answer.facts)


def _stock(row: Record) -> ExpiringStock:
    on_hand = plain(row["on_hand"])
    is_held_otherwise = row["whole_holds"] > row["whole"]
    return ExpiringStock(
        line_id=row["id"],
        product_id=row["product_id"],
        sku=row["sku"],
        unit_cost=plain(row["unit_cost"]),
        location_id=row["location_id"],
        today=row["today"],
        place=Place(
            bin_id=row["bin_id"],
            bin_code=row["code"],
            lot_id=row["lot_id"],
            lot_number=row["number"],
            expires_on=row["expires_on"],
        ),
        on_hand=on_hand,
        reserved=plain(row["reserved"]),
        is_marked=row["whole"] > 0,
        marked_part=plain(row["part"]),
        held_otherwise=on_hand if is_held_otherwise else min(on_hand, plain(row["held_part"] - row["part"])),
    )
