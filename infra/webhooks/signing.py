"""What goes over the wire: the event as the feed shows it, signed as Standard Webhooks says."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from standardwebhooks.webhooks import Webhook

from domain.access.model import Scope
from domain.events.feed import Event, HappenedEvent, told
from domain.values import exact_json

BODY_MAX = 262_144
"""Bytes. A larger event comes without its data, which the feed has."""
AGENT = "Storekeeper-Webhooks/1"


def body_of(event: Event, scope: Scope) -> bytes:
    """An event as the feed shows it to the endpoint's maker, with its time under the standard's name as well."""
    shown = told(event, scope)
    named = {field.encode_name: getattr(shown, field.name) for field in msgspec.structs.fields(HappenedEvent)}
    whole = {"type": event.type, "timestamp": event.recorded_at, **named}
    body = exact_json.encode(whole)
    if len(body) > BODY_MAX:
        body = exact_json.encode({**whole, "data": None, "dataOmitted": True})
    return body


def test_body(now: datetime, data: Mapping[str, Any]) -> bytes:
    return exact_json.encode({"type": "webhook.test.v1", "timestamp": now, "data": data})


def headers_of(message: str, body: bytes, secrets: Sequence[str], *, now: float) -> dict[str, str]:
    """The three headers of the standard; with several secrets there is a signature by each."""
    at = datetime.fromtimestamp(int(now), tz=UTC)
    text = body.decode()
    signatures = [Webhook(secret).sign(message, at, text) for secret in secrets]
    return {
        "Content-Type": "application/json",
        "User-Agent": AGENT,
        "webhook-id": message,
        "webhook-timestamp": str(int(now)),
        "webhook-signature": " ".join(signatures),
    }
