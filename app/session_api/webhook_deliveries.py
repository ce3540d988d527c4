"""What was delivered and what was not: `/api/webhooks/{id}/deliveries` and beside."""

from collections.abc import Sequence
from typing import Annotated, Protocol
from uuid import UUID

from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter, SkipValidation

from app.http.acts import Begin, Work, once, told_before
from app.http.paging import Pagination
from app.http.routes import route
from app.http.wire import Answer, Json
from app.session_api.catalog import DEFAULT_LIMIT, Cursor, Limit, PageAt, asked, listed
from app.session_api.webhooks import BeginWebhooks, WebhookData, WebhookUnit
from domain.access.model import Act, Permission
from domain.errors import Reason, not_found
from domain.webhooks.model import AttemptView, DeadLetter, Outcome
from domain.webhooks.ports import TestCalls, TestWork, WebhookReads
from domain.webhooks.service import redeliver


class TestUnit(TestWork, Work, Protocol): ...


type BeginTests = Begin[TestUnit]


class AttemptList(Answer, frozen=True, kw_only=True):
    data: Sequence[AttemptView]
    pagination: Pagination


class AttemptData(Answer, frozen=True, kw_only=True):
    data: AttemptView


class DeadLetterList(Answer, frozen=True, kw_only=True):
    data: Sequence[DeadLetter]
    pagination: Pagination


class WebhookDeliveryController(Controller):
    path = "/api/webhooks/{webhook_id:uuid}"
    tags: Sequence[str] | None = ("Webhooks",)

    @route(
        "GET",
        "/deliveries",
        operation="listWebhookDeliveries",
        summary="List a webhook's deliveries",
        permissions=Permission.WEBHOOKS_WRITE,
        description="Every attempt, newest first; the newest thousand are kept.",
        errors=[Reason.NOT_FOUND],
        query={"limit": 5},
    )
    async def attempts(
        self,
        *,
        webhook_id: FromPath[UUID],
        act: NamedDependency[SkipValidation[Act]],
        webhook_reads: NamedDependency[SkipValidation[WebhookReads]],
        outcome: FromQuery[Annotated[Outcome | None, QueryParameter(name="outcome")]] = None,
        page: PageAt = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Json[AttemptList]:
        wanted = asked(sort="-attemptedAt", page=page, limit=limit, cursor=cursor)
        found = await webhook_reads.attempts(
            act.tenant_id, webhook_id, wanted.window, scope=act.scope, outcome=outcome
        )
        if found is None:
            raise not_found("webhook")
        return Json(listed(AttemptList, wanted, found))

    @route(
        "GET",
        "/dead-letters",
        operation="listWebhookDeadLetters",
        summary="List a webhook's dead letters",
        permissions=Permission.WEBHOOKS_WRITE,
        description="Events that were given up after the last attempt, newest first.",
        errors=[Reason.NOT_FOUND],
        query={"limit": 5},
    )
    async def dead_letters(
        self,
        *,
        webhook_id: FromPath[UUID],
        act: NamedDependency[SkipValidation[Act]],
        webhook_reads: NamedDependency[SkipValidation[WebhookReads]],
        page: PageAt = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Json[DeadLetterList]:
        wanted = asked(sort="-position", page=page, limit=limit, cursor=cursor)
        found = await webhook_reads.dead_letters(act.tenant_id, webhook_id, wanted.window, scope=act.scope)
        if found is None:
            raise not_found("webhook")
        return Json(listed(DeadLetterList, wanted, found))

    @route(
        "POST",
        "/dead-letters/{delivery_id:uuid}/redeliver",
        operation="redeliverWebhookDeadLetter",
        summary="Send a dead letter again",
        permissions=Permission.WEBHOOKS_WRITE,
        description="Under the id that it had, as if it had never been tried.",
        errors=[Reason.NOT_FOUND, Reason.LOCATION_DENIED],
    )
    async def redeliver(
        self,
        *,
        webhook_id: FromPath[UUID],
        delivery_id: FromPath[UUID],
        act: NamedDependency[SkipValidation[Act]],
        begin_webhooks: NamedDependency[SkipValidation[BeginWebhooks]],
    ) -> Json[WebhookData]:
        async def do(work: WebhookUnit) -> WebhookData:
            return WebhookData(data=await redeliver(work, act=act, webhook_id=webhook_id, delivery_id=delivery_id))

        return await once(begin_webhooks, act, do)

    @route(
        "POST",
        "/test",
        operation="testWebhook",
        summary="Make a test call",
        permissions=Permission.WEBHOOKS_WRITE,
        description="Signed like all others, of type `webhook.test.v1`, made at once, paused or not; what came of "
        "it is the answer. Nothing is tried again.",
        errors=[Reason.NOT_FOUND, Reason.LOCATION_DENIED],
        heavy=True,
    )
    async def test(
        self,
        webhook_id: FromPath[UUID],
        act: NamedDependency[SkipValidation[Act]],
        webhook_tests: NamedDependency[SkipValidation[TestCalls]],
        begin_webhook_tests: NamedDependency[SkipValidation[BeginTests]],
    ) -> Json[AttemptData]:
        before = await told_before(begin_webhook_tests, act)
        if before is not None:
            return before
        # No connection is held while the call is made; of two at the same time under one key, one counts.
        call = await webhook_tests.call(act, webhook_id)

        async def do(work: TestUnit) -> AttemptData:
            kept = None if call is None else await work.keep(webhook_id, call)
            if kept is None:
                raise not_found("webhook")
            return AttemptData(data=kept)

        return await once(begin_webhook_tests, act, do)
