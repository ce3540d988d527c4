"""The server asked through its own client: no event loop needed, and none in the way."""

import os
import subprocess

from infra.postgres.cluster import HOST, SUPERUSER
from infra.postgres.errors import DatabaseTrouble
from infra.postgres.server import Running


def connection_of(running: Running) -> dict[str, str]:
    """The environment in which PostgreSQL's clients reach it as the superuser; no password in a command line."""
    return {
        "PATH": os.environ.get("PATH", ""),
        "LC_ALL": "C",
        "PGHOST": HOST,
        "PGPORT": str(running.port),
        "PGUSER": SUPERUSER,
        "PGPASSWORD": running.passwords[SUPERUSER],
        "PGAPPNAME": "storekeeper",
    }


def ask(running: Running, question: str, *, database: str = "postgres") -> str:
    """The one value that answers `question`; empty for NULL."""
    answer = subprocess.run(  # noqa: S603
        [
            str(running.binaries / "psql"),
            "--no-psqlrc",
            "--no-align",
            "--tuples-only",
            "--quiet",
            "--set=ON_ERROR_STOP=1",
            f"--dbname={database}",
            f"--command={question}",
        ],
        env=connection_of(running),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if answer.returncode:
        last = (answer.stderr.strip().splitlines() or ["psql said nothing"])[-1]
        raise DatabaseTrouble(f"The database does not answer: {last}")
    return answer.stdout.strip()
