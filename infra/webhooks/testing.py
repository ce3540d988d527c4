"""Test calls: one signed call, made at once, and what is logged of it."""

import time
from uuid import UUID

from domain.access.model import Act
from domain.errors import FieldError
from domain.values import new_id
from domain.webhooks.addresses import target_of
from domain.webhooks.model import AttemptView, Outcome, Sent, TestCall
from domain.webhooks.ports import Courier
from domain.webhooks.service import require_reach
from infra.db.pool import Database
from infra.db.work import SqlWork
from infra.webhooks.cursors import Logged, endpoint_of, write_log
from infra.webhooks.signing import headers_of, test_body

TYPE = "webhook.test.v1"
_VIEW = """
    SELECT a.id, a.message_id, a.position, a.type, a.entity_type, a.entity_id, a.attempt, a.outcome, a.status,
        a.error, a.response, a.duration_ms, a.attempted_at
    FROM webhook_attempts a WHERE a.tenant_id = $1 AND a.webhook_id = $2 AND a.id = $3
"""


class SqlTestCalls:
    """The `TestCalls` port. No connection is held while the call is made."""

    def __init__(self, database: Database, courier: Courier) -> None:
        self._database = database
        self._courier = courier

    async def call(self, act: Act, webhook_id: UUID) -> TestCall | None:
        tenant_id = act.tenant_id
        async with self._database.bound(tenant_id) as driver:
            endpoint = await endpoint_of(driver, tenant_id, webhook_id)
        if endpoint is None:
            return None
        require_reach(act, endpoint.stored.facts)
        message = f"msg_test_{new_id().hex}"
        body = test_body(endpoint.now, {"webhookId": webhook_id, "position": endpoint.stored.position})
        headers = headers_of(message, body, endpoint.secrets, now=time.time())
        try:
            target = target_of(endpoint.stored.facts.url, self._courier.rules)
            sent = await self._courier.send(target, headers=headers, body=body)
        except FieldError:
            error = "The address is not one that may be sent to"
            sent = Sent(status=None, error=error, response=None, duration_ms=0)
        return TestCall(message_id=message, sent=sent)


class TestSqlWork(SqlWork):
    """The log of test calls."""

    async def keep(self, webhook_id: UUID, call: TestCall) -> AttemptView | None:
        tenant_id, sent = self.act.tenant_id, call.sent
        if await endpoint_of(self.driver, tenant_id, webhook_id) is None:
            return None
        entry = Logged(
            id=new_id(),
            message_id=call.message_id,
            position=None,
            type=TYPE,
            entity_type=None,
            entity_id=None,
            attempt=1,
            outcome=Outcome.DELIVERED if sent.is_delivered else Outcome.FAILED,
            status=sent.status,
            error=sent.error,
            response=sent.response,
            duration_ms=sent.duration_ms,
        )
        await write_log(self.driver, tenant_id, webhook_id, [entry])
        row = await self.driver.fetchrow(_VIEW, tenant_id, webhook_id, entry.id)
        assert row is not None, "it was written by this very transaction"
        return AttemptView(**dict(row))
