"""What is measured. Labels take few values: a route is its template, never the path that was called.

With several workers, prometheus_client keeps the figures in `PROMETHEUS_MULTIPROC_DIR`, which must be set before
this module is imported; any worker then answers for all.
"""

import os
from functools import lru_cache
from pathlib import Path

import psutil
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from infra.observability.requests import method_label

FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_LINES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)

HTTP_REQUESTS = Counter("storekeeper_http_requests", "Requests answered", ["method", "route", "status"])
HTTP_SECONDS = Histogram(
    "storekeeper_http_request_seconds",
    "From the head of a request to its answer",
    ["method", "route"],
    buckets=_SECONDS,
)

DB_CONNECTIONS_IN_USE = Gauge(
    "storekeeper_db_connections_in_use", "Connections lent by the pools", multiprocess_mode="livesum"
)
DB_WAIT_SECONDS = Histogram("storekeeper_db_wait_seconds", "Wait for a connection of the pool", buckets=_SECONDS)

LEDGER_POSTINGS = Counter("storekeeper_ledger_postings", "Postings by kind and outcome", ["kind", "outcome"])
LEDGER_BATCH_LINES = Histogram("storekeeper_ledger_batch_lines", "Lines posted in one statement", buckets=_LINES)
LEDGER_QUEUE_LINES = Gauge(
    "storekeeper_ledger_queue_lines", "Lines waiting for the next statement", multiprocess_mode="livesum"
)
LEDGER_RETRIES = Counter("storekeeper_ledger_retries", "Statements run again", ["reason"])

RATE_LEASES = Counter("storekeeper_rate_leases", "Leases of requests from the shared limits")
RATE_REFUSALS = Counter("storekeeper_rate_refusals", "Requests over a limit", ["whose", "class"])
OVERLOADS = Counter("storekeeper_overloads", "Requests refused because too many were being answered")
WEBHOOK_ATTEMPTS = Counter("storekeeper_webhook_attempts", "Events sent to webhooks, by outcome", ["outcome"])
LOGINS = Counter("storekeeper_logins", "Logins by outcome", ["outcome"])
JOBS_ENDED = Counter("storekeeper_jobs_ended", "Jobs by type and how they ended", ["type", "state"])
JOBS_RUNNING = Gauge("storekeeper_jobs_running", "Jobs being done", multiprocess_mode="livesum")
JOBS_WAITING = Gauge(
    "storekeeper_jobs_waiting", "Jobs in the queue, when a process last looked", multiprocess_mode="mostrecent"
)
JOB_SECONDS = Histogram(
    "storekeeper_job_seconds", "One attempt at a job", ["type"], buckets=(0.01, 0.1, 1, 10, 60, 300, 1800)
)
REFUSALS = Counter(
    "storekeeper_audit_refusals",
    "Refused authorizations: recorded, only counted, or failed to record",
    ["outcome"],
)


@lru_cache(maxsize=4096)  # as many as there are time series: looking them up costs more than counting
def _of_request(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    method = method_label(method)
    return HTTP_REQUESTS.labels(method, route, str(status)), HTTP_SECONDS.labels(method, route)


def observe_request(method: str, route: str, status: int, seconds: float) -> None:
    """Count a request that was answered; `route` is its template."""
    answered, took = _of_request(method, route, status)
    answered.inc()
    took.observe(seconds)


def render_metrics() -> tuple[bytes, str]:
    """All figures of all workers in Prometheus' text format, and its content type."""
    folder = os.environ.get(FOLDER_VARIABLE)
    if folder is None:
        return generate_latest(REGISTRY), CONTENT_TYPE_LATEST
    _forget_dead_workers(Path(folder))
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry), CONTENT_TYPE_LATEST


def _forget_dead_workers(folder: Path) -> None:
    """Take the gauges of workers that died out of the sums; what they counted stays counted."""
    for file in folder.glob("gauge_live*.db"):
        pid = int(file.stem.rpartition("_")[2])
        if not _is_alive(pid):
            file.unlink(missing_ok=True)  # another worker may be faster


def _is_alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
