"""For machines: is the process alive, can it serve, and how is it doing."""

from collections.abc import Sequence
from typing import Any

from litestar import Controller, Request, Response

from app.http.routes import route
from app.http.wire import Answer, Json
from domain.errors import DomainError, Reason


class Health(Answer, frozen=True, kw_only=True):
    status: str


class OperationsController(Controller):
    tags: Sequence[str] | None = ("Operations",)

    @route("GET", "/health", operation="health", summary="Whether the process is alive", permissions=None)
    async def health(self) -> Json[Health]:
        return Json(Health(status="ok"))

    @route(
        "GET",
        "/ready",
        operation="ready",
        summary="Whether the process can serve",
        permissions=None,
        errors=[Reason.UNAVAILABLE],
        description="503 with a sentence while the database is away or its schema is not the one needed.",
    )
    async def ready(self, request: Request[Any, Any, Any]) -> Json[Health]:
        trouble = await request.app.state.ready()
        if trouble is not None:
            raise DomainError(Reason.UNAVAILABLE, trouble, retryAfter=1)
        return Json(Health(status="ready"))

    @route(
        "GET",
        "/metrics",
        operation="metrics",
        summary="Figures in Prometheus' text format",
        permissions=None,
        media_type="text/plain",
    )
    async def metrics(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        content, kind = request.app.state.metrics()
        return Response(content, media_type=kind)
