"""Spans as OpenTelemetry names them: requests, statements, flushes. Loaded only where traces are wanted.

What a span tells is chosen here, fact by fact: templates, names, counts and codes; never a path, a parameter, a
header, a statement's text or an exception's.
"""

import asyncio
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager, contextmanager
from functools import lru_cache
from typing import Any

import structlog
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    get_current_span,
    use_span,
)
from opentelemetry.trace.propagation import set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from infra.observability.requests import method_label
from infra.observability.tracing import App, Message, Place

FLUSH_SECONDS = 5.0
"""How long an ending process waits for the collector to take the last spans."""

_SERVER_ERROR = 500
_CARRIED = frozenset({b"traceparent", b"tracestate"})
_FAILED = Status(StatusCode.ERROR)
_FORM = TraceContextTextMapPropagator()

_VERB = re.compile(r"\b(INSERT|UPDATE|DELETE|MERGE|SELECT)\b", re.IGNORECASE)
_FIRST_WORD = re.compile(r"\s*([A-Za-z]+)")
_TARGETS = {
    "INSERT": re.compile(r"\bINTO\s+([a-z_]\w*)", re.IGNORECASE),
    "UPDATE": re.compile(r"\bUPDATE\s+(?:ONLY\s+)?([a-z_]\w*)", re.IGNORECASE),
    "DELETE": re.compile(r"\bFROM\s+(?:ONLY\s+)?([a-z_]\w*)", re.IGNORECASE),
    "SELECT": re.compile(r"\bFROM\s+(?:LATERAL\s+)?([a-z_]\w*)", re.IGNORECASE),
}
_CALLED = re.compile(r"\bSELECT\s+([a-z_]\w*)\(", re.IGNORECASE)


def start(exporter: str) -> "SpanTracer":
    """A tracer that exports in the background; the SDK reads everything else from its own variables."""
    named = {"service.name": "storekeeper"} | dict(OTELResourceDetector().detect().attributes)
    provider = TracerProvider(resource=Resource.create(named), shutdown_on_exit=False)
    to = OTLPSpanExporter() if exporter == "otlp" else ConsoleSpanExporter()
    provider.add_span_processor(BatchSpanProcessor(to))
    return SpanTracer(provider)


class SpanTracer:
    """The `Tracer` over an SDK's provider."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("storekeeper")

    def around(self, app: App, quiet: AbstractSet[str]) -> App:
        async def traced(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http" and scope["path"] not in quiet:
                await self._request(app, scope, receive, send)
            elif scope["type"] == "lifespan":
                await self._life(app, scope, receive, send)
            else:
                await app(scope, receive, send)

        return traced

    async def _request(self, app: App, scope: Any, receive: Any, send: Any) -> None:
        carried = {name.decode(): value.decode("latin-1") for name, value in scope["headers"] if name in _CARRIED}
        method = method_label(scope["method"])
        status = _SERVER_ERROR
        span = self._tracer.start_span(
            method,
            # Whoever calls decides what its trace is, and a sampler of ours whether we join it.
            context=_FORM.extract(carried, context=Context()),
            kind=SpanKind.SERVER,
            attributes={"http.request.method": method, "storekeeper.request_id": scope.get("request_id", "")},
        )
        structlog.contextvars.bind_contextvars(trace_id=f"{span.get_span_context().trace_id:032x}")

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
            await send(message)

        try:
            # An exception's text may tell what a trace must not.
            with use_span(span, record_exception=False, set_status_on_exception=False):
                await app(scope, receive, sending)
        finally:
            if (route := scope.get("path_template")) is not None:
                span.update_name(f"{method} {route}")
                span.set_attribute("http.route", route)
            span.set_attribute("http.response.status_code", status)
            if status >= _SERVER_ERROR:
                span.set_status(_FAILED)
            span.end()

    async def _life(self, app: App, scope: Any, receive: Any, send: Any) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "lifespan.shutdown.complete":
                await self.stop()
            await send(message)

        await app(scope, receive, sending)

    async def stop(self) -> None:
        """Hand over what is left; a collector that does not answer is not waited for."""
        ending = threading.Thread(target=self._provider.shutdown, daemon=True)
        ending.start()
        await asyncio.to_thread(ending.join, FLUSH_SECONDS)

    def watch(self, connection: Any) -> None:
        connection.add_query_logger(self._statement)

    def _statement(self, record: Any) -> None:
        # The driver tells after the fact, in the context of the caller, whose own span may have ended by now.
        parent = get_current_span()
        if not parent.get_span_context().trace_flags.sampled:
            return  # not traced, or done for no request
        ended = time.time_ns()
        operation, summary = summarized(record.query)
        span = self._tracer.start_span(
            summary,
            context=set_span_in_context(parent, Context()),
            kind=SpanKind.CLIENT,
            attributes={
                "db.system.name": "postgresql",
                "db.operation.name": operation,
                "db.query.summary": summary,
            },
            start_time=ended - int(record.elapsed * 1e9),
        )
        if record.exception is not None:
            _failed(span, record.exception)
        span.end(ended)

    def here(self) -> Place:
        return get_current_span().get_span_context()

    def joint(
        self, name: str, places: Sequence[Place | None], facts: Mapping[str, int]
    ) -> AbstractContextManager[None]:
        return self._joint(name, [p for p in places if isinstance(p, SpanContext) and p.is_valid], facts)

    @contextmanager
    def _joint(self, name: str, places: Sequence[SpanContext], facts: Mapping[str, int]) -> Iterator[None]:
        # One that is recorded, so that its trace has the work in it, wherever it stands in the row.
        first = next((place for place in places if place.trace_flags.sampled), None) or next(iter(places), None)
        span = self._tracer.start_span(
            name,
            context=Context() if first is None else set_span_in_context(NonRecordingSpan(first), Context()),
            attributes={f"storekeeper.{fact}": value for fact, value in facts.items()},
            links=[Link(place) for place in places if place is not first],
        )
        with use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            try:
                yield
            except BaseException as error:
                _failed(span, error)
                raise


def _failed(span: Span, error: BaseException) -> None:
    span.set_attribute("error.type", type(error).__name__)
    if (sqlstate := getattr(error, "sqlstate", None)) is not None:
        span.set_attribute("db.response.status_code", sqlstate)
    span.set_status(_FAILED)


@lru_cache(maxsize=1024)  # statements are few and come back
def summarized(sql: str) -> tuple[str, str]:
    """A statement's operation, and the operation with what it is done to: no text of it, no value."""
    first = _FIRST_WORD.match(sql)
    operation = first[1].upper() if first else "SQL"
    if operation == "WITH":
        verbs = [verb.upper() for verb in _VERB.findall(sql)]
        operation = next((verb for verb in verbs if verb != "SELECT"), "SELECT")
    pattern = _TARGETS.get(operation)
    found = pattern.search(sql) if pattern else None
    if found is None and operation == "SELECT":
        found = _CALLED.search(sql)
    return operation, f"{operation} {found[1].lower()}" if found else operation
