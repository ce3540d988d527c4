"""Sends events to the endpoints that want them, in the background of as many processes as there are.

Nothing is written when an event happens: each endpoint has a position in the feed, and a dispatcher goes on from
there. One serves an endpoint at a time, under a lease; what becomes of a round is written down only by who still
holds it. A process that dies leaves its lease to run out, and what it had sent and not yet written down is sent
again, under the same ids. See infra/decisions/0011.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from uuid import UUID

import structlog

from domain.access.ports import Policy
from domain.errors import DomainError, FieldError
from domain.values import new_id
from domain.webhooks.addresses import AddressRules, Target, target_of
from domain.webhooks.delivering import Pace
from domain.webhooks.model import DEAD_MAX, PausedReason, WebhookState
from domain.webhooks.service import paused
from infra.db.errors import AWAY
from infra.db.pool import Database
from infra.db.work import beginning
from infra.webhooks.courier import HttpCourier
from infra.webhooks.cursors import REACH, Cursors, Endpoint, endpoint_of
from infra.webhooks.rounds import Node, Rounding, planned
from infra.webhooks.standing import own_act, standing_of
from infra.webhooks.work import WebhookSqlWork

EVERY = 0.5
"""Seconds between two looks for endpoints that have something to be sent: one statement, whatever there is."""
LEASE_SECONDS = 15.0
ENDPOINTS_MAX = 16
"""That one process serves at a time."""
OF_A_TENANT = 8
"""Of these at most, so that slow receivers of one tenant do not keep the others waiting."""
LOOKED_AT = 200
"""Endpoints that one look is told of: more than one tenant has."""
ROUNDS_MAX = 50
"""After so many an endpoint steps back behind the others that wait."""

_log = structlog.get_logger("storekeeper.webhooks")


class Dispatcher:
    """Starts and stops with its process."""

    def __init__(
        self,
        database: Database,
        policy: Policy,
        rules: AddressRules,
        *,
        pace: Pace | None = None,
        courier: HttpCourier | None = None,
        lease_seconds: float = LEASE_SECONDS,
        every: float = EVERY,
    ) -> None:
        self._database = database
        self._policy = policy
        self._rules = rules
        self._pace = pace or Pace()
        self._courier = courier or HttpCourier(rules, self._pace)
        self._cursors = Cursors(database, new_id(), lease_seconds=lease_seconds)
        self._begin = beginning(database, WebhookSqlWork)
        self._lease_seconds = lease_seconds
        self._every = every
        self._serving: dict[tuple[UUID, UUID], asyncio.Task[None]] = {}
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._running = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End at once: what is under way is cut off, and sent again by whoever comes next."""
        tasks = [*self._serving.values(), *([self._running] if self._running is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._running = None

    async def _run(self) -> None:
        while True:
            try:
                await self.look()
            except (*AWAY, DomainError):
                pass  # the next look may find it again
            except Exception:  # noqa: BLE001 - a fault must not end all sending
                _log.exception("webhooks are not looked at")
            await asyncio.sleep(self._every)

    async def look(self) -> None:
        """Begin to serve what is due and nobody serves."""
        if len(self._serving) >= ENDPOINTS_MAX:
            return
        busy = Counter(tenant_id for tenant_id, _ in self._serving)
        for tenant_id, webhook_id in await self._cursors.due(LOOKED_AT):
            key = (tenant_id, webhook_id)
            if key in self._serving or busy[tenant_id] >= OF_A_TENANT:
                continue
            task = asyncio.create_task(self._serve(tenant_id, webhook_id))
            self._serving[key] = task
            task.add_done_callback(partial(self._served, key))
            busy[tenant_id] += 1
            if len(self._serving) >= ENDPOINTS_MAX:
                return

    def _served(self, key: tuple[UUID, UUID], _: "asyncio.Task[None]") -> None:
        self._serving.pop(key, None)

    async def _serve(self, tenant_id: UUID, webhook_id: UUID) -> None:
        try:
            if not await self._cursors.lease(tenant_id, webhook_id):
                return
            is_broken = False
            try:
                async with self._kept(tenant_id, webhook_id), self._courier.another() as courier:
                    for _ in range(ROUNDS_MAX):
                        if not await self._round(tenant_id, webhook_id, courier):
                            break
            except Exception as error:
                is_broken = not isinstance(error, (*AWAY, DomainError))
                raise
            finally:
                # What is broken keeps its lease: it would be begun again at once, before all others.
                if not is_broken:
                    # In a task of its own, so that it is done while this one is cancelled, too.
                    await asyncio.shield(asyncio.create_task(self._release(tenant_id, webhook_id)))
        except (*AWAY, DomainError):
            pass  # the lease runs out, and whoever comes next goes on
        except Exception:  # noqa: BLE001 - nor that of the other endpoints
            _log.exception("a webhook is not served", webhook=str(webhook_id))

    async def _release(self, tenant_id: UUID, webhook_id: UUID) -> None:
        with contextlib.suppress(*AWAY, DomainError):
            await self._cursors.release(tenant_id, webhook_id)

    @asynccontextmanager
    async def _kept(self, tenant_id: UUID, webhook_id: UUID) -> AsyncGenerator[None]:
        """Keep the lease; who has lost it stops at once."""
        serving = asyncio.current_task()
        assert serving is not None

        async def renew() -> None:
            while True:
                await asyncio.sleep(self._lease_seconds / 3)
                with contextlib.suppress(*AWAY, DomainError):
                    if not await self._cursors.renew(tenant_id, webhook_id):
                        serving.cancel()
                        return

        renewing = asyncio.create_task(renew())
        try:
            yield
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)

    async def _round(self, tenant_id: UUID, webhook_id: UUID, courier: HttpCourier) -> bool:
        """Send what is due and what is new, as much as a round takes; whether there is more to do at once."""
        async with self._database.bound(tenant_id) as driver:
            endpoint = await endpoint_of(driver, tenant_id, webhook_id)
            if endpoint is None or endpoint.stored.state is not WebhookState.ACTIVE or endpoint.is_resting:
                return False
            standing = await standing_of(driver, self._policy, tenant_id, endpoint.stored)
        if standing is None:
            await self._pause(tenant_id, webhook_id, PausedReason.RIGHTS_LOST)
            return False
        waiting = await self._cursors.waiting(tenant_id, webhook_id)
        plan = planned(waiting, self._pace.batch)
        tried = {one.position: one.attempts for one in plan.due}
        rounding = Rounding(endpoint, standing, self._target(endpoint), courier, self._pace)
        nodes = []
        for event in await self._cursors.events_at(tenant_id, list(tried)) if tried else ():
            if standing.shows(event):
                nodes.append(Node(event=event, attempts=tried[event.position], is_new=False))
            else:
                rounding.forget(event.position)
        position = before = endpoint.stored.position
        room = min(self._pace.batch - len(nodes), self._pace.look_ahead - len(waiting))
        if room > 0 and position < endpoint.head:
            until = min(endpoint.head, position + REACH)
            fresh = await self._cursors.events_after(
                tenant_id,
                position,
                until=until,
                limit=room,
                hidden=standing.hidden,
                scope=standing.scope,
                types=standing.types,
            )
            nodes += [Node(event=event) for event in fresh]
            position = fresh[-1].position if len(fresh) == room else until
        await rounding.run(nodes, plan.held)
        done = rounding.result(position)
        dead = await self._cursors.save(tenant_id, webhook_id, done, look_ahead=self._pace.look_ahead)
        if dead is None:
            return False
        reason = self._why_to_pause(rounding, failures=done.failures, dead=dead)
        if reason is not None:
            await self._pause(tenant_id, webhook_id, reason)
            return False
        has_moved = bool(done.done) or position > before
        return done.rest is None and has_moved and (plan.is_cut or position < endpoint.head)

    def _target(self, endpoint: Endpoint) -> Target | None:
        """None: the operator has forbidden such addresses since it was made."""
        try:
            return target_of(endpoint.stored.facts.url, self._rules)
        except FieldError:
            return None

    def _why_to_pause(self, rounding: Rounding, *, failures: int, dead: int) -> PausedReason | None:
        if rounding.is_gone:
            return PausedReason.GONE
        has_too_many = rounding.has_given_up and dead >= DEAD_MAX
        return PausedReason.FAILING if failures >= self._pace.pause_after or has_too_many else None

    async def _pause(self, tenant_id: UUID, webhook_id: UUID, reason: PausedReason) -> None:
        async with self._begin(own_act(tenant_id, webhook_id)) as work:
            stored = await work.lock(webhook_id)
            if stored is not None and stored.state is WebhookState.ACTIVE:
                await paused(work, stored, reason)
        _log.warning("webhook paused", webhook=str(webhook_id), reason=str(reason))
