"""Traces: a span for each request, its statements and flushes below it, and nothing at all when nobody asks."""

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence

import asyncpg
import httpx
import pytest

from infra.observability.spans import summarized
from infra.observability.tracing import are_wanted
from tests.collector import Collector, Seen, a_collector
from tests.e2e.api.company import Company, found_company, master_key
from tests.lab import DatabaseUrls, Served, serve

SERVER, CLIENT, ERROR = 2, 3, 2
TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with a_collector() as collector:
        yield collector


@pytest.fixture(scope="module")
def server(collector: Collector, database_urls: DatabaseUrls) -> Iterator[Served]:
    with serve(database_urls, workers=1, environment=collector.environment) as served:
        yield served


@pytest.fixture(scope="module")
async def company(database_urls: DatabaseUrls) -> tuple[Company, Mapping[str, str]]:
    admin = await asyncpg.connect(database_urls.admin_url)
    company = await found_company(admin, "traced", has_documents=False)
    headers = await master_key(admin, company)
    await admin.close()
    return company, headers


def adjust(server: Served, company: Company, headers: Mapping[str, str], request_id: str) -> httpx.Response:
    body = {
        "inventoryItemId": company.facts["inventoryItemId"],
        "type": "INCREASE",
        "quantity": 1,
        "reasonCodeId": company.facts["reasonCodeId"],
    }
    own = {
        "traceparent": f"00-{TRACE}-{CALLER}-01",
        "X-Request-ID": request_id,
        "Idempotency-Key": request_id,
    }
    return httpx.post(f"{server.url}/api/inventory/adjust", json=body, headers={**headers, **own})


def about(spans: Sequence[Seen], request_id: str) -> Seen | None:
    return next((span for span in spans if span.facts.get("storekeeper.request_id") == request_id), None)


def below(spans: Sequence[Seen], parent: Seen) -> list[Seen]:
    return [span for span in spans if span.parent_id == parent.span_id]


def test_a_write_is_one_trace_from_the_caller_to_the_statement(
    server: Served, collector: Collector, company: tuple[Company, Mapping[str, str]]
) -> None:
    answer = adjust(server, *company, "traced-write-1")
    spans = collector.wait_for(
        lambda seen: (
            {"POST /api/inventory/adjust", "ledger flush", "SELECT ledger_post"} <= {span.name for span in seen}
        )
    )

    assert answer.status_code == 200, answer.text
    request = about(spans, "traced-write-1")
    assert request is not None
    assert (request.trace_id, request.parent_id, request.kind) == (TRACE, CALLER, SERVER)
    assert request.facts == {
        "http.request.method": "POST",
        "http.route": "/api/inventory/adjust",
        "http.response.status_code": 200,
        "storekeeper.request_id": "traced-write-1",
    }
    (flush,) = [span for span in below(spans, request) if span.name == "ledger flush"]
    assert flush.facts == {"storekeeper.postings": 1, "storekeeper.lines": 1}
    (statement,) = [span for span in below(spans, flush) if span.name == "SELECT ledger_post"]
    assert (statement.kind, statement.trace_id) == (CLIENT, TRACE)
    assert statement.facts == {
        "db.system.name": "postgresql",
        "db.operation.name": "SELECT",
        "db.query.summary": "SELECT ledger_post",
    }
    assert collector.resource["service.name"] == "storekeeper"


def test_the_log_names_the_trace(
    server: Served, collector: Collector, company: tuple[Company, Mapping[str, str]]
) -> None:
    adjust(server, *company, "traced-log-0001")
    collector.wait_for(lambda seen: about(seen, "traced-log-0001") is not None)

    (line,) = [entry for entry in server.entries() if entry.get("request_id") == "traced-log-0001"]
    assert line["trace_id"] == TRACE


def test_a_trace_tells_no_secret_no_path_and_no_value(
    server: Served, collector: Collector, company: tuple[Company, Mapping[str, str]]
) -> None:
    _, headers = company
    canary = "c4n4ry-in-a-trace"
    own = {"X-Request-ID": "traced-canary-1", "Cookie": f"storekeeper_session={canary}", "tracestate": "k=v"}
    httpx.get(f"{server.url}/api/products/{canary}?search={canary}", headers={**headers, **own})
    login = {"email": f"{canary}@example.com", "password": canary}
    httpx.post(f"{server.url}/api/auth/login", json=login, headers={"X-Request-ID": "traced-canary-2"})
    spans = collector.wait_for(
        lambda seen: about(seen, "traced-canary-1") is not None and about(seen, "traced-canary-2") is not None
    )

    refused = about(spans, "traced-canary-2")
    assert refused is not None
    assert (refused.name, refused.facts["http.response.status_code"]) == ("POST /api/auth/login", 401)
    assert canary.encode() not in collector.raw
    assert headers["Authorization"].removeprefix("Bearer ").encode() not in collector.raw


def test_an_address_that_nobody_serves_makes_no_name_of_its_own(server: Served, collector: Collector) -> None:
    httpx.request("BREW", f"{server.url}/coffee/pot", headers={"X-Request-ID": "traced-nowhere"})
    spans = collector.wait_for(lambda seen: about(seen, "traced-nowhere") is not None)

    nowhere = about(spans, "traced-nowhere")
    assert nowhere is not None
    assert nowhere.name in {"OTHER", "OTHER /{path:path}"}
    assert b"coffee" not in collector.raw


def test_the_last_spans_are_handed_over_when_the_server_ends(database_urls: DatabaseUrls) -> None:
    with a_collector() as collector:
        patient = {**collector.environment, "OTEL_BSP_SCHEDULE_DELAY": "3600000"}
        with serve(database_urls, workers=1, environment=patient) as served:
            httpx.get(f"{served.url}/openapi.json", headers={"X-Request-ID": "traced-at-the-end"})
            assert about(collector.spans, "traced-at-the-end") is None

        assert about(collector.spans, "traced-at-the-end") is not None


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "shop"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, False),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "otlp"}, False),
    ],
)
def test_the_standard_variables_switch_traces(environment: dict[str, str], wanted: bool) -> None:
    assert are_wanted(environment) is wanted


def test_nothing_is_loaded_when_nobody_asks() -> None:
    program = """
import sys
from app.main import start_tracing
from infra.observability.tracing import here, joint, traced
start_tracing({})
assert traced(print) is print and here() is None and joint("a", []) is joint("b", [])
assert not [name for name in sys.modules if name.startswith("opentelemetry")]
"""

    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(
    ("sql", "summary"),
    [
        ("SELECT ord FROM ledger_post($1, $2)", "SELECT ledger_post"),
        ("SELECT set_config('app.tenant', $1, false)", "SELECT set_config"),
        ("  \n  INSERT INTO idempotency_keys (a) VALUES ($1)", "INSERT idempotency_keys"),
        ("WITH gone AS (DELETE FROM sessions WHERE id = $1 RETURNING *) SELECT 1 FROM gone", "DELETE sessions"),
        ("UPDATE users SET name = 'FROM secrets'", "UPDATE users"),
        ("BEGIN;", "BEGIN"),
        ("'c4n4ry'", "SQL"),
    ],
)
def test_a_statement_is_named_by_what_it_does(sql: str, summary: str) -> None:
    assert summarized(sql)[1] == summary
