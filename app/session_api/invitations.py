"""Accepting an invitation: `/api/auth/invitations`."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
from litestar import Controller, Request
from litestar.di import NamedDependency
from litestar.params import JSONBody, SkipValidation
from msgspec import Meta

from app.http.headers import NO_STORE
from app.http.routes import route
from app.http.wire import Answer, Body, Json, Text200
from app.session_api.auth import guess_of
from domain.access.invitations import Accepting, accept_invitation
from domain.access.limits import LoginThrottle
from domain.access.people import BeginPeople, Invitations
from domain.access.ports import Passwords, Policy
from domain.errors import Reason


class AcceptInvitation(Body, frozen=True, kw_only=True):
    """`name` is what one wants to be called; without it as one was invited."""

    token: Annotated[str, Meta(min_length=1, max_length=200)]
    password: Annotated[str, Meta(min_length=1, max_length=1024)]
    name: Text200 | None = None


class _Exact(msgspec.Struct, frozen=True):
    password: str


class JoinedTenant(Answer, frozen=True, kw_only=True):
    """What to log in with."""

    email: str
    tenant: str
    tenant_name: str


class JoinedData(Answer, frozen=True, kw_only=True):
    data: JoinedTenant


class InvitationController(Controller):
    path = "/api/auth/invitations"
    tags: Sequence[str] | None = ("Access",)

    @route(
        "POST",
        "/accept",
        operation="acceptInvitation",
        summary="Accept an invitation",
        permissions=None,
        description="Makes the account, with this password, and the membership; then log in. For an address that "
        "has an account already, the password must be the one of that account. A token works once; one that was "
        "used, revoked or has expired is answered like one that never was.",
        errors=[Reason.NOT_FOUND, Reason.INVALID_CREDENTIALS, Reason.RATE_LIMITED, Reason.UNAVAILABLE],
        status=HTTPStatus.CREATED,
        example={"token": "{invitationToken}", "password": "{newPassword}"},
    )
    async def accept(
        self,
        *,
        data: JSONBody[AcceptInvitation],
        request: Request[Any, Any, Any],
        invitations: NamedDependency[SkipValidation[Invitations]],
        begin_people: NamedDependency[SkipValidation[BeginPeople]],
        policy: NamedDependency[SkipValidation[Policy]],
        login_throttle: NamedDependency[SkipValidation[LoginThrottle]],
    ) -> Json[JoinedData]:
        # Texts are trimmed and normalised on their way in; a password counts exactly as it was typed.
        exact = msgspec.json.decode(await request.body(), type=_Exact)
        passwords: Passwords = request.app.state.authenticator.passwords
        joined = await accept_invitation(
            invitations,
            begin_people,
            passwords,
            policy,
            login_throttle,
            accepting=Accepting(
                token=data.token,
                password=exact.password,
                name=data.name,
                guess=guess_of(request, ""),
                request_id=request.scope["request_id"],  # type: ignore[typeddict-item] # ours, from tracing.py
            ),
        )
        answer = JoinedTenant(email=joined.email, tenant=joined.tenant_slug, tenant_name=joined.tenant_name)
        return Json(JoinedData(data=answer), status_code=HTTPStatus.CREATED, headers=NO_STORE)
