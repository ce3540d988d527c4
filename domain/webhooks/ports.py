"""What webhooks need from outside."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from domain.access.model import Act, Scope
from domain.catalog.views import Page, Window
from domain.webhooks.addresses import AddressRules, Target
from domain.webhooks.model import (
    AttemptView,
    DeadLetter,
    Maker,
    Outcome,
    PausedReason,
    Sent,
    StoredWebhook,
    TestCall,
    WebhookFacts,
    WebhookView,
)


class WebhookWork(Protocol):
    """Endpoints in one transaction."""

    async def count(self) -> int: ...
    async def head(self) -> int:
        """The last position of the feed."""
        ...

    async def add(self, id_: UUID, facts: WebhookFacts, maker: Maker, *, position: int) -> None: ...
    async def lock(self, id_: UUID) -> StoredWebhook | None: ...
    async def store(self, id_: UUID, facts: WebhookFacts, maker: Maker) -> None: ...
    async def pause(self, id_: UUID, reason: PausedReason) -> None: ...
    async def resume(self, id_: UUID, maker: Maker) -> None:
        """Active again, as if nothing had failed."""
        ...

    async def remove(self, id_: UUID) -> None:
        """With its secrets, its log and what was not delivered."""
        ...

    async def add_secret(self, webhook_id: UUID, id_: UUID, secret: str) -> None: ...
    async def end_secrets(self, webhook_id: UUID, overlap: timedelta) -> int:
        """All that sign now stop after so long; how many still do until then."""
        ...

    async def move(self, webhook_id: UUID, position: int) -> None:
        """Go on after a position, and forget what waits beyond it: it comes again."""
        ...

    async def revive(self, webhook_id: UUID, delivery_id: UUID) -> int | None:
        """Have a dead letter sent again now; its position."""
        ...

    async def unknown_locations(self, location_ids: Iterable[UUID]) -> frozenset[UUID]: ...
    async def view(self, id_: UUID) -> WebhookView: ...
    async def record(
        self, type_: str, entity_type: str, entity_id: UUID, payload: object, *, locations: Sequence[UUID] = ()
    ) -> int: ...


class WebhookReads(Protocol):
    """Endpoints to read: only those all of whose locations are within the scope."""

    async def webhooks(self, tenant_id: UUID, *, scope: Scope) -> Sequence[WebhookView]:
        """All of them, oldest first. One statement."""
        ...

    async def webhook(self, tenant_id: UUID, webhook_id: UUID, *, scope: Scope) -> WebhookView | None: ...

    async def attempts(
        self, tenant_id: UUID, webhook_id: UUID, window: Window, *, scope: Scope, outcome: Outcome | None
    ) -> Page[AttemptView] | None:
        """Its log, newest first; None: there is no such endpoint. One statement."""
        ...

    async def dead_letters(
        self, tenant_id: UUID, webhook_id: UUID, window: Window, *, scope: Scope
    ) -> Page[DeadLetter] | None:
        """What was given up, newest first; None: there is no such endpoint. One statement."""
        ...


class Courier(Protocol):
    """Makes the calls."""

    @property
    def rules(self) -> AddressRules: ...

    async def send(self, target: Target, *, headers: Mapping[str, str], body: bytes) -> Sent:
        """One call, bounded in every respect; what goes wrong is in its answer. No redirect is followed."""
        ...


class TestCalls(Protocol):
    """Calls that are made at once, to see whether an endpoint can be reached."""

    async def call(self, act: Act, webhook_id: UUID) -> TestCall | None:
        """One signed call of type `webhook.test.v1`; None: there is no such endpoint.

        Raises:
            DomainError: LOCATION_DENIED.
        """
        ...


class TestWork(Protocol):
    """The log of test calls in one transaction."""

    async def keep(self, webhook_id: UUID, call: TestCall) -> AttemptView | None:
        """Write a call down; None: the endpoint was deleted meanwhile."""
        ...
