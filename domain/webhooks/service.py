"""Endpoints: made, changed, paused, resumed, ended, their secrets replaced, and sent to again.

Whoever makes, changes or resumes an endpoint answers for it: it is sent what they may see, at the moment of each
sending. So nobody can point an endpoint of another, who sees more, at an address of their own.
"""

import base64
import secrets
from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

import msgspec

from domain.access.model import Act, Permission
from domain.access.rules import scope_covers
from domain.errors import DomainError, FieldError, Reason, not_found
from domain.events.catalogue import AREAS, TYPES
from domain.events.feed import GUARDED
from domain.values import clean_text, new_id
from domain.webhooks.addresses import AddressRules, target_of
from domain.webhooks.delivering import is_wanted
from domain.webhooks.model import (
    OVERLAP,
    SECRETS_MAX,
    TYPES_MAX,
    WEBHOOKS_MAX,
    Maker,
    PausedReason,
    StoredWebhook,
    WebhookFacts,
    WebhookState,
    WebhookView,
)
from domain.webhooks.ports import WebhookWork

ENTITY = "webhook"
SECRET_MARK = "whsec_"  # noqa: S105 - what secrets begin with
SECRET_BYTES = 32
DESCRIPTION_LENGTH = 500

type Changes = Mapping[str, object]
"""New values by attribute of `WebhookFacts`; what is not in it stays."""


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint and its new secret, which is told this once."""

    view: WebhookView
    secret: str

    def __repr__(self) -> str:  # no secret gets into a log by way of a traceback or a formatted value
        return f"Told({self.view.id})"


def new_secret() -> str:
    """As Standard Webhooks has them: 32 random bytes in base64 behind a mark."""
    return SECRET_MARK + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


async def create_webhook(
    work: WebhookWork, *, act: Act, facts: WebhookFacts, rules: AddressRules, after: int | None = None
) -> Told:
    """Make an endpoint that is sent what happens from now on, or after a position."""
    target_of(facts.url, rules)
    facts = await _checked(work, act, facts)
    if await work.count() >= WEBHOOKS_MAX:
        raise FieldError(("url", f"cannot be another one: a tenant has at most {WEBHOOKS_MAX} webhooks"))
    head = await work.head()
    id_, secret = new_id(), new_secret()
    await work.add(id_, facts, _maker(act), position=head if after is None else _position(after, head, at="after"))
    await work.add_secret(id_, new_id(), secret)
    view = await _told(work, "created", id_, facts)
    return Told(view=view, secret=secret)


async def change_webhook(
    work: WebhookWork,
    *,
    act: Act,
    webhook_id: UUID,
    changes: Changes,
    rules: AddressRules,
    expected_version: int,
) -> WebhookView:
    """Change where it leads or what it is sent."""
    stored = await _reached(work, act, webhook_id, expected_version)
    facts = await _checked(work, act, msgspec.structs.replace(stored.facts, **changes))
    if facts.url != stored.facts.url:
        target_of(facts.url, rules)
    if facts == stored.facts:
        return await work.view(webhook_id)
    await work.store(webhook_id, facts, _maker(act))
    return await _told(work, "changed", webhook_id, facts)


async def pause_webhook(
    work: WebhookWork, *, act: Act, webhook_id: UUID, expected_version: int | None
) -> WebhookView:
    """Send nothing until it is resumed; what happens meanwhile waits. One that is paused stays as it is."""
    stored = await _reached(work, act, webhook_id, expected_version)
    if stored.state is WebhookState.PAUSED:
        return await work.view(webhook_id)
    return await paused(work, stored, PausedReason.BY_HAND)


async def paused(work: WebhookWork, stored: StoredWebhook, reason: PausedReason) -> WebhookView:
    """Pause it, by hand or because it must be, and tell the feed why."""
    await work.pause(stored.id, reason)
    return await _told(work, "paused", stored.id, stored.facts, reason=reason)


async def resume_webhook(
    work: WebhookWork, *, act: Act, webhook_id: UUID, expected_version: int | None
) -> WebhookView:
    """Go on where it stopped, and try again at once what waits for its time; also one that is not paused."""
    stored = await _reached(work, act, webhook_id, expected_version)
    await _checked(work, act, stored.facts)
    await work.resume(webhook_id, _maker(act))
    return await _told(work, "resumed", webhook_id, stored.facts)


async def delete_webhook(work: WebhookWork, *, act: Act, webhook_id: UUID) -> None:
    stored = await _reached(work, act, webhook_id, None)
    await work.remove(webhook_id)
    payload = {"id": webhook_id, "version": stored.version, "state": stored.state}
    await work.record("webhook.deleted.v1", ENTITY, webhook_id, payload, locations=_places(stored.facts))


async def rotate_secret(
    work: WebhookWork,
    *,
    act: Act,
    webhook_id: UUID,
    overlap: timedelta = OVERLAP,
    expected_version: int | None = None,
) -> Told:
    """A new secret; until the overlap has passed the old one signs beside it."""
    stored = await _reached(work, act, webhook_id, expected_version)
    if await work.end_secrets(webhook_id, overlap) >= SECRETS_MAX:
        raise _not_now(stored, f"{SECRETS_MAX} secrets sign already; wait until some have ended")
    secret = new_secret()
    await work.add_secret(webhook_id, new_id(), secret)
    return Told(view=await _told(work, "secret_rotated", webhook_id, stored.facts), secret=secret)


async def replay(
    work: WebhookWork, *, act: Act, webhook_id: UUID, after: int, expected_version: int | None
) -> WebhookView:
    """Send everything after a position again, or leave out what comes before it."""
    stored = await _reached(work, act, webhook_id, expected_version)
    position = _position(after, await work.head(), at="after")
    await work.move(webhook_id, position)
    return await _told(work, "replayed", webhook_id, stored.facts, after=position)


async def redeliver(work: WebhookWork, *, act: Act, webhook_id: UUID, delivery_id: UUID) -> WebhookView:
    """Send a dead letter again, from its first attempt."""
    stored = await _reached(work, act, webhook_id, None)
    position = await work.revive(webhook_id, delivery_id)
    if position is None:
        raise not_found("dead letter of this webhook")
    return await _told(work, "redelivered", webhook_id, stored.facts, eventPosition=position)


async def _reached(work: WebhookWork, act: Act, webhook_id: UUID, expected_version: int | None) -> StoredWebhook:
    """An endpoint all of whose locations are the caller's.

    Raises:
        DomainError: NOT_FOUND, LOCATION_DENIED, STALE_VERSION.
    """
    stored = await work.lock(webhook_id)
    if stored is None:
        raise not_found("webhook")
    require_reach(act, stored.facts)
    if expected_version is not None and expected_version != stored.version:
        message = "The webhook has been changed since you read it"
        raise DomainError(Reason.STALE_VERSION, message, expected=expected_version, actual=stored.version)
    return stored


def require_reach(act: Act, facts: WebhookFacts) -> None:
    """Refuse who may write webhooks at other locations than all of this one's."""
    if not scope_covers(act.scope, None if facts.location_ids is None else frozenset(facts.location_ids)):
        raise DomainError(Reason.LOCATION_DENIED, "Your rights do not cover all locations of this webhook")


async def _checked(work: WebhookWork, act: Act, facts: WebhookFacts) -> WebhookFacts:
    """The facts in their one form, all of it within what the caller may see.

    Raises:
        FieldError: a type is none.
        DomainError: PERMISSION_DENIED, LOCATION_DENIED or NOT_FOUND for what is asked for.
    """
    types = tuple(sorted(set(facts.types)))
    _check_types(types)
    refused = act.caller.refusal(Permission.EVENTS_READ)
    if refused is not None:
        raise refused
    for area, permission in GUARDED.items():
        is_named = any(type_.split(".", 1)[0] == area for type_ in types)
        if is_named and (refused := act.caller.refusal(permission)) is not None:
            raise refused
    places = None if facts.location_ids is None else tuple(sorted(set(facts.location_ids)))
    await _check_places(work, act, places)
    description = facts.description
    if description is not None:
        try:
            description = clean_text(description, longest=DESCRIPTION_LENGTH)
        except ValueError as problem:
            raise FieldError(("description", str(problem))) from None
    return WebhookFacts(url=facts.url, description=description, types=types, location_ids=places)


def _check_types(types: Sequence[str]) -> None:
    if len(types) > TYPES_MAX:
        raise FieldError(("types", f"must be at most {TYPES_MAX}; none at all is every type"))
    unknown = [
        type_ for type_ in types if type_ not in AREAS and not any(is_wanted(known, (type_,)) for known in TYPES)
    ]
    if unknown:
        raise FieldError(("types", f"{unknown[0][:100]} is no type of event; GET /api/events/types lists them"))


async def _check_places(work: WebhookWork, act: Act, places: Sequence[UUID] | None) -> None:
    if places is None:
        if act.scope is not None or act.caller.scope(Permission.EVENTS_READ) is not None:
            message = "Your rights cover some locations: name those that the webhook is for"
            raise DomainError(Reason.LOCATION_DENIED, message)
        return
    if not places:
        raise FieldError(("locationIds", "must name a location, or be null for all"))
    for place in places:
        act.caller.require_location(act.permission, place)
        act.caller.require_location(Permission.EVENTS_READ, place)
    if await work.unknown_locations(places):
        raise not_found("location", field="locationIds")


def _position(after: int, head: int, *, at: str) -> int:
    if after > head:
        raise FieldError((at, f"must not be beyond the last position, {head}"))
    return after


def _maker(act: Act) -> Maker:
    caller = act.caller
    return Maker(user_id=None if caller.key_id else caller.user_id, key_id=caller.key_id, name=caller.actor)


def _places(facts: WebhookFacts) -> Sequence[UUID]:
    return facts.location_ids or ()


async def _told(
    work: WebhookWork, what: str, webhook_id: UUID, facts: WebhookFacts, **more: object
) -> WebhookView:
    """Tell the feed, without the address: it may have a secret in it."""
    view = await work.view(webhook_id)
    payload = {
        "id": webhook_id,
        "version": view.version,
        "state": view.state,
        "description": facts.description,
        "types": facts.types,
        "locationIds": facts.location_ids,
        **more,
    }
    await work.record(f"webhook.{what}.v1", ENTITY, webhook_id, payload, locations=_places(facts))
    return view


def _not_now(stored: StoredWebhook, message: str) -> DomainError:
    return DomainError(Reason.INVALID_TRANSITION, message, state=stored.state)
