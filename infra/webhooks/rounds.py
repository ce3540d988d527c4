"""One round of an endpoint: some events, each begun as soon as what it must follow has been delivered."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

import msgspec

from domain.events.feed import Event
from domain.values import new_id
from domain.webhooks.addresses import Target
from domain.webhooks.delivering import BUSY, Pace, Standing, keys_of, message_id, outcome_of
from domain.webhooks.model import Outcome, Sent
from domain.webhooks.ports import Courier
from infra.observability.metrics import WEBHOOK_ATTEMPTS
from infra.webhooks.cursors import Endpoint, Kept, Logged, Round, Waiting, logged
from infra.webhooks.signing import body_of, headers_of


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """An event to be sent, and how often that was tried."""

    event: Event
    attempts: int = 0
    is_new: bool = True
    """It comes behind all that waits; what was planned comes behind none of it."""

    @property
    def keys(self) -> tuple[UUID, ...]:
        return keys_of(self.event)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What of an endpoint's waiting events is tried in a round."""

    due: Sequence[Waiting]
    held: Mapping[UUID, float]
    """The keys of those that are not, and for how long they hold back what shares them."""
    is_cut: bool
    """More are due than a round takes."""


def planned(waiting: Iterable[Waiting], batch: int) -> Plan:
    """Those that are due and wait for none that is not."""
    due: list[Waiting] = []
    held: dict[UUID, float] = {}
    is_cut = False
    for one in waiting:
        waits = [held[key] for key in one.keys if key in held]
        if one.wait > 0:
            waits.append(one.wait)
        elif not waits and len(due) >= batch:
            is_cut = True
            waits.append(0.0)
        if not waits:
            due.append(one)
        for key in one.keys if waits else ():
            held[key] = max(held.get(key, 0.0), *waits)
    return Plan(due=due, held=held, is_cut=is_cut)


class Rounding:
    """Sends what a round is of, and gathers what becomes of it."""

    def __init__(
        self, endpoint: Endpoint, standing: Standing, target: Target | None, courier: Courier, pace: Pace
    ) -> None:
        self._endpoint = endpoint
        self._standing = standing
        self._target = target
        self._courier = courier
        self._pace = pace
        self._turn = asyncio.Semaphore(pace.parallel)
        self._failures = endpoint.failures
        self._rest: float | None = None
        self._done: list[int] = []
        self._kept: list[Kept] = []
        self._log: list[Logged] = []
        self.is_gone = False
        self.has_given_up = False
        """There is another dead letter."""

    async def run(self, nodes: Sequence[Node], held: Mapping[UUID, float]) -> None:
        """Each after those before it that it shares a key with; the others at the same time."""
        last: dict[UUID, asyncio.Task[float | None]] = {}
        async with asyncio.TaskGroup() as group:
            for node in nodes:
                keys = node.keys
                before = {last[key] for key in keys if key in last}
                waits = [held[key] for key in keys if node.is_new and key in held]
                task = group.create_task(self._one(node, before, waits))
                last.update(dict.fromkeys(keys, task))

    def forget(self, position: int) -> None:
        """It is not for this endpoint any more."""
        self._done.append(position)

    def result(self, position: int) -> Round:
        return Round(
            position=position,
            failures=self._failures,
            rest=self._rest,
            done=self._done,
            kept=self._kept,
            log=self._log,
        )

    async def _one(
        self, node: Node, before: Iterable[asyncio.Task[float | None]], waits: list[float]
    ) -> float | None:
        """How long those behind it must wait; None: not at all."""
        waits = waits + [wait for task in before if (wait := await task) is not None]
        if waits:
            return self._keep(node, max(waits))
        async with self._turn:
            if self.is_gone or self._rest is not None:
                return self._keep(node, self._rest or 0.0)
            message = message_id(self._endpoint.stored.id, node.event.position)
            sent = await self._send(node.event, message)
        attempt = node.attempts + 1
        outcome = outcome_of(sent, attempt=attempt, pace=self._pace)
        self._log.append(logged(message, node.event, sent, attempt=attempt, outcome=outcome))
        WEBHOOK_ATTEMPTS.labels(outcome).inc()
        return self._settled(node, attempt, outcome, sent)

    def _settled(self, node: Node, attempt: int, outcome: Outcome, sent: Sent) -> float | None:
        if outcome is Outcome.DELIVERED:
            self._failures = 0
            self._done.append(node.event.position)
            return None
        self._failures += 1
        asked = min(sent.retry_after or 0.0, self._pace.retry_after_max)
        rest = self._pace.rest_after_failures(self._failures)
        if sent.status in BUSY and asked:
            rest = max(rest or 0.0, asked)
        if rest is not None:
            self._rest = max(self._rest or 0.0, rest)
        if outcome is Outcome.DEAD:
            self.has_given_up = True
            self._keep(node, 0.0, attempts=attempt, state="DEAD", sent=sent)
            return None
        if outcome is Outcome.GONE:
            self.is_gone = True
            return self._keep(node, 0.0, attempts=node.attempts, sent=sent)
        wait = max(self._pace.wait_after(attempt), asked)
        return self._keep(node, wait, attempts=attempt, sent=sent)

    def _keep(
        self,
        node: Node,
        wait: float,
        *,
        attempts: int | None = None,
        state: str = "PENDING",
        sent: Sent | None = None,
    ) -> float:
        event = node.event
        self._kept.append(
            Kept(
                position=event.position,
                id=new_id(),
                type=event.type,
                entity_type=event.entity_type,
                entity_id=event.entity_id,
                keys=node.keys,
                state=state,
                attempts=node.attempts if attempts is None else attempts,
                wait=wait,
                status=None if sent is None else sent.status,
                error=None if sent is None else sent.error,
            )
        )
        return wait

    async def _send(self, event: Event, message: str) -> Sent:
        if self._target is None:
            error = "The address is not one that may be sent to"
            return Sent(status=None, error=error, response=None, duration_ms=0)
        body = body_of(event, self._standing.scope)
        headers = headers_of(message, body, self._endpoint.secrets, now=time.time())
        return await self._courier.send(self._target, headers=headers, body=body)
