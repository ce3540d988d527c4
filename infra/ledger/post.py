"""Postings to the one statement that writes stock, and its answers back.

One round trip a batch: `ledger_post` claims idempotency keys, locks the lines in order, checks the guards, writes
balances, movements, totals, outcomes and events, and commits.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec

from domain.errors import DomainError, Reason
from domain.ledger.model import Entry, Kind, Moved, Posted, Posting
from domain.values import exact_json
from infra.db.pool import Driver

CALL = "SELECT ord, code, replayed, outcome FROM ledger_post($1, $2, $3)"

MESSAGES = {
    Reason.ALREADY_REVERSED: "This posting has been reversed already",
    Reason.COUNTED_SINCE: "The line has been counted since that time; its history before the count is closed",
    Reason.IDEMPOTENCY_KEY_REUSED: "This Idempotency-Key was used for a different request",
    Reason.INACTIVE: "The product, its bin or its location is not active: no stock may come in",
    Reason.INSUFFICIENT_STOCK: "There is not enough stock that can be taken",
    Reason.LOCATION_DENIED: "Your rights do not cover this location",
    Reason.LOT_REQUIRED: "The product is under lot control: name the lot",
    Reason.NO_CHANGE: "This would change nothing",
    Reason.NOT_FOUND: "Something that this names does not exist",
    Reason.POSITION_FROZEN: "The bin is being counted; stock in it may not move until the count is resolved",
    Reason.QUANTITY_OUT_OF_RANGE: "The balance would exceed what can be stored",
    Reason.STALE_QUANTITY: "The quantity on hand is not what you expect",
    Reason.VALIDATION_ERROR: "The request is not valid",
}


class _Outcome(msgspec.Struct, frozen=True):
    code: str
    message: str | None = None
    recorded_at: datetime | None = None
    posting_id: UUID | None = None
    kind: str = ""
    first_position: int = 0
    position: int = 0
    movements: tuple[Moved, ...] = ()
    facts: dict[str, Any] = {}


_decoder = msgspec.json.Decoder(_Outcome, float_hook=Decimal)


def encode(postings: Sequence[Posting], *, claimed: bool = False) -> tuple[str, str]:
    """The statement's two arguments. `claimed`: idempotency is the surrounding transaction's business."""
    heads: list[dict[str, Any]] = []
    entries: list[dict[str, Any]] = []
    for ord_, posting in enumerate(postings):
        heads.append(_head(ord_, posting, claimed=claimed))
        for n, entry in enumerate(posting.entries):
            entries.append({"posting": ord_, "n": n, **_fields(entry)})
    return exact_json.encode(heads).decode(), exact_json.encode(entries).decode()


def _fields(entry: Entry) -> dict[str, Any]:
    return {name: value for name in entry.__struct_fields__ if (value := getattr(entry, name)) is not None}


def _head(ord_: int, posting: Posting, *, claimed: bool) -> dict[str, Any]:
    head: dict[str, Any] = {
        "ord": ord_,
        "id": posting.id,
        "kind": posting.kind,
        "source_type": posting.source_type,
        "source_id": posting.source_id,
        "comment": posting.comment,
        "details": posting.details,
        "force": posting.force,
        "unchanged_ok": posting.unchanged_ok,
        "tentative": posting.tentative,
        "reverses_id": posting.reverses_id,
    }
    if (act := posting.act) is not None:
        head["actor_id"] = act.caller.principal_id
        head["actor"] = act.caller.actor
        head["session_id"] = act.caller.session_id
        head["request_id"] = act.request_id
        if (scope := act.scope) is not None:
            head["scope"] = sorted(scope)
        if act.idempotency is not None and not claimed:
            head["principal_id"] = act.caller.principal_id
            head["operation"] = act.operation
            head["key"] = act.idempotency.key
            head["fingerprint"] = act.idempotency.fingerprint.hex()
    return head


async def post(
    driver: Driver, postings: Sequence[Posting], *, brief: bool = False, claimed: bool = False
) -> list[Posted | DomainError]:
    """One call of the statement on a bound connection: an answer for each posting, in their order."""
    heads, entries = encode(postings, claimed=claimed)
    rows = await driver.fetch(CALL, heads, entries, brief)
    answers: dict[int, Posted | DomainError] = {
        row["ord"]: read_outcome(row["code"], row["outcome"], replayed=row["replayed"]) for row in rows
    }
    return [answers[ord_] for ord_ in range(len(postings))]


def read_outcome(code: str, outcome: str, *, replayed: bool) -> Posted | DomainError:
    """What was decided, from the value that is stored under a key."""
    if code == Reason.IDEMPOTENCY_KEY_REUSED:
        return DomainError(Reason.IDEMPOTENCY_KEY_REUSED, MESSAGES[Reason.IDEMPOTENCY_KEY_REUSED])
    read = _decoder.decode(outcome)
    if code != "POSTED":
        reason = Reason(code)
        refused = DomainError(reason, read.message or MESSAGES[reason], **read.facts)
        refused.replayed = replayed
        return refused
    assert read.posting_id is not None
    assert read.recorded_at is not None
    return Posted(
        posting_id=read.posting_id,
        kind=Kind(read.kind),
        recorded_at=read.recorded_at,
        first_position=read.first_position,
        position=read.position,
        movements=read.movements,
        replayed=replayed,
    )
