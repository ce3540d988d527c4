"""What people call things, and what spreadsheets make of dates and numbers, in requests and files."""

from http import HTTPStatus
from typing import Any

import asyncpg

from tests.e2e.import_api.programs import CONTINUE, EXACT, Program, csv_of, finished, message_of

type Connection = asyncpg.Connection[Any]

NAMES = (
    'Cuvée "Réserve"',
    "O'Brien / Sons",
    "50% & more; less",
    "=SUM(A1)",
    "-1",
    "Ünïcôdé 葡萄酒 🍷",
    "a\\b",
    "../../etc",
    "null",
    "x, y",
)


async def test_names_are_what_people_call_things(admin: Connection, fresh: Program) -> None:
    company, facts = fresh.company, fresh.company.facts
    for name in NAMES:
        await admin.execute(
            """
            WITH made AS (
                INSERT INTO products (tenant_id, id, sku, name, uom_id)
                VALUES ($1, gen_random_uuid(), $2, $2, $3::uuid) RETURNING id
            ), lot AS (
                INSERT INTO lots (tenant_id, id, product_id, number, is_default)
                SELECT $1, gen_random_uuid(), id, '', true FROM made
            )
            INSERT INTO bins (tenant_id, id, location_id, code, name)
            VALUES ($1, gen_random_uuid(), $4::uuid, $2, $2)
            """,
            company.tenant_id,
            name,
            facts["uomId"],
            facts["locationId"],
        )
    records = [fresh.record(n, item_name=f"{name}  ", bin_name=name) for n, name in enumerate(NAMES, 1)]
    safe = [
        {**one, "item_name": spreadsheet(one["item_name"]), "bin_name": spreadsheet(one["bin_name"])}
        for one in records
    ]
    answers = [
        fresh.process(*records, query="?dry_run=true"),
        *(fresh.upload(csv_of(*rows), to="inventory/import/process?dry_run=true") for rows in (records, safe)),
    ]

    for answer in answers:
        assert answer.status_code == HTTPStatus.OK, answer.text
        content = answer.json()["content"]
        assert content["errors"] == []
        assert [row["item_name"] for row in content["rows"]] == list(NAMES)
    assert fresh.process(*records).json()["content"]["created"] == len(NAMES)


def spreadsheet(text: object) -> str:
    """A cell as our own files have it: no spreadsheet runs it."""
    return f"'{text}" if str(text)[:1] in "=+-@" else str(text)


def test_json_has_the_limit_of_all_bodies(program: Program) -> None:
    answer = program.process(program.record(note="x" * (1 << 20)))

    assert answer.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    assert message_of(answer)


def test_what_the_world_writes_is_taken_or_told_by_row(program: Program) -> None:
    dated, serial = program.record(1, date_filled="02/01/2026"), program.record(1, date_filled="46054")
    comma = program.record("1.234,5")
    good = program.record(2, date_filled="2026-02-03")
    content = "\ufeff" + csv_of(good, dated, serial, comma).replace("\r\n", "\n") + "\n,,,,,\n"
    answer = program.upload(
        content, name="STOCK.CSV", to="inventory/import/process?dry_run=true", kind="text/plain"
    )

    assert answer.status_code == HTTPStatus.OK, answer.text
    told = {error["row"]: error["message"] for error in answer.json()["content"]["errors"]}
    assert told.keys() == {2, 3, 4}
    assert "YYYY-MM-DD" in told[2]
    assert "spreadsheet" in told[3]
    assert "decimals with a point" in told[4]
    assert answer.json()["content"]["rows"][0]["action"] == "create"


def test_a_day_or_a_name_that_cannot_be_kept_is_its_rows_fault_alone(program: Program) -> None:
    bad: list[dict[str, object]] = [
        {"date_filled": "0001-01-01"},
        {"date_filled": "9999-12-31"},
        {"item_name": "a\tb"},
        {"a\tb": 1},
    ]
    records = [program.record(n, **one) for n, one in enumerate(bad, 1)]
    good = program.record(9, date_filled="2023-05-05")

    sent = program.process(*records, good, arguments=CONTINUE)
    again = program.process({**good, "quantity": 8}, arguments=CONTINUE)
    file = program.upload(csv_of(*records[:3], {**good, "quantity": 7}), arguments={**EXACT, **CONTINUE})
    from_file = finished(program, file.json()["content"]["job_log_id"])

    assert sent.status_code == again.status_code == HTTPStatus.OK, sent.text
    assert sent.json()["content"]["created"] == 1
    assert [one["row"] for one in sent.json()["content"]["errors"]] == [0, 1, 2, 3]
    assert again.json()["content"]["updated"] == 1
    assert (from_file["result"]["updated"], from_file["result"]["failed"]) == (1, 3)
