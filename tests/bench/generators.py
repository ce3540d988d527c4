"""Who sends the load: `wrk` where there is one, else a process of our own."""

import math
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Protocol

import msgspec

from tests.bench.runs import Load, Taken

_SCRIPT = Path(__file__).with_name("wrk.lua")
_THREADS = 2


class Generator(Protocol):
    """Sends a load and tells what came of it."""

    @property
    def description(self) -> str: ...
    def run(self, load: Load) -> Taken: ...


class PythonGenerator:
    """`shooter.py` in a process of its own."""

    description = "a Python process of the benchmark's own (tests/bench/shooter.py): no compiled one was found"

    def run(self, load: Load) -> Taken:
        done = subprocess.run(
            [sys.executable, "-m", "tests.bench.shooter"],
            input=msgspec.json.encode(load),
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"the load generator failed: {done.stderr.decode(errors='replace')[-2000:]}")
        return msgspec.json.decode(done.stdout, type=Taken)


class WrkGenerator:
    """wrk with a script. It breaks off what is under way when its time is up, and takes whole seconds."""

    def __init__(self, program: str) -> None:
        self._program = program
        self.description = f"wrk ({program})"

    def run(self, load: Load) -> Taken:
        with tempfile.TemporaryDirectory(prefix="storekeeper-bench-") as folder:
            file = Path(folder) / "requests"
            file.write_text(_file(load))
            warm = self._shoot(load, file, load.warm_seconds)
            cpu = _children_cpu()
            real = self._shoot(load, file, load.seconds)
            ended_at = time.time()
            cpu = _children_cpu() - cpu
        return Taken(
            began_at=ended_at - real.microseconds / 1e6,
            seconds=real.microseconds / 1e6,
            requests=real.requests - real.refused,
            p50_ms=real.p50 / 1000,
            p95_ms=real.p95 / 1000,
            p99_ms=real.p99 / 1000,
            max_ms=real.max / 1000,
            sent=warm.sent + real.sent,
            acknowledged=warm.acknowledged + real.acknowledged,
            refused=warm.refused + real.refused,
            broken=warm.broken + real.broken,
            client_cpu=cpu,
        )

    def _shoot(self, load: Load, file: Path, seconds: float) -> "_Said":
        command = [
            self._program,
            f"--threads={min(_THREADS, load.connections)}",
            f"--connections={load.connections}",
            f"--duration={max(1, math.ceil(seconds))}s",
            "--timeout=30s",
            f"--script={_SCRIPT}",
            load.url,
            "--",
            str(file),
        ]
        done = subprocess.run(command, capture_output=True, check=True)
        return msgspec.json.decode(done.stdout.splitlines()[-1], type=_Said)


class _Said(msgspec.Struct, frozen=True):
    microseconds: int
    requests: int
    p50: int
    p95: int
    p99: int
    max: int
    sent: int
    refused: int
    broken: int

    @property
    def acknowledged(self) -> int:
        return self.requests - self.refused


def _file(load: Load) -> str:
    head = [f"{load.method} {path}" for path in load.paths]
    head += [f"{name}: {value}" for name, value in load.headers.items()]
    return "\n".join([*head, "", *load.bodies, ""])


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def choose_generator(*, python: bool) -> Generator:
    """The best there is on this machine; `python`: ours, whatever there is."""
    program = shutil.which("wrk")
    return PythonGenerator() if python or program is None else WrkGenerator(program)
