import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest
import structlog

from infra.observability.logs import foreign_formatter, resolve_format
from infra.observability.masking import escape_controls, escape_json, mask_secrets
from infra.observability.requests import bind_request, method_label, request_id

CANARY = "c4n4ry"


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "newPassword",
        "Authorization",
        "Set-Cookie",
        "X-CSRF-Token",
        "apiKey",
        "api_key",
        "session",
        "dsn",
    ],
)
def test_the_value_of_a_key_that_sounds_secret_is_hidden(key: str) -> None:
    event = mask_secrets(None, "info", {"event": "login", key: CANARY, "deep": [{"more": {key: CANARY}}]})

    assert CANARY not in str(event)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"postgresql://clerk:{CANARY}@db/stock", "postgresql://clerk:***@db/stock"),
        (f"sent Authorization: Bearer {CANARY}", "sent Authorization: Bearer ***"),
        (f"/api/admin/api-keys/sk_live_{CANARY}", "/api/admin/api-keys/sk_live_***"),
        (f"accepted with sk_inv_{CANARY}", "accepted with sk_inv_***"),
        ("a key that begins with sk_live_aB3d", "a key that begins with sk_live_aB3d"),
        ("see http://127.0.0.1:8000/docs", "see http://127.0.0.1:8000/docs"),
    ],
)
def test_a_secret_inside_a_text_is_hidden_and_nothing_else(text: str, shown: str) -> None:
    assert mask_secrets(None, "info", {"event": text}) == {"event": shown}


def test_harmless_facts_stay_readable() -> None:
    facts = {"event": "posted", "sessions_open": 3, "status": 200, "password": None}

    assert mask_secrets(None, "info", dict(facts)) == facts


def test_no_text_forges_a_line_or_colours_a_terminal() -> None:
    event = escape_controls(
        None, "info", {"event": "bad\r\nroot logged in\x1b[31m\x00\u2028", "exception": "a\n\tb\x1b"}
    )

    assert event == {"event": r"bad\r\nroot logged in\x1b[31m\x00\u2028", "exception": "a\n\tb\\x1b"}


def test_json_carries_no_control_character_that_its_format_would_let_through() -> None:
    told = "a\x7f\x9b31m\u2028\u2029\u00e4\n"

    line = escape_json(json.dumps(told, ensure_ascii=False).encode())

    assert not set("\x7f\x9b\u2028\u2029\n") & set(line.decode())
    assert "\u00e4" in line.decode()
    assert json.loads(line) == told


def test_a_method_that_a_client_makes_up_makes_no_time_series() -> None:
    assert [method_label(method) for method in ("GET", "PATCH", "BREW", "get")] == [
        "GET",
        "PATCH",
        "OTHER",
        "OTHER",
    ]


def test_entries_of_other_libraries_come_out_as_one_json_line_with_the_request_id() -> None:
    bind_request(request_id="request-1")
    record = logging.LogRecord("asyncpg", logging.WARNING, __file__, 1, "lost %s\n", ("Bearer " + CANARY,), None)

    line = foreign_formatter("json").format(record)

    entry = json.loads(line)
    assert "\n" not in line
    assert entry["event"] == "lost Bearer ***\n"
    assert (entry["level"], entry["logger"], entry["request_id"]) == ("warning", "asyncpg", "request-1")
    assert entry["at"].endswith("Z")
    structlog.contextvars.clear_contextvars()


def test_an_exception_is_logged_without_the_values_of_its_variables() -> None:
    def fails() -> None:
        password = "c4n4" + "ry"
        raise ValueError(len(password))

    with pytest.raises(ValueError, match="6") as failure:
        fails()
    facts = (failure.type, failure.value, failure.tb)
    record = logging.LogRecord("app", logging.ERROR, __file__, 1, "failed", (), facts)
    line = foreign_formatter("json").format(record)

    assert CANARY not in line
    assert json.loads(line)["exception"][0]["exc_type"] == "ValueError"


@pytest.mark.parametrize("chosen", ["json", "console"])
def test_an_exception_is_logged_without_the_row_that_the_database_refused(
    chosen: Literal["json", "console"],
) -> None:
    refused = ValueError(f"null value in column\nDETAIL:  Failing row contains (1,\n{CANARY}).\nHINT:  {CANARY}")
    refused.__context__ = TypeError(f"invalid input for query argument $2: '{CANARY}' (expected int)")
    refused.__cause__ = ExceptionGroup("both", [ValueError(f'invalid input syntax for type uuid: "{CANARY}"')])
    record = logging.LogRecord("app", logging.ERROR, __file__, 1, "failed", (), (ValueError, refused, None))

    line = foreign_formatter(chosen).format(record)

    assert "null value in column" in line
    assert CANARY not in line


@pytest.mark.parametrize(
    "offered", [None, "", "short", "x" * 129, "has space in it", "line\nbreak-in-it", "ümläut-id"]
)
def test_a_request_id_unfit_for_a_log_is_replaced(offered: str | None) -> None:
    assert len(request_id(offered)) == 32
    assert request_id(offered) != offered


def test_a_request_id_that_the_caller_sent_is_kept() -> None:
    assert request_id("trace-0001") == "trace-0001"


def test_logs_are_json_wherever_no_terminal_reads_them() -> None:
    with Path(os.devnull).open("w") as pipe:
        assert resolve_format("auto", production=False, stream=pipe) == "json"
        assert resolve_format("console", production=True, stream=pipe) == "console"


WORKER = """
import sys
from infra.observability.metrics import DB_CONNECTIONS_IN_USE, LOGINS, render_metrics
LOGINS.labels("ok").inc(int(sys.argv[1]))
DB_CONNECTIONS_IN_USE.set(5)
print(render_metrics()[0].decode())
"""


def test_any_worker_answers_for_all_and_the_dead_count_only_for_what_they_did(tmp_path: Path) -> None:
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}

    said = [
        subprocess.run(
            [sys.executable, "-c", WORKER, times], env=environment, capture_output=True, text=True, check=True
        ).stdout
        for times in ("3", "4")
    ]

    assert 'storekeeper_logins_total{outcome="ok"} 3.0' in said[0]
    assert 'storekeeper_logins_total{outcome="ok"} 7.0' in said[1]
    assert "storekeeper_db_connections_in_use 5.0" in said[1]
