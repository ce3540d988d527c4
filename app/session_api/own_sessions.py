"""What people do about their own sessions and their password: `/api/auth`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Controller, Request
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, SkipValidation
from msgspec import Meta

from app.http.acts import act_of, once
from app.http.headers import NO_STORE
from app.http.routes import route
from app.http.wire import Answer, Body, Json
from app.session_api.admin_users import BeginPeopleUnit, PeopleUnit
from app.session_api.auth import Done, Me, guess_of, me_of, session_cookie_of
from domain.access.limits import LoginThrottle
from domain.access.model import Caller, Permission
from domain.access.own_sessions import OwnAccess, PasswordChange, change_password_slowed, end_own_session
from domain.access.passwords import SHORTEST
from domain.access.ports import Revocations
from domain.errors import Reason


class ChangePassword(Body, frozen=True, kw_only=True):
    """Both count exactly as they are typed, spaces included."""

    current_password: Annotated[str, Meta(min_length=1, max_length=1024)]
    new_password: Annotated[str, Meta(min_length=1, max_length=1024)]


class _Exact(msgspec.Struct, frozen=True, rename="camel"):
    current_password: str
    new_password: str


class SessionAnswer(Answer, frozen=True, kw_only=True):
    """`current` is the one that asks. `expiresAt` is the latest it can last; unused it ends earlier."""

    id: UUID
    current: bool
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    user_agent: str | None


class SessionsAnswer(Answer, frozen=True, kw_only=True):
    data: Sequence[SessionAnswer]


class OwnSessionController(Controller):
    path = "/api/auth"
    tags: Sequence[str] | None = ("Access",)

    @route(
        "GET",
        "/sessions",
        operation="listSessions",
        summary="List one's own live sessions",
        permissions=(),
        description="Those in the tenant that the caller is in, the latest first. A key has none.",
    )
    async def sessions(self, request: Request[Any, Any, Any]) -> Json[SessionsAnswer]:
        found = await _own(request).own_sessions(request.user)
        current = request.user.session_id
        data = [
            SessionAnswer(
                id=session.id,
                current=session.id == current,
                created_at=session.created_at,
                seen_at=session.seen_at,
                expires_at=session.expires_at,
                user_agent=session.user_agent,
            )
            for session in found
        ]
        return Json(SessionsAnswer(data=data), headers=NO_STORE)

    @route(
        "DELETE",
        "/sessions/{session_id:uuid}",
        operation="endSession",
        summary="End one of one's own sessions",
        permissions=(),
        errors=[Reason.CSRF_FAILED, Reason.NOT_FOUND],
        description="On the server and in every process, before the answer.",
    )
    async def end(
        self,
        *,
        session_id: FromPath[UUID],
        request: Request[Any, Any, Any],
        begin_people: NamedDependency[SkipValidation[BeginPeopleUnit]],
        revocations: NamedDependency[SkipValidation[Revocations]],
    ) -> Json[Done]:
        caller: Caller = request.user
        # One's own sessions need no permission; which one an act bears limits nothing here.
        act = await act_of(request, Permission.ADMIN_USERS)

        async def do(work: PeopleUnit) -> Done:
            await end_own_session(work, caller=caller, session_id=session_id)
            return Done(success=True)

        answer = await once(begin_people, act, do)
        await revocations.confirm()
        answer.headers.update(NO_STORE)
        if session_id == caller.session_id:
            answer.cookies.append(session_cookie_of(request, None))
        return answer

    @route(
        "POST",
        "/password",
        operation="changePassword",
        summary="Change one's own password",
        permissions=(),
        errors=[Reason.CSRF_FAILED, Reason.NOT_FOUND, Reason.RATE_LIMITED, Reason.STALE_VERSION],
        description=f"At least {SHORTEST} characters, and not what is guessed first. Ends all of the person's "
        "sessions, in every tenant, and begins a new one, as a login does: take the cookie and the `csrfToken` of "
        "the answer. An API key has no password (404).",
        example={"currentPassword": "{password}", "newPassword": "seven lanterns over a quiet harbour"},
    )
    async def password(
        self,
        data: JSONBody[ChangePassword],  # noqa: ARG002 - what the body must be; its texts come trimmed and normalised
        request: Request[Any, Any, Any],
        login_throttle: NamedDependency[SkipValidation[LoginThrottle]],
    ) -> Json[Me]:
        # A password counts exactly as it was typed.
        exact = msgspec.json.decode(await request.body(), type=_Exact)
        change = PasswordChange(
            caller=request.user,
            current=exact.current_password,
            new=exact.new_password,
            user_agent=request.headers.get("user-agent"),
            request_id=_request_id(request),
        )
        guess = guess_of(request, request.user.email or "")
        new = await change_password_slowed(login_throttle, _own(request), change, guess)
        cookies = [session_cookie_of(request, new.token)]
        return Json(me_of(new.caller, new.csrf), headers=NO_STORE, cookies=cookies)


def _own(request: Request[Any, Any, Any]) -> OwnAccess:
    own: OwnAccess = request.app.state.authenticator
    return own


def _request_id(request: Request[Any, Any, Any]) -> str:
    request_id: str = request.scope["request_id"]  # type: ignore[typeddict-item] # ours, from tracing.py
    return request_id
