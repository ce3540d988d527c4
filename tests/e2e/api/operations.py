"""The routes as the application has them, read from their own declarations: what a test walks, it walks here.

Nothing is listed by hand, so a route that is added tomorrow is tested tomorrow.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import msgspec
import pytest
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler

from app.http.openapi import document
from app.http.surfaces import Surface
from app.main import litestar_app
from app.settings import Settings

OF_THE_FRAMEWORK = re.compile(r"/openapi(/.*)?")
"""Where the framework would show its own pages; ours are /openapi.json and /docs."""
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_NOWHERE = "postgresql://nobody@127.0.0.1:1/none"


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One method at one path, with all that its route declares and what the document says of it."""

    id: str
    method: str
    path: str
    """As the document writes it: `/api/products/{product_id}`."""
    surface: Surface
    summary: str | None
    permissions: tuple[str, ...] | None
    """None for a public one."""
    example: Any
    query: Mapping[str, Any]
    document: Mapping[str, Any]
    """Its part of the OpenAPI document; empty for what is not in it, such as the pages."""

    @property
    def is_public(self) -> bool:
        return self.permissions is None

    @property
    def is_safe(self) -> bool:
        return self.method in SAFE

    @property
    def shape(self) -> tuple[str, str]:
        """The method and path whatever its parameters are called."""
        return self.method, shape_of(self.path)

    @property
    def body_schema(self) -> Mapping[str, Any] | None:
        content: Mapping[str, Any] = self.document.get("requestBody", {}).get("content", {})
        return content["application/json"]["schema"] if content else None

    def parameters(self, place: str) -> list[Mapping[str, Any]]:
        """Its `path`, `query` or `header` parameters."""
        return [p for p in self.document.get("parameters", ()) if p["in"] == place]


def walked_by(request: pytest.FixtureRequest) -> str | None:
    """The address that a test walks, if it is one."""
    given = request.node.callspec.params.values() if hasattr(request.node, "callspec") else ()
    paths = [one.path if isinstance(one, Operation) else one for one in given]
    return next((path for path in paths if isinstance(path, str) and path.startswith("/")), None)


def shape_of(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "{}", path).rstrip("/") or "/"


@lru_cache(maxsize=1)
def the_app() -> Litestar:
    """The application as it is served, without a database: it can tell what it has, and nothing else."""
    return litestar_app(Settings(database_url=_NOWHERE))


@lru_cache(maxsize=1)
def the_document() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(document(the_app()))
    return read


def handlers() -> Iterator[tuple[str, str, HTTPRouteHandler]]:
    """Every handler that answers something, with its method and path."""
    for route in the_app().routes:
        for handler in getattr(route, "route_handlers", ()):
            for method in sorted(handler.http_methods):
                # The framework answers OPTIONS by itself.
                if method != "OPTIONS":
                    yield method, re.sub(r":\w+\}", "}", route.path), handler


@lru_cache(maxsize=1)
def all_operations() -> tuple[Operation, ...]:
    """Every operation that is ours, in a fixed order."""
    paths = the_document()["paths"]
    found = [
        Operation(
            id=str(handler.operation_id),
            method=method,
            path=path,
            surface=Surface(handler.opt.get("surface", Surface.SESSION)),
            summary=handler.summary,
            permissions=None if handler.opt.get("public") else tuple(handler.opt.get("permissions") or ()),
            example=handler.opt.get("example"),
            query=handler.opt.get("query") or {},
            document=paths.get(path, {}).get(method.lower(), {}),
        )
        for method, bare, handler in handlers()
        for path in [bare if bare in paths or f"{bare}/" not in paths else f"{bare}/"]
        if not OF_THE_FRAMEWORK.fullmatch(path)
    ]
    return tuple(sorted(found, key=lambda o: (o.path, o.method)))


def documented() -> list[Operation]:
    """Those that the document shows: all but the pages."""
    return [operation for operation in all_operations() if operation.document]


def guarded() -> list[Operation]:
    return [operation for operation in all_operations() if not operation.is_public]


def unsafe() -> list[Operation]:
    """Those that a cookie alone must not open."""
    return [operation for operation in guarded() if not operation.is_safe]


def named(operation: Operation) -> str:
    """For pytest's `ids`."""
    return operation.id


def schema_of(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """A schema with its reference looked up."""
    # A reference that has a description beside it stands alone in an `allOf`.
    (only,) = schema["allOf"] if len(schema.get("allOf", ())) == 1 else (schema,)
    reference = only.get("$ref")
    if reference is None:
        return schema
    found: Mapping[str, Any] = the_document()["components"]["schemas"][reference.rpartition("/")[2]]
    return found


def alternatives(schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A schema, or the schemas that it is one of, without null."""
    found = schema_of(schema)
    choices = found.get("anyOf") or [found]
    return [schema_of(choice) for choice in choices if choice.get("type") != "null"]


def is_id(schema: Mapping[str, Any]) -> bool:
    return any(choice.get("format") == "uuid" for choice in alternatives(schema))
