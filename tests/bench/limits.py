"""What the application is measured against where the limit is no HTTP server: pgbench, and a password's hash."""

import math
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec

from infra.postgres import Running
from tests.bench.runs import Taken, percentiles
from tests.lab import DatabaseUrls

_WARM_PER_SECOND = 16
_POSTING, _LINE, _DELTA, _N = ("\x01posting\x01", "\x01line\x01", "\x01delta\x01", "\x01n\x01")


def pgbench_script(statement: str, arguments: tuple[Any, ...], *, lines: int, hot: bool, stride: int) -> str:
    """The application's own call of the ledger, on other lines each time.

    The text that it sends is taken apart and put together again by the database, with a new posting id, other
    lines and a delta of +1 or -1. Lines have ids that can be computed from a number (see tests/plans/stock.py).
    """
    heads, entries, brief = arguments
    (head,) = msgspec.json.decode(heads)
    each = msgspec.json.decode(entries)
    count, prefix = len(each), each[0]["line_id"][:24]
    number = "n" if count > 1 else "0"
    marks = {
        _POSTING: "uuidv7()",
        _LINE: f"lpad(to_hex((:line::bigint + {number} * {stride}) % {lines}), 12, '0')",
        _DELTA: ":delta",
        _N: number,
    }
    posting = _sql(f"[{_spaced({**head, 'id': _POSTING})}]", marks)
    entry = _sql(_spaced({**each[0], "line_id": prefix + _LINE, "delta": _DELTA, "n": _N}), marks)
    if count > 1:
        entry = f"(SELECT string_agg({entry}, ', ') FROM generate_series(0, {count - 1}) n)"
    call = statement.replace("$1", f"({posting})::jsonb").replace("$2", f"('[' || {entry} || ']')::jsonb")
    call = call.replace("$3", "true" if brief else "false")
    first = "0" if hot else f"random(0, {lines - 1})"
    return f"\\set line {first}\n\\set delta random(0, 1) * 2 - 1\n{' '.join(call.split())};\n"


def _spaced(value: dict[str, Any]) -> str:
    # pgbench takes `:true` for a variable, even within quotes; `: true` it leaves alone.
    text = msgspec.json.format(msgspec.json.encode(value), indent=0).decode()
    for mark in (_DELTA, _N):  # numbers stand without quotes
        text = text.replace(f'"{_escaped(mark)}"', mark)
    return text.replace(_escaped(_LINE), _LINE).replace(_escaped(_POSTING), _POSTING)


def _escaped(mark: str) -> str:
    return mark.replace("\x01", "\\u0001")


def _sql(text: str, marks: dict[str, str]) -> str:
    """A text with marks as an SQL expression."""
    parts = re.split("(\x01[a-z]+\x01)", text.replace("'", "''"))
    return " || ".join(marks.get(part) or f"'{part}'" for part in parts if part)


class Pgbench:
    """A script run by pgbench as the application's role, bound to the tenant, statements prepared."""

    def __init__(self, cluster: Running, urls: DatabaseUrls, tenant: str, script: str) -> None:
        self._program = cluster.binaries / "pgbench"
        self._urls = urls
        self._tenant = tenant
        self._script = script

    def run(self, *, connections: int, seconds: float, warm_seconds: float) -> Taken:
        """Latencies and rate of its last seconds, from the log that it keeps of every transaction.

        Each connection makes plans of its own before it is warm, so many of them warm up for longer.
        """
        with tempfile.TemporaryDirectory(prefix="storekeeper-bench-") as folder:
            script = Path(folder) / "script.sql"
            script.write_text(self._script)
            duration = math.ceil(seconds + warm_seconds + connections / _WARM_PER_SECOND)
            cpu = _children_cpu()
            ended = time.time() + duration  # its clock runs while it still connects
            done = subprocess.run(
                [
                    self._program,
                    "--no-vacuum",
                    "--protocol=prepared",
                    f"--client={connections}",
                    f"--jobs={min(2, connections)}",
                    f"--time={duration}",
                    f"--file={script}",
                    "--log",
                    f"--log-prefix={folder}/log",
                    self._urls.app_url,
                ],
                env={**os.environ, "PGOPTIONS": f"-c app.tenant={self._tenant} -c jit=off"},
                capture_output=True,
                check=False,
            )
            if done.returncode:
                raise RuntimeError(f"pgbench failed: {done.stderr.decode(errors='replace')[-2000:]}")
            cpu = _children_cpu() - cpu
            logged = [line.split() for file in Path(folder).glob("log.*") for line in file.open()]
        return _taken(logged, seconds=seconds, ended=ended, cpu=cpu * seconds / duration)


def _taken(logged: list[list[str]], *, seconds: float, ended: float, cpu: float) -> Taken:
    done = sorted((int(line[4]) + int(line[5]) / 1e6, int(line[2]) / 1000) for line in logged)
    counted = sorted(took for at, took in done if ended - seconds < at <= ended)
    if not counted:
        raise RuntimeError(f"pgbench finished nothing in its last {seconds} s")
    p50, p95, p99, longest = percentiles(counted)
    return Taken(
        began_at=ended - seconds,
        seconds=seconds,
        requests=len(counted),
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        max_ms=longest,
        sent=len(done),
        acknowledged=len(done),
        client_cpu=cpu,
    )


class Hashing:
    """The check of a password alone, in as many threads as the application gives it, in a process of its own."""

    def __init__(self, password: str, hashed: str, *, threads: int) -> None:
        self._password = password
        self._hashed = hashed
        self._threads = threads

    def run(self, *, connections: int, seconds: float, warm_seconds: float) -> Taken:
        asked = {"password": self._password, "hashed": self._hashed, "threads": min(self._threads, connections)}
        asked |= {"seconds": seconds, "warm_seconds": warm_seconds}
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.hashing"],
            input=msgspec.json.encode(asked),
            stdout=subprocess.PIPE,
            check=True,
        )
        return msgspec.json.decode(done.stdout, type=Taken)


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
