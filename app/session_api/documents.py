"""The OpenAPI document, and a page to browse it that needs no internet."""

from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

from litestar import Controller, Request, Response
from litestar.params import FromPath

from app.http.openapi import document
from app.http.routes import route
from app.http.wire import Json
from domain.errors import not_found

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><title>Storekeeper API</title><link rel="stylesheet" href="/docs/swagger-ui.css">
</head>
<body><div id="api"></div>
<script src="/docs/swagger-ui-bundle.js"></script><script src="/docs/start.js"></script></body>
</html>
"""
START = """
SwaggerUIBundle({url: "/openapi.json", dom_id: "#api", deepLinking: true, tryItOutEnabled: true,
  displayOperationId: true, persistAuthorization: false, validatorUrl: null});
"""
ASSETS = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "start.js": "text/javascript",
}
# The page may load what this server sends, and nothing from anywhere else.
POLICY = (
    "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


class DocumentController(Controller):
    tags: Sequence[str] | None = ("Operations",)

    @route(
        "GET",
        "/openapi.json",
        operation="openapi",
        summary="This document",
        permissions=None,
    )
    async def openapi(self, request: Request[Any, Any, Any]) -> Json[dict[str, Any]]:
        made: Any = document(request.app)  # written already
        return Json(made)

    @route(
        "GET",
        "/docs",
        operation="docs",
        summary="The browsable API page",
        permissions=None,
        media_type="text/html",
        include_in_schema=False,
    )
    async def page(self) -> Response[str]:
        return Response(PAGE, media_type="text/html", headers={"Content-Security-Policy": POLICY})

    @route(
        "GET",
        "/docs/{name:str}",
        operation="docsAsset",
        summary="What the page is made of",
        permissions=None,
        media_type="text/javascript",
        include_in_schema=False,
    )
    async def asset(self, name: FromPath[str], request: Request[Any, Any, Any]) -> Response[bytes]:
        kind = ASSETS.get(name)
        if kind is None:
            raise not_found("page")
        content, tag = _asset(name)
        headers = {"ETag": tag, "Cache-Control": "public, max-age=3600"}
        if request.headers.get("if-none-match") == tag:
            return Response(b"", status_code=304, media_type=kind, headers=headers)
        return Response(content, media_type=kind, headers=headers)


@lru_cache(maxsize=len(ASSETS))
def _asset(name: str) -> tuple[bytes, str]:
    if name == "start.js":
        content = START.encode()
    else:
        (release,) = (files("swagger_ui_bundle") / "vendor").iterdir()
        content = (release / name).read_bytes()
    return content, f'"{sha256(content).hexdigest()[:32]}"'
