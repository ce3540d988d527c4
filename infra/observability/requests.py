"""The id that ties a request to its log entries."""

import re

import structlog
from uuid_utils import uuid7

HEADER = "X-Request-ID"
METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_ACCEPTABLE = re.compile(r"[A-Za-z0-9._:+/=-]{8,128}")


def request_id(offered: str | None) -> str:
    """The id that the caller sent, if it is fit for a log, else a new one."""
    if offered and _ACCEPTABLE.fullmatch(offered):
        return offered
    return uuid7().hex


def current_request_id() -> str | None:
    """The id of the request that is being answered, where one is."""
    bound: str | None = structlog.contextvars.get_contextvars().get("request_id")
    return bound


def method_label(method: str) -> str:
    """The method, or `OTHER`: whoever makes methods up does not make up time series."""
    return method if method in METHODS else "OTHER"


def bind_request(**facts: str) -> None:
    """Put `facts` into every log entry of the current request and of nothing else."""
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(**facts)
