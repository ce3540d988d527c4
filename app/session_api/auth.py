"""Logging in and out: `/api/auth`."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import msgspec
import structlog
from litestar import Controller, Request
from litestar.datastructures import Cookie
from litestar.di import NamedDependency
from litestar.params import JSONBody, SkipValidation
from msgspec import Meta

from app.http.guards import session_cookie, session_token
from app.http.headers import NO_STORE
from app.http.limits import DEVICE_SECONDS, client_address, device_cookie
from app.http.routes import route
from app.http.wire import Answer, Body, Json
from domain.access.credentials import csrf_token
from domain.access.limits import Guess, LoginThrottle, log_in_slowed, network_of
from domain.access.model import Caller
from domain.access.ports import Authenticator, Login
from domain.access.rules import locations_of
from domain.errors import DomainError, Reason

_log = structlog.get_logger("storekeeper.access")


class LoginRequest(Body, frozen=True, kw_only=True):
    """`tenant` is the tenant's short name; needed by those who belong to several."""

    email: Annotated[str, Meta(min_length=1, max_length=320)]
    password: Annotated[str, Meta(min_length=1, max_length=1024)]
    tenant: Annotated[str, Meta(min_length=1, max_length=63)] | None = None


class _Exact(msgspec.Struct, frozen=True):
    password: str


class UserAnswer(Answer, frozen=True, kw_only=True):
    id: UUID
    name: str
    email: str | None


class TenantAnswer(Answer, frozen=True, kw_only=True):
    id: UUID
    slug: str
    name: str


class Me(Answer, frozen=True, kw_only=True):
    """Who the caller is. `locations` null means all; `user` and `csrfToken` are null for an API key."""

    user: UserAnswer | None
    tenant: TenantAnswer
    roles: Sequence[str]
    permissions: Sequence[str]
    locations: Sequence[UUID] | None
    csrf_token: str | None


class Done(Answer, frozen=True, kw_only=True):
    success: bool


class AuthController(Controller):
    path = "/api/auth"
    tags: Sequence[str] | None = ("Access",)

    @route(
        "POST",
        "/login",
        operation="login",
        summary="Log in",
        permissions=None,
        errors=[Reason.VALIDATION_ERROR, Reason.INVALID_CREDENTIALS, Reason.RATE_LIMITED, Reason.UNAVAILABLE],
        description="Begins a session, in a cookie, and ends the one the client had. Unsafe methods then need the "
        "answer's `csrfToken` as `X-CSRF-Token`. After some wrong passwords for an account, or from a network, "
        "each further try has to wait (429, `Retry-After`), except from a browser that has logged in before.",
        example={"email": "{email}", "password": "{password}"},
    )
    async def login(
        self,
        *,
        data: JSONBody[LoginRequest],
        request: Request[Any, Any, Any],
        login_throttle: NamedDependency[SkipValidation[LoginThrottle]],
    ) -> Json[Me]:
        # Texts are trimmed and normalised on their way in; a password counts exactly as it was typed.
        exact = msgspec.json.decode(await request.body(), type=_Exact)
        login = Login(
            email=data.email,
            password=exact.password,
            tenant_slug=data.tenant,
            user_agent=request.headers.get("user-agent"),
            replaces=session_token(request),
        )
        guess = guess_of(request, login.email)
        try:
            new, device = await log_in_slowed(login_throttle, _authenticator(request), login, guess)
        except DomainError as refused:
            # Whose account it would have been is not said: people type passwords into the wrong field.
            _log.warning("login_refused", code=refused.reason, network=guess.network)
            raise
        _log.info(
            "login", tenant=new.caller.tenant_slug, actor=str(new.caller.principal_id), network=guess.network
        )
        cookies = [session_cookie_of(request, new.token), _device_cookie(request, device)]
        return Json(me_of(new.caller, new.csrf), headers=NO_STORE, cookies=cookies)

    @route(
        "POST",
        "/logout",
        operation="logout",
        summary="Log out",
        permissions=(),
        errors=[Reason.CSRF_FAILED],
        description="Ends the session on the server, in every process.",
    )
    async def logout(self, request: Request[Any, Any, Any]) -> Json[Done]:
        await _authenticator(request).logout(request.user)
        return Json(Done(success=True), headers=NO_STORE, cookies=[session_cookie_of(request, None)])

    @route("GET", "/me", operation="me", summary="Who the caller is and may do what", permissions=())
    async def me(self, request: Request[Any, Any, Any]) -> Json[Me]:
        caller: Caller = request.user
        token = session_token(request) if caller.session_id is not None else None
        return Json(me_of(caller, csrf_token(token) if token else None), headers=NO_STORE)


def _authenticator(request: Request[Any, Any, Any]) -> Authenticator:
    authenticator: Authenticator = request.app.state.authenticator
    return authenticator


def session_cookie_of(request: Request[Any, Any, Any], token: str | None) -> Cookie:
    """The session's cookie; without a token one that takes it away. It ends with the browser, or on the server."""
    secure: bool = request.app.state.secure_cookies
    return Cookie(
        key=session_cookie(secure=secure),
        value=token or "",
        path="/",
        max_age=None if token else 0,
        secure=secure,
        httponly=True,
        samesite="lax",
    )


def guess_of(request: Request[Any, Any, Any], email: str) -> Guess:
    """What a try of a password is counted by, if it is wrong."""
    peer = request.client.host if request.client else None
    forwarded = request.headers.getall("x-forwarded-for", [])
    address = client_address(peer, forwarded, request.app.state.trusted_proxies)
    device = request.cookies.get(device_cookie(secure=request.app.state.secure_cookies))
    return Guess(email=email, network=network_of(address), device=device)


def _device_cookie(request: Request[Any, Any, Any], token: str) -> Cookie:
    """By this the account knows the browser again: it opens nothing, but guesses of others do not shut it out."""
    secure: bool = request.app.state.secure_cookies
    return Cookie(
        key=device_cookie(secure=secure),
        value=token,
        path="/",
        max_age=DEVICE_SECONDS,
        secure=secure,
        httponly=True,
        samesite="lax",
    )


def me_of(caller: Caller, csrf: str | None) -> Me:
    locations = locations_of(caller.rights)
    return Me(
        user=None
        if caller.user_id is None
        else UserAnswer(id=caller.user_id, name=caller.actor, email=caller.email),
        tenant=TenantAnswer(id=caller.tenant_id, slug=caller.tenant_slug, name=caller.tenant_name),
        roles=caller.roles,
        permissions=sorted(caller.rights),
        locations=None if locations is None else sorted(locations),
        csrf_token=csrf,
    )
