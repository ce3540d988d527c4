"""Claims inside a transaction: `claim_begin` locks and tells, the domain decides, `claim_make` writes."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from domain.availability.claims import Place
from domain.availability.ports import Kind, NewClaim, Offered, Reservation, Resolved, State, Wish
from domain.errors import DomainError, Reason
from domain.values import exact_json
from infra.availability.rows import decode_reservation
from infra.availability.terms import decoded
from infra.db.work import SqlWork, who_acts

BEGIN = "SELECT claim_begin($1, $2, $3)"
MAKE = "SELECT claim_make($1, $2)"
RESOLVE = "SELECT claim_resolve($1, $2)"

MESSAGES = {
    Reason.IN_USE: "The reservation belongs to a document; what becomes of it is decided there",
    Reason.NOT_FOUND: "No such reservation",
    Reason.LOCATION_DENIED: "Your rights do not cover this location",
    Reason.STALE_VERSION: "The reservation has changed since you read it",
    Reason.INVALID_TRANSITION: "The reservation is not in a state that allows this",
    Reason.VALIDATION_ERROR: "The request is not valid",
}


class _Answer(msgspec.Struct, frozen=True):
    code: str
    facts: dict[str, Any] = {}


_answer = msgspec.json.Decoder(_Answer)


class ClaimSqlWork(SqlWork):
    """The `ClaimWork` port: nothing of what `begin` has told can change before the transaction ends.

    A reservation takes five round trips: BEGIN, who acts, begin, make, COMMIT.
    """

    async def begin(self, places: Sequence[Place]) -> Offered:
        products, locations = [place[0] for place in places], [place[1] for place in places]
        terms = decoded(
            await self.driver.fetchval(BEGIN, products, locations, who_acts(self.act.caller, self.act.request_id))
        )
        return Offered(position=terms.position, now=terms.now, offers=terms.offers)

    async def make(self, claims: Sequence[NewClaim]) -> list[Reservation]:
        made_at = await self.driver.fetchval(
            MAKE, exact_json.encode(claims).decode(), who_acts(self.act.caller, self.act.request_id)
        )
        return [_made(claim, made_at, self.act.caller.actor) for claim in claims]

    async def resolve(self, wish: Wish) -> Resolved:
        scope = self.act.scope
        who = msgspec.json.decode(who_acts(self.act.caller, self.act.request_id)) | {
            "scope": None if scope is None else sorted(map(str, scope))
        }
        told = await self.driver.fetchval(
            RESOLVE, exact_json.encode(wish).decode(), msgspec.json.encode(who).decode()
        )
        answer = _answer.decode(told)
        if answer.code != "DONE":
            reason = Reason(answer.code)
            raise DomainError(reason, MESSAGES[reason], **answer.facts)
        return decode_reservation(told)


def _made(claim: NewClaim, made_at: datetime, actor: str) -> Reservation:
    """The row that `claim_make` wrote."""
    lasts = None if claim.ttl_seconds is None else timedelta(seconds=claim.ttl_seconds)
    return Reservation(
        id=claim.id,
        group_id=claim.group_id,
        kind=claim.kind,
        state=State.LIVE,
        channel_id=claim.channel_id,
        product_id=claim.product_id,
        location_id=claim.location_id,
        quantity=claim.quantity,
        open_quantity=claim.quantity,
        external_ref=claim.external_ref,
        source_type=claim.source_type,
        source_id=claim.source_id,
        actor=actor,
        expires_at=None if claim.kind is Kind.HARD or lasts is None else made_at + lasts,
        created_at=made_at,
        resolved_at=None,
        version=1,
        lines=tuple(sorted(claim.lines, key=lambda line: line.line_id)),
    )
