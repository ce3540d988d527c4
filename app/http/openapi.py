"""The OpenAPI document: what the routes declare, plus what holds for all of them."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, override

from litestar import Litestar, Request, Router
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, OpenAPIType, Schema, SecurityScheme
from litestar.plugins import OpenAPISchemaPlugin
from litestar.typing import FieldDefinition

from app.http.surfaces import Surface, surface_at
from app.http.wire import Unread, encode
from domain.catalog.model import Factor
from domain.values import Quantity

DESCRIPTION = """
The API of a warehouse management system: a stock ledger that cannot be oversold, with permission-scoped
endpoints. Log in at `/api/auth/login` for a cookie and a CSRF token, or send an API key as a bearer token.

Two surfaces for programs stand beside it, over the same ledger and the same rules: the import API in batches
(`/{tenant}/api/v1/…`, with a token) and the integrations API record by record (`/api/integrations/v1/…`, with an
API key in `X-API-Key`). Their names are snake_case and their refusals have shapes of their own.
"""


class QuantitySchema(OpenAPISchemaPlugin):
    """Quantities and factors are exact JSON numbers, and so are the decimals of answers."""

    @staticmethod
    @override
    def is_plugin_supported_type(value: Any) -> bool:
        if isinstance(value, type) and issubclass(value, Unread):
            return True
        return value is Quantity or value is Factor or value is Decimal

    @override
    def to_openapi_schema(self, field_definition: FieldDefinition, schema_creator: Any) -> Schema:
        if field_definition.is_subclass_of(Unread):
            shape: Schema = schema_creator.for_field_definition(
                FieldDefinition.from_annotation(field_definition.annotation.shape)
            )
            return shape
        if field_definition.annotation is Decimal:
            return Schema(type=OpenAPIType.NUMBER)
        if field_definition.annotation is Factor:
            return Schema(
                type=OpenAPIType.NUMBER,
                exclusive_maximum=10**9,
                exclusive_minimum=0,
                description="An exact factor: at most 9 integer digits and 9 decimal places.",
            )
        return Schema(
            type=OpenAPIType.NUMBER,
            exclusive_maximum=10**14,
            exclusive_minimum=-(10**14),
            multiple_of=0.0001,
            description="An exact quantity: at most 14 integer digits and 4 decimal places.",
        )


SCHEMES = {Surface.IMPORT: "importToken", Surface.INTEGRATIONS: "integrationsKey"}
"""What the document calls the credentials of the surfaces for programs."""
KEY_HEADER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "1 to 255 visible ASCII characters. The same key and the same request: the stored answer, with "
    "`Idempotency-Replayed: true`. The same key and another request: 422. Kept for 30 days.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}
CODE = {"type": "string", "minLength": 1, "maxLength": 129}
_FORMATS = (None, "uuid")
CSRF_HEADER = {
    "name": "X-CSRF-Token",
    "in": "header",
    "required": False,
    "description": "The session's token, from login or `me`. Needed with the session cookie, not with an API key.",
    "schema": {"type": "string"},
}
REQUEST_ID = {
    "X-Request-ID": {
        "description": "What the request is called in the logs and the records; one that is sent along is kept.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 128},
        "required": True,
    }
}
RETRY_AFTER = {
    "Retry-After": {
        "description": "Seconds after which it is worth trying again.",
        "schema": {"type": "integer", "minimum": 1},
    }
}


class _Document(JsonRenderPlugin):
    """The framework's own address shows the same document as ours."""

    @override
    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        return document(request.app)


def document(app: Litestar) -> bytes:
    """The document as JSON: the framework's, completed by what the routes declare in their `opt`."""
    made: bytes | None = getattr(app.state, "openapi_document", None)
    if made is None:
        schema = app.openapi_schema.to_schema()
        routes = {
            handler.operation_id: handler
            for route in app.routes
            for handler in getattr(route, "route_handlers", ())
            if isinstance(getattr(handler, "operation_id", None), str)
        }
        for methods in schema["paths"].values():
            for method, operation in methods.items():
                if (handler := routes.get(operation.get("operationId"))) is not None:
                    _complete(operation, method, handler.opt)
                    _close(operation, schema["components"]["schemas"])
        schema["paths"] = {_shown(path): methods for path, methods in schema["paths"].items()}
        made = app.state.openapi_document = encode(_any(schema))
    return made


def _shown(path: str) -> str:
    """An address as it is published: the integrations API's end in a slash, and without one answer too."""
    return f"{path}/" if surface_at(path) is Surface.INTEGRATIONS else path


def _any(part: Any) -> Any:
    """The same with "any of" for "one of": a value may fit several types of a union (anything, or null)."""
    if isinstance(part, dict):
        return {"anyOf" if name == "oneOf" else name: _any(inner) for name, inner in part.items()}
    return [_any(inner) for inner in part] if isinstance(part, list) else part


def _complete(operation: dict[str, Any], method: str, opt: Mapping[str, Any]) -> None:
    """Headers that all writes take, the permission for programs, and the example that a test sends."""
    if opt.get("public"):
        operation["security"] = []
    else:
        _guard(operation, method, opt)
    if opt.get("example") is not None and "requestBody" in operation:
        for content in operation["requestBody"]["content"].values():
            content.setdefault("example", opt["example"])
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "query" and parameter["name"] in (opt.get("query") or {}):
            parameter["example"] = opt["query"][parameter["name"]]
    if opt.get("csv"):
        operation["responses"]["200"]["content"]["text/csv"] = {"schema": {"type": "string"}}
    if opt.get("surface") is Surface.IMPORT:  # whatever the framework supposes, what is not valid is 422 there
        operation["responses"].pop(str(HTTPStatus.BAD_REQUEST.value), None)
    for status, response in operation["responses"].items():
        response["headers"] = {**response.get("headers", {}), **REQUEST_ID}
        if status == str(HTTPStatus.SERVICE_UNAVAILABLE.value):
            response["headers"] |= RETRY_AFTER


def _guard(operation: dict[str, Any], method: str, opt: Mapping[str, Any]) -> None:
    """Who is admitted, and with which headers."""
    surface = opt.get("surface", Surface.SESSION)
    operation["x-permissions"] = list(opt["permissions"])
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path" and parameter["schema"].get("format") not in _FORMATS:
            parameter["schema"] = CODE  # what the framework calls a path is a code with slashes in it
    if surface is not Surface.SESSION:
        operation["security"] = [{SCHEMES[surface]: []}]
    if method != "get":
        headers = [KEY_HEADER, CSRF_HEADER] if surface is Surface.SESSION else [KEY_HEADER]
        operation.setdefault("parameters", []).extend(headers)


def _close(operation: Mapping[str, Any], schemas: Mapping[str, dict[str, Any]]) -> None:
    """Say of everything in a request's body that unknown fields are refused."""
    seen: set[str] = set()
    waiting = [*_references(operation.get("requestBody", {}))]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        schema = schemas[name]
        if schema.get("type") == OpenAPIType.OBJECT:
            schema["additionalProperties"] = False
        waiting += _references(schema)


def _references(schema: object) -> Iterator[str]:
    if isinstance(schema, Mapping):
        if isinstance(reference := schema.get("$ref"), str):
            yield reference.rpartition("/")[2]
        for part in schema.values():
            yield from _references(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _references(part)


def openapi_config() -> OpenAPIConfig:
    return OpenAPIConfig(
        title="Storekeeper",
        version=version("storekeeper"),
        description=DESCRIPTION.strip(),
        # Our own route serves the document; the framework's pages would want scripts from elsewhere.
        openapi_router=Router("/openapi", route_handlers=[], opt={"public": True}, include_in_schema=False),
        render_plugins=[_Document(path="/openapi.json")],
        components=Components(
            security_schemes={
                "session": SecurityScheme(type="apiKey", security_scheme_in="cookie", name="storekeeper_session"),
                "apiKey": SecurityScheme(type="http", scheme="bearer"),
                SCHEMES[Surface.IMPORT]: SecurityScheme(
                    type="http", scheme="bearer", description="A token of the import API: `<id>|<secret>`."
                ),
                SCHEMES[Surface.INTEGRATIONS]: SecurityScheme(
                    type="apiKey", security_scheme_in="header", name="X-API-Key"
                ),
            }
        ),
        security=[{"session": []}, {"apiKey": []}],
    )
