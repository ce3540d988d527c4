"""Endpoints, their log and their dead letters, to be read. One statement each."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from domain.access.model import Scope
from domain.catalog.views import Page, Window
from domain.errors import FieldError
from domain.webhooks.model import AttemptView, DeadLetter, Outcome, WebhookView
from infra.db.pool import Database
from infra.webhooks.work import VIEW, view_of

_WITHIN = "(${n}::uuid[] IS NULL OR (w.location_ids IS NOT NULL AND w.location_ids <@ ${n}))"
ALL = f"{VIEW} AND {_WITHIN.format(n=2)} ORDER BY w.id"
ONE = f"{VIEW} AND w.id = $2 AND {_WITHIN.format(n=3)}"
# A row without an id says that there is such an endpoint, and nothing on this page.
ATTEMPTS = f"""
    SELECT a.*, (
        SELECT count(*) FROM webhook_attempts n
        WHERE n.tenant_id = $1 AND n.webhook_id = $2 AND ($4::text IS NULL OR n.outcome = $4)
    ) AS total
    FROM webhooks w LEFT JOIN LATERAL (
        SELECT a.id, a.message_id, a.position, a.type, a.entity_type, a.entity_id, a.attempt, a.outcome, a.status,
            a.error, a.response, a.duration_ms, a.attempted_at
        FROM webhook_attempts a
        WHERE a.tenant_id = $1 AND a.webhook_id = w.id AND ($4::text IS NULL OR a.outcome = $4)
            AND ($5::uuid IS NULL OR a.id < $5)
        ORDER BY a.id DESC LIMIT $6 OFFSET $7
    ) a ON true
    WHERE w.tenant_id = $1 AND w.id = $2 AND {_WITHIN.format(n=3)}
    ORDER BY a.id DESC
"""  # noqa: S608 - of constants
DEAD_LETTERS = f"""
    SELECT d.*, (
        SELECT count(*) FROM webhook_deliveries n
        WHERE n.tenant_id = $1 AND n.webhook_id = $2 AND n.state = 'DEAD'
    ) AS total
    FROM webhooks w LEFT JOIN LATERAL (
        SELECT d.id, d.position, d.type, d.entity_type, d.entity_id, d.attempts, d.status, d.error,
            d.updated_at AS failed_at
        FROM webhook_deliveries d
        WHERE d.tenant_id = $1 AND d.webhook_id = w.id AND d.state = 'DEAD'
            AND ($4::bigint IS NULL OR d.position < $4)
        ORDER BY d.position DESC LIMIT $5 OFFSET $6
    ) d ON true
    WHERE w.tenant_id = $1 AND w.id = $2 AND {_WITHIN.format(n=3)}
    ORDER BY d.position DESC
"""  # noqa: S608 - of constants


class SqlWebhookReads:
    """The `WebhookReads` port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def webhooks(self, tenant_id: UUID, *, scope: Scope) -> Sequence[WebhookView]:
        async with self._database.bound(tenant_id) as driver:
            rows = await driver.fetch(ALL, tenant_id, _listed(scope))
        return [view_of(row) for row in rows]

    async def webhook(self, tenant_id: UUID, webhook_id: UUID, *, scope: Scope) -> WebhookView | None:
        async with self._database.bound(tenant_id) as driver:
            row = await driver.fetchrow(ONE, tenant_id, webhook_id, _listed(scope))
        return None if row is None else view_of(row)

    async def attempts(
        self, tenant_id: UUID, webhook_id: UUID, window: Window, *, scope: Scope, outcome: Outcome | None
    ) -> Page[AttemptView] | None:
        after = None if window.after is None else _place(window.after, lambda key: UUID(str(key)))
        async with self._database.bound(tenant_id) as driver:
            rows = await driver.fetch(
                ATTEMPTS, tenant_id, webhook_id, _listed(scope), outcome, after, window.limit + 1, _offset(window)
            )
        return _page(rows, window, AttemptView, lambda last: str(last["id"]))

    async def dead_letters(
        self, tenant_id: UUID, webhook_id: UUID, window: Window, *, scope: Scope
    ) -> Page[DeadLetter] | None:
        after = None if window.after is None else _place(window.after, int)
        async with self._database.bound(tenant_id) as driver:
            rows = await driver.fetch(
                DEAD_LETTERS, tenant_id, webhook_id, _listed(scope), after, window.limit + 1, _offset(window)
            )
        return _page(rows, window, DeadLetter, lambda last: last["position"])


def _page[V](
    rows: Sequence[Mapping[str, Any]],
    window: Window,
    kind: Callable[..., V],
    place: Callable[[Mapping[str, Any]], str | int],
) -> Page[V] | None:
    if not rows:
        return None
    found = [row for row in rows if row["id"] is not None]
    shown = found[: window.limit]
    fields: Sequence[str] = kind.__struct_fields__  # type: ignore[attr-defined] # kinds are structs
    return Page(
        items=[kind(**{name: row[name] for name in fields}) for row in shown],
        total=rows[0]["total"] if window.after is None else None,
        next_after=(place(shown[-1]),) if len(found) > len(shown) else None,
    )


def _place[T](after: Sequence[str | int], kind: Callable[[str | int], T]) -> T:
    try:
        (key,) = after
        return kind(key)
    except ValueError:
        raise FieldError(("cursor", "is not a cursor of this list")) from None


def _listed(scope: Scope) -> list[UUID] | None:
    return None if scope is None else list(scope)


def _offset(window: Window) -> int:
    return 0 if window.after is not None else (window.page - 1) * window.limit
