"""The Litestar application over its ports. `app/main.py` hands it the adapters."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import msgspec
from litestar import Litestar
from litestar.datastructures import State
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.types import ControllerRouterHandler

from app.http.acts import provide_act
from app.http.errors import on_domain_error, on_fault, on_framework_error
from app.http.guards import guard, query_form, undeclared
from app.http.limits import Network
from app.http.openapi import QuantitySchema, openapi_config
from app.http.wire import Json, StrictRequest
from domain.access.limits import RateLimiter
from domain.access.ports import Refusals
from domain.errors import DomainError

type Lifespan = Callable[[Litestar], AbstractAsyncContextManager[None]]


class Outside(msgspec.Struct, frozen=True, kw_only=True):
    """What the HTTP layer needs besides the areas' ports."""

    refusal: Callable[[Exception], DomainError | None]
    ready: Callable[[], Awaitable[str | None]]
    """What keeps this process from serving, in a sentence; None when nothing does."""
    metrics: Callable[[], tuple[bytes, str]]
    refusals: Refusals
    """Where refused authorizations are written down."""
    secure_cookies: bool
    body_limit: int
    rate_limiter: RateLimiter | None = None
    """None where nobody is limited."""
    trusted_proxies: Sequence[Network] = ()
    """Whose word on where a request comes from is taken."""
    query_limit: int = 8192
    """Bytes of a query."""
    lifespan: Lifespan
    """Opens and closes the adapters; sets `app.state.authenticator`."""


def build(handlers: Sequence[ControllerRouterHandler], ports: Mapping[str, object], outside: Outside) -> Litestar:
    """The application. `ports` become dependencies under their names.

    Raises:
        RuntimeError: a route says nothing about who may call it.
    """
    app = Litestar(
        route_handlers=list(handlers),
        dependencies={
            "act": Provide(provide_act),
            **{name: _Given(_always(port), sync_to_thread=False) for name, port in ports.items()},
        },
        guards=[guard],
        exception_handlers={
            DomainError: on_domain_error,
            HTTPException: on_framework_error,
            Exception: on_fault,
        },
        request_class=StrictRequest,
        response_class=Json,
        request_max_body_size=outside.body_limit,
        openapi_config=openapi_config(),
        plugins=[QuantitySchema()],
        state=State(
            {
                "refusal": outside.refusal,
                "ready": outside.ready,
                "metrics": outside.metrics,
                "refusals": outside.refusals,
                "secure_cookies": outside.secure_cookies,
                "rate_limiter": outside.rate_limiter,
                "trusted_proxies": outside.trusted_proxies,
                "query_limit": outside.query_limit,
                "delegations": ports.get("delegations"),
            }
        ),
        lifespan=[outside.lifespan],
        logging_config=None,
    )
    app.state.query_forms = {
        handler: {
            parameter.field_alias: query_form(
                handler.parsed_fn_signature.parameters[parameter.field_name].annotation
            )
            for parameter in model.expected_query_params
        }
        for route in app.routes
        for handler, model in getattr(route, "route_handler_map", {}).values()
    }
    _provide_in_turn(app)
    silent = undeclared([handler for route in app.routes for handler in _handlers(route)])
    if silent:
        raise RuntimeError(f"these routes declare no permission: {', '.join(silent)}")
    return app


def _provide_in_turn(app: Litestar) -> None:
    """Have what a handler asks for provided one after the other.

    The framework provides several things at the same time, in a group of tasks. That costs as much as all else
    that it does for a request, and what we provide is at hand: at most a body is waited for, and by one of them.
    """
    for route in app.routes:
        for _, model in getattr(route, "route_handler_map", {}).values():
            model.dependency_batches = [{one} for batch in model.dependency_batches for one in batch]


class _Given(Provide):
    """What provides a port: it equals nothing else.

    The framework compares each dependency with all others for every route, which took half of a worker's start.
    """

    __slots__ = ()
    __eq__ = object.__eq__
    __hash__ = object.__hash__


def _always(port: object) -> Callable[[], object]:
    return lambda: port


def _handlers(route: Any) -> list[Any]:
    handlers = getattr(route, "route_handlers", None) or [route.route_handler]
    # The framework answers OPTIONS by itself and never runs a handler of ours for it.
    return [handler for handler in handlers if getattr(handler, "http_methods", None) != {"OPTIONS"}]
