"""A webhook of each location, one of neither, and a dead letter of each. None leads anywhere: all are refused."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import asyncpg

from domain.values import new_id
from tests.neighbours import insert

ELSEWHERE = (("webhookId", "elsewhereWebhookId"), ("deliveryId", "elsewhereDeliveryId"))


async def furnish(admin: "asyncpg.Connection[Any]", tenant_id: UUID, facts: Mapping[str, str]) -> dict[str, str]:
    made: dict[str, str] = {}
    for kind, location in (("", "locationId"), ("elsewhere", "otherLocationId"), ("spare", "locationId")):
        webhook, delivery = new_id(), new_id()
        made[f"{kind}WebhookId" if kind else "webhookId"] = str(webhook)
        made[f"{kind}DeliveryId" if kind else "deliveryId"] = str(delivery)
        of = {"tenant_id": tenant_id, "webhook_id": webhook}
        row = {
            "tenant_id": tenant_id,
            "id": webhook,
            "url": f"https://127.0.0.1:9/{facts['mark']}",
            "description": f"ERP of {facts['mark']}",
            "location_ids": [UUID(facts[location])],
            "state": "PAUSED",
            "paused_reason": "BY_HAND",
            "user_id": UUID(facts["userId"]),
            "maker": f"Admin of {facts['mark']}",
        }
        event = {"type": "inventory.adjusted.v1", "entity_type": "posting", "entity_id": new_id(), "position": 1}
        await insert(admin, "webhooks", row)
        await insert(admin, "webhook_secrets", {**of, "id": new_id(), "secret": "whsec_bm90aGluZw=="})
        await insert(admin, "webhook_cursors", {**of, "position": 1})
        letter = {**of, **event, "id": delivery, "keys": [], "state": "DEAD", "attempts": 10}
        await insert(admin, "webhook_deliveries", {**letter, "error": f"Refused in {facts['mark']}"})
        attempt = {**of, **event, "id": new_id(), "message_id": f"msg_{facts['mark']}", "attempt": 10}
        await insert(admin, "webhook_attempts", {**attempt, "outcome": "DEAD", "duration_ms": 3})
    return made
