"""What a handler is handed about its request: the act, with its idempotency key."""

import asyncio
import hashlib
import random
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress
from http import HTTPStatus
from typing import Any, Protocol

from litestar import Request

from app.http.errors import body_of, status_of
from app.http.headers import NO_STORE, REPLAYED
from app.http.surfaces import surface_at
from app.http.wire import Json, canonical, encode
from domain.access.model import Act, Idempotency, Permission
from domain.errors import ContentionError, DomainError, FieldError

KEY_LENGTH = 255
ATTEMPTS = 4


async def provide_act(request: Request[Any, Any, Any]) -> Act:
    """The act of this request. The first permission of the route is the one whose locations limit it."""
    return await act_of(request, request.route_handler.opt["permissions"][0])


async def act_of(request: Request[Any, Any, Any], permission: Permission, *, meaning: bytes | None = None) -> Act:
    """The act of a request that needs a permission which its body decides.

    `meaning` stands for the body where that was read otherwise, or is spelt differently each time, as forms are.
    """
    operation = f"{request.method} {request.scope['path_template']}"
    return Act(
        caller=request.user,
        permission=permission,
        operation=operation,
        request_id=request.scope["request_id"],  # type: ignore[typeddict-item] # ours, from tracing.py
        idempotency=await _idempotency(request, meaning),
    )


async def _idempotency(request: Request[Any, Any, Any], meaning: bytes | None) -> Idempotency | None:
    key = request.headers.get("idempotency-key")
    if key is None or request.method in {"GET", "HEAD"}:
        return None
    if not 1 <= len(key) <= KEY_LENGTH or not all("!" <= char <= "~" for char in key):
        raise FieldError(("Idempotency-Key", "must be 1 to 255 visible ASCII characters"))
    digest = hashlib.sha256()
    digest.update(request.url.path.encode() + b"\0" + request.scope["query_string"] + b"\0")
    digest.update(canonical(await request.body()) if meaning is None else meaning)
    return Idempotency(key=key, fingerprint=digest.digest())


class Work(Protocol):
    """A unit of work as the HTTP layer needs it: idempotency beside the effect, in one transaction."""

    async def claim(self, act: Act) -> tuple[int, bytes] | None: ...
    async def remember(self, act: Act, status: int, body: bytes) -> None: ...
    def savepoint(self) -> AbstractAsyncContextManager[None]: ...


type Begin[W: Work] = Callable[[Act], AbstractAsyncContextManager[W]]


async def once[W: Work, T](
    begin: Begin[W],
    act: Act,
    do: Callable[[W], Awaitable[T]],
    *,
    status: int | Callable[[T], int] = HTTPStatus.OK,
) -> Json[T]:
    """Do it in one transaction, and under an idempotency key only once.

    The status may depend on what came of it: what is returned is committed, whichever it is.

    The outcome is stored with the effect: the answer, or the refusal if it was a business refusal (409), so that a
    retry cannot turn one into the other. Costs five round trips and the statements of `do`; without a key, three.
    A transaction that lost to others is done again, a few times.
    """
    for attempt in range(1, ATTEMPTS):
        try:
            return await _once(begin, act, do, status=status)
        except ContentionError:
            await asyncio.sleep(random.uniform(0, 0.02 * 2**attempt))  # noqa: S311 - jitter, no secret
    return await _once(begin, act, do, status=status)


async def told_once[W: Work, N, T](
    begin: Begin[W],
    act: Act,
    do: Callable[[W], Awaitable[N]],
    *,
    shown: Callable[[N], T],
    kept: Callable[[N], T],
) -> Json[T]:
    """Make what has a secret: the first answer has it as `shown`, what is `kept` for repetitions has it not."""
    made: list[N] = []

    async def make(work: W) -> T:
        made.append(await do(work))
        return kept(made[-1])

    answer = await once(begin, act, make, status=HTTPStatus.CREATED)
    if REPLAYED not in answer.headers:
        answer = Json(shown(made[-1]), status_code=HTTPStatus.CREATED)
    answer.headers.update(NO_STORE)
    return answer


class _Unanswered(Exception):  # noqa: N818 - it is no error: it only undoes the claim
    """Nothing was answered under the key."""


async def told_before[W: Work](begin: Begin[W], act: Act) -> Json[Any] | None:
    """What was answered under the act's key, for what is begun outside of any transaction and stored by `once`."""
    if act.idempotency is None:
        return None
    with suppress(_Unanswered):
        async with begin(act) as work:
            stored = await work.claim(act)
            if stored is not None:
                return _replayed(*stored)
            raise _Unanswered
    return None


async def _once[W: Work, T](
    begin: Begin[W], act: Act, do: Callable[[W], Awaitable[T]], *, status: int | Callable[[T], int]
) -> Json[T]:
    if act.idempotency is None:
        async with begin(act) as work:
            done = await do(work)
        return Json(done, status_code=status(done) if callable(status) else status)
    refused: DomainError | None = None
    async with begin(act) as work:
        stored = await work.claim(act)
        if stored is not None:
            return _replayed(*stored)
        body, code = b"", HTTPStatus.OK.value
        try:
            async with work.savepoint():
                done = await do(work)
                body, code = encode(done), status(done) if callable(status) else status
        except DomainError as error:
            surface = surface_at(act.operation.partition(" ")[2])
            if status_of(error, surface) != HTTPStatus.CONFLICT:
                raise
            refused, code, body = error, HTTPStatus.CONFLICT, encode(body_of(error, surface))
        await work.remember(act, code, body)
    if refused is not None:
        raise refused
    return _raw(body, code)


def _replayed(status: int, body: bytes) -> Json[Any]:
    answer = _raw(body, status)
    answer.headers[REPLAYED] = "true"
    return answer


def _raw(body: bytes, status: int) -> Json[Any]:
    return Json(body, status_code=status, media_type="application/json")
