"""One's own tokens of the import surface: `/api/auth/tokens`."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from litestar import Controller, Request
from litestar.di import NamedDependency
from litestar.params import FromPath, SkipValidation

from app.http.acts import Work, act_of, once
from app.http.headers import NO_STORE
from app.http.routes import route
from app.http.wire import Answer, Json
from app.session_api.auth import Done
from domain.access.model import Act, Caller, Permission
from domain.access.ports import Revocations
from domain.access.tokens import OwnTokens, TokenWork, end_own_token
from domain.errors import Reason


class TokenUnit(TokenWork, Work, Protocol):
    """Tokens in one transaction, with idempotency beside the effect."""


type BeginTokens = Callable[[Act], AbstractAsyncContextManager[TokenUnit]]


class TokenAnswer(Answer, frozen=True, kw_only=True):
    """A live token, without its secret; `last4` are its last characters."""

    id: UUID
    last4: str
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    user_agent: str | None


class TokensAnswer(Answer, frozen=True, kw_only=True):
    data: Sequence[TokenAnswer]


class OwnTokenController(Controller):
    path = "/api/auth/tokens"
    tags: Sequence[str] | None = ("Access",)

    @route(
        "GET",
        "/",
        operation="listTokens",
        summary="List one's own live tokens",
        permissions=(),
        description="Those of the import API in the tenant that the caller is in, the latest first. "
        "A key has none.",
    )
    async def browse(self, request: Request[Any, Any, Any]) -> Json[TokensAnswer]:
        own: OwnTokens = request.app.state.authenticator
        data = [
            TokenAnswer(
                id=token.id,
                last4=token.last4,
                created_at=token.created_at,
                expires_at=token.expires_at,
                last_used_at=token.used_at,
                user_agent=token.user_agent,
            )
            for token in await own.own_tokens(request.user)
        ]
        return Json(TokensAnswer(data=data), headers=NO_STORE)

    @route(
        "DELETE",
        "/{token_id:uuid}",
        operation="revokeToken",
        summary="Revoke one of one's own tokens",
        permissions=(),
        errors=[Reason.CSRF_FAILED, Reason.NOT_FOUND],
        description="For good, and in every process before the answer.",
    )
    async def revoke(
        self,
        *,
        token_id: FromPath[UUID],
        request: Request[Any, Any, Any],
        begin_tokens: NamedDependency[SkipValidation[BeginTokens]],
        revocations: NamedDependency[SkipValidation[Revocations]],
    ) -> Json[Done]:
        caller: Caller = request.user
        # One's own tokens need no permission; which one an act bears limits nothing here.
        act = await act_of(request, Permission.ADMIN_USERS)

        async def do(work: TokenUnit) -> Done:
            await end_own_token(work, caller=caller, token_id=token_id)
            return Done(success=True)

        answer = await once(begin_tokens, act, do)
        await revocations.confirm()
        answer.headers.update(NO_STORE)
        return answer
