"""API keys: `/api/admin/api-keys`."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated, Literal
from uuid import UUID

from litestar import Controller
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, SkipValidation
from msgspec import UNSET, Meta, UnsetType

from app.http.acts import once, told_once
from app.http.paging import Pagination
from app.http.routes import route
from app.http.wire import Answer, Body, Json, Text200, Version
from app.session_api.admin_roles import BeginRights, LocationIds, RightsUnit
from app.session_api.catalog import (
    DEFAULT_LIMIT,
    Active,
    Cursor,
    Limit,
    PageAt,
    Search,
    asked,
    changes_in,
    listed,
    searched,
)
from domain.access.keys import OVERLAP_LONGEST_HOURS, Told, change_key, create_key, revoke_key, rotate_key
from domain.access.model import Act, Permission
from domain.access.ports import Policy, Revocations
from domain.access.rights import KeyFacts, KeyFilter, KeyView, RightsReads
from domain.access.rules import WILDCARDS
from domain.errors import Reason

SHOWN_NOW = "This is the only time that the key is shown: keep it now"
SHOWN_BEFORE = "The key was shown once, with the first answer to this request; if that is lost, rotate the key"

type KeyScopes = Annotated[
    list[Annotated[str, Meta(pattern=f"^({'|'.join(re.escape(scope) for scope in (*Permission, *WILDCARDS))})$")]],
    Meta(min_length=1, max_length=len(Permission) + len(WILDCARDS)),
]
type When = Annotated[datetime, Meta(tz=True)]
type Hours = Annotated[int, Meta(ge=0, le=OVERLAP_LONGEST_HOURS)]


class CreateKey(Body, frozen=True, kw_only=True):
    """`locationIds` null, or left out, is all locations; without `expiresAt` the key does not end by itself."""

    name: Text200
    scopes: KeyScopes
    location_ids: LocationIds | None = None
    expires_at: When | None = None


class ChangeKey(Body, frozen=True, kw_only=True):
    """What is left out stays; `locationIds` null is all locations, `expiresAt` null is never."""

    name: Text200 | UnsetType = UNSET
    scopes: KeyScopes | UnsetType = UNSET
    location_ids: LocationIds | UnsetType | None = UNSET
    expires_at: When | UnsetType | None = UNSET
    expected_version: Version


class RotateKey(Body, frozen=True, kw_only=True):
    """For so many hours the old key goes on beside the new one."""

    overlap_hours: Hours = 24
    expected_version: Version | None = None


class KeyList(Answer, frozen=True, kw_only=True):
    data: Sequence[KeyView]
    pagination: Pagination


class KeyData(Answer, frozen=True, kw_only=True):
    data: KeyView


class NewKeyData(Answer, frozen=True, kw_only=True):
    """`key` is null when the answer is a stored one: no key is kept, so it cannot be shown again."""

    data: KeyView
    key: str | None
    notice: str


class AdminKeyController(Controller):
    path = "/api/admin/api-keys"
    tags: Sequence[str] | None = ("Administration",)

    @route(
        "GET",
        "/",
        operation="listApiKeys",
        summary="List API keys",
        permissions=Permission.ADMIN_APIKEYS,
        description="Without their secrets. Who administers some locations sees the keys limited to them.",
        query={"limit": 5},
    )
    async def browse(
        self,
        *,
        act: NamedDependency[SkipValidation[Act]],
        rights: NamedDependency[SkipValidation[RightsReads]],
        search: Search = None,
        active: Active = None,
        sort: FromQuery[Literal["createdAt", "-createdAt"]] = "-createdAt",
        page: PageAt = None,
        limit: Limit = DEFAULT_LIMIT,
        cursor: Cursor = None,
    ) -> Json[KeyList]:
        wanted = asked(sort=sort, page=page, limit=limit, cursor=cursor)
        filters = KeyFilter(search=searched(search), is_active=active)
        found = await rights.keys(act.tenant_id, filters, wanted.window, scope=act.scope)
        return Json(listed(KeyList, wanted, found))

    @route(
        "POST",
        "/",
        operation="createApiKey",
        summary="Create an API key",
        permissions=Permission.ADMIN_APIKEYS,
        description="It can do no more than who makes it, at no other locations. The answer is the only one that "
        "shows it; a repetition under the same Idempotency-Key has `key` null.",
        errors=[Reason.NOT_FOUND, Reason.LOCATION_DENIED],
        status=HTTPStatus.CREATED,
        example={"name": "ERP", "scopes": ["inventory.read"], "locationIds": ["{locationId}"]},
    )
    async def create(
        self,
        data: JSONBody[CreateKey],
        act: NamedDependency[SkipValidation[Act]],
        begin_rights: NamedDependency[SkipValidation[BeginRights]],
        policy: NamedDependency[SkipValidation[Policy]],
    ) -> Json[NewKeyData]:
        facts = KeyFacts(
            name=data.name,
            scopes=tuple(data.scopes),
            location_ids=None if data.location_ids is None else tuple(data.location_ids),
            expires_at=data.expires_at,
        )
        return await told_once(
            begin_rights,
            act,
            lambda work: create_key(work, policy, act=act, facts=facts),
            shown=_shown,
            kept=_kept,
        )

    @route(
        "PATCH",
        "/{api_key_id:uuid}",
        operation="changeApiKey",
        summary="Change an API key",
        permissions=Permission.ADMIN_APIKEYS,
        description="It counts at once, in every process. Beyond its name, who changes a key must be able to do "
        "themselves all that it could and all that it shall.",
        errors=[Reason.NOT_FOUND, Reason.STALE_VERSION, Reason.INVALID_TRANSITION, Reason.LOCATION_DENIED],
        example={"name": "ERP, read only", "expectedVersion": 1},
    )
    async def change(
        self,
        *,
        api_key_id: FromPath[UUID],
        data: JSONBody[ChangeKey],
        act: NamedDependency[SkipValidation[Act]],
        begin_rights: NamedDependency[SkipValidation[BeginRights]],
        policy: NamedDependency[SkipValidation[Policy]],
        revocations: NamedDependency[SkipValidation[Revocations]],
    ) -> Json[KeyData]:
        changes = {
            name: tuple(value) if isinstance(value, list) else value for name, value in changes_in(data).items()
        }

        async def do(work: RightsUnit) -> KeyData:
            view = await change_key(
                work,
                policy,
                act=act,
                key_id=api_key_id,
                changes=changes,
                expected_version=data.expected_version,
            )
            return KeyData(data=view)

        answer = await once(begin_rights, act, do)
        await revocations.confirm()
        return answer

    @route(
        "POST",
        "/{api_key_id:uuid}/revoke",
        operation="revokeApiKey",
        summary="Revoke an API key",
        permissions=Permission.ADMIN_APIKEYS,
        description="For good, and at once: when this is answered no process takes it any more.",
        errors=[Reason.NOT_FOUND, Reason.LOCATION_DENIED],
    )
    async def revoke(
        self,
        *,
        api_key_id: FromPath[UUID],
        act: NamedDependency[SkipValidation[Act]],
        begin_rights: NamedDependency[SkipValidation[BeginRights]],
        policy: NamedDependency[SkipValidation[Policy]],
        revocations: NamedDependency[SkipValidation[Revocations]],
    ) -> Json[KeyData]:
        async def do(work: RightsUnit) -> KeyData:
            return KeyData(data=await revoke_key(work, policy, act=act, key_id=api_key_id))

        answer = await once(begin_rights, act, do)
        await revocations.confirm()
        return answer

    @route(
        "POST",
        "/{api_key_id:uuid}/rotate",
        operation="rotateApiKey",
        summary="Replace an API key",
        permissions=Permission.ADMIN_APIKEYS,
        description="With a new one for the same purpose, shown this once; the old one ends after the overlap, "
        "0 to 168 hours. Once for each key.",
        errors=[Reason.NOT_FOUND, Reason.STALE_VERSION, Reason.INVALID_TRANSITION, Reason.LOCATION_DENIED],
        status=HTTPStatus.CREATED,
        example={"overlapHours": 24},
    )
    async def rotate(
        self,
        *,
        api_key_id: FromPath[UUID],
        data: JSONBody[RotateKey],
        act: NamedDependency[SkipValidation[Act]],
        begin_rights: NamedDependency[SkipValidation[BeginRights]],
        policy: NamedDependency[SkipValidation[Policy]],
        revocations: NamedDependency[SkipValidation[Revocations]],
    ) -> Json[NewKeyData]:
        answer = await told_once(
            begin_rights,
            act,
            lambda work: rotate_key(
                work,
                policy,
                act=act,
                key_id=api_key_id,
                overlap=timedelta(hours=data.overlap_hours),
                expected_version=data.expected_version,
            ),
            shown=_shown,
            kept=_kept,
        )
        await revocations.confirm()
        return answer


def _shown(new: Told) -> NewKeyData:
    return NewKeyData(data=new.view, key=new.key, notice=SHOWN_NOW)


def _kept(new: Told) -> NewKeyData:
    return NewKeyData(data=new.view, key=None, notice=SHOWN_BEFORE)
