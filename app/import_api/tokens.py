"""Tokens for programs: `/{tenant}/api/v1/tokens`."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import structlog
from litestar import Controller, Request
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter, SkipValidation
from msgspec import Meta

from app.http.headers import NO_STORE
from app.http.routes import route
from app.http.surfaces import Surface
from app.http.wire import Json, SnakeAnswer, SnakeBody
from app.import_api.document import TokenOperation
from app.session_api.auth import guess_of
from domain.access.limits import LoginThrottle
from domain.access.ports import Login
from domain.access.tokens import LIFETIME, LIVE_MAX, OwnTokens, create_token_slowed
from domain.errors import DomainError, FieldError, Reason

_log = structlog.get_logger("storekeeper.access")

_BETTER = "Accepted for compatibility, and never logged here; others on the way may log it: send a JSON body."
QueryEmail = Annotated[str | None, QueryParameter(name="email", description=_BETTER)]
QueryPassword = Annotated[str | None, QueryParameter(name="password", description=_BETTER)]


class TokenRequest(SnakeBody, frozen=True, kw_only=True):
    """Whose rights the token shall have."""

    email: Annotated[str, Meta(min_length=1, max_length=320)]
    password: Annotated[str, Meta(min_length=1, max_length=1024)]


class _Exact(msgspec.Struct, frozen=True):
    password: str


class TokenAnswer(SnakeAnswer, frozen=True, kw_only=True):
    """`<id>|<secret>`, told here once."""

    token: str


class TokenController(Controller):
    path = "/{tenant:str}/api/v1/tokens"
    tags: Sequence[str] | None = ("Import",)

    @route(
        "POST",
        "/create",
        operation="createToken",
        summary="Issue a token",
        permissions=None,
        errors=[
            Reason.INVALID_CREDENTIALS,
            Reason.PAYLOAD_TOO_LARGE,
            Reason.RATE_LIMITED,
            Reason.UNAVAILABLE,
            Reason.UNSUPPORTED_MEDIA_TYPE,
        ],
        surface=Surface.IMPORT,
        operation_class=TokenOperation,
        description="For programs: `Authorization: Bearer <id>|<secret>` from then on, at this tenant's "
        "addresses. A token has the rights that its person has when it is used. It ends after "
        f"{LIFETIME.days} days, when it is revoked (`DELETE /api/auth/tokens/{{id}}`), with another password, "
        f"when the person is kept out, and as the oldest of more than {LIVE_MAX}. Wrong passwords are counted "
        "and slowed down (429) like those of logins.",
        example={"email": "{email}", "password": "{password}"},
    )
    async def create(
        self,
        *,
        tenant: FromPath[str],
        data: JSONBody[TokenRequest | None] = None,
        query_email: QueryEmail = None,
        query_password: QueryPassword = None,
        request: Request[Any, Any, Any],
        login_throttle: NamedDependency[SkipValidation[LoginThrottle]],
    ) -> Json[TokenAnswer]:
        if data is not None:
            # Texts are trimmed and normalised on their way in; a password counts exactly as it was typed.
            email, password = data.email, msgspec.json.decode(await request.body(), type=_Exact).password
        elif query_email is not None and query_password is not None:
            email, password = query_email, query_password
        else:
            raise FieldError(("email", "is required"), ("password", "is required"))
        login = Login(
            email=email, password=password, tenant_slug=tenant, user_agent=request.headers.get("user-agent")
        )
        guess = guess_of(request, email)
        own: OwnTokens = request.app.state.authenticator
        try:
            token = await create_token_slowed(login_throttle, own, login, guess)
        except DomainError as refused:
            _log.warning("token_refused", code=refused.reason, network=guess.network)
            raise
        _log.info("token_created", network=guess.network)
        return Json(TokenAnswer(token=token), headers=NO_STORE)
