"""Endpoints in SQL, as they are changed."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from domain.webhooks.model import (
    Maker,
    PausedReason,
    StoredWebhook,
    WebhookFacts,
    WebhookState,
    WebhookView,
)
from infra.db.work import SqlWork

VIEW = """
    SELECT w.id, w.url, w.description, w.types, w.location_ids, w.state, w.paused_reason, w.paused_at, w.maker,
        c.position, greatest(h.event_position - c.position, 0) AS behind, d.pending, d.dead, c.failures,
        c.failing_since, c.resting_until, c.attempted_at, c.delivered_at, s.secrets, w.version, w.created_at,
        w.updated_at
    FROM webhooks w
    JOIN webhook_cursors c ON c.tenant_id = w.tenant_id AND c.webhook_id = w.id
    JOIN ledger_heads h ON h.tenant_id = w.tenant_id
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE d.state = 'PENDING') AS pending,
            count(*) FILTER (WHERE d.state = 'DEAD') AS dead
        FROM webhook_deliveries d WHERE d.tenant_id = w.tenant_id AND d.webhook_id = w.id
    ) d
    CROSS JOIN LATERAL (
        SELECT count(*) AS secrets FROM webhook_secrets s
        WHERE s.tenant_id = w.tenant_id AND s.webhook_id = w.id AND (s.ends_at IS NULL OR s.ends_at > now())
    ) s
    WHERE w.tenant_id = $1
"""
_ONE = f"{VIEW} AND w.id = $2"
_COUNT = "SELECT count(*) FROM webhooks w WHERE w.tenant_id = $1"
# Two that make the hundredth at the same time: the second waits, and sees the first one's.
_HOLD = "SELECT pg_advisory_xact_lock(hashtextextended('webhooks' || $1::text, 0))"
_HEAD = "SELECT h.event_position FROM ledger_heads h WHERE h.tenant_id = $1"
_ADD = """
    INSERT INTO webhooks (tenant_id, id, url, description, types, location_ids, user_id, key_id, maker)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""
_ADD_CURSOR = "INSERT INTO webhook_cursors (tenant_id, webhook_id, position) VALUES ($1, $2, $3)"
# Not FOR UPDATE: who sends writes rows that refer to this one, and holds the cursor meanwhile.
_LOCK = """
    SELECT w.id, w.url, w.description, w.types, w.location_ids, w.state, w.paused_reason, w.user_id, w.key_id,
        w.maker, w.version, c.position
    FROM webhooks w JOIN webhook_cursors c ON c.tenant_id = w.tenant_id AND c.webhook_id = w.id
    WHERE w.tenant_id = $1 AND w.id = $2 FOR NO KEY UPDATE OF w
"""
_STORE = """
    UPDATE webhooks SET url = $3, description = $4, types = $5, location_ids = $6, user_id = $7, key_id = $8,
        maker = $9, version = version + 1, updated_at = now()
    WHERE tenant_id = $1 AND id = $2
"""
_PAUSE = """
    UPDATE webhooks SET state = 'PAUSED', paused_reason = $3, paused_at = clock_timestamp(), version = version + 1,
        updated_at = now()
    WHERE tenant_id = $1 AND id = $2
"""
_RESUME = """
    UPDATE webhooks SET state = 'ACTIVE', paused_reason = NULL, paused_at = NULL, user_id = $3, key_id = $4,
        maker = $5, version = version + 1, updated_at = now()
    WHERE tenant_id = $1 AND id = $2
"""
# Whoever sends at this moment finds out when they renew their lease, and stops; what is not written down by then
# is sent again, as it is to be sent by now.
_STEP_DOWN = """
    UPDATE webhook_cursors SET lease_owner = NULL, lease_until = NULL WHERE tenant_id = $1 AND webhook_id = $2
"""
# What waits for its time is tried at once: somebody says that the receiver is well.
_REFRESH = """
    WITH due AS (
        UPDATE webhook_deliveries SET due_at = clock_timestamp()
        WHERE tenant_id = $1 AND webhook_id = $2 AND state = 'PENDING' AND attempts > 0
    )
    UPDATE webhook_cursors SET failures = 0, failing_since = NULL, resting_until = NULL, due_at = clock_timestamp()
    WHERE tenant_id = $1 AND webhook_id = $2
"""
# The cursor first: without it nothing more is written of what is being sent. Then no test call is written down.
_REMOVE = (
    "DELETE FROM webhook_cursors WHERE tenant_id = $1 AND webhook_id = $2",
    "SELECT FROM webhooks WHERE tenant_id = $1 AND id = $2 FOR UPDATE",
    "DELETE FROM webhook_attempts WHERE tenant_id = $1 AND webhook_id = $2",
    "DELETE FROM webhook_deliveries WHERE tenant_id = $1 AND webhook_id = $2",
    "DELETE FROM webhook_secrets WHERE tenant_id = $1 AND webhook_id = $2",
    "DELETE FROM webhooks WHERE tenant_id = $1 AND id = $2",
)
_ADD_SECRET = "INSERT INTO webhook_secrets (tenant_id, webhook_id, id, secret) VALUES ($1, $2, $3, $4)"  # noqa: S105
_FORGET_ENDED = """
    DELETE FROM webhook_secrets WHERE tenant_id = $1 AND webhook_id = $2 AND ends_at <= now() - interval '7 days'
"""
_END_SECRETS = """
    UPDATE webhook_secrets SET ends_at = now() + $3::interval
    WHERE tenant_id = $1 AND webhook_id = $2 AND (ends_at IS NULL OR ends_at > now() + $3::interval)
"""
_SECRETS = """
    SELECT count(*) FROM webhook_secrets s
    WHERE s.tenant_id = $1 AND s.webhook_id = $2 AND (s.ends_at IS NULL OR s.ends_at > now())
"""
# Whoever sends at this moment has lost the endpoint with this: what it writes down would be of another place.
_MOVE = """
    UPDATE webhook_cursors SET position = $3, is_full = false, due_at = clock_timestamp(), lease_owner = NULL,
        lease_until = NULL, resting_until = NULL
    WHERE tenant_id = $1 AND webhook_id = $2
"""
_FORGET_BEYOND = """
    DELETE FROM webhook_deliveries
    WHERE tenant_id = $1 AND webhook_id = $2 AND position > $3 AND state = 'PENDING'
"""
_REVIVE = """
    UPDATE webhook_deliveries SET state = 'PENDING', attempts = 0, due_at = clock_timestamp(), updated_at = now()
    WHERE tenant_id = $1 AND webhook_id = $2 AND id = $3 AND state = 'DEAD' RETURNING position
"""
_WAKE = "UPDATE webhook_cursors SET due_at = clock_timestamp() WHERE tenant_id = $1 AND webhook_id = $2"
_KNOWN = "SELECT l.id FROM locations l WHERE l.tenant_id = $1 AND l.id = ANY ($2::uuid[])"


class WebhookSqlWork(SqlWork):
    """The `WebhookWork` port."""

    @property
    def _tenant_id(self) -> UUID:
        return self.act.tenant_id

    async def count(self) -> int:
        """Two statements."""
        await self.driver.execute(_HOLD, str(self._tenant_id))
        count: int = await self.driver.fetchval(_COUNT, self._tenant_id)
        return count

    async def head(self) -> int:
        head: int = await self.driver.fetchval(_HEAD, self._tenant_id)
        return head

    async def add(self, id_: UUID, facts: WebhookFacts, maker: Maker, *, position: int) -> None:
        """Two statements."""
        await self.driver.execute(_ADD, self._tenant_id, id_, *_columns(facts, maker))
        await self.driver.execute(_ADD_CURSOR, self._tenant_id, id_, position)

    async def lock(self, id_: UUID) -> StoredWebhook | None:
        row = await self.driver.fetchrow(_LOCK, self._tenant_id, id_)
        return None if row is None else stored_of(row)

    async def store(self, id_: UUID, facts: WebhookFacts, maker: Maker) -> None:
        """Two statements."""
        await self.driver.execute(_STORE, self._tenant_id, id_, *_columns(facts, maker))
        await self.driver.execute(_STEP_DOWN, self._tenant_id, id_)

    async def pause(self, id_: UUID, reason: PausedReason) -> None:
        """Two statements."""
        await self.driver.execute(_PAUSE, self._tenant_id, id_, reason)
        await self.driver.execute(_STEP_DOWN, self._tenant_id, id_)

    async def resume(self, id_: UUID, maker: Maker) -> None:
        """Two statements."""
        await self.driver.execute(_RESUME, self._tenant_id, id_, maker.user_id, maker.key_id, maker.name)
        await self.driver.execute(_REFRESH, self._tenant_id, id_)

    async def remove(self, id_: UUID) -> None:
        """Six statements."""
        for statement in _REMOVE:
            await self.driver.execute(statement, self._tenant_id, id_)

    async def add_secret(self, webhook_id: UUID, id_: UUID, secret: str) -> None:
        await self.driver.execute(_ADD_SECRET, self._tenant_id, webhook_id, id_, secret)

    async def end_secrets(self, webhook_id: UUID, overlap: timedelta) -> int:
        """Three statements."""
        await self.driver.execute(_FORGET_ENDED, self._tenant_id, webhook_id)
        await self.driver.execute(_END_SECRETS, self._tenant_id, webhook_id, overlap)
        left: int = await self.driver.fetchval(_SECRETS, self._tenant_id, webhook_id)
        return left

    async def move(self, webhook_id: UUID, position: int) -> None:
        """Two statements."""
        await self.driver.execute(_MOVE, self._tenant_id, webhook_id, position)
        await self.driver.execute(_FORGET_BEYOND, self._tenant_id, webhook_id, position)

    async def revive(self, webhook_id: UUID, delivery_id: UUID) -> int | None:
        """Two statements."""
        position: int | None = await self.driver.fetchval(_REVIVE, self._tenant_id, webhook_id, delivery_id)
        await self.driver.execute(_WAKE, self._tenant_id, webhook_id)
        return position

    async def unknown_locations(self, location_ids: Iterable[UUID]) -> frozenset[UUID]:
        asked = frozenset(location_ids)
        rows = await self.driver.fetch(_KNOWN, self._tenant_id, sorted(asked))
        return asked - {row["id"] for row in rows}

    async def view(self, id_: UUID) -> WebhookView:
        row = await self.driver.fetchrow(_ONE, self._tenant_id, id_)
        assert row is not None, "it was added or locked by this very transaction"
        return view_of(row)


def view_of(row: Mapping[str, Any]) -> WebhookView:
    return WebhookView(**{name: row[name] for name in WebhookView.__struct_fields__})


def stored_of(row: Mapping[str, Any]) -> StoredWebhook:
    places, reason = row["location_ids"], row["paused_reason"]
    return StoredWebhook(
        id=row["id"],
        facts=WebhookFacts(
            url=row["url"],
            description=row["description"],
            types=tuple(row["types"]),
            location_ids=None if places is None else tuple(places),
        ),
        state=WebhookState(row["state"]),
        paused_reason=None if reason is None else PausedReason(reason),
        maker=Maker(user_id=row["user_id"], key_id=row["key_id"], name=row["maker"]),
        position=row["position"],
        version=row["version"],
    )


def _columns(facts: WebhookFacts, maker: Maker) -> tuple[Any, ...]:
    return (
        facts.url,
        facts.description,
        facts.types,
        facts.location_ids,
        maker.user_id,
        maker.key_id,
        maker.name,
    )
