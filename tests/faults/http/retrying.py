"""What tests of retries share: an operation's request under a key, and what a company's tables come to."""

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import asyncpg
import msgspec

from app.http.surfaces import Surface
from domain.values import new_id
from tests.e2e.api.callers import a_key, everybody, on
from tests.e2e.api.company import Company, add_user, begin_session
from tests.e2e.api.operations import Operation, alternatives, is_id, schema_of, unsafe
from tests.faults.http.wire import Answer, request

ENDING = frozenset({"logout", "changePassword"})
"""Done twice they are refused, whatever key they bear: they end the session that the key belonged to."""
SECRETS = ("key", "secret", "token")
"""What the first answer alone shows, of routes whose answers say so in a `notice`."""
NOTHING: Mapping[str, Any] = MappingProxyType({})

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
    """Every operation that takes a key: what needs no more than to read changes nothing."""
    return [operation for operation in unsafe() if not _only_reads(operation) and operation.id not in ENDING]


def _only_reads(operation: Operation) -> bool:
    needed = operation.permissions or ()
    return bool(needed) and all(permission.endswith(".read") for permission in needed)


async def a_caller(
    admin: Connection, company: Company, operation: Operation, *, other: bool = False
) -> Mapping[str, str]:
    """Who may do it: a key that may do everything; of what needs no permission, which are people's own matters,
    the person whose they are. `other`: somebody else who may do as much.
    """
    if operation.surface is Surface.IMPORT:
        return await everybody(admin, company)
    if operation.permissions:
        return await a_key(admin, company)
    user_id = await admin.fetchval("SELECT id FROM users WHERE email = $1", company.facts["email"])
    session = await begin_session(admin, company, await add_user(admin, company, "admin") if other else user_id)
    return session.headers


def keyed(
    operation: Operation, company: Company, headers: Mapping[str, str], key: str, *, changed: bool = False
) -> bytes:
    """The operation's example under a key; `changed`: something else of the same form."""
    path = company.path(operation.path, spare=operation.method == "DELETE")
    body = None if operation.body_schema is None else company.fill(operation.example)
    if changed and body:
        assert operation.body_schema is not None
        body = _changed(body, schema_of(operation.body_schema).get("properties", {}))
    elif changed:
        nobodys = msgspec.structs.replace(
            company, facts={name: str(new_id()) for name in company.facts} | {"tenant": company.slug}
        )
        path = nobodys.path(operation.path)
    return request(operation.method, path, on(operation, headers), body, key=key)


def _changed(body: Mapping[str, Any], known: Mapping[str, Any] = NOTHING) -> dict[str, Any]:
    """The same with one value that is another one, or with one of the `known` fields that it leaves out."""
    for name in (
        "comment",
        "note",
        "reason",
        "name",
        "description",
        "reference",
        "supplierLot",
        "lotNumber",
        "bin",
    ):
        if isinstance(body.get(name), str):
            return {**body, name: f"{body[name]}, and more"}
    for name, value in body.items():
        if isinstance(value, bool):
            return {**body, name: not value}
        if isinstance(value, int | float):
            return {**body, name: value + 1}
    for name, value in body.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            return {**body, name: [_changed(value[0]), *value[1:]]}
    choice = next(_choices(body, known), None)
    assert choice is not None, f"nothing in {body} can be said otherwise"
    return {**body, choice[0]: choice[1]}


def _choices(body: Mapping[str, Any], known: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What a body may say besides, and the other words that it may say instead."""
    for name, value in (("comment", "More"), ("note", "More"), ("expectedVersion", 1)):
        if name in known:
            yield name, value
    for name, schema in known.items():
        for choice in alternatives(schema):
            if "enum" in choice:
                said = (body.get(name), schema.get("default"))
                yield from ((name, word) for word in choice["enum"] if word not in said)
            elif name not in body and is_id(choice.get("items", NOTHING)):
                yield name, [str(new_id())]


def shows_a_secret(operation: Operation) -> bool:
    """Whether its answer shows what no repetition of it may."""
    answers = (answer for status, answer in operation.document["responses"].items() if status.startswith("2"))
    shown = [
        schema_of(answer["content"]["application/json"]["schema"]).get("properties", {}) for answer in answers
    ]
    return any("notice" in fields and not fields.keys().isdisjoint(SECRETS) for fields in shown)


def is_replay(answer: Answer) -> bool:
    return answer.header("Idempotency-Replayed") == "true"


def is_repeated(operation: Operation, first: Answer, *again: Answer) -> bool:
    """Whether all the others say what the first said, byte for byte; but for its secret, which it alone shows."""
    if not all(is_replay(answer) for answer in again) or is_replay(first):
        return False
    if first.status >= 300 or not shows_a_secret(operation):
        return {(answer.status, answer.body) for answer in again} == {(first.status, first.body)}
    told, *others = [dict(answer.json) for answer in (first, *again)]
    (secret,) = told.keys() & SECRETS
    told_now, hidden = told.pop(secret), {other.pop(secret) for other in others}
    now, later = told.pop("notice"), {other.pop("notice") for other in others}
    return (
        len({(answer.status, answer.body) for answer in again}) == 1
        and {answer.status for answer in again} == {first.status}
        and all(other == told for other in others)
        and (isinstance(told_now, str) and len(told_now) > 20)
        and hidden == {None}
        and (len(later) == 1 and None not in later and now not in later)
    )


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


def neutral(body: bytes, company: Company) -> str:
    """An answer without what is made anew each time: ids, secrets, times and the company's names."""
    text = body.decode().replace(company.mark, "<mark>").replace(company.slug, "<slug>")
    text = re.sub(r'"(prefix|last4|key|messageId|secret|token)":"[^"]+"', r'"\1":"<secret>"', text)
    text = re.sub(r"-[0-9a-f]{6}@", "-<id>@", text)
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "<id>", text)
    return re.sub(r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "<time>", text)


def canonical_spellings(body: Any) -> list[bytes]:
    """The same body as other clients write it."""
    plain = msgspec.json.encode(body)
    backwards = dict(reversed(list(body.items()))) if isinstance(body, dict) else body
    return [msgspec.json.format(plain, indent=4), msgspec.json.encode(backwards)]
