"""Refusals on the wire: one status for each reason, and one shape on each surface.

The session API's is `{"error": "<what happened, for a person>", "details": {"code": "UPPER_SNAKE", …facts}}`;
those of the others, and where their statuses differ, are in surfaces.py.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, override
from uuid import UUID

import structlog
from litestar import Request
from litestar.exceptions import HTTPException, ValidationException

from app.http.headers import REPLAYED
from app.http.surfaces import Surface, challenge, import_body, integrations_body, status_on, surface_of
from app.http.wire import Json
from domain.access.credentials import masked
from domain.access.model import Caller
from domain.access.ports import Refusals, Refused
from domain.errors import DomainError, FieldError, Reason

STATUS: dict[Reason, HTTPStatus] = {
    Reason.ALREADY_REVERSED: HTTPStatus.CONFLICT,
    Reason.BIN_UNFIT: HTTPStatus.CONFLICT,
    Reason.COUNTED_SINCE: HTTPStatus.CONFLICT,
    Reason.CSRF_FAILED: HTTPStatus.FORBIDDEN,
    Reason.DUPLICATE: HTTPStatus.CONFLICT,
    Reason.EXPIRED_API_KEY: HTTPStatus.UNAUTHORIZED,
    Reason.IDEMPOTENCY_IN_PROGRESS: HTTPStatus.CONFLICT,
    Reason.IDEMPOTENCY_KEY_REUSED: HTTPStatus.UNPROCESSABLE_ENTITY,
    Reason.IN_USE: HTTPStatus.CONFLICT,
    Reason.INACTIVE: HTTPStatus.CONFLICT,
    Reason.INSUFFICIENT_STOCK: HTTPStatus.CONFLICT,
    Reason.INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
    Reason.INVALID_API_KEY: HTTPStatus.UNAUTHORIZED,
    Reason.INVALID_CREDENTIALS: HTTPStatus.UNAUTHORIZED,
    Reason.INVALID_TRANSITION: HTTPStatus.CONFLICT,
    Reason.LAST_ADMIN: HTTPStatus.CONFLICT,
    Reason.LOCATION_DENIED: HTTPStatus.FORBIDDEN,
    Reason.LOT_REQUIRED: HTTPStatus.BAD_REQUEST,
    Reason.MAPPING_ERROR: HTTPStatus.UNPROCESSABLE_ENTITY,
    Reason.METHOD_NOT_ALLOWED: HTTPStatus.METHOD_NOT_ALLOWED,
    Reason.NO_CHANGE: HTTPStatus.BAD_REQUEST,
    Reason.NOT_EXPIRED: HTTPStatus.CONFLICT,
    Reason.NOT_FOUND: HTTPStatus.NOT_FOUND,
    Reason.PAYLOAD_TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Reason.PERMISSION_DENIED: HTTPStatus.FORBIDDEN,
    Reason.POSITION_FROZEN: HTTPStatus.CONFLICT,
    Reason.QUANTITY_OUT_OF_RANGE: HTTPStatus.BAD_REQUEST,
    Reason.RATE_LIMITED: HTTPStatus.TOO_MANY_REQUESTS,
    Reason.REVERSAL_BLOCKED: HTTPStatus.CONFLICT,
    Reason.REVOKED_API_KEY: HTTPStatus.UNAUTHORIZED,
    Reason.SELF_APPROVAL: HTTPStatus.FORBIDDEN,
    Reason.SESSION_EXPIRED: HTTPStatus.UNAUTHORIZED,
    Reason.STALE_QUANTITY: HTTPStatus.CONFLICT,
    Reason.STALE_VERSION: HTTPStatus.CONFLICT,
    Reason.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    Reason.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    Reason.UNSUPPORTED_MEDIA_TYPE: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    Reason.VALIDATION_ERROR: HTTPStatus.BAD_REQUEST,
}

_OF_FRAMEWORK = {
    HTTPStatus.NOT_FOUND: (Reason.NOT_FOUND, "There is nothing at this address"),
    HTTPStatus.METHOD_NOT_ALLOWED: (Reason.METHOD_NOT_ALLOWED, "This address does not take this method"),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: (Reason.PAYLOAD_TOO_LARGE, "The body is too large"),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: (Reason.UNSUPPORTED_MEDIA_TYPE, "Send the body as application/json"),
}

RECORDED = frozenset({Reason.CSRF_FAILED, Reason.LOCATION_DENIED, Reason.PERMISSION_DENIED, Reason.SELF_APPROVAL})
"""What is written down when it happens to somebody whom we know."""
TELLING = frozenset({"index", "inventoryItemId", "locationId", "missing", "permission"})
"""Of a refusal's facts those that go on record."""
PATH_SHOWN = 500

_log = structlog.get_logger("storekeeper.http")


def body_of(error: DomainError, surface: Surface = Surface.SESSION) -> dict[str, Any]:
    """A refusal as a surface writes it."""
    if surface is Surface.INTEGRATIONS:
        return integrations_body(error)
    if surface is Surface.IMPORT:
        return import_body(error)
    return {"error": error.message, "details": {"code": error.reason, **_camel(error.facts)}}


def _camel(facts: dict[str, Any]) -> dict[str, Any]:
    """The facts of the ledger's statement carry database names; the wire's are camelCase."""
    return {_name(name): value for name, value in facts.items() if value is not None}


def _camel_case(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.title() for part in rest)


_RENAMED = {"line_id": "inventoryItemId", "entry": "index", "posting_id": "transactionId"}


def _name(name: str) -> str:
    return _RENAMED.get(name) or _camel_case(name)


def status_of(error: DomainError, surface: Surface = Surface.SESSION) -> HTTPStatus:
    """The status of a refusal on a surface."""
    return status_on(surface, error.reason, STATUS[error.reason])


def respond(error: DomainError, surface: Surface = Surface.SESSION) -> Json[dict[str, Any]]:
    structlog.contextvars.bind_contextvars(code=error.reason)  # for the request's line in the log
    headers: dict[str, str] = {}
    if (seconds := error.facts.get("retryAfter")) is not None:
        headers["Retry-After"] = str(seconds)
    if error.replayed:
        headers[REPLAYED] = "true"
    status = status_of(error, surface)
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = challenge(surface)
    return Json(body_of(error, surface), status_code=status, headers=headers, media_type="application/json")


def on_domain_error(request: Request[Any, Any, Any], error: DomainError) -> Json[dict[str, Any]]:
    """A refusal as it is sent; one of an authorization is written down first."""
    caller: Caller | None = request.scope.get("user")
    surface = surface_of(request.scope)
    if error.reason not in RECORDED or caller is None:
        return respond(error, surface)
    refusals: Refusals = request.app.state.refusals
    refused = Refused(
        caller=caller,
        request_id=request.scope["request_id"],  # type: ignore[typeddict-item] # ours, from tracing.py
        action=f"request.{error.reason.lower()}",
        facts={
            "code": error.reason,
            "message": error.message,
            "method": request.method,
            "route": request.scope.get("path_template", ""),
            "path": _shown(request.url.path),
            **{name: value for name, value in _camel(error.facts).items() if name in TELLING},
        },
        location_ids=_locations(error.facts),
    )
    return Recorded(respond(error, surface), lambda: refusals.record(refused))


def _shown(path: str) -> str:
    """An address as it goes on record: what the database has no place for is replaced, and keys are left out."""
    text = path.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
    return masked(text)[:PATH_SHOWN]


class Recorded(Json[dict[str, Any]]):
    """An answer that waits until something has been written down."""

    def __init__(self, answer: Json[dict[str, Any]], record: Callable[[], Awaitable[None]]) -> None:
        super().__init__(
            answer.content,
            status_code=answer.status_code,
            headers=answer.headers,
            media_type=answer.media_type,
        )
        self._record = record

    @override
    def to_asgi_response(self, *args: Any, **options: Any) -> Any:
        answer = super().to_asgi_response(*args, **options)

        async def recorded(scope: Any, receive: Any, send: Any) -> None:
            await self._record()
            await answer(scope, receive, send)

        return recorded


def _locations(facts: Mapping[str, object]) -> tuple[UUID, ...]:
    """The location that a refusal names, in whichever spelling."""
    named = facts.get("locationId", facts.get("location_id"))
    return () if named is None else (UUID(str(named)),)


def on_framework_error(request: Request[Any, Any, Any], error: HTTPException) -> Json[dict[str, Any]]:
    """What the framework refuses by itself: parameters, addresses, methods, sizes."""
    surface = surface_of(request.scope)
    if isinstance(error, ValidationException):
        return respond(FieldError(*_parameters(error, surface)), surface)
    known = _OF_FRAMEWORK.get(HTTPStatus(error.status_code))
    if known is not None:
        reason, message = known
        if reason is Reason.PAYLOAD_TOO_LARGE:
            message = request.scope["route_handler"].opt.get("too_large") or message
        answer = respond(DomainError(reason, message), surface)
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            answer.headers["Allow"] = _allowed(request)
        return answer
    if error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
        return respond(FieldError(("", error.detail or "the request cannot be read")), surface)
    return on_fault(request, error)


def _allowed(request: Request[Any, Any, Any]) -> str:
    """The methods that an address takes, for those who tried another."""
    methods: set[str] = set()
    for route in request.app.routes:
        pattern = re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(route.path))
        if re.fullmatch(pattern, request.url.path.rstrip("/") or "/"):
            methods |= set(route.methods)
    return ", ".join(sorted(methods))


def _parameters(error: ValidationException, surface: Surface) -> list[tuple[str, str]]:
    extra = error.extra if isinstance(error.extra, list) else []
    spelt = _camel_case if surface is Surface.SESSION else str
    return [
        ("", "a JSON body is required")
        if item.get("key") == "data"
        else (spelt(str(item.get("key", ""))), str(item.get("message", "is not valid")).replace("`", ""))
        for item in extra
        if isinstance(item, dict)
    ] or [("", error.detail)]


def on_fault(request: Request[Any, Any, Any], error: Exception) -> Json[dict[str, Any]]:
    """Anything else: a database refusal in the domain's words, or a fault that is logged and not shown."""
    refusal: Callable[[Exception], DomainError | None] = request.app.state.refusal
    told = refusal(error)
    if told is None:
        _log.error("fault", exc_info=error, path=request.url.path)
        told = DomainError(
            Reason.INTERNAL, "Something went wrong on our side; the request id finds it in the logs"
        )
    elif told.reason is Reason.UNAVAILABLE:
        _log.warning("unavailable", error=type(error).__name__)
    return respond(told, surface_of(request.scope))
