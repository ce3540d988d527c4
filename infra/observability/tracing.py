"""Traces for OpenTelemetry, when its standard environment variables ask for them.

Nothing of it is loaded when they do not: then there is no layer around the application, connections are not
watched, and a span is a context that does nothing.
"""

import os
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import structlog

type App = Callable[[Any, Any, Any], Awaitable[None]]
type Message = MutableMapping[str, Any]
type Place = object
"""Where in its trace somebody stood; only who made it looks inside."""

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
EXPORTERS = frozenset({"otlp", "console"})

_log = structlog.get_logger("storekeeper.traces")


class Tracer(Protocol):
    """What a process that traces can do."""

    def around(self, app: App, quiet: AbstractSet[str]) -> App: ...
    def watch(self, connection: Any) -> None: ...
    def here(self) -> Place: ...
    def joint(
        self, name: str, places: Sequence[Place | None], facts: Mapping[str, int]
    ) -> AbstractContextManager[None]: ...


_tracer: Tracer | None = None
_nothing = nullcontext()


def are_wanted(environment: Mapping[str, str]) -> bool:
    """Whether the standard variables ask for traces."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporter = environment.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    return exporter != "none" if exporter else any(environment.get(name) for name in ENDPOINTS)


def start_tracing(environment: Mapping[str, str] = os.environ) -> None:
    """Trace this process if it is asked for. What is wrong with the wish is logged; requests are served anyway."""
    if not are_wanted(environment):
        return
    exporter = environment.get("OTEL_TRACES_EXPORTER", "").strip().lower() or "otlp"
    protocol = next((environment[name] for name in PROTOCOLS if environment.get(name)), "http/protobuf")
    if exporter not in EXPORTERS:
        _log.error("no traces", reason=f"OTEL_TRACES_EXPORTER is {exporter!r}; it may be otlp, console or none")
    elif exporter == "otlp" and protocol != "http/protobuf":
        _log.error("no traces", reason=f"the protocol {protocol!r} is not supported; http/protobuf is")
    else:
        _start(exporter)


def _start(exporter: str) -> None:
    try:
        from infra.observability.spans import start  # noqa: PLC0415 - an extra, and half a second to load
    except ImportError as missing:
        _log.error("no traces", reason=f"the extra 'telemetry' is not installed ({missing})")
        return
    use(start(exporter))


def use(tracer: Tracer | None) -> None:
    """Trace with this from now on; None for no more."""
    global _tracer  # noqa: PLW0603 - one a process, like the logger
    _tracer = tracer


def traced(app: App, *, quiet: AbstractSet[str] = frozenset()) -> App:
    """The application with a span for each request but those to `quiet` paths; itself when nothing is traced."""
    return app if _tracer is None else _tracer.around(app, quiet)


def watch(connection: Any) -> None:
    """Have a connection's statements traced."""
    if _tracer is not None:
        _tracer.watch(connection)


def here() -> Place | None:
    """Where in its trace the caller stands, for work that is later done for several at once."""
    return None if _tracer is None else _tracer.here()


def joint(name: str, places: Sequence[Place | None], **facts: int) -> AbstractContextManager[None]:
    """A span of work that is done for several: it belongs to the first one's trace and refers to the others'."""
    return _nothing if _tracer is None else _tracer.joint(name, places, facts)
