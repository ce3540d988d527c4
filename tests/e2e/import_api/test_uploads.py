"""Uploads are bounded and judged by what they contain; what the world writes is taken as documented (P-46)."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path

import msgspec
import pytest

from tests.e2e.import_api.programs import ALL, COLUMNS, Program, csv_of, message_of
from tests.e2e.import_api.uploads import FORM, LARGEST, Hostile, corpus, with_file
from tests.lab import Served
from tests.ledger.promises import show

HOSTILE = list(corpus())
GROWTH = 100 << 20


class Seen(msgspec.Struct):
    """Of all hostile uploads together."""

    refused: int = 0
    slowest: float = 0.0
    slowest_of: str = ""


SEEN = Seen()


def resident(pid: int, *, peak: bool = False) -> int:
    """A process's memory in bytes, as it is or at its highest."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(lines["VmHWM" if peak else "VmRSS"].split()[0]) << 10


@pytest.fixture(scope="module")
def memory(server: Served, program: Program) -> Iterator[None]:
    """Judges what the worker took at its highest while the tests of this module ran."""
    (worker,) = server.workers()
    for _ in range(3):  # what is loaded once, at the first upload, is no growth
        send(program, Hostile(what="first", body=with_file(b"x")))
    Path(f"/proc/{worker}/clear_refs").write_text("5")
    before = resident(worker)
    yield
    grown = resident(worker, peak=True) - before
    show(
        "P-46",
        uploads=len(HOSTILE),
        refused=SEEN.refused,
        slowest_ms=round(SEEN.slowest * 1000),
        slowest=SEEN.slowest_of,
        grown_mib=grown >> 20,
    )
    assert grown <= GROWTH


def send(program: Program, upload: Hostile) -> tuple[int, str]:
    """What an upload is answered with. A server that no longer listens must have answered all the same."""
    headers = {**program.headers, **({"Content-Type": upload.kind} if upload.kind else {})}
    began = time.monotonic()
    answer = program.http.post(program.path("inventory/import/process"), headers=headers, content=upload.body)
    spent = time.monotonic() - began
    if spent > SEEN.slowest:
        SEEN.slowest, SEEN.slowest_of = spent, upload.what
    said = message_of(answer) + "; " + "; ".join(str(error) for error in answer.json()["errors"])
    return answer.status_code, said


@pytest.mark.parametrize("upload", HOSTILE, ids=lambda upload: upload.what)
def test_a_hostile_upload_is_refused_with_a_reason(memory: None, program: Program, upload: Hostile) -> None:
    status, said = send(program, upload)

    assert (status, upload.says in said) == (upload.status, True), said
    SEEN.refused += 1


def test_large_ones_at_the_same_time_do_not_add_up(memory: None, program: Program) -> None:
    large = [upload for upload in HOSTILE if len(upload.body) > LARGEST]
    with ThreadPoolExecutor(max_workers=len(large)) as threads:
        answers = list(threads.map(lambda upload: send(program, upload), large))

    assert [status for status, _ in answers] == [upload.status for upload in large]


def test_the_messages_are_those_that_are_published(program: Program) -> None:
    wanted = {
        "called stock.xlsx": "Invalid file type. Only CSV files are allowed.",
        "a byte too many": "File size exceeds maximum allowed size of 10MB",
        "no mappings": "Field mappings are required",
        "a wrong target": "Invalid mapping target",
    }
    found = {
        upload.what: program.http.post(
            program.path("inventory/import/process"),
            headers={**program.headers, "Content-Type": FORM},
            content=upload.body,
        ).json()["message"]
        for upload in HOSTILE
        if upload.what in wanted
    }

    assert found == wanted


def test_a_file_at_the_limit_is_read(memory: None, program: Program) -> None:
    records = [program.record(n + 1, date_filled="2026-02-01", note="") for n in range(1_000)]
    columns = (*COLUMNS, "note")
    room = LARGEST - len(csv_of(*records, columns=columns))
    notes = ["n" * (room // 1_000 + (n < room % 1_000)) for n in range(1_000)]
    noted = [{**record, "note": note} for record, note in zip(records, notes, strict=True)]
    content = csv_of(*noted, columns=columns).encode()
    answer = program.upload(
        content,
        arguments=ALL,
        mappings={name: name for name in COLUMNS},
        to="inventory/import/process?dry_run=true",
    )

    assert len(content) == LARGEST
    assert answer.status_code == HTTPStatus.OK, answer.text
    assert answer.json()["content"]["total"] == 1_000
