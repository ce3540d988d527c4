"""What schemathesis needs to know of us: ids that exist, and the one 5xx that a client can ask for.

It is loaded by schemathesis itself (`SCHEMATHESIS_HOOKS`), in a process of its own.
"""

import json
import os
import re
from http import HTTPStatus
from typing import Any
from uuid import UUID

import schemathesis

from tests.e2e.api.company import Company

COMPANY = "STOREKEEPER_TEST_COMPANY"
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

_facts: dict[str, str] = json.loads(os.environ.get(COMPANY, "{}"))
_company = Company(tenant_id=UUID(int=0), slug="", mark="", facts=_facts)


def planted(value: Any, name: str = "") -> Any:
    """The same with ids that exist in place of most that do not, and with the examples' `{facts}` filled in."""
    if isinstance(value, dict):
        return {key: planted(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [planted(item, name) for item in value]
    if not isinstance(value, str):
        return value
    try:
        if _ID.fullmatch(value):
            return _company.fact(name) if int(value[0], 16) else value
        return _company.fill(value)
    except KeyError:
        return value


@schemathesis.hook
def map_body(_context: Any, body: Any) -> Any:
    return planted(body)


@schemathesis.hook
def map_path_parameters(_context: Any, path_parameters: Any) -> Any:
    return planted(path_parameters)


@schemathesis.hook
def map_query(_context: Any, query: Any) -> Any:
    return planted(query)


@schemathesis.check
def no_fault(_context: Any, response: Any, _case: Any) -> None:
    """No 5xx, but for a position that the ledger has not reached: 503 is what says so."""
    if response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
        return
    details = response.json().get("details", {})
    expected = response.status_code == HTTPStatus.SERVICE_UNAVAILABLE and "wanted" in details
    assert expected, f"{response.status_code} {details}"
