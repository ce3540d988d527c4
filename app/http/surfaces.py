"""The three dialects of the API: who is admitted how, and in which words a refusal is told.

One ledger and one set of rules stand behind all of them. A route says its surface; an address that no route has
belongs to the surface that its path begins with.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from http import HTTPStatus
from typing import Any

from app.http.wire import SnakeAnswer
from domain.errors import DomainError, Reason


class Surface(StrEnum):
    """Whose dialect a route speaks."""

    SESSION = "session"
    IMPORT = "import"
    INTEGRATIONS = "integrations"


_INTEGRATIONS = "/api/integrations"
_IMPORT = re.compile(r"/.+/api/v1(/|$)")


def surface_at(path: str) -> Surface:
    """The surface that an address belongs to, whether or not there is anything at it."""
    if path.startswith(_INTEGRATIONS) and path[len(_INTEGRATIONS) :][:1] in {"", "/"}:
        return Surface.INTEGRATIONS
    return Surface.IMPORT if _IMPORT.match(path) else Surface.SESSION


def surface_of(scope: Mapping[str, Any]) -> Surface:
    """The surface of a request: as its route declares it, or by its address where there is no route."""
    handler = scope.get("route_handler")
    declared: Surface | None = None if handler is None else handler.opt.get("surface")
    return surface_at(scope["path"]) if declared is None else declared


class Told(SnakeAnswer, frozen=True, kw_only=True):
    """What happened, for a person, under the code that programs go by."""

    code: str
    message: str


class IntegrationsRefusal(SnakeAnswer, frozen=True, kw_only=True):
    """What a refusal looks like."""

    success: bool
    error: Told


class IntegrationsDetail(SnakeAnswer, frozen=True, kw_only=True):
    """What a refused key is told."""

    detail: str


class ImportProblem(SnakeAnswer, frozen=True, kw_only=True, omit_defaults=True):
    """What is wrong, and in which field or row."""

    message: str
    field: str | None = None
    row: int | None = None


class ImportRefusal(SnakeAnswer, frozen=True, kw_only=True):
    """What a refusal looks like."""

    message: str
    errors: list[ImportProblem]


_LACKING = (HTTPStatus.FORBIDDEN, "You do not have permission to perform this action.")
_DETAILS: dict[Reason, tuple[HTTPStatus, str]] = {
    Reason.EXPIRED_API_KEY: (HTTPStatus.UNAUTHORIZED, "API key has expired"),
    Reason.INVALID_API_KEY: (HTTPStatus.UNAUTHORIZED, "Invalid API key"),
    Reason.LOCATION_DENIED: _LACKING,
    Reason.PERMISSION_DENIED: _LACKING,
    # To who sends a key that has ended it is one that there is not.
    Reason.REVOKED_API_KEY: (HTTPStatus.UNAUTHORIZED, "Invalid API key"),
    Reason.UNAUTHENTICATED: (HTTPStatus.FORBIDDEN, "Authentication credentials were not provided."),
}
"""Authentication and permission as the integrations surface publishes them: statuses and bodies of their own."""
_OF_IMPORT = {Reason.VALIDATION_ERROR: HTTPStatus.UNPROCESSABLE_ENTITY}
_CHALLENGE = {
    Surface.SESSION: 'Bearer realm="storekeeper"',
    Surface.IMPORT: 'Bearer realm="storekeeper"',
    Surface.INTEGRATIONS: 'ApiKey realm="storekeeper", header="X-API-Key"',
}


def status_on(surface: Surface, reason: Reason, usual: HTTPStatus) -> HTTPStatus:
    """The status of a refusal on a surface; `usual` is the session API's."""
    if surface is Surface.INTEGRATIONS and reason in _DETAILS:
        return _DETAILS[reason][0]
    return _OF_IMPORT.get(reason, usual) if surface is Surface.IMPORT else usual


def challenge(surface: Surface) -> str:
    """What a 401 says of how to come in."""
    return _CHALLENGE[surface]


def integrations_body(error: DomainError) -> dict[str, Any]:
    """A refusal as the integrations surface writes it."""
    if error.reason in _DETAILS:
        return {"detail": _DETAILS[error.reason][1]}
    return {"success": False, "error": {"code": error.reason, "message": error.message}}


def import_body(error: DomainError) -> dict[str, Any]:
    """A refusal as the import surface writes it.

    The fact `errors` is taken as it stands: a list of `{"row" or "field", "message"}`.
    """
    told = error.facts.get("errors")
    if told is None:
        fields = error.facts.get("fields")
        told = [
            {"field": one["path"], "message": one["message"]} if one["path"] else {"message": one["message"]}
            for one in (fields if isinstance(fields, list) else ())
        ]
    return {"message": error.message, "errors": told}
