"""`GET /api/audit` as its clients meet it: who did what to which thing, with before and after."""

import csv
import io
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest

from domain.access.credentials import new_api_key
from domain.access.model import Permission
from domain.cells import plain_text
from tests.e2e.api.company import Company, add_key, add_user, as_bearer, begin_session, master_key
from tests.e2e.api.conftest import Connection, Founding

PATH = "/api/audit"


class Auditor:
    """Reads one company's trail, and does things that leave a trace in it."""

    def __init__(self, http: httpx.AsyncClient, company: Company, headers: dict[str, str]) -> None:
        self.http = http
        self.company = company
        self.headers = headers

    async def trail(self, **query: Any) -> list[dict[str, Any]]:
        answer = await self.http.get(PATH, params=query, headers=self.headers)
        assert answer.status_code == 200, answer.text
        data: list[dict[str, Any]] = answer.json(parse_float=Decimal)["data"]
        return data

    async def category(self, code: str, **headers: str) -> str:
        body = {"code": code, "name": f"The {code}"}
        answer = await self.http.post("/api/categories", json=body, headers={**self.headers, **headers})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["data"]["id"])

    async def rename(self, category_id: str, name: str) -> None:
        path = f"/api/categories/{category_id}"
        answer = await self.http.patch(path, json={"name": name}, headers=self.headers)
        assert answer.status_code == 200, answer.text

    async def adjust(self, item: str, by: int, **headers: str) -> dict[str, Any]:
        body = {
            "inventoryItemId": self.company.facts[item],
            "type": "INCREASE" if by > 0 else "DECREASE",
            "quantity": abs(by),
            "reasonCodeId": self.company.facts["reasonCodeId"],
        }
        answer = await self.http.post("/api/inventory/adjust", json=body, headers={**self.headers, **headers})
        assert answer.status_code == 200, answer.text
        transaction: dict[str, Any] = answer.json(parse_float=Decimal)["transaction"]
        return transaction


@pytest.fixture
async def auditor(http: httpx.AsyncClient, admin: Connection, company: Company) -> Auditor:
    return Auditor(http, company, await master_key(admin, company))


async def test_a_change_is_on_record_with_what_it_was_before_and_after(auditor: Auditor) -> None:
    category_id = await auditor.category("TEA", **{"X-Request-ID": "makes-the-tea"})
    await auditor.rename(category_id, "Tea and infusions")

    changed, created = await auditor.trail(entityId=category_id)

    assert (created["action"], created["entityType"], created["outcome"]) == (
        "category.created",
        "category",
        "DONE",
    )
    assert (created["requestId"], created["before"]) == ("makes-the-tea", None)
    assert created["after"]["name"] == "The TEA"
    assert created["keyId"] == created["actorId"]
    assert created["sessionId"] is None
    assert changed["action"] == "category.changed"
    assert changed["before"] == {"name": "The TEA", "version": 1}
    assert changed["after"] == {"name": "Tea and infusions", "version": 2}


async def test_a_posting_is_a_record_with_the_stock_of_its_lines(auditor: Auditor) -> None:
    transaction = await auditor.adjust("inventoryItemId", 3, **{"X-Request-ID": "finds-three-more"})

    (record,) = await auditor.trail(requestId="finds-three-more")

    assert (record["action"], record["entityType"]) == ("inventory.adjusted", "posting")
    assert record["entityId"] == transaction["id"]
    assert record["keyId"] == record["actorId"]
    assert record["locationIds"] == [auditor.company.facts["locationId"]]
    (before,), (after,) = record["before"]["lines"], record["after"]["lines"]
    assert before["quantityOnHand"] == transaction["qtyBefore"]
    assert after["quantityOnHand"] == transaction["qtyAfter"]
    assert after["inventoryItemId"] == before["inventoryItemId"] == auditor.company.facts["inventoryItemId"]
    assert await auditor.trail(entityType="posting", entityId=transaction["id"]) == [record]
    assert record in await auditor.trail(action="inventory.adjusted", outcome="DONE")


async def test_what_is_asked_for_is_shown_and_nothing_else(
    auditor: Auditor, admin: Connection, http: httpx.AsyncClient
) -> None:
    other = Auditor(http, auditor.company, await master_key(admin, auditor.company))
    theirs = await other.category("COFFEE")
    mine = await auditor.category("TEA")
    await auditor.adjust("elsewhereItemId", 1)
    (made,) = await auditor.trail(entityType="category", entityId=mine)

    by_actor = await auditor.trail(actorId=made["actorId"])
    assert {record["actorId"] for record in by_actor} == {made["actorId"]}
    assert {record["entityType"] for record in by_actor} == {"category", "posting"}
    assert {r["entityType"] for r in await auditor.trail(entityType="category")} == {"category"}
    elsewhere = await auditor.trail(locationId=auditor.company.facts["otherLocationId"])
    assert elsewhere
    assert all(auditor.company.facts["otherLocationId"] in r["locationIds"] for r in elsewhere)
    since = await auditor.trail(**{"from": made["recordedAt"]})
    assert made in since
    assert theirs not in {record["entityId"] for record in since}
    until = {record["entityId"] for record in await auditor.trail(to=made["recordedAt"], limit=200)}
    assert theirs in until
    assert mine not in until
    assert await auditor.trail(action="inventory.adjusted", outcome="REFUSED") == []
    assert await auditor.trail(entityType="posting", entityId="no id at all") == []


async def test_the_list_is_paged_by_cursor_without_a_gap_or_a_repetition(auditor: Auditor) -> None:
    whole = await auditor.trail(limit=200)
    paged: list[dict[str, Any]] = []
    query: dict[str, Any] = {"limit": 7}
    while True:
        answer = (await auditor.http.get(PATH, params=query, headers=auditor.headers)).json(parse_float=Decimal)
        paged += answer["data"]
        if answer["pagination"]["nextCursor"] is None:
            break
        query["cursor"] = answer["pagination"]["nextCursor"]

    assert len(whole) > 20
    assert paged == whole
    assert whole == sorted(whole, key=lambda record: record["id"], reverse=True)
    strange = {"cursor": query["cursor"], "entityType": "category"}
    refused = await auditor.http.get(PATH, params=strange, headers=auditor.headers)
    assert refused.json()["details"]["code"] == "VALIDATION_ERROR"


async def test_who_may_look_at_one_location_is_shown_what_happened_there_alone(
    auditor: Auditor, admin: Connection
) -> None:
    here, elsewhere = (auditor.company.facts[name] for name in ("locationId", "otherLocationId"))
    await auditor.category("TEA")
    await auditor.adjust("inventoryItemId", 1)
    await auditor.adjust("elsewhereItemId", 1)
    key = await add_key(admin, auditor.company, [Permission.AUDIT_READ], location_ids=[UUID(here)])
    scoped = Auditor(auditor.http, auditor.company, as_bearer(key))

    seen = await scoped.trail(limit=200)

    assert {place for record in seen for place in record["locationIds"]} == {here}
    assert all(record["locationIds"] for record in seen)
    assert {"posting", "bin", "location"} <= {record["entityType"] for record in seen}
    assert await scoped.trail(locationId=elsewhere) == []
    assert await scoped.trail(entityType="category") == []


async def test_the_whole_list_comes_as_csv_that_no_spreadsheet_takes_for_a_formula(auditor: Auditor) -> None:
    evil = await auditor.category("=cmd|'/C calc'!A1")
    await auditor.adjust("inventoryItemId", -3, **{"X-Request-ID": "=HYPERLINK-evil-request"})
    whole = await auditor.trail(limit=200)

    answer = await auditor.http.get(PATH, params={"format": "csv", "limit": 1}, headers=auditor.headers)

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="audit.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert [row["id"] for row in rows] == [record["id"] for record in whole]
    assert {row["entityId"] for row in rows} >= {evil}
    cells = [cell for row in rows for cell in row.values()]
    assert not [cell for cell in cells if cell[:1] in "=+-@\t\r" and cell]
    request_ids = [row["requestId"] for row in rows]
    assert "=HYPERLINK-evil-request" in {plain_text(cell) for cell in request_ids}


async def test_what_somebody_was_kept_from_is_on_record_once(
    auditor: Auditor, admin: Connection, http: httpx.AsyncClient
) -> None:
    company = auditor.company
    viewer = await add_user(admin, company, "viewer")
    clerk = await add_user(admin, company, "controller", location_id=UUID(company.facts["locationId"]))
    session, scoped = [await begin_session(admin, company, user_id) for user_id in (viewer, clerk)]
    adjusting = {
        "inventoryItemId": company.facts["elsewhereItemId"],
        "type": "INCREASE",
        "quantity": 1,
        "reasonCodeId": company.facts["reasonCodeId"],
    }
    body = {"code": "NO", "name": "No"}

    for headers, path, sent in (
        ({**session.headers, "X-Request-ID": "lacks-permission"}, "/api/categories", body),
        ({**session.cookie, "X-Request-ID": "forged-request"}, "/api/categories", body),
        ({**scoped.headers, "X-Request-ID": "elsewhere-request"}, "/api/inventory/adjust", adjusting),
    ):
        answer = await http.post(path, json=sent, headers=headers)
        assert answer.status_code == 403, answer.text

    elsewhere, forged, lacking = await auditor.trail(outcome="REFUSED")
    assert [r["action"] for r in (lacking, forged, elsewhere)] == [
        "request.permission_denied",
        "request.csrf_failed",
        "request.location_denied",
    ]
    assert [r["requestId"] for r in (lacking, forged)] == ["lacks-permission", "forged-request"]
    assert lacking["actorId"] == forged["actorId"] == str(viewer)
    assert lacking["sessionId"] == forged["sessionId"] is not None
    assert lacking["after"]["permission"] == "products.write"
    assert (lacking["after"]["method"], lacking["after"]["route"]) == ("POST", "/api/categories")
    assert elsewhere["locationIds"] == [company.facts["otherLocationId"]]
    assert elsewhere["actorId"] == str(clerk)


async def test_a_refusal_is_on_record_whatever_is_in_its_address_but_for_a_key(
    auditor: Auditor, admin: Connection, http: httpx.AsyncClient
) -> None:
    viewer = await begin_session(admin, auditor.company, await add_user(admin, auditor.company, "viewer"))
    key = new_api_key()

    for code in ("a%00b", key):
        answer = await http.delete(f"/api/admin/roles/{code}", headers=viewer.headers)
        assert answer.status_code == 403, answer.text

    paths = [record["after"]["path"] for record in await auditor.trail(outcome="REFUSED")]
    assert len(paths) == 2
    assert paths[1] == "/api/admin/roles/a\ufffdb"
    assert paths[0].startswith("/api/admin/roles/")
    assert key[:20] not in paths[0]


async def test_an_id_from_the_end_of_time_is_nobody_s(auditor: Auditor) -> None:
    ends = int(datetime(9999, 12, 31, 23, 30, tzinfo=UTC).timestamp()) * 1000

    assert await auditor.trail(requestId=f"{ends:012x}7000800000000000000000"[:32]) == []


async def test_another_company_s_things_have_no_trail(
    auditor: Auditor, admin: Connection, http: httpx.AsyncClient, found: Founding
) -> None:
    stranger = await found()
    theirs = Auditor(http, stranger, await master_key(admin, stranger))
    category_id = await theirs.category("TEA")
    transaction = await theirs.adjust("inventoryItemId", 1)
    (record,) = await theirs.trail(entityId=category_id)

    assert await auditor.trail(entityId=category_id) == []
    assert await auditor.trail(entityType="posting", entityId=transaction["id"]) == []
    assert await auditor.trail(actorId=record["actorId"]) == []
    assert await auditor.trail(requestId=record["requestId"]) == []


async def test_nobody_reads_the_trail_without_the_permission(
    http: httpx.AsyncClient, admin: Connection, company: Company
) -> None:
    key = as_bearer(await add_key(admin, company, [p for p in Permission if p != Permission.AUDIT_READ]))

    answer = await http.get(PATH, headers=key)

    assert answer.status_code == 403
    assert answer.json()["details"]["permission"] == "audit.read"
