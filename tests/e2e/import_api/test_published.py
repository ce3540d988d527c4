"""The published requests, as a client sends them, and their answers."""

import asyncio
import json
from decimal import Decimal
from http import HTTPStatus
from typing import Any

import asyncpg
import httpx
import pytest

from infra.jobs.operating import run_job
from tests.e2e.api.company import PASSWORD, Company
from tests.e2e.import_api.programs import (
    ALL,
    CONTINUE,
    EXACT,
    PATIENCE,
    Program,
    csv_of,
    finished,
    message_of,
)
from tests.lab import DatabaseUrls

type Connection = asyncpg.Connection[Any]

CONTENT = {"total", "created", "updated", "unchanged", "failed", "errors", "job_status_link"}
ONLY_NEW = {**ALL, "allow_record_update": False}
ONLY_OLD = {**ALL, "allow_record_creation": False}


async def on_hand(admin: Connection, company: Company) -> Decimal:
    """Of the item without lots in its bin."""
    found: Decimal = await admin.fetchval(
        "SELECT on_hand FROM stock_lines WHERE tenant_id = $1 AND id = $2::uuid",
        company.tenant_id,
        company.facts["inventoryItemId"],
    )
    return found


def test_from_a_password_to_stock_with_nothing_but_http(company: Company, http: httpx.Client) -> None:
    token = http.post(
        f"/{company.slug}/api/v1/tokens/create", json={"email": company.facts["email"], "password": PASSWORD}
    ).json()["token"]
    body = {
        "source": "api",
        "arguments": {
            "allow_record_creation": True,
            "allow_record_update": True,
            "should_continue_on_error": False,
        },
        "payload": [
            {
                "item_name": company.facts["itemName"],
                "bin_name": company.facts["binName"],
                "lot_name": "",
                "date_filled": "2025-11-30",
                "quantity": 150.5,
                "uom": company.facts["uomName"],
            }
        ],
    }
    answer = http.post(
        f"/{company.slug}/api/v1/inventory/import/process",
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        content=json.dumps(body),
    )

    assert answer.status_code == HTTPStatus.OK, answer.text
    content = answer.json()["content"]
    assert content.keys() == CONTENT
    assert {name: content[name] for name in ("total", "created", "updated", "failed", "errors")} == {
        "total": 1,
        "created": 1,
        "updated": 0,
        "failed": 0,
        "errors": [],
    }
    status = http.get(content["job_status_link"], headers={"Authorization": f"Bearer {token}"})
    assert status.json()["content"]["status"] == "completed"


def test_a_csv_upload_is_queued_and_its_status_tells_how_it_went(program: Program) -> None:
    records = [program.record(7, date_filled=f"2025-10-{day:02}") for day in (1, 2)]
    lines = csv_of(*records, columns=("uom", "quantity", "item_name", "bin_name", "lot_name", "date_filled"))
    headers, _, rest = lines.partition("\r\n")
    ours = dict(zip(headers.split(","), ["Unit", "Qty", "Wine", "Tank", "Lot", "Filled"], strict=True))
    answer = program.upload(
        "\ufeff" + ",".join(ours.values()) + "\r\n" + rest,
        arguments=ALL,
        mappings={theirs: column for column, theirs in ours.items()},
    )

    assert answer.status_code == HTTPStatus.ACCEPTED, answer.text
    content = answer.json()["content"]
    assert content.keys() == {"job_log_id", "job_status_link"}
    done = finished(program, content["job_log_id"])
    assert {name: done[name] for name in ("status", "type", "description")} == {
        "status": "completed",
        "type": "inventory-import",
        "description": "Inventory Import",
    }
    assert done["progress"]["current_step"] is None
    assert done["progress"]["completed_steps"] == done["progress"]["total_steps"]
    assert done["user_id"] == str(program.user_id)
    assert done["timestamps"]["completed_at"].endswith("Z")
    assert (done["result"]["created"], done["result"]["failed"]) == (2, 0)
    assert {kind: len(files) for kind, files in done["files"].items()} == {
        "input": 1,
        "staging": 1,
        "output": 1,
        "errors": 0,
    }


def test_the_files_of_an_import_are_csv_and_the_input_is_untouched(program: Program) -> None:
    good = program.record(3, date_filled="2025-09-01")
    bad = program.record(4, item_name="=cmd|'/c calc'!A1", lot_name="+1")
    content = ("\ufeff" + csv_of(good, bad)).encode()
    job = program.upload(content, name='../../"estate".csv', arguments={**EXACT, **CONTINUE}).json()["content"]
    done = finished(program, job["job_log_id"])

    def lines(kind: str) -> list[str]:
        (address,) = done["files"][kind]
        answer = program.http.get(address, headers=program.headers)
        assert answer.headers["content-type"].startswith("text/csv")
        assert answer.headers["content-disposition"].startswith('attachment; filename="inventory_')
        return answer.text.splitlines()

    (untouched,) = done["files"]["input"]
    assert program.http.get(untouched, headers=program.headers).content == content
    assert len(lines("staging")) == 3
    assert len(lines("output")) == 2
    (_, rejected) = lines("errors")
    assert rejected.startswith("'=cmd|")
    assert "Item with name '=cmd|" in rejected
    assert done["status"] == "completed"
    assert program.http.get(untouched).status_code == HTTPStatus.UNAUTHORIZED
    assert program.get(f"imports/{job['job_log_id']}/files/passwords.csv").status_code == HTTPStatus.NOT_FOUND


@pytest.mark.parametrize("payload", [{}, {"item_name": "x"}, "text", 5, None])
def test_a_payload_that_is_no_list_is_refused_in_the_published_words(program: Program, payload: object) -> None:
    answer = program.post("inventory/import/process", {"source": "api", "arguments": ALL, "payload": payload})

    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert message_of(answer) == "Invalid payload structure"


def test_more_than_a_thousand_records_are_refused(program: Program) -> None:
    assert program.process(*[program.record()] * 1_001).status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert program.process(*[program.record()] * 1_000, query="?dry_run=true").status_code == HTTPStatus.OK


@pytest.mark.parametrize("lacking", ["source", "arguments", "payload"])
def test_what_a_request_must_have_is_told(program: Program, lacking: str) -> None:
    body = {"source": "api", "arguments": ALL, "payload": []}
    answers = [
        program.post("inventory/import/process", {name: body[name] for name in body if name != lacking}),
        program.post("inventory/import/process", {**body, "source": "erp"}),
        program.post("inventory/import/process", {**body, "arguments": {**ALL, "allow_record_update": 1}}),
        program.post("inventory/import/process", {**body, "argument": {}}),
    ]

    for answer in answers:
        assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
        assert message_of(answer)
    assert lacking in answers[0].text


def test_names_that_do_not_exist_are_told_by_row_in_the_published_words(program: Program) -> None:
    answer = program.process(
        program.record(item_name="Nothing"),
        program.record(bin_name="Nowhere"),
        program.record(lot_name="Never"),
        program.record(uom="Furlong"),
        program.record(item_name=program.company.facts["itemName"].upper()),
        program.record(date_filled="2026-03-01"),
        arguments=CONTINUE,
    )

    assert answer.status_code == HTTPStatus.OK
    content = answer.json()["content"]
    upper = program.company.facts["itemName"].upper()
    assert content["errors"] == [
        {"row": 0, "message": "Item with name 'Nothing' does not exist"},
        {"row": 1, "message": "Bin with name 'Nowhere' does not exist"},
        {"row": 2, "message": "Lot with name 'Never' does not exist"},
        {"row": 3, "message": "UOM with name 'Furlong' does not exist"},
        {"row": 4, "message": f"Item with name '{upper}' does not exist"},
    ]
    assert (content["created"], content["failed"]) == (1, 5)


async def test_one_bad_row_keeps_all_back_and_each_is_told(admin: Connection, fresh: Program) -> None:
    before = await on_hand(admin, fresh.company)
    answer = fresh.process(fresh.record(9), fresh.record(-1), fresh.record("9"), {"item_name": "x"}, "nonsense")

    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert message_of(answer)
    told = answer.json()
    assert {error["row"] for error in told["errors"]} == {1, 2, 3, 4}
    assert (told["content"]["created"], told["content"]["updated"], told["content"]["failed"]) == (0, 0, 4)
    assert await on_hand(admin, fresh.company) == before
    status = fresh.http.get(told["content"]["job_status_link"], headers=fresh.headers).json()["content"]
    assert status["status"] == "failed"
    assert status["files"]["errors"]


def test_what_may_be_created_and_updated_is_asked_row_by_row(program: Program) -> None:
    record = program.record(11, date_filled="2025-08-01")

    assert program.process(record, arguments=ONLY_OLD).status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert program.process(record, arguments=ONLY_NEW).json()["content"]["created"] == 1
    assert program.process(record, arguments=ONLY_NEW).status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert program.process({**record, "quantity": 12}, arguments=ONLY_OLD).json()["content"]["updated"] == 1


async def test_a_dry_run_tells_each_row_and_changes_nothing(admin: Connection, fresh: Program) -> None:
    old, same = fresh.record(5, date_filled="2025-07-01"), fresh.record(6, date_filled="2025-07-02")
    assert fresh.process(old, same).json()["content"]["created"] == 2
    before = await on_hand(admin, fresh.company)
    rows = [{**old, "quantity": 8}, same, fresh.record(1, date_filled="2025-07-03"), fresh.record(uom="x")]
    answers = [
        fresh.process(*rows, query="?dry_run=true"),
        fresh.upload(csv_of(*rows), to="inventory/import/process?dry_run=true"),
    ]

    for first, answer in enumerate(answers):
        assert answer.status_code == HTTPStatus.OK, answer.text
        content = answer.json()["content"]
        assert content["job_status_link"] is None
        assert [(row["row"], row["action"], row["old"], row["new"]) for row in content["rows"]][:3] == [
            (first, "update", 5, 8),
            (first + 1, "unchanged", 6, 6),
            (first + 2, "create", None, 1),
        ]
        assert content["rows"][3]["action"] == "error"
        assert [error["row"] for error in content["errors"]] == [first + 3]
    assert await on_hand(admin, fresh.company) == before


def test_an_import_under_a_key_happens_once(program: Program) -> None:
    record = program.record(2, date_filled="2025-06-01")
    key = {"Idempotency-Key": "season-2025-06"}
    first = program.process(record, **key)
    again = program.process(record, **key)
    other = program.process({**record, "quantity": 3}, **key)

    assert first.json()["content"]["created"] == 1
    assert (again.json(), again.headers["idempotency-replayed"]) == (first.json(), "true")
    assert (other.status_code, other.json().keys()) == (422, {"message", "errors"})


def test_an_upload_under_a_key_is_known_again_whatever_its_boundary(program: Program) -> None:
    content = csv_of(program.record(2, date_filled="2025-05-01"))
    key = {"Idempotency-Key": "upload-2025-05"}
    first, again = (program.upload(content, headers=key) for _ in range(2))
    other = program.upload(content + "\r\n", headers=key)

    assert first.status_code == again.status_code == HTTPStatus.ACCEPTED
    assert first.request.headers["content-type"] != again.request.headers["content-type"]
    assert (again.json(), again.headers["idempotency-replayed"]) == (first.json(), "true")
    assert other.status_code == HTTPStatus.UNPROCESSABLE_ENTITY


async def test_a_refresh_replaces_its_scope_and_nothing_else(admin: Connection, fresh: Program) -> None:
    facts = fresh.company.facts
    kept, gone = fresh.record(5, date_filled="2025-07-01"), fresh.record(6, date_filled="2025-07-02")
    assert fresh.process(kept, gone).json()["content"]["created"] == 2
    scope = {"items": [facts["itemName"]], "bins": [facts["binName"]]}
    body = {"source": "api", "arguments": ALL, "payload": [{**kept, "quantity": 9}], "scope": scope}

    careful = fresh.post("inventory/refresh", {**body, "max_change_percent": 0.5})
    assert careful.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    answer = fresh.post("inventory/refresh", body)
    assert answer.status_code == HTTPStatus.OK, answer.text
    assert await on_hand(admin, fresh.company) == 9
    nowhere = fresh.post("inventory/refresh", {**body, "scope": {}})
    assert nowhere.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    upload = fresh.upload(csv_of({**kept, "quantity": 4}), to="inventory/refresh", scope=json.dumps(scope))
    assert upload.status_code == HTTPStatus.ACCEPTED, upload.text
    assert finished(fresh, upload.json()["content"]["job_log_id"])["status"] == "completed"
    assert await on_hand(admin, fresh.company) == 4


async def test_a_batch_delete_takes_out_what_is_named_and_never_everything(
    admin: Connection, fresh: Program
) -> None:
    before = await on_hand(admin, fresh.company)
    one, two = fresh.record(5, date_filled="2025-07-01"), fresh.record(6, date_filled="2025-07-02")
    assert fresh.process(one, two).is_success
    name = fresh.company.facts["itemName"]

    nothing: list[dict[str, object]] = [{}, {"rows": []}, {"items": []}, {"rows": [], "force": False}]
    for body in nothing:
        refused = fresh.post("inventory/batch-delete", body)
        assert refused.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
        assert message_of(refused)
    unknown = fresh.post("inventory/batch-delete", {"rows": [{"item": "Nothing"}]})
    assert (unknown.status_code, unknown.json()["content"]["deleted_count"]) == (200, 0)
    wrong = {"items": [name], "date_filled_from": "2025-07-02", "date_filled_to": "2025-07-01"}
    assert fresh.post("inventory/batch-delete", wrong).status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    rows = {"rows": [{"item": name, "date_filled": "2025-07-01"}], "items": ["Nothing"]}
    assert fresh.post("inventory/batch-delete", rows).json()["content"]["deleted_count"] == 1
    days = {"items": [name], "date_filled_from": "2025-07-02", "date_filled_to": "2025-07-02"}
    deleted = fresh.post("inventory/batch-delete", days).json()["content"]
    assert deleted["deleted_count"] == 1
    assert await on_hand(admin, fresh.company) == before
    undone = fresh.post(deleted["job_status_link"].partition("/api/v1/")[2].replace("status/", "") + "/undo")
    assert (undone.status_code, undone.json()["content"]["restored"]) == (200, 1)
    assert await on_hand(admin, fresh.company) == before + 6


async def test_an_import_is_taken_back_as_one_group_and_only_once(admin: Connection, fresh: Program) -> None:
    before = await on_hand(admin, fresh.company)
    job = fresh.process(fresh.record(5), fresh.record(6, date_filled="2025-07-02")).json()["content"]
    path = job["job_status_link"].partition("/api/v1/")[2].replace("status/", "")
    first, again = (fresh.post(f"{path}/undo") for _ in range(2))

    assert first.json()["content"]["restored"] == 2
    assert await on_hand(admin, fresh.company) == before
    assert again.status_code == HTTPStatus.CONFLICT
    assert message_of(again)


async def test_an_import_that_others_have_gone_on_from_is_not_taken_back_and_told_why(
    admin: Connection, fresh: Program
) -> None:
    record = fresh.record(5, date_filled="2025-07-04")
    job = fresh.process(record).json()["content"]
    assert fresh.process({**record, "quantity": 6}).is_success
    blocked = fresh.post(job["job_status_link"].partition("/api/v1/")[2].replace("status/", "") + "/undo")

    assert blocked.status_code == HTTPStatus.CONFLICT
    assert message_of(blocked)
    (told,) = blocked.json()["errors"]
    assert fresh.company.facts["itemName"] in told["message"]
    assert "2025-07-04" in told["message"]


async def test_an_import_that_is_no_longer_kept_says_so_instead_of_its_files_and_of_being_undone(
    admin: Connection, urls: DatabaseUrls, fresh: Program
) -> None:
    job = fresh.process(fresh.record(5)).json()["content"]
    status = job["job_status_link"].partition("/api/v1/")[2]
    path = status.replace("status/", "")
    files = fresh.get(status).json()["content"]["files"]
    aged = "UPDATE {} = now() - interval '91 days' WHERE {} = $1::text::uuid"
    await admin.execute(aged.format("imports SET created_at", "job_id"), path.removeprefix("imports/"))
    await admin.execute(aged.format("jobs SET completed_at", "id"), path.removeprefix("imports/"))

    id_ = await run_job(urls.app_url, urls.admin_url, tenant=fresh.company.slug, type_="housekeeping")
    async with asyncio.timeout(PATIENCE):
        while await admin.fetchval("SELECT completed_at FROM jobs WHERE id = $1", id_) is None:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    left = fresh.get(status)
    file, undone = fresh.get(f"{path}/files/inventory_staging.csv"), fresh.post(f"{path}/undo")

    assert files["staging"]
    assert (left.status_code, left.json()["content"]["status"]) == (HTTPStatus.OK, "completed")
    assert not any(left.json()["content"]["files"].values())
    assert (file.status_code, message_of(file)) == (
        HTTPStatus.NOT_FOUND,
        "The files of this import are no longer kept",
    )
    assert undone.status_code == HTTPStatus.CONFLICT
    assert "no longer kept" in message_of(undone)


def test_what_is_not_there_is_404_for_every_address(program: Program) -> None:
    missing = "imports/0198c0de-0000-7000-8000-000000000000"

    assert program.get(f"imports/status/{missing[8:]}").status_code == HTTPStatus.NOT_FOUND
    assert program.get(f"{missing}/files/inventory_untouched.csv").status_code == HTTPStatus.NOT_FOUND
    assert program.post(f"{missing}/undo").status_code == HTTPStatus.NOT_FOUND
    assert program.get("imports/status/1").status_code in {HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY}
    assert message_of(program.get("nothing/here"))


def test_what_can_be_imported_can_be_named_to_be_deleted(program: Program) -> None:
    item, day = program.company.facts["itemName"], "2025-07-09"
    long = [{"item": "x" * 300}, {"item": item, "bin": "b" * 265}]

    def deleted(body: object) -> int:
        answer = program.post("inventory/batch-delete", body)
        assert answer.status_code == HTTPStatus.OK, answer.text
        count: int = answer.json()["content"]["deleted_count"]
        return count

    assert deleted({"rows": long}) == 0
    for body in (
        {"rows": [{"item": item, "lot": "", "date_filled": day}]},
        {"items": [item], "lots": [""], "date_filled_from": day, "date_filled_to": day},
    ):
        assert program.process(program.record(5, date_filled=day)).is_success
        assert deleted(body) == 1
