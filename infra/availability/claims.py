"""Claims inside a transaction: `claim_begin` locks and tells, the domain decides, `claim_make` writes."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from domain.availability.claims import Place
from domain.availability.ports import NewClaim, Offered, Reservation, Resolved, Wish
from domain.errors import DomainError, Reason
from domain.values import encodable
from infra.availability.rows import RESERVATION, decode_reservation, reservation
from infra.availability.terms import decoded
from infra.db.work import SqlWork, who_acts

BEGIN = "SELECT claim_begin($1, $2, $3)"
MAKE = "SELECT claim_make($1, $2)"
RESOLVE = "SELECT claim_resolve($1, $2)"
RESERVATIONS = f"{RESERVATION} WHERE r.tenant_id = $1 AND r.id = ANY ($2) ORDER BY r.id"

MESSAGES = {
    Reason.NOT_FOUND: "No such reservation",
    Reason.LOCATION_DENIED: "Your rights do not cover this location",
    Reason.STALE_VERSION: "The reservation has changed since you read it",
    Reason.INVALID_TRANSITION: "The reservation is not in a state that allows this",
    Reason.VALIDATION_ERROR: "The request is not valid",
}

_encoder = msgspec.json.Encoder(decimal_format="number", enc_hook=encodable)


class _Answer(msgspec.Struct, frozen=True):
    code: str
    facts: dict[str, Any] = {}


_answer = msgspec.json.Decoder(_Answer)


class ClaimSqlWork(SqlWork):
    """The `ClaimWork` port: nothing of what `begin` has told can change before the transaction ends.

    A reservation takes six round trips: BEGIN, who acts, begin, make, what was made, COMMIT.
    """

    async def begin(self, places: Sequence[Place]) -> Offered:
        products, locations = [place[0] for place in places], [place[1] for place in places]
        terms = decoded(
            await self.driver.fetchval(BEGIN, products, locations, who_acts(self.act.caller, self.act.request_id))
        )
        return Offered(position=terms.position, now=terms.now, offers=terms.offers)

    async def make(self, claims: Sequence[NewClaim]) -> None:
        await self.driver.execute(
            MAKE, _encoder.encode(claims).decode(), who_acts(self.act.caller, self.act.request_id)
        )

    async def resolve(self, wish: Wish) -> Resolved:
        scope = self.act.scope
        who = msgspec.json.decode(who_acts(self.act.caller, self.act.request_id)) | {
            "scope": None if scope is None else sorted(map(str, scope))
        }
        told = await self.driver.fetchval(
            RESOLVE, _encoder.encode(wish).decode(), msgspec.json.encode(who).decode()
        )
        answer = _answer.decode(told)
        if answer.code != "DONE":
            reason = Reason(answer.code)
            raise DomainError(reason, MESSAGES[reason], **answer.facts)
        return decode_reservation(told)

    async def reservations(self, ids: Sequence[UUID]) -> list[Reservation]:
        rows = await self.driver.fetch(RESERVATIONS, self.act.tenant_id, list(ids))
        return [reservation(row) for row in rows]
