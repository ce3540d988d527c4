"""Credentials for every surface: a walker asks each operation as somebody who may come in by its door."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

import asyncpg
import httpx

from app.http.surfaces import Surface
from tests.e2e.api.company import Company, add_token, add_user, begin_session, master_key
from tests.e2e.api.operations import Operation

KEY, TOKEN = "X-API-Key", "X-Import-Token"
"""The second is never sent as it is: a request has room for one `Authorization`."""

_OF_STATUS = {
    400: "VALIDATION_ERROR",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    409: "CONFLICT",
    413: "PAYLOAD_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    422: "VALIDATION_ERROR",
}
"""Of the import surface, which tells no codes."""
_OF_DETAIL = {
    "API key has expired": "EXPIRED_API_KEY",
    "Authentication credentials were not provided.": "UNAUTHENTICATED",
    "Invalid API key": "INVALID_API_KEY",
    "You do not have permission to perform this action.": "PERMISSION_DENIED",
}

type Connection = asyncpg.Connection[Any]
type Headers = Mapping[str, str]


def on(operation: Operation, headers: Headers) -> dict[str, str]:
    """Of somebody's credentials those that count where the operation is."""
    sent = {name: value for name, value in headers.items() if name != TOKEN}
    if operation.surface is Surface.IMPORT and TOKEN in headers:
        sent = {name: value for name, value in sent.items() if name not in {"Cookie", "X-CSRF-Token", KEY}}
        sent["Authorization"] = f"Bearer {headers[TOKEN]}"
    return sent


def may_come(operation: Operation, headers: Headers) -> bool:
    """Whether somebody has a credential for where the operation is."""
    match operation.surface:
        case Surface.SESSION:
            return "Authorization" in headers or "Cookie" in headers
        case Surface.INTEGRATIONS:
            return KEY in headers
        case Surface.IMPORT:
            return TOKEN in headers


def open_to(operations: Iterable[Operation], headers: Headers) -> list[Operation]:
    return [operation for operation in operations if may_come(operation, headers)]


def with_key(headers: Headers) -> dict[str, str]:
    """A key's bearer, who may come in by the other door of keys, too."""
    return {**headers, KEY: headers["Authorization"].removeprefix("Bearer ")}


async def a_key(admin: Connection, company: Company, **limits: Any) -> dict[str, str]:
    """A key that may do everything, on both surfaces for keys."""
    return with_key(await master_key(admin, company, **limits))


async def a_person(admin: Connection, company: Company, user_id: UUID) -> dict[str, str]:
    """Somebody with a session, for whom a program has a token."""
    session = await begin_session(admin, company, user_id)
    return {**session.headers, TOKEN: await add_token(admin, company, user_id)}


async def everybody(admin: Connection, company: Company, *, at: UUID | None = None) -> dict[str, str]:
    """A key that may do everything, and the token of somebody who may."""
    limits = {} if at is None else {"location_ids": [at]}
    user_id = await add_user(admin, company, "admin", location_id=at)
    return {**await a_key(admin, company, **limits), TOKEN: await add_token(admin, company, user_id)}


def code_of(operation: Operation, answer: httpx.Response) -> str:
    """The code of a refusal, however the surface tells it."""
    body = answer.json()
    if operation.surface is Surface.IMPORT:
        return _OF_STATUS.get(answer.status_code, str(answer.status_code))
    if "detail" in body:
        return _OF_DETAIL[body["detail"]]
    told: str = (body["details"] if operation.surface is Surface.SESSION else body["error"])["code"]
    return told
