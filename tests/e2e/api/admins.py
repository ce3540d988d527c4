"""People and keys with rights of all sizes, for tests of who may hand on what."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import httpx
import msgspec

from domain.values import new_id
from tests.e2e.api.company import Company, add_key, add_user, as_bearer, begin_session, insert
from tests.e2e.api.conftest import Connection

ROLES, USERS, KEYS = "/api/admin/roles", "/api/admin/users", "/api/admin/api-keys"
TRIES = 24
"""Enough, on connections of their own, to meet every worker."""

type Headers = Mapping[str, str]


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody with a session."""

    id: UUID
    headers: Headers

    @property
    def roles(self) -> str:
        """Where their roles are replaced."""
        return f"{USERS}/{self.id}/roles"


async def somebody(
    admin: Connection, company: Company, role: str = "admin", *, at: str | None = None, also: Sequence[str] = ()
) -> Person:
    """Who holds a role, everywhere or at one location; and perhaps others, everywhere."""
    user_id = await add_user(admin, company, role, location_id=None if at is None else UUID(at))
    for more in also:
        grant = {"tenant_id": company.tenant_id, "id": new_id(), "user_id": user_id, "role": more}
        await insert(admin, "grants", grant)
    session = await begin_session(admin, company, user_id)
    return Person(id=user_id, headers=session.headers)


async def own_role(admin: Connection, company: Company, code: str, *permissions: str) -> str:
    await insert(admin, "roles", {"tenant_id": company.tenant_id, "code": code, "name": code})
    for permission in permissions:
        row = {"tenant_id": company.tenant_id, "role": code, "permission": permission}
        await insert(admin, "role_permissions", row)
    return code


async def a_key(admin: Connection, company: Company, *scopes: str, **limits: Any) -> Headers:
    return as_bearer(await add_key(admin, company, scopes, **limits))


async def statuses(http: httpx.AsyncClient, path: str, headers: Headers) -> set[int]:
    """What a request is answered with, by whichever worker it meets."""
    # A connection stays with its worker: each request has its own.
    closing = {**headers, "Connection": "close"}
    answers = await asyncio.gather(*(http.get(path, headers=closing) for _ in range(TRIES)))
    return {answer.status_code for answer in answers}


async def roles_of(admin: Connection, company: Company, user_id: UUID) -> set[tuple[str, str | None]]:
    rows = await admin.fetch(
        "SELECT role, location_id::text FROM grants WHERE tenant_id = $1 AND user_id = $2",
        company.tenant_id,
        user_id,
    )
    return {(row["role"], row["location_id"]) for row in rows}


def code_of(answer: httpx.Response) -> str:
    """The status, and what a refusal is called."""
    if answer.is_success:
        return str(answer.status_code)
    return f"{answer.status_code} {answer.json()['details']['code']}"
