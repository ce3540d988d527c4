"""What tests of retries share: an operation's request under a key, and what a company's tables come to."""

import re
from collections.abc import Mapping
from typing import Any

import asyncpg
import msgspec

from tests.e2e.api.company import Company
from tests.e2e.api.operations import Operation, unsafe
from tests.faults.http.wire import request

ENDS_A_SESSION = "logout"
"""Done twice it is refused, whatever key it bears: there is no session any more that could have one."""

_COLUMNS = """
    SELECT a.attrelid::regclass::text AS name,
        bool_or(a.attname = 'version') AS versioned, bool_or(a.attname = 'on_hand') AS stocked
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
    GROUP BY 1 HAVING bool_or(a.attname = 'tenant_id') ORDER BY 1
"""

type Connection = asyncpg.Connection[Any]
type Sums = dict[str, tuple[Any, ...]]


def mutating() -> list[Operation]:
    """Every operation that takes a key."""
    return [operation for operation in unsafe() if operation.id != ENDS_A_SESSION]


def keyed(
    operation: Operation, company: Company, headers: Mapping[str, str], key: str, *, changed: bool = False
) -> bytes:
    """The operation's example under a key; `changed`: something else that is as valid."""
    path = company.path(operation.path, spare=operation.method == "DELETE")
    body = None if operation.body_schema is None else company.fill(operation.example)
    if changed and body:
        body = _changed(body)
    elif changed:
        path = company.path(operation.path)
    return request(operation.method, path, headers, body, key=key)


def _changed(body: Mapping[str, Any]) -> dict[str, Any]:
    """The same with one value that is another one."""
    other = dict(body)
    for name in ("comment", "name", "description", "reference", "supplierLot", "lotNumber"):
        if isinstance(body.get(name), str):
            other[name] = f"{body[name]}, and more"
            return other
    for name, value in body.items():
        if isinstance(value, bool):
            other[name] = not value
            return other
        if isinstance(value, int | float):
            other[name] = value + 1
            return other
        if isinstance(value, list) and value and isinstance(value[0], dict):
            other[name] = [_changed(value[0]), *value[1:]]
            return other
    raise AssertionError(f"nothing in {body} can be said otherwise")


async def sums(admin: Connection, company: Company) -> Sums:
    """For each table how many rows there are, and how often and to what they were changed."""
    tables = await admin.fetch(_COLUMNS)
    queries = [
        f"SELECT '{name}', count(*), {'sum(version)' if versioned else 'NULL'}::text,"
        f" {'sum(on_hand)' if stocked else 'NULL'}::text FROM {name} WHERE tenant_id = $1"
        for name, versioned, stocked in tables
    ]
    rows = await admin.fetch(" UNION ALL ".join(queries), company.tenant_id)
    return {row[0]: tuple(row)[1:] for row in rows}


def without_keys(of: Sums) -> Sums:
    """What it comes to but for credentials and the keys themselves."""
    return {name: value for name, value in of.items() if name not in {"api_keys", "idempotency_keys", "sessions"}}


def neutral(body: bytes, company: Company) -> str:
    """An answer without what is made anew each time: ids, times and the company's mark."""
    text = body.decode().replace(company.mark, "<mark>")
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<id>", text)
    return re.sub(r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "<time>", text)


def canonical_spellings(body: Any) -> list[bytes]:
    """The same body as other clients write it."""
    plain = msgspec.json.encode(body)
    backwards = dict(reversed(list(body.items()))) if isinstance(body, dict) else body
    return [msgspec.json.format(plain, indent=4), msgspec.json.encode(backwards)]
