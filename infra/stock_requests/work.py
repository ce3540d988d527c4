"""Stock requests inside a transaction, with the transfers in which they travel."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import msgspec
from asyncpg import Record

from domain.availability.ports import ClaimedLine
from domain.ledger.model import Kind
from domain.ledger.reversing import Original
from domain.stock_requests.model import Decision, NewLine, NewRequest, RequestLine, StockRequest, Tier
from domain.stock_requests.plans import Rule, RulesView
from domain.stock_requests.ports import Claimed, End, Goods, RulesKnown
from domain.values import new_id
from infra.db.work import encoded
from infra.ledger.originals import read_movements
from infra.stock_requests import sql
from infra.stock_requests.rows import DOCUMENT, decode_request
from infra.transfers.work import TransferSqlWork

_rules = msgspec.json.Decoder(tuple[Rule, ...] | None)
_lines = msgspec.json.Decoder(tuple[ClaimedLine, ...])

STORED = (
    "id",
    "requested",
    "approved",
    "reserved",
    "backordered",
    "picked",
    "issued",
    "received",
    "open",
    "canceled",
    "unit_cost",
    "short_reason",
    "discrepancy_reason",
    "note",
)


class StockRequestSqlWork(TransferSqlWork):
    """The `StockRequestWork` port."""

    async def now(self) -> datetime:
        moment: datetime = await self.driver.fetchval(sql.NOW)
        return moment

    async def lock(self, request_id: UUID) -> StockRequest | None:
        if not await self.driver.fetchval(sql.LOCK, self.act.tenant_id, request_id):
            return None
        return await self.view(request_id)

    async def view(self, request_id: UUID) -> StockRequest:
        return decode_request(await self.driver.fetchval(DOCUMENT, self.act.tenant_id, request_id))

    async def ends(self, ids: Sequence[UUID]) -> Mapping[UUID, End]:
        rows = await self.driver.fetch(sql.ENDS, self.act.tenant_id, list(ids))
        return {
            row["id"]: End(
                id=row["id"],
                type=row["type"],
                capabilities=frozenset(row["capabilities"]),
                is_active=row["is_active"],
            )
            for row in rows
        }

    async def goods(self, ids: Sequence[UUID]) -> Mapping[UUID, Goods]:
        rows = await self.driver.fetch(sql.GOODS, self.act.tenant_id, list(ids)) if ids else []
        return {row["id"]: Goods(**{**dict(row), "category_ids": frozenset(row["category_ids"])}) for row in rows}

    async def add(self, request_id: UUID, number: str, new: NewRequest) -> None:
        caller = self.act.caller
        await self.driver.execute(
            sql.ADD,
            self.act.tenant_id,
            request_id,
            number,
            new.type,
            new.origin_id,
            new.destination_id,
            caller.user_id or caller.principal_id,
            caller.actor,
            sorted(caller.identities),
            new.priority,
            new.needed_by,
            new.description,
            new.stocklist_id,
        )

    async def store(self, request: StockRequest) -> None:
        await self.driver.execute(
            sql.STORE,
            self.act.tenant_id,
            request.id,
            request.type,
            request.state,
            request.origin_location_id,
            request.destination_location_id,
            list(request.author_ids),
            request.priority,
            request.needed_by,
            request.description,
            request.value,
            request.round,
            request.current_tier,
            request.deadline_at,
            request.submitted_at,
            request.decided_at,
            request.issued_at,
            request.received_at,
            request.canceled_at,
            request.issue_transaction_id,
            request.transfer_id,
            request.is_deleted,
        )

    async def add_lines(self, request_id: UUID, first_no: int, lines: Sequence[NewLine]) -> list[UUID]:
        ids = [new_id() for _ in lines]
        if ids:
            await self.driver.execute(
                sql.ADD_LINES,
                self.act.tenant_id,
                request_id,
                first_no,
                ids,
                [line.product_id for line in lines],
                [Decimal(line.quantity) for line in lines],
                [line.note for line in lines],
            )
        return ids

    async def add_substitute(self, request_id: UUID, line: RequestLine) -> None:
        await self.driver.execute(
            sql.ADD_SUBSTITUTE,
            self.act.tenant_id,
            line.id,
            request_id,
            line.line_no,
            line.product_master_id,
            line.requested,
            line.approved,
            line.reserved,
            line.picked,
            line.open,
            line.unit_cost,
            line.substitutes_line_id,
            line.short_reason,
        )

    async def store_lines(self, lines: Sequence[RequestLine]) -> None:
        if lines:
            rows = [{name: getattr(line, name) for name in STORED} for line in lines]
            await self.driver.execute(sql.STORE_LINES, self.act.tenant_id, encoded(rows))

    async def remove_line(self, line_id: UUID) -> None:
        await self.driver.execute(sql.REMOVE_LINE, self.act.tenant_id, line_id)

    async def add_tiers(self, request_id: UUID, round_: int, tiers: Sequence[Tier]) -> None:
        for tier in tiers:
            await self.driver.execute(
                sql.ADD_TIER,
                self.act.tenant_id,
                request_id,
                round_,
                tier.tier,
                tier.name,
                tier.role,
                list(tier.user_ids),
                tier.approvals,
                tier.deadline_hours,
                tier.escalate_role,
                list(tier.escalate_user_ids),
                encoded(list(tier.why)),
                tier.started_at,
                tier.deadline_at,
            )

    async def store_tier(self, request_id: UUID, round_: int, tier: Tier) -> None:
        await self.driver.execute(
            sql.STORE_TIER,
            self.act.tenant_id,
            request_id,
            round_,
            tier.tier,
            tier.started_at,
            tier.deadline_at,
            tier.finished_at,
        )

    async def add_decision(self, request_id: UUID, decision: Decision) -> None:
        await self.driver.execute(
            sql.ADD_DECISION,
            self.act.tenant_id,
            decision.id,
            request_id,
            decision.round,
            decision.tier,
            decision.decision,
            decision.decider_id,
            decision.decider,
            list(decision.decider_ids),
            decision.on_behalf_of,
            decision.delegation_id,
            decision.version_seen,
            encoded(decision.quantities),
            decision.comment,
        )

    async def withdraw(self, decision_id: UUID, *, at: datetime) -> None:
        await self.driver.execute(sql.WITHDRAW, self.act.tenant_id, decision_id, at, self.act.caller.principal_id)

    async def add_comment(self, request_id: UUID, body: str) -> UUID:
        comment_id, caller = new_id(), self.act.caller
        await self.driver.execute(
            sql.ADD_COMMENT,
            self.act.tenant_id,
            comment_id,
            request_id,
            caller.user_id or caller.principal_id,
            caller.actor,
            body,
        )
        return comment_id

    async def claims(self, request_id: UUID) -> list[Claimed]:
        rows = await self.driver.fetch(sql.CLAIMS, self.act.tenant_id, request_id)
        return [
            Claimed(
                id=row["id"],
                product_id=row["product_id"],
                quantity=row["open_quantity"],
                lines=_lines.decode(row["lines"] or "[]"),
            )
            for row in rows
        ]

    async def original(self, posting_id: UUID) -> Original:
        row = await self.driver.fetchrow(sql.ORIGINAL, self.act.tenant_id, posting_id)
        assert row is not None, "postings stay"
        return Original(id=posting_id, kind=Kind(row["kind"]), movements=read_movements(row))

    async def backordered(self, location_id: UUID, product_ids: Sequence[UUID] | None, limit: int) -> list[UUID]:
        products = None if product_ids is None else list(product_ids)
        rows = await self.driver.fetch(sql.BACKORDERED, self.act.tenant_id, location_id, products, limit)
        return [row["id"] for row in rows]

    async def rules(self) -> Sequence[Rule] | None:
        row = await self.driver.fetchrow(sql.RULES, self.act.tenant_id)
        return None if row is None else _rules.decode(row["rules"])

    async def lock_rules(self) -> RulesView:
        await self.driver.execute(sql.MAKE_RULES, self.act.tenant_id)
        return rules_view(await self.driver.fetchrow(sql.LOCK_RULES, self.act.tenant_id))

    async def store_rules(self, rules: Sequence[Rule]) -> RulesView:
        row = await self.driver.fetchrow(sql.STORE_RULES, self.act.tenant_id, encoded(list(rules)))
        return rules_view(row)

    async def known(self, rules: Sequence[Rule]) -> RulesKnown:
        who = [one for rule in rules for one in (rule.approvers, rule.escalates_to) if one is not None]
        row = await self.driver.fetchrow(
            sql.KNOWN,
            self.act.tenant_id,
            [id_ for one in who for id_ in one.user_ids],
            [id_ for rule in rules for id_ in rule.category_ids],
            [id_ for rule in rules for id_ in rule.origin_location_ids],
        )
        assert row is not None
        return RulesKnown(**{name: frozenset(row[name]) for name in RulesKnown.__struct_fields__})


def rules_view(row: Record | None) -> RulesView:
    """The rules in a row; a company that has none lives by the default one."""
    rules = None if row is None else _rules.decode(row["rules"])
    return RulesView(
        rules=rules or (),
        is_default=rules is None,
        version=0 if row is None else row["version"],
        updated_at=None if row is None or rules is None else row["updated_at"],
    )
