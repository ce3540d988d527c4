"""What the units of work of documents share: numbers, history, and the claims of a document."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from domain.availability.ports import Resolved, Wish
from domain.documents import PREFIX, DocumentType, PastStep, Step
from domain.errors import DomainError, Reason
from domain.values import new_id
from infra.availability.claims import MESSAGES, ClaimSqlWork
from infra.availability.rows import decode_settled
from infra.db.pool import Driver
from infra.db.work import encoded, who_acts

NUMBER = """
    INSERT INTO document_numbers AS n (tenant_id, type, last) VALUES ($1, $2, 1)
    ON CONFLICT (tenant_id, type) DO UPDATE SET last = n.last + 1 RETURNING last
"""
STEP = """
    INSERT INTO document_history (tenant_id, id, type, document_id, action, from_state, to_state, actor_id, actor,
        on_behalf_of, comment, details)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING recorded_at
"""
HISTORY = """
    SELECT action, from_state, to_state, actor_id, actor, on_behalf_of, comment, details, recorded_at
    FROM document_history WHERE tenant_id = $1 AND type = $2 AND document_id = $3 ORDER BY id
"""
_steps = msgspec.json.Decoder(tuple[PastStep, ...], float_hook=Decimal)
SETTLE = "SELECT claim_settle($1, $2, $3)"


class DocumentSqlWork(ClaimSqlWork):
    """The `DocumentWork` port; an area adds its own documents."""

    async def number(self, type_: DocumentType) -> str:
        last: int = await self.driver.fetchval(NUMBER, self.act.tenant_id, type_)
        return f"{PREFIX[type_]}-{last:06}"

    async def step(self, type_: DocumentType, document_id: UUID, step: Step) -> PastStep:
        caller = self.act.caller
        recorded_at = await self.driver.fetchval(
            STEP,
            self.act.tenant_id,
            new_id(),
            type_,
            document_id,
            step.action,
            step.from_state,
            step.to_state,
            caller.principal_id,
            caller.actor,
            step.on_behalf_of,
            step.comment,
            encoded(step.details),
        )
        return PastStep(
            **msgspec.structs.asdict(step),
            actor_id=caller.principal_id,
            actor=caller.actor,
            recorded_at=recorded_at,
        )

    async def settle(
        self, document_id: UUID, wishes: Sequence[Wish], *, lines: Sequence[UUID] = ()
    ) -> list[Resolved]:
        if not wishes and not lines:
            return []
        who = msgspec.json.decode(who_acts(self.act.caller, self.act.request_id)) | {"documentId": document_id}
        told = await self.driver.fetchval(SETTLE, encoded(list(wishes)), list(lines), encoded(who))
        settled = decode_settled(told)
        if settled.code != "DONE":
            reason = Reason(settled.code)
            raise DomainError(reason, MESSAGES[reason], **settled.facts)
        return list(settled.resolved)


def history_of(type_: DocumentType, document: str) -> str:
    """The history of a document of the tenant $1, as a value of a statement; `document` is its id's SQL."""
    return f"""(
        SELECT jsonb_agg(jsonb_build_object('action', h.action, 'fromState', h.from_state, 'toState', h.to_state,
            'comment', h.comment, 'onBehalfOf', h.on_behalf_of, 'details', h.details, 'actorId', h.actor_id,
            'actor', h.actor, 'recordedAt', h.recorded_at) ORDER BY h.id)
        FROM document_history h
        WHERE h.tenant_id = $1 AND h.type = '{type_}' AND h.document_id = {document}
    )"""  # noqa: S608 - of constants


def steps(told: str | None) -> tuple[PastStep, ...]:
    """What `history_of` has told."""
    return _steps.decode(told) if told else ()


async def history(driver: Driver, tenant_id: UUID, type_: DocumentType, document_id: UUID) -> list[PastStep]:
    """All that was done to a document, first to last."""
    rows = await driver.fetch(HISTORY, tenant_id, type_, document_id)
    return [PastStep(**_step(dict(row))) for row in rows]


def _step(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"details": msgspec.json.decode(row["details"])}
