"""What is secret stays so, whatever goes wrong: not in a log, an answer, a trace or a table (P-49)."""

import asyncio
import base64
import json
import re
import secrets
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import msgspec
import pytest

from infra.access.passwords import hash_password
from tests.collector import Collector, a_collector
from tests.e2e.api.company import COOKIE, Company, add_user, begin_session, found_company, master_key
from tests.e2e.api.operations import documented
from tests.lab import DatabaseUrls, Served, serve
from tests.ledger.promises import show

ROOT = Path(__file__).parents[2]
INTERNALS = re.compile(
    rb"Traceback|\.py\b|asyncpg|litestar|msgspec|\bSELECT\b|\bINSERT INTO\b|\bDETAIL:|relation \"|"
    + re.escape(str(ROOT).encode())
)
FORGED = '{"event": "forged", "level": "info"}'
PATIENCE = 30.0
CANARIES = (
    *("password", "chosen", "fakeSession", "fakeCsrf", "fakeKey", "basic", "schemeless"),
    *("field", "query", "header", "row"),
)
SHOWN = {"newKey": "create a key", "rotatedKey": "rotate a key", "token": "invite"}
"""What is shown once, and by which answer."""
SECRET_IN_TABLES = (
    *("password", "chosen", "session", "csrf", "key", "fakeSession", "fakeCsrf", "fakeKey", "basic", "query"),
    *SHOWN,
)


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """All that left the server: what it answered to what, what it logged, what it traced, what it stored."""

    secrets: Mapping[str, str]
    answers: Sequence[tuple[str, bytes]]
    log: str
    traces: bytes
    tables: Mapping[str, Sequence[str]]
    """The secrets that were found in each table."""


class Wire:
    """Requests byte for byte, each on a connection of its own, and their whole answers."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._address = address.hostname, address.port
        self.answers: list[tuple[str, bytes]] = []

    async def send(
        self, what: str, line: str, headers: Mapping[str, str] | None = None, content: bytes | str | None = None
    ) -> bytes:
        body = content.encode() if isinstance(content, str) else content or b""
        named = {"Host": "storekeeper", "Connection": "close", **(headers or {})}
        if body:
            named = {"Content-Type": "application/json", "Content-Length": str(len(body)), **named}
        head = "\r\n".join([f"{line} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items())])
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection(*self._address)
            writer.write(head.encode("latin-1") + b"\r\n\r\n" + body)
            answer = await reader.read()
            writer.close()
        self.answers.append((what, answer))
        return answer


def as_cookie(token: str) -> dict[str, str]:
    return {"Cookie": f"{COOKIE}={token}"}


async def log_in_badly(wire: Wire, email: str, known: Mapping[str, str]) -> None:
    path, password = "POST /api/auth/login", known["password"]
    wrong = f"{password}x"
    bodies: dict[str, Any] = {
        "wrong password": {"email": email, "password": wrong},
        "unknown user": {"email": "nobody@example.com", "password": password},
        "wrong tenant": {"email": email, "password": password, "tenant": "elsewhere"},
        "unknown field": {"email": email, "password": password, "passwordAgain": password},
        "wrong type": {"email": 5, "password": password},
        "list of passwords": {"email": email, "password": [password]},
        "too long": {"email": email, "password": password * 100},
        "text": password,
        "control": {"email": f"a@b.example\n{FORGED}\x1b[31m", "password": f"{password}\n"},
    }
    for what, body in bodies.items():
        await wire.send(f"login: {what}", path, content=json.dumps(body))
    spoilt: dict[str, str | bytes] = {
        "broken": f'{{"email": "{email}", "password": "{password}"',
        "bare": f'{{"password": {password}}}',
        "twice": f'{{"email": "{email}", "password": "{password}", "password": "{password}"}}',
        "no UTF-8": f'{{"password": "{password}'.encode() + b'\xff"}',
    }
    for what, content in spoilt.items():
        await wire.send(f"login: {what}", path, content=content)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    await wire.send("login: form", path, form, f"email={email}&password={password}")
    await wire.send("login: query", f"{path}?password={password}", content="{}")


async def come_in_badly(wire: Wire, known: Mapping[str, str]) -> None:
    real = as_cookie(known["session"])
    basic = base64.b64encode(f"user:{known['basic']}".encode()).decode()
    ways: dict[str, dict[str, str]] = {
        "fake cookie": as_cookie(known["fakeSession"]),
        "fake key": {"Authorization": f"Bearer {known['fakeKey']}"},
        "basic": {"Authorization": f"Basic {basic}"},
        "no scheme": {"Authorization": known["schemeless"]},
        "no forgery token": real,
        "fake forgery token": {**real, "X-CSRF-Token": known["fakeCsrf"]},
        "other origin": {**real, "X-CSRF-Token": known["csrf"], "Origin": f"https://{known['header']}.example"},
        "key beside cookie": {**real, "Authorization": f"Bearer {known['fakeKey']}"},
        "headers": dict.fromkeys(("X-Api-Key", "Referer", "User-Agent", "X-Forwarded-For"), known["header"]),
        "request id": {"X-Request-ID": f"{known['header']}\x1b[31m"},
    }
    for what, headers in ways.items():
        await wire.send(f"me as {what}", "GET /api/auth/me", headers)
        await wire.send(f"as {what}", "POST /api/inventory/adjust", headers, "{}")
    for name in ("api_key", "token", "access_token", "password"):
        await wire.send(f"query: {name}", f"GET /api/inventory?{name}={known['query']}", real)


async def be_shown_once(wire: Wire, headers: Mapping[str, str], known: dict[str, str]) -> None:
    """What is shown to its owner one time, asked for again under the same key; and passwords that are chosen."""

    async def shown(name: str, path: str, body: Mapping[str, Any]) -> Any:
        told = [
            await wire.send(what, f"POST {path}", {**headers, "Idempotency-Key": f"once-{name}"}, json.dumps(body))
            for what in (SHOWN[name], f"{SHOWN[name]}, again")
        ]
        assert {answer[9:12] for answer in told} <= {b"200", b"201"}, told
        first = json.loads(told[0].partition(b"\r\n\r\n")[2])
        known[name] = first.get("key") or first["token"]
        return first

    created = await shown("newKey", "/api/admin/api-keys", {"name": "ERP", "scopes": ["inventory.read"]})
    await shown("rotatedKey", f"/api/admin/api-keys/{created['data']['id']}/rotate", {"overlapHours": 1})
    guest = {"email": "guest@example.com", "name": "Guest", "grants": [], "expiresInHours": 1}
    await shown("token", "/api/admin/invitations", guest)
    accepted = json.dumps({"token": known["token"], "password": known["chosen"]})
    await wire.send("accept", "POST /api/auth/invitations/accept", content=accepted)
    await wire.send("accept again", "POST /api/auth/invitations/accept", content=accepted)
    for current in (known["chosen"], known["password"]):
        body = json.dumps({"currentPassword": current, "newPassword": known["chosen"]})
        await wire.send("change password", "POST /api/auth/password", headers, body)


async def walk(wire: Wire, company: Company, headers: Mapping[str, str], known: Mapping[str, str]) -> None:
    """Every route with a stranger's value in its query, its fields, a broken body and a header."""
    own = {**headers, "X-Custom": known["header"], "Idempotency-Key": known["header"]}
    for operation in documented():
        at = f"{operation.method} {company.path(operation.path)}"
        await wire.send(operation.id, f"{at}?{known['query']}={known['query']}", own)
        if operation.body_schema is not None:
            example = company.fill(operation.example)
            await wire.send(operation.id, at, own, json.dumps({**example, "apiKey": known["field"]}))
            await wire.send(operation.id, at, own, json.dumps({name: [known["field"]] for name in example}))
            await wire.send(operation.id, at, own, f'{{"password": "{known["field"]}", ')


async def inject(wire: Wire) -> None:
    """Texts that would be lines of a log, heads of an answer or orders to a terminal."""
    for what, path in {
        "a line": "/api/x%0a" + "".join(f"%{byte:02x}" for byte in FORGED.encode()),
        "a colour": "/api/%1b[31mred",
        "a one-byte colour": "/api/%c2%9b31mred",
        "a separator": "/api/%e2%80%a8next",
        "a bell and a delete": "/api/%07%7f",
        "a head": "/api/products/x%0d%0aSet-Cookie:%20forged=1",
    }.items():
        await wire.send(f"inject {what}", f"GET {path}")
    await wire.send("inject an agent", "GET /api/auth/me", {"User-Agent": "a\x1b[31m\x9b"})
    await wire.send("inject a method", "FO\x1bRGED /health")


async def break_it(
    wire: Wire,
    admin: "asyncpg.Connection[Any]",
    company: Company,
    known: Mapping[str, str],
    key: Mapping[str, str],
) -> None:
    """Faults of ours, as the database tells them: with statements, names, and the rows that it refused."""
    await admin.execute(
        """
        CREATE FUNCTION tells_all() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'broken' USING ERRCODE = 'XX000', DETAIL = 'Failing row: ' || NEW::text; END $$;
        CREATE TRIGGER tells_all BEFORE INSERT ON categories FOR EACH ROW EXECUTE FUNCTION tells_all();
        """
    )
    body = {"code": "CANARY", "name": known["row"]}
    await wire.send(
        "a row refused", "POST /api/categories", {**key, "Idempotency-Key": "a-row-refused"}, json.dumps(body)
    )
    await admin.execute("ALTER TABLE movements RENAME TO gone; ALTER TABLE stock_lines RENAME TO gone_too")
    example = next(o for o in documented() if o.id == "adjustInventory").example
    headers = {**key, "Idempotency-Key": "a-table-gone"}
    await wire.send("a posting fails", "POST /api/inventory/adjust", headers, json.dumps(company.fill(example)))
    await wire.send("a read fails", "GET /api/inventory/movements", key)
    await admin.execute("ALTER TABLE users RENAME TO nobody")
    body = {"email": company.facts["email"], "password": known["chosen"]}
    await wire.send("a login fails", "POST /api/auth/login", content=json.dumps(body))


async def found_in_tables(admin: "asyncpg.Connection[Any]", known: Mapping[str, str]) -> dict[str, list[str]]:
    columns = await admin.fetch(
        """
        SELECT table_name AS name, json_agg(json_build_array(column_name, data_type))::text AS columns
        FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
        WHERE table_schema = 'public' AND table_type = 'BASE TABLE' GROUP BY table_name
        """
    )
    found: dict[str, list[str]] = {}
    for table in columns:
        texts = [
            f"""encode("{name}", 'escape')""" if kind == "bytea" else f'"{name}"::text'
            for name, kind in json.loads(table["columns"])
        ]
        row = f"concat_ws(' ', {', '.join(texts)})"
        query = f'SELECT EXISTS (SELECT FROM "{table["name"]}" WHERE position($1 IN {row}) > 0)'
        hits = [what for what in SECRET_IN_TABLES if await admin.fetchval(query, known[what])]
        if hits:
            found[table["name"]] = hits
    return found


@pytest.fixture(scope="module")
async def said(database_urls: DatabaseUrls) -> AsyncGenerator[Said]:
    with a_collector() as collector:
        environment = {**collector.environment, "STOREKEEPER_LOG_LEVEL": "debug"}
        with serve(database_urls, workers=1, environment=environment) as served:
            yield await provoke(database_urls, served, collector)


async def provoke(urls: DatabaseUrls, served: Served, collector: Collector) -> Said:
    admin = await asyncpg.connect(urls.admin_url)
    known = {what: f"c4n4ry-{what}-{secrets.token_hex(8)}" for what in CANARIES}
    company = msgspec.structs.replace(
        await found_company(admin, "canary"), password_hash=hash_password(known["password"])
    )
    user_id = await add_user(admin, company, "admin", email="canary@example.com")
    session = await begin_session(admin, company, user_id)
    key = await master_key(admin, company)
    known |= {"session": session.token, "csrf": session.csrf, "key": key["Authorization"].removeprefix("Bearer ")}
    began = served.log.stat().st_size
    wire = Wire(served.url)
    right = {"email": "canary@example.com", "password": known["password"]}
    answer = await wire.send("login", "POST /api/auth/login", content=json.dumps(right))
    assert answer.startswith(b"HTTP/1.1 200"), answer
    await wire.send("me", "GET /api/auth/me", session.headers)
    await log_in_badly(wire, "canary@example.com", known)
    await come_in_badly(wire, known)
    await walk(wire, company, key, known)
    await inject(wire)
    await be_shown_once(wire, session.headers, known)
    tables = await found_in_tables(admin, known)
    await break_it(wire, admin, company, known, key)
    await wire.send("metrics", "GET /metrics")
    await wire.send("the last", "GET /api/the-last-one", {"X-Request-ID": "the-last-one"})
    await admin.close()
    collector.wait_for(lambda seen: any(s.facts.get("storekeeper.request_id") == "the-last-one" for s in seen))
    log = served.log.read_bytes()[began:].decode()
    return Said(secrets=known, answers=wire.answers, log=log, traces=collector.raw, tables=tables)


def hits(known: Mapping[str, str], names: Iterable[str], text: str | bytes) -> list[str]:
    told = text if isinstance(text, str) else text.decode("latin-1")
    return [name for name in names if known[name] in told]


def test_no_secret_is_logged_traced_or_stored(said: Said) -> None:
    everything = said.secrets
    basic = base64.b64encode(f"user:{said.secrets['basic']}".encode()).decode()

    logged, in_traces = hits(everything, everything, said.log), hits(everything, everything, said.traces)
    show(
        "P-49",
        requests=len(said.answers),
        canaries=len(everything),
        log_lines=said.log.count("\n"),
        logged=len(logged),
        traced=len(in_traces),
        tables=len(said.tables),
    )

    assert logged == []
    assert basic not in said.log
    assert in_traces == []
    assert said.tables == {}


def test_no_answer_tells_a_secret_but_the_one_that_was_asked_for(said: Said) -> None:
    told = {
        (what, name)
        for what, answer in said.answers
        for name in hits(said.secrets, [n for n in said.secrets if n not in {"header", "query", "field"}], answer)
        if not (what.startswith("me") and name == "csrf") and SHOWN.get(name) != what
    }

    assert told == set()


def test_no_answer_tells_how_it_is_made(said: Said) -> None:
    shown = {
        what: found[0]
        for what, answer in said.answers
        if what not in {"openapi", "docs"} and (found := INTERNALS.search(answer))
    }

    assert shown == {}


def test_what_was_broken_is_told_to_the_log_and_not_to_the_client(said: Said) -> None:
    broken = ("a row refused", "a posting fails", "a read fails", "a login fails")
    answers = {what: answer for what, answer in said.answers if what in broken}
    logged = [json.loads(line) for line in said.log.splitlines() if '"exception"' in line]

    assert {answer[9:12] for answer in answers.values()} == {b"500"}
    assert len(logged) >= len(broken)


def test_no_text_makes_a_line_of_the_log_or_moves_a_terminal(said: Said) -> None:
    entries = [json.loads(line) for line in said.log.split("\n") if line]

    assert all(isinstance(entry, dict) and entry["event"] != "forged" for entry in entries)
    assert [c for c in set(said.log) if not c.isprintable() and c != "\n"] == []


def test_no_text_makes_a_head_of_an_answer(said: Said) -> None:
    assert [what for what, answer in said.answers if b"forged=1" in answer.partition(b"\r\n\r\n")[0]] == []
