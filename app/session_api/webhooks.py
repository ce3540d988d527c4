"""Webhooks: `/api/webhooks`."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Any, Protocol
from uuid import UUID

from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, SkipValidation
from msgspec import UNSET, Meta, UnsetType, field

from app.http.acts import Begin, Work, once, told_once
from app.http.routes import route
from app.http.wire import Answer, Body, Json, Version
from app.session_api.catalog import Deleted, DeletedItem, changes_in
from domain.access.model import Act, Permission
from domain.errors import Reason, not_found
from domain.webhooks.addresses import AddressRules
from domain.webhooks.model import OVERLAP_LONGEST_HOURS, TYPES_MAX, WebhookFacts, WebhookView
from domain.webhooks.ports import WebhookReads, WebhookWork
from domain.webhooks.service import (
    Told,
    change_webhook,
    create_webhook,
    delete_webhook,
    pause_webhook,
    replay,
    resume_webhook,
    rotate_secret,
)

SHOWN_NOW = "This is the only time that the secret is shown: keep it now"
SHOWN_BEFORE = "The secret was shown once, with the first answer to this request; if that is lost, replace it"
SHOWING = (Permission.WEBHOOKS_WRITE, Permission.EVENTS_READ)
"""Whoever decides what is sent must be able to see it."""
REACHING = (Reason.NOT_FOUND, Reason.LOCATION_DENIED, Reason.STALE_VERSION)
CHECKING = (Reason.NOT_FOUND, Reason.LOCATION_DENIED)
LOCATIONS_MAX = 500
_WHAT = (
    "Each event is sent as the feed shows it, with `timestamp` beside, signed as Standard Webhooks says (headers "
    "`webhook-id`, `webhook-timestamp`, `webhook-signature`). Answer 2xx within 15 seconds and work on it later; "
    "the same event may come again, under the same `webhook-id`."
)

type Url = Annotated[str, Meta(min_length=1, max_length=2_000)]
type Description = Annotated[str, Meta(min_length=1, max_length=500)]
type Types = Annotated[list[Annotated[str, Meta(min_length=1, max_length=100)]], Meta(max_length=TYPES_MAX)]
type LocationIds = Annotated[list[UUID], Meta(min_length=1, max_length=LOCATIONS_MAX)]
type Hours = Annotated[int, Meta(ge=0, le=OVERLAP_LONGEST_HOURS)]
type Position = Annotated[int, Meta(ge=0, lt=10**18)]


class WebhookUnit(WebhookWork, Work, Protocol):
    """The unit of work as the HTTP layer needs it, with idempotency."""


type BeginWebhooks = Begin[WebhookUnit]


class CreateWebhook(Body, frozen=True, kw_only=True):
    """`types` empty is every type, an area is `inventory.*`; `locationIds` null is all.

    `after` is the position to go on from: without it only what happens from now on is sent.
    """

    url: Url
    description: Description | None = None
    types: Types = field(default_factory=list)
    location_ids: LocationIds | None = None
    after: Position | None = None


class ChangeWebhook(Body, frozen=True, kw_only=True):
    """What is left out stays."""

    url: Url | UnsetType = UNSET
    description: Description | UnsetType | None = UNSET
    types: Types | UnsetType = UNSET
    location_ids: LocationIds | UnsetType | None = UNSET
    expected_version: Version


class ActOnWebhook(Body, frozen=True, kw_only=True):
    expected_version: Version | None = None


class RotateSecret(Body, frozen=True, kw_only=True):
    """For so many hours the old secret signs beside the new one."""

    overlap_hours: Hours = 24
    expected_version: Version | None = None


class Replay(Body, frozen=True, kw_only=True):
    """Everything after this position is sent again; 0 is before the first."""

    after: Position
    expected_version: Version | None = None


class WebhookList(Answer, frozen=True, kw_only=True):
    data: Sequence[WebhookView]


class WebhookData(Answer, frozen=True, kw_only=True):
    data: WebhookView


class NewWebhookData(Answer, frozen=True, kw_only=True):
    """`secret` is null when the answer is a stored one."""

    data: WebhookView
    secret: str | None
    notice: str


class WebhookController(Controller):
    path = "/api/webhooks"
    tags: Sequence[str] | None = ("Webhooks",)

    @route(
        "GET",
        "/",
        operation="listWebhooks",
        summary="List webhooks",
        permissions=Permission.WEBHOOKS_WRITE,
        description="Without their secrets. Who may write webhooks at some locations sees those limited to them.",
    )
    async def browse(
        self,
        act: NamedDependency[SkipValidation[Act]],
        webhook_reads: NamedDependency[SkipValidation[WebhookReads]],
    ) -> Json[WebhookList]:
        return Json(WebhookList(data=await webhook_reads.webhooks(act.tenant_id, scope=act.scope)))

    @route(
        "POST",
        "/",
        operation="createWebhook",
        summary="Create a webhook",
        permissions=SHOWING,
        description=f"{_WHAT} What is sent is what its maker may see, at the moment of sending. The answer is the "
        "only one that shows the secret; a repetition under the same Idempotency-Key has `secret` null.",
        errors=CHECKING,
        status=HTTPStatus.CREATED,
        example={
            "url": "https://erp.example/hooks/storekeeper",
            "description": "ERP",
            "types": ["inventory.*", "transfer.received.v1"],
            "locationIds": ["{locationId}"],
        },
    )
    async def create(
        self,
        data: JSONBody[CreateWebhook],
        act: NamedDependency[SkipValidation[Act]],
        begin_webhooks: NamedDependency[SkipValidation[BeginWebhooks]],
        webhook_rules: NamedDependency[SkipValidation[AddressRules]],
    ) -> Json[NewWebhookData]:
        facts = WebhookFacts(
            url=data.url,
            description=data.description,
            types=tuple(data.types),
            location_ids=None if data.location_ids is None else tuple(data.location_ids),
        )
        return await told_once(
            begin_webhooks,
            act,
            lambda work: create_webhook(work, act=act, facts=facts, rules=webhook_rules, after=data.after),
            shown=_shown,
            kept=_kept,
        )

    @route(
        "GET",
        "/{webhook_id:uuid}",
        operation="getWebhook",
        summary="Show a webhook",
        permissions=Permission.WEBHOOKS_WRITE,
        description="How far it has come, and what keeps it from going on.",
        errors=[Reason.NOT_FOUND],
    )
    async def show(
        self,
        webhook_id: FromPath[UUID],
        act: NamedDependency[SkipValidation[Act]],
        webhook_reads: NamedDependency[SkipValidation[WebhookReads]],
    ) -> Json[WebhookData]:
        found = await webhook_reads.webhook(act.tenant_id, webhook_id, scope=act.scope)
        if found is None:
            raise not_found("webhook")
        return Json(WebhookData(data=found))

    @route(
        "PATCH",
        "/{webhook_id:uuid}",
        operation="changeWebhook",
        summary="Change a webhook",
        permissions=SHOWING,
        description="Whoever changes it becomes its maker: from then on it is sent what they may see.",
        errors=REACHING,
        example={"description": "ERP, the new one", "expectedVersion": 1},
    )
    async def change(
        self,
        *,
        webhook_id: FromPath[UUID],
        data: JSONBody[ChangeWebhook],
        act: NamedDependency[SkipValidation[Act]],
        begin_webhooks: NamedDependency[SkipValidation[BeginWebhooks]],
        webhook_rules: NamedDependency[SkipValidation[AddressRules]],
    ) -> Json[WebhookData]:
        changes: Mapping[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in changes_in(data).items()
        }

        async def do(work: WebhookUnit) -> WebhookData:
            view = await change_webhook(
                work,
                act=act,
                webhook_id=webhook_id,
                changes=changes,
                rules=webhook_rules,
                expected_version=data.expected_version,
            )
            return WebhookData(data=view)

        return await once(begin_webhooks, act, do)

    @route(
        "DELETE",
        "/{webhook_id:uuid}",
        operation="deleteWebhook",
        summary="Delete a webhook",
        permissions=Permission.WEBHOOKS_WRITE,
        description="With its log and its dead letters.",
        errors=[Reason.NOT_FOUND, Reason.LOCATION_DENIED],
    )
    async def delete(
        self,
        webhook_id: FromPath[UUID],
        act: NamedDependency[SkipValidation[Act]],
        begin_webhooks: NamedDependency[SkipValidation[BeginWebhooks]],
    ) -> Json[Deleted]:
        async def do(work: WebhookUnit) -> Deleted:
            await delete_webhook(work, act=act, webhook_id=webhook_id)
            return Deleted(data=DeletedItem(id=webhook_id))

        return await once(begin_webhooks, act, do)

    @route(
        "POST",
        "/{webhook_id:uuid}/pause",
        operation="pauseWebhook",
        summary="Pause a webhook",
        permissions=Permission.WEBHOOKS_WRITE,
        description="Nothing is sent until it is resumed, and nothing is lost.",
        errors=REACHING,
        example={"expectedVersion": 1},
    )
    async def pause(
        self,
        webhook_id: FromPath[UUID],
        data: JSONBody[ActOnWebhook],
        act: NamedDependency[SkipValidation[Act]],
        begin_webhooks: NamedDependency[SkipValidation[BeginWebhooks]],
    ) -> Json[WebhookData]:
        async def do(work: WebhookUnit) -> WebhookData:
            version = data.expected_version
            return WebhookData(
                data=await pause_webhook(work, act=act, webhook_id=webhook_id, expected_version=version)
            )

        return await once(begin_webhooks, act, do)

    @route(
        "POST",
        "/{webhook_id:uuid}/resume",
        operation="resumeWebhook",
        summary="Resume a webhook",
        permissions=SHOWING,
        description="It goes on where it stopped, and tries again at once; to leave out what happened meanwhile, "
        "replay from a later position first. Whoever resumes it becomes its maker.",
        errors=REACHING,
        example={"expectedVersion": 1},
    )
    async def resume(
        self,
        *,
        webhook_id: FromPath[UUID],
        data: JSONBody[ActOnWebhook],
        act: NamedDependency[SkipValidation[Act]],
        begin_webhooks: NamedDependency[SkipValidation[BeginWebhooks]],
    ) -> Json[WebhookData]:
        async def do(work: WebhookUnit) -> WebhookData:
            version = data.expected_version
            return WebhookData(
                data=await resume_webhook(work, act=act, webhook_id=webhook_id, expected_version=version)
            )

        return await once(begin_webhooks, act, do)

    @route(
        "POST",
        "/{webhook_id:uuid}/rotate-secret",
        operation="rotateWebhookSecret",
        summary="Replace a webhook's secret",
        permissions=Permission.WEBHOOKS_WRITE,
        description="With a new one, shown this once; until the overlap has passed, 0 to 168 hours, there is a "
        "signature by each.",
        errors=[*REACHING, Reason.INVALID_TRANSITION],
        status=HTTPStatus.CREATED,
        example={"overlapHours": 24},
    )
    async def rotate(
        self,
        webhook_id: FromPath[UUID],
        data: JSONBody[RotateSecret],
        act: NamedDependency[SkipValidation[Act]],
        begin_webhooks: NamedDependency[SkipValidation[BeginWebhooks]],
    ) -> Json[NewWebhookData]:
        return await told_once(
            begin_webhooks,
            act,
            lambda work: rotate_secret(
                work,
                act=act,
                webhook_id=webhook_id,
                overlap=timedelta(hours=data.overlap_hours),
                expected_version=data.expected_version,
            ),
            shown=_shown,
            kept=_kept,
        )

    @route(
        "POST",
        "/{webhook_id:uuid}/replay",
        operation="replayWebhook",
        summary="Send from a position on",
        permissions=Permission.WEBHOOKS_WRITE,
        description="Everything after it again, under the ids that it had; or, from a later one than it has come "
        "to, without what lies between. Dead letters stay.",
        errors=REACHING,
        example={"after": 0},
    )
    async def again(
        self,
        webhook_id: FromPath[UUID],
        data: JSONBody[Replay],
        act: NamedDependency[SkipValidation[Act]],
        begin_webhooks: NamedDependency[SkipValidation[BeginWebhooks]],
    ) -> Json[WebhookData]:
        async def do(work: WebhookUnit) -> WebhookData:
            view = await replay(
                work,
                act=act,
                webhook_id=webhook_id,
                after=data.after,
                expected_version=data.expected_version,
            )
            return WebhookData(data=view)

        return await once(begin_webhooks, act, do)


def _shown(new: Told) -> NewWebhookData:
    return NewWebhookData(data=new.view, secret=new.secret, notice=SHOWN_NOW)


def _kept(new: Told) -> NewWebhookData:
    return NewWebhookData(data=new.view, secret=None, notice=SHOWN_BEFORE)
