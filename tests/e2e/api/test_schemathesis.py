"""Schemathesis, a stranger to this project, finds nothing in the API that its document does not say."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.api.callers import KEY, TOKEN, everybody
from tests.e2e.api.company import Company
from tests.e2e.api.conftest import Connection
from tests.e2e.api.schemathesis_hooks import COMPANY
from tests.lab import Served
from tests.ledger.promises import show

ROOT = Path(__file__).parents[3]
CHECKS = (
    "no_fault",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "ignored_auth",
    "unsupported_method",
    "allow_header_conformance",
    "missing_required_header",
)
SEED = "45"


@pytest.mark.parametrize("who", ["key", "token"])
@pytest.mark.parametrize(
    ("phases", "examples"),
    [("examples,fuzzing", 5), pytest.param("examples,coverage,fuzzing", 500, marks=pytest.mark.long)],
    ids=["some", "many"],
)
async def test_schemathesis_finds_nothing(
    *, server: Served, admin: Connection, company: Company, tmp_path: Path, phases: str, examples: int, who: str
) -> None:
    caller = await everybody(admin, company)
    credentials = {
        "key": [f"--header=Authorization: {caller['Authorization']}", f"--header={KEY}: {caller[KEY]}"],
        "token": [f"--header=Authorization: Bearer {caller[TOKEN]}"],
    }
    of_imports = f"--{'in' if who == 'token' else 'ex'}clude-path-regex=^/[{{]tenant[}}]/"

    run = subprocess.run(  # noqa: ASYNC221 - nothing else happens in this loop meanwhile
        [
            Path(sys.executable).with_name("st"),
            "run",
            f"{server.url}/openapi.json",
            *credentials[who],
            of_imports,
            f"--checks={','.join(CHECKS)}",
            f"--phases={phases}",
            f"--max-examples={examples}",
            f"--seed={SEED}",
            "--generation-allow-x00=true",
            "--generation-database=none",
            # A key beside a cookie that was made up is a key: what the cookie says does not count.
            "--generation-with-security-parameters=false",
            "--exclude-operation-id=logout",  # the key that is used has no session to end
            "--continue-on-failure",
            "--no-color",
        ],
        cwd=tmp_path,
        env={
            **os.environ,
            COMPANY: json.dumps(company.facts),
            "PYTHONPATH": str(ROOT),
            "SCHEMATHESIS_HOOKS": "tests.e2e.api.schemathesis_hooks",
        },
        capture_output=True,
        text=True,
        check=False,
    )

    cases = re.search(r"([0-9]+) generated", run.stdout)
    assert run.returncode == 0, run.stdout + run.stderr
    assert cases is not None
    show("P-45", by="schemathesis", cases=int(cases[1]), failures=0)
