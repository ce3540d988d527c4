"""Programs that speak the import surface, as raw as they are: an address, a token, requests."""

import json
import time
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import msgspec

from tests.e2e.api.company import Company, add_token, add_user

PATIENCE = 90
"""Seconds that a job is waited for where everything else is busy."""
COLUMNS = ("item_name", "bin_name", "lot_name", "date_filled", "quantity", "uom")
ALL = {"allow_record_creation": True, "allow_record_update": True, "should_continue_on_error": False}
EXACT = {"headers_match_exactly": True, **ALL}
CONTINUE = {**ALL, "should_continue_on_error": True}


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """A client with a token."""

    http: httpx.Client
    company: Company
    user_id: UUID
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def path(self, rest: str) -> str:
        return f"/{self.company.slug}/api/v1/{rest}"

    def get(self, rest: str) -> httpx.Response:
        return self.http.get(self.path(rest), headers=self.headers)

    def post(self, rest: str, body: object = None, **headers: str) -> httpx.Response:
        more: dict[str, Any] = {} if body is None else {"json": body}
        return self.http.post(self.path(rest), headers={**self.headers, **headers}, **more)

    def upload(
        self,
        content: bytes | str,
        *,
        name: str = "stock.csv",
        arguments: object = EXACT,
        mappings: Mapping[str, str] | None = None,
        to: str = "inventory/import/process",
        kind: str = "text/csv",
        headers: Mapping[str, str] | None = None,
        **fields: str,
    ) -> httpx.Response:
        """A file as a form has it."""
        data = {"arguments": json.dumps(arguments), **fields}
        if mappings is not None:
            data["field_mappings"] = json.dumps(mappings)
        sent = content.encode() if isinstance(content, str) else content
        return self.http.post(
            self.path(to),
            headers={**self.headers, **(headers or {})},
            data=data,
            files={"file": (name, sent, kind)},
        )

    def record(self, quantity: object = 5, **other: object) -> dict[str, object]:
        """A record of the company's item without lots."""
        facts = self.company.facts
        return {
            "item_name": facts["itemName"],
            "bin_name": facts["binName"],
            "lot_name": "",
            "date_filled": "2026-01-31",
            "quantity": quantity,
            "uom": facts["uomName"],
            **other,
        }

    def process(
        self, *records: object, arguments: object = ALL, query: str = "", **headers: str
    ) -> httpx.Response:
        body = {"source": "api", "arguments": arguments, "payload": list(records)}
        return self.post(f"inventory/import/process{query}", body, **headers)


async def a_program(
    admin: "asyncpg.Connection[Any]", company: Company, http: httpx.Client, role: str, *, at: str | None = None
) -> Program:
    """Of somebody who holds a role, at one location or everywhere."""
    user_id = await add_user(admin, company, role, location_id=None if at is None else UUID(at))
    return Program(http=http, company=company, user_id=user_id, token=await add_token(admin, company, user_id))


def ask(http: httpx.Client, method: str, path: str, **more: Any) -> httpx.Response:
    """A request. It blocks: the server has processes of its own."""
    return http.request(method, path, **more)


def csv_of(*records: Mapping[str, object], columns: tuple[str, ...] = COLUMNS) -> str:
    """A file as a spreadsheet writes it."""
    lines = [",".join(columns), *(",".join(_cell(record[column]) for column in columns) for record in records)]
    return "\r\n".join(lines) + "\r\n"


def _cell(value: object) -> str:
    text = str(value)
    return '"' + text.replace('"', '""') + '"' if any(char in text for char in ',"\r\n') else text


def finished(program: Program, job_id: str) -> dict[str, Any]:
    """The status of a job when it has ended: asked for again and again, as programs do."""
    deadline = time.monotonic() + PATIENCE
    while True:
        answer = program.get(f"imports/status/{job_id}")
        assert answer.status_code == 200, answer.text
        assert answer.json()["message"] == "Job status retrieved successfully"
        content: dict[str, Any] = answer.json()["content"]
        if content["status"] in {"completed", "failed"}:
            return content
        assert content["status"] in {"pending", "processing"}
        assert time.monotonic() < deadline, f"the job has not ended in {PATIENCE} s: {content}"
        time.sleep(0.05)


def message_of(answer: httpx.Response) -> str:
    """What a refusal says; that it has the surface's shape, too."""
    body = answer.json()
    assert answer.headers["content-type"] == "application/json"
    assert {"message", "errors"} <= body.keys()
    assert isinstance(body["errors"], list)
    message = body["message"]
    assert isinstance(message, str)
    return message
