"""A collector of traces as OpenTelemetry's protocol has it, for one test."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

PATIENCE = 30.0


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A span that arrived; ids in hexadecimal."""

    name: str
    kind: int
    trace_id: str
    span_id: str
    parent_id: str
    status: int
    facts: Mapping[str, Any]
    links: Sequence[str]


class Collector:
    """What was sent, span by span and as it came over the wire."""

    def __init__(self, port: int) -> None:
        self.environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        }
        self.spans: list[Seen] = []
        self.raw = b""
        self.resource: dict[str, Any] = {}
        self._arrived = threading.Condition()

    def take(self, body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        with self._arrived:
            self.raw += body
            for group in request.resource_spans:
                self.resource = _facts(group.resource.attributes)
                self.spans += [_seen(span) for scope in group.scope_spans for span in scope.spans]
            self._arrived.notify_all()

    def wait_for(self, is_there: Callable[[Sequence[Seen]], bool]) -> list[Seen]:
        """All spans, once there are those that are asked for."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: is_there(self.spans), PATIENCE), self.spans
            return list(self.spans)


@contextmanager
def a_collector() -> Iterator[Collector]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collector.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass  # the test tells what it saw

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector = Collector(server.server_port)
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        serving.start()
        try:
            yield collector
        finally:
            server.shutdown()
            serving.join(PATIENCE)


def _seen(span: Any) -> Seen:
    return Seen(
        name=span.name,
        kind=span.kind,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        status=span.status.code,
        facts=_facts(span.attributes),
        links=[link.span_id.hex() for link in span.links],
    )


def _facts(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}
