"""Routes declare what they are: operation, permission, errors, and an example that a test sends.

`reads` and `writes` are Litestar's `get` and `post` with these declarations made compulsory.
"""

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, override

from litestar.connection import ASGIConnection
from litestar.enums import HttpMethod
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.datastructures import ResponseSpec

from app.http.errors import STATUS
from app.http.surfaces import ImportRefusal, IntegrationsDetail, IntegrationsRefusal, Surface, status_on
from app.http.wire import Answer
from domain.access.limits import RateClass
from domain.access.model import Permission
from domain.errors import Reason


class Details(Answer, frozen=True, kw_only=True):
    """Facts about a refusal; `code` is always there, the others depend on it."""

    code: str


class Refusal(Answer, frozen=True, kw_only=True):
    """What a refusal looks like."""

    error: str
    details: Details


ON_PUBLIC = (Reason.VALIDATION_ERROR,)
ALWAYS = (
    Reason.UNAUTHENTICATED,
    Reason.PERMISSION_DENIED,
    Reason.VALIDATION_ERROR,
    Reason.RATE_LIMITED,
    Reason.UNAVAILABLE,
)
OF_KEYS = (Reason.INVALID_API_KEY, Reason.EXPIRED_API_KEY)
"""Where a key that is missing is told otherwise than one that is not good."""
ON_WRITES = (
    Reason.UNSUPPORTED_MEDIA_TYPE,
    Reason.PAYLOAD_TOO_LARGE,
    Reason.IDEMPOTENCY_IN_PROGRESS,
    Reason.IDEMPOTENCY_KEY_REUSED,
)


class Handler(HTTPRouteHandler):
    """A handler that is shown to its guards as it is.

    The framework would copy it for each guard of each request, which takes longer than what our guard does.
    """

    @override
    async def authorize_connection(self, connection: ASGIConnection[Any, Any, Any, Any]) -> None:
        for guard in self.resolve_guards():
            await guard(connection, self)  # type: ignore[misc] # made asynchronous when it was registered


def route(
    method: str,
    path: str,
    *,
    operation: str,
    summary: str,
    permissions: Permission | Sequence[Permission] | None,
    errors: Sequence[Reason] = (),
    example: Any = None,
    query: dict[str, Any] | None = None,
    status: int = HTTPStatus.OK,
    description: str | None = None,
    csv: bool = False,
    heavy: bool = False,
    deputies: bool = False,
    surface: Surface = Surface.SESSION,
    too_large: str | None = None,
    **more: Any,
) -> Callable[[Callable[..., Any]], Any]:
    """A handler with its declarations.

    `permissions` None is a public route; an empty one, `()`, is open to every caller that is known.
    `example` is a request body, and `query` query parameters, that a test sends as they stand; `{name}` in their
    texts stands for a fact of the demo tenant (tests/e2e/api/test_examples.py).
    `csv` says that the list can be had as CSV too.
    `deputies` admits also whom another has handed the permission for a time: the act then asks in whose place.
    `heavy` routes, such as exports, have a rate limit of their own; the others count as reads or writes.
    `surface` decides who is admitted how, and in which shape refusals come. `request_max_body_size` is a route's
    own limit, and `too_large` what its 413 says.
    """
    public = permissions is None
    needed = () if permissions is None else (permissions,) if isinstance(permissions, Permission) else permissions
    always = (*ALWAYS, *OF_KEYS) if surface is Surface.INTEGRATIONS else ALWAYS
    reasons = [*(ON_PUBLIC if public else always), *(ON_WRITES if method != "GET" else ()), *errors]
    statuses: dict[int, list[str]] = {}
    for reason in reasons:
        statuses.setdefault(status_on(surface, reason, STATUS[reason]), []).append(reason)
    return Handler(
        path,
        http_method=HttpMethod(method),
        operation_id=operation,
        summary=summary,
        description=_description(needed, description, public=public),
        status_code=status,
        opt={
            "public": public,
            "permissions": None if public else tuple(needed),
            "example": example,
            "query": query,
            "csv": csv,
            "deputies": deputies,
            "surface": surface,
            "too_large": too_large,
            "rate": RateClass.HEAVY if heavy else RateClass.READ if method == "GET" else RateClass.WRITE,
        },
        responses={
            code: ResponseSpec(
                data_container=_shape(surface, code),
                description=", ".join(dict.fromkeys(names)),
                generate_examples=False,
            )
            for code, names in statuses.items()
        },
        **more,
    )


def _shape(surface: Surface, status: int) -> type[Any]:
    """The struct of a refusal with this status."""
    if surface is Surface.SESSION:
        return Refusal
    if surface is Surface.IMPORT:
        return ImportRefusal
    return IntegrationsDetail if status in _OF_KEYS else IntegrationsRefusal


_OF_KEYS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


def _description(needed: Sequence[Permission], text: str | None, *, public: bool) -> str:
    names = ", ".join(f"`{name}`" for name in needed) or "none, but a session or a key"
    permission = "Public." if public else f"Permission: {names}."
    return f"{text}\n\n{permission}" if text else permission
