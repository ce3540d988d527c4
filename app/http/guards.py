"""Who may come in: authentication, forgery protection and the permission that each route declares.

Silence is refusal: a handler that declares neither a permission nor that it is public is 403 for everybody, and
the application does not start with one (`undeclared`).
"""

import hmac
import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from types import UnionType
from typing import Annotated, Any, TypeAliasType, Union, get_args, get_origin
from urllib.parse import urlsplit

import structlog
from litestar.connection import ASGIConnection
from litestar.handlers.base import BaseRouteHandler

from app.http.limits import admit
from app.http.surfaces import Surface
from domain.access.delegations import Delegations, may_decide
from domain.access.limits import RateClass, RateLimiter
from domain.access.model import Caller, Permission
from domain.access.ports import Authenticator
from domain.errors import DomainError, FieldError, Reason

SESSION = Surface.SESSION
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
QUERY_VALUE_MAX = 1_000
SESSION_COOKIE = "storekeeper_session"
SECURE_SESSION_COOKIE = f"__Host-{SESSION_COOKIE}"

type Connection = ASGIConnection[Any, Any, Any, Any]


class Form(StrEnum):
    """What the text of a query parameter looks like; the value is told to who sends another."""

    TEXT = "a text"
    NUMBER = "a whole number in digits"
    VALUE = "a value"


_FORMS = {
    Form.TEXT: re.compile(r".*", re.DOTALL),
    Form.NUMBER: re.compile(r"[0-9]{1,18}"),
    Form.VALUE: re.compile(r"(?!null$).+", re.IGNORECASE | re.DOTALL),
}


async def guard(connection: Connection, handler: BaseRouteHandler) -> None:
    """Admit or refuse a request, before anything of its body is read."""
    if handler.opt.get("public"):
        _check_query(connection)
        return
    surface = handler.opt.get("surface", SESSION)
    caller = await (_caller(connection) if surface is SESSION else _program(connection, surface))
    connection.scope["user"] = caller
    structlog.contextvars.bind_contextvars(tenant=caller.tenant_slug, actor=str(caller.principal_id))
    limiter: RateLimiter | None = connection.app.state.rate_limiter
    if limiter is not None:
        await admit(limiter, connection.scope, caller, handler.opt.get("rate", RateClass.HEAVY))
    permissions: tuple[Permission, ...] | None = handler.opt.get("permissions")
    if permissions is None:
        raise DomainError(Reason.PERMISSION_DENIED, "This address declares no permission and admits nobody")
    for permission in permissions:
        refused = caller.refusal(permission)
        if refused is not None and not await _is_deputy(connection, handler, caller, permission):
            raise refused
    _check_query(connection)


async def _is_deputy(
    connection: Connection, handler: BaseRouteHandler, caller: Caller, permission: Permission
) -> bool:
    """Whether somebody who holds a permission has handed it to the caller, on a route that admits deputies."""
    delegations: Delegations | None = connection.app.state.delegations
    if not handler.opt.get("deputies") or delegations is None or caller.user_id is None:
        return False
    in_force = await delegations.active_for(caller.tenant_id, caller.user_id)
    return bool(may_decide(permission, in_force.at, caller, in_force.delegations))


async def still(connection: Connection, permission: Permission) -> Caller:
    """The caller of a connection that has been open for a while, by the credential that it came with.

    Raises:
        DomainError: it has been revoked, has expired, or no longer gives the permission.
    """
    caller = await _caller(connection)
    refused = caller.refusal(permission)
    if refused is not None:
        raise refused
    return caller


def _check_query(connection: Connection) -> None:
    """Refuse parameters that the route does not know: a misspelt filter must not show everything."""
    if not connection.scope.get("query_string"):
        return
    if len(connection.scope["query_string"]) > connection.app.state.query_limit:
        raise FieldError(("", f"the query must be at most {connection.app.state.query_limit} bytes long"))
    # The handler that a guard is handed is a copy, which is another one to a mapping.
    forms: Mapping[str, Form] = connection.app.state.query_forms.get(connection.route_handler, {})
    problems = []
    for name, values in connection.query_params.dict().items():
        if name not in forms:
            problems.append((name[:64], "is not a parameter of this address"))
        elif len(values) > 1:
            problems.append((name, "is given more than once"))
        elif len(values[0]) > QUERY_VALUE_MAX or not values[0].isprintable():
            problems.append((name, f"must be at most {QUERY_VALUE_MAX} printable characters"))
        elif not _FORMS[forms[name]].fullmatch(values[0]):
            problems.append((name, f"must be {forms[name]}"))
    if problems:
        raise FieldError(*problems)


def query_form(annotation: Any) -> Form:
    """The form that a query parameter of this type must have before the framework reads it.

    The framework is lenient with texts: it would take 1e3 for a thousand, and null for a filter that is not there.
    """
    kinds = set(_kinds(annotation))
    if str in kinds:
        return Form.TEXT
    return Form.NUMBER if int in kinds else Form.VALUE


def _kinds(annotation: Any) -> Iterator[Any]:
    if isinstance(annotation, TypeAliasType):
        yield from _kinds(annotation.__value__)
    elif get_origin(annotation) is Annotated:
        yield from _kinds(get_args(annotation)[0])
    elif get_origin(annotation) in {Union, UnionType}:
        for part in get_args(annotation):
            yield from _kinds(part)
    else:
        yield annotation


async def _caller(connection: Connection) -> Caller:
    authenticator: Authenticator = connection.app.state.authenticator
    authorization = connection.headers.get("authorization")
    if authorization is not None:
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise DomainError(Reason.UNAUTHENTICATED, "Send the API key as: Authorization: Bearer <key>")
        return await authenticator.by_key(key.strip())
    token = session_token(connection)
    if token is None:
        raise DomainError(Reason.UNAUTHENTICATED, "Log in, or send an API key as a bearer token")
    session = await authenticator.by_session(token)
    connection.scope["user"] = session.caller  # known already, should this be refused
    if connection.scope.get("method") not in SAFE:
        _refuse_forgery(connection, session.csrf)
    return session.caller


async def _program(connection: Connection, surface: Surface) -> Caller:
    """The caller on a surface for programs: a cookie means nothing there, so there is nothing to forge."""
    authenticator: Authenticator = connection.app.state.authenticator
    if surface is Surface.INTEGRATIONS:
        key = connection.headers.get("x-api-key", "").strip()
        if not key:
            raise DomainError(Reason.UNAUTHENTICATED, "Send the API key as X-API-Key")
        return await authenticator.by_key(key)
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise DomainError(Reason.UNAUTHENTICATED, "Send the token as: Authorization: Bearer <id>|<secret>")
    return await authenticator.by_token(connection.path_params["tenant"], token.strip())


def session_token(connection: Connection) -> str | None:
    """The session's secret from its cookie."""
    return connection.cookies.get(session_cookie(secure=connection.app.state.secure_cookies))


def session_cookie(*, secure: bool) -> str:
    """The cookie's name. Where `__Host-` is demanded nothing else will do: a neighbour could have set it."""
    return SECURE_SESSION_COOKIE if secure else SESSION_COOKIE


def _refuse_forgery(connection: Connection, csrf: str) -> None:
    """A cookie alone proves nothing: the header must carry the session's token, and the page must be ours."""
    headers = connection.headers
    sent = headers.get("x-csrf-token", "")
    if not hmac.compare_digest(sent.encode(), csrf.encode()):
        raise DomainError(Reason.CSRF_FAILED, "Send the session's CSRF token as X-CSRF-Token")
    if headers.get("sec-fetch-site") in {"cross-site", "same-site"}:
        raise DomainError(Reason.CSRF_FAILED, "Cross-site requests are refused")
    origin = headers.get("origin")
    if origin is not None and _host_of(origin) != headers.get("host"):
        raise DomainError(Reason.CSRF_FAILED, "The request comes from another origin")


def _host_of(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:  # half an IPv6 address
        return ""


def undeclared(handlers: list[BaseRouteHandler]) -> list[str]:
    """The handlers that say nothing about who may call them; "no permission needed" is saying something."""
    return [
        str(handler)
        for handler in handlers
        if not handler.opt.get("public") and handler.opt.get("permissions") is None
    ]
